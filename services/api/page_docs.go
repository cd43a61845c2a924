package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/services/api/desk"
)

// registerDocs registers the page of the OpenAPI document, which anyone may read. It is made of the document on the
// first request, when all routes are registered.
func (s *Server) registerDocs() {
	view := sync.OnceValues(s.docsView)
	s.router.Get("/docs", s.compressed(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin(w, r, maxBody) {
			return
		}
		if caller, problem := s.identify(r.Context(), credentials(r)); problem == nil {
			exchangeFrom(r.Context()).caller = caller
		}
		docs, err := view()
		if err != nil {
			s.writeRefusal(w, r, problemOf(r.Context(), err))
			return
		}
		s.writePage(w, r, http.StatusOK, docs)
	}))
}

// docsView returns the page of the document.
func (s *Server) docsView() (desk.Docs, error) {
	document := s.api.OpenAPI()
	view := desk.Docs{Version: document.Info.Version, Description: document.Info.Description}
	groups := map[string]*desk.DocsGroup{}
	for _, tag := range document.Tags {
		groups[tag.Name] = &desk.DocsGroup{Name: tag.Name, Description: tag.Description}
		view.Groups = append(view.Groups, groups[tag.Name])
	}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, operation := range operationsOf(document.Paths[path]) {
			shown, err := docsOperation(operation)
			if err != nil {
				return view, fmt.Errorf("operation %s: %w", operation.OperationID, err)
			}
			group := groups[operation.Tags[0]]
			group.Operations = append(group.Operations, shown)
		}
	}
	schemas := document.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		schema := schemas[name]
		view.Schemas = append(view.Schemas, desk.DocsSchema{
			Name: name, Description: schema.Description, Fields: docsFields(schema),
		})
	}
	return view, nil
}

func docsOperation(o *huma.Operation) (desk.DocsOperation, error) {
	shown := desk.DocsOperation{
		ID: o.OperationID, Method: o.Method, Path: o.Path, Summary: o.Summary, Description: o.Description,
	}
	if len(o.Security) > 0 {
		shown.Role = strings.Join(o.Security[0]["bearer"], ", ")
	}
	for _, p := range o.Parameters {
		field := docsField(p.Name, p.Schema, p.Required)
		field.In, field.Description = p.In, cmp.Or(p.Description, field.Description)
		shown.Parameters = append(shown.Parameters, field)
	}
	if o.RequestBody != nil {
		for _, kind := range slices.Sorted(maps.Keys(o.RequestBody.Content)) {
			media := o.RequestBody.Content[kind]
			shown.Body = append(shown.Body, desk.DocsContent{
				ContentType: kind, Type: typeName(media.Schema), Ref: refName(media.Schema),
				Fields: docsFields(media.Schema),
			})
		}
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		response := desk.DocsResponse{Status: status, Description: o.Responses[status].Description}
		for _, kind := range slices.Sorted(maps.Keys(o.Responses[status].Content)) {
			media := o.Responses[status].Content[kind]
			response.Content = append(response.Content, desk.DocsContent{
				ContentType: kind, Type: typeName(media.Schema), Ref: refName(media.Schema),
			})
			if media.Example != nil && response.Example == "" {
				text, err := json.MarshalIndent(media.Example, "", "  ")
				if err != nil {
					return shown, fmt.Errorf("example: %w", err)
				}
				response.Example = string(text)
			}
		}
		shown.Responses = append(shown.Responses, response)
	}
	var err error
	shown.Curl, err = curl(o)
	return shown, err
}

// docsFields returns the properties of an object that has no name of its own, or of a named schema.
func docsFields(s *huma.Schema) (fields []desk.DocsField) {
	if s == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		fields = append(fields, docsField(name, s.Properties[name], slices.Contains(s.Required, name)))
	}
	return fields
}

func docsField(name string, s *huma.Schema, required bool) desk.DocsField {
	field := desk.DocsField{Name: name, Required: required, Type: typeName(s), Ref: refName(s)}
	if s != nil {
		field.Description = s.Description
	}
	return field
}

// refName returns the name of the schema that a schema or its items refer to, or "".
func refName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case s.Items != nil:
		return refName(s.Items)
	}
	for _, part := range slices.Concat(s.AnyOf, s.OneOf) {
		if name := refName(part); name != "" {
			return name
		}
	}
	return ""
}

// typeName describes the type of a value, with its limits.
func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return refName(s)
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			if values[i] = fmt.Sprint(value); value == nil {
				values[i] = "null"
			}
		}
		return strings.Join(values, " | ")
	case len(s.AnyOf)+len(s.OneOf) > 0:
		var parts []string
		for _, part := range slices.Concat(s.AnyOf, s.OneOf) {
			parts = append(parts, typeName(part))
		}
		return strings.Join(parts, " | ")
	case s.Type == huma.TypeArray:
		return "array of " + typeName(s.Items)
	}
	text := cmp.Or(s.Format, s.Type)
	if s.Nullable {
		text += " | null"
	}
	if s.Minimum != nil {
		text += fmt.Sprintf(", from %v", *s.Minimum)
	}
	if s.Maximum != nil {
		text += fmt.Sprintf(", to %v", *s.Maximum)
	}
	if s.MaxLength != nil {
		text += fmt.Sprintf(", at most %d characters", *s.MaxLength)
	}
	if s.Default != nil {
		text += fmt.Sprintf(", by default %v", s.Default)
	}
	return text
}

// curl returns a request as a command, with the examples of the document.
func curl(o *huma.Operation) (string, error) {
	path := o.Path
	var query []string
	command := "curl"
	if o.Method != http.MethodGet {
		command += " -X " + o.Method
	}
	if len(o.Security) > 0 {
		command += ` -H "Authorization: Bearer $TOKEN"`
	}
	for _, p := range o.Parameters {
		switch value := fmt.Sprint(p.Example); {
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", value, 1)
		case p.In == "query" && p.Required:
			query = append(query, p.Name+"="+value)
		case p.Name == "If-Match":
			command += ` -H 'If-Match: "7"'`
		}
	}
	if o.RequestBody != nil {
		for kind, media := range o.RequestBody.Content {
			switch {
			case kind == jsonType:
				body, err := json.Marshal(media.Example)
				if err != nil {
					return "", fmt.Errorf("example of the body: %w", err)
				}
				command += ` -H "Content-Type: application/json" -d '` + string(body) + `'`
			case media.Schema != nil:
				part := slices.Sorted(maps.Keys(media.Schema.Properties))[0]
				command += fmt.Sprintf(" -F %s=@%s.csv", part, part)
			}
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return command + " 'http://127.0.0.1:8080" + path + "'", nil
}
