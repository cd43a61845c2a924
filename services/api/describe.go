package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// described returns the schema of the value at a location, such as query.limit or body.mapping_ids[3].
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

// resolved returns the schema to which a reference refers.
func (s *Server) resolved(schema *huma.Schema) *huma.Schema {
	if schema.Ref != "" {
		return s.api.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

func fieldsOf(schema *huma.Schema) []string {
	if schema == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(schema.Properties))
}

// valueOf describes a value of the schema, as in "must be ...".
func valueOf(schema *huma.Schema) string {
	if len(schema.Enum) > 0 {
		names := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			names[i] = fmt.Sprint(value)
		}
		return withNames("one of ", names)
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
		return "an object" + withNames(" with the fields ", fieldsOf(schema))
	default:
		text := "a text" + within(schema.MinLength, schema.MaxLength, " characters")
		if schema.Pattern == printableASCII {
			text += ", of printable ASCII"
		}
		return text
	}
}

// within describes the limits that are set.
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

// withNames returns the text followed by the names, or "" if there are none.
func withNames(text string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return text + strings.Join(names, ", ")
}
