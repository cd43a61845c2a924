package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// documentOutput is the OpenAPI document as JSON or YAML.
type documentOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// apiVersion is the version of the API, not of the program. Its first number is that of [prefix].
const apiVersion = "1.0.0"

// describeDocument sets the parts of the document that describe the API as a whole.
func describeDocument(document *huma.OpenAPI) {
	document.Info.Description = "Maps the attributes of regulatory reports to the columns that feed them, and " +
		"classifies them."
	document.Info.License = &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"}
	document.Servers = []*huma.Server{{URL: "/", Description: "The server of this document"}}
	document.Tags = []*huma.Tag{
		{Name: "planning", Description: "Reports, their attributes, and the data sources whose columns may feed them."},
		{Name: "mappings", Description: "Which column feeds which attribute, and how the mapping is classified."},
		{Name: "jobs", Description: "Background jobs that classify the mappings of a report."},
		{Name: "operating", Description: "Health of the process, and this document."},
	}
}

// describeProblems adds the problems of the operation to its responses: those of every operation with its role, method
// and path, and those in op.Errors.
func (s *Server) describeProblems(op *huma.Operation, role Role) {
	statuses := append([]int{http.StatusBadRequest, http.StatusInternalServerError}, op.Errors...)
	op.Errors = nil // huma would describe them with its own model
	if role != "" {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity,
			http.StatusServiceUnavailable)
	}
	if strings.Contains(op.Path, "{") {
		statuses = append(statuses, http.StatusNotFound)
	}
	if op.Method != http.MethodGet {
		statuses = append(statuses, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType)
	}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	for _, status := range statuses {
		if name := strconv.Itoa(status); op.Responses[name] == nil {
			op.Responses[name] = s.problemResponse(http.StatusText(status))
		}
	}
	if conflict := op.Responses[strconv.Itoa(http.StatusConflict)]; conflict != nil {
		conflict.Description += "; job_id is the active job of the report, if that is the reason"
	}
	op.Responses["default"] = s.problemResponse("Any other problem")
}

// describeNulls makes the schemas of nullable fields accept null: huma omits null from the values of an enum, and a
// field that refers to another schema has no type of its own.
func describeNulls(schemas huma.Registry) {
	for name, schema := range schemas.Map() {
		t := schemas.TypeFromRef("#/components/schemas/" + name)
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for _, field := range reflect.VisibleFields(t) {
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			property := schema.Properties[name]
			if property == nil || field.Type.Kind() != reflect.Pointer || strings.Contains(options, "omitempty") {
				continue
			}
			switch {
			case property.Ref != "":
				*property = huma.Schema{
					Description: property.Description,
					AnyOf:       []*huma.Schema{{Ref: property.Ref}, {Type: "null"}},
				}
			case len(property.Enum) > 0 && !slices.Contains(property.Enum, nil):
				property.Enum = append(slices.Clone(property.Enum), nil)
			}
		}
	}
}

// registerOpenAPI serves the OpenAPI document. It is rendered on the first request, when all routes are registered.
func (s *Server) registerOpenAPI() {
	document := func(name, contentType string, render func() ([]byte, error)) {
		once := sync.OnceValues(render)
		route(s, "", huma.Operation{
			OperationID: "openapi-" + name, Method: http.MethodGet, Path: "/openapi." + name,
			Tags:    []string{"operating"},
			Summary: "Describes all routes as OpenAPI 3.1",
			Responses: map[string]*huma.Response{"200": {
				Description: "The document",
				Content:     map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: "object"}}},
			}},
		}, func(context.Context, *struct{}) (*documentOutput, error) {
			body, err := once()
			if err != nil {
				return nil, fmt.Errorf("openapi document: %w", err)
			}
			return &documentOutput{ContentType: contentType, Body: body}, nil
		})
	}
	document("json", "application/openapi+json", func() ([]byte, error) { return json.Marshal(s.api.OpenAPI()) })
	document("yaml", "application/yaml", func() ([]byte, error) { return s.api.OpenAPI().YAML() })
}

// jsonResponse describes a response that is not in the type of the handler.
func (s *Server) jsonResponse(description string, t reflect.Type) *huma.Response {
	return &huma.Response{
		Description: description,
		Content: map[string]*huma.MediaType{
			jsonType: {Schema: s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())},
		},
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }
