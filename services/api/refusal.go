package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/schema"
)

// asProblem gives huma's own refusals the form of all others. It drops the rejected values that huma sends back.
func (s *Server) asProblem(ctx huma.Context, _ string, v any) (any, error) {
	refusal, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := refuse(kindOfStatus(refusal.Status), refusal.Detail)
	p.Status = refusal.Status
	for _, e := range refusal.Errors[:min(len(refusal.Errors), schema.MaxProblems)] {
		if e != nil {
			p.at(e.Location, s.rightFor(ctx.Operation(), e))
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	if more := len(refusal.Errors) - schema.MaxProblems; more > 0 {
		p.Detail += fmt.Sprintf("; the first %d of %d problems are listed", schema.MaxProblems, len(refusal.Errors))
	}
	switch refusal.Status {
	case http.StatusUnsupportedMediaType:
		p.Detail, p.Errors = "Send the body with Content-Type: application/json.", nil
	case http.StatusInternalServerError:
		p.Detail, p.Errors, p.cause = "", nil, refusal
	}
	return p.of(ctx.Context()), nil
}

// kindOfStatus is the kind of a refusal that huma makes before a handler is asked.
func kindOfStatus(status int) problemKind {
	switch status {
	case http.StatusBadRequest:
		return malformed
	case http.StatusNotAcceptable:
		return notAcceptable
	case http.StatusRequestTimeout:
		return bodyTimedOut
	case http.StatusRequestEntityTooLarge:
		return bodyTooLarge
	case http.StatusUnsupportedMediaType:
		return unknownContentType
	case http.StatusUnprocessableEntity:
		return invalid
	default:
		return internal
	}
}

// rightFor says what would be right where huma only says what is wrong.
func (s *Server) rightFor(op *huma.Operation, e *huma.ErrorDetail) string {
	switch {
	case e.Message == "unknown query parameter":
		return "there is no such parameter" + list("; the parameters are ", queryParameters(op))
	case strings.HasPrefix(e.Message, "expected required "):
		return e.Message
	case strings.HasPrefix(e.Message, "expected "), strings.HasPrefix(e.Message, "invalid "):
		if schema, found := s.described(op, e.Location); found {
			return "it has to be " + valueOf(schema)
		}
	}
	return e.Message
}

// list is the names behind the text, or nothing where there are none.
func list(text string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return text + strings.Join(names, ", ")
}

func queryParameters(op *huma.Operation) (names []string) {
	for _, p := range op.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

func fieldsOf(schema *huma.Schema) []string {
	if schema == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(schema.Properties))
}

// described looks up how the document describes the value at a location, such as query.limit or body.mapping_ids[3].
func (s *Server) described(op *huma.Operation, location string) (schema *huma.Schema, found bool) {
	in, name, _ := strings.Cut(location, ".")
	if in != "body" {
		for _, p := range op.Parameters {
			if p.In == in && strings.EqualFold(p.Name, name) {
				return s.resolved(p.Schema), true
			}
		}
		return nil, false
	}
	if op.RequestBody == nil || op.RequestBody.Content[jsonType] == nil {
		return nil, false
	}
	schema = s.resolved(op.RequestBody.Content[jsonType].Schema)
	for _, step := range strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '[' }) {
		next := schema.Properties[step]
		if strings.HasSuffix(step, "]") {
			next = schema.Items
		}
		if next == nil {
			return nil, false
		}
		schema = s.resolved(next)
	}
	return schema, true
}

// resolved follows a reference to where the schema is described.
func (s *Server) resolved(schema *huma.Schema) *huma.Schema {
	if schema.Ref != "" {
		return s.api.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// valueOf describes a value of the schema, as in "it has to be ...".
func valueOf(schema *huma.Schema) string {
	if len(schema.Enum) > 0 {
		names := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			names[i] = fmt.Sprint(value)
		}
		return list("one of ", names)
	}
	switch schema.Type {
	case huma.TypeInteger:
		return "a whole number" + within(schema.Minimum, schema.Maximum, "")
	case huma.TypeNumber:
		return "a number" + within(schema.Minimum, schema.Maximum, "")
	case huma.TypeBoolean:
		return "true or false"
	case huma.TypeArray:
		return "a list" + within(schema.MinItems, schema.MaxItems, " items")
	case huma.TypeObject:
		return "an object" + list(" with the fields ", fieldsOf(schema))
	default:
		text := "a text" + within(schema.MinLength, schema.MaxLength, " characters")
		if schema.Pattern == printable {
			text += ", of printable ASCII"
		}
		return text
	}
}

// within describes the limits that there are.
func within[N int | float64](low, high *N, unit string) string {
	from := " from"
	if unit != "" {
		from = " of"
	}
	switch {
	case low != nil && high != nil:
		return fmt.Sprintf("%s %v to %v%s", from, *low, *high, unit)
	case low != nil:
		if *low == 1 {
			unit = strings.TrimSuffix(unit, "s")
		}
		return fmt.Sprintf(" of at least %v%s", *low, unit)
	case high != nil:
		return fmt.Sprintf(" of at most %v%s", *high, unit)
	default:
		return ""
	}
}
