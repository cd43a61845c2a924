package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// addExamples adds an example to each parameter, JSON body and JSON response of the document that has none. They are
// derived from the schemas, so they follow the Go types.
func addExamples(document *huma.OpenAPI) {
	e := exampler{schemas: document.Components.Schemas}
	for _, item := range document.Paths {
		for _, operation := range operationsOf(item) {
			for _, p := range operation.Parameters {
				if p.Example == nil && p.Schema != nil && p.Required {
					p.Example = e.of(p.Name, p.Schema, 0)
				}
			}
			if operation.RequestBody != nil {
				e.addTo(operation.RequestBody.Content)
			}
			for status, response := range operation.Responses {
				if strings.HasPrefix(status, "2") {
					e.addTo(response.Content)
				}
			}
		}
	}
}

// operationsOf returns the operations of a path by method, in the order of a page.
func operationsOf(item *huma.PathItem) (operations []*huma.Operation) {
	for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if operation != nil {
			operations = append(operations, operation)
		}
	}
	return operations
}

// exampler derives examples from schemas.
type exampler struct{ schemas huma.Registry }

func (e exampler) addTo(content map[string]*huma.MediaType) {
	media := content[jsonType]
	if media != nil && media.Example == nil && media.Schema != nil {
		media.Example = e.of("", media.Schema, 0)
	}
}

// maxExample is the depth at which an example ends: no type of the API is nested as deep.
const maxExample = 8

// of returns an example of a field with this name.
func (e exampler) of(name string, s *huma.Schema, depth int) any {
	if s.Ref != "" {
		s = e.schemas.SchemaFromRef(s.Ref)
	}
	switch {
	case s == nil || depth > maxExample:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return e.of(name, s.AnyOf[0], depth)
	case len(s.OneOf) > 0:
		return e.of(name, s.OneOf[0], depth)
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for field, property := range s.Properties {
			object[field] = e.of(field, property, depth+1)
		}
		return object
	case huma.TypeArray:
		return []any{e.of(strings.TrimSuffix(name, "s"), s.Items, depth+1)}
	case huma.TypeBoolean:
		return false
	case huma.TypeInteger, huma.TypeNumber:
		return exampleNumber(name, s)
	case huma.TypeString:
		return exampleText(name, s)
	}
	return nil
}

func exampleNumber(name string, s *huma.Schema) any {
	n := 1.0
	switch {
	case strings.HasSuffix(name, "cost_usd"):
		n = 0.25
	case strings.Contains(name, "confidence") || name == "score":
		n = 87
	case strings.Contains(name, "step") || strings.Contains(name, "count") || name == "succeeded":
		n = 118
	case name == "status":
		n = 404
	}
	if s.Minimum != nil {
		n = max(n, *s.Minimum)
	}
	if s.Maximum != nil {
		n = min(n, *s.Maximum)
	}
	if s.Type == huma.TypeInteger {
		return int(n)
	}
	return n
}

func exampleText(name string, s *huma.Schema) string {
	switch s.Format {
	case "date-time":
		return "2026-11-28T09:30:15Z"
	case "uri":
		return "urn:pdeflow:problem:job-active"
	}
	texts := map[string]string{
		"cycle_id": "2026-Q3", "from_cycle_id": "2026-Q2", "with": "2026-Q2", "report_id": "FR_Y_14M_D1",
		"name": "FR Y-14M Schedule D.1", "attribute_name": "Current Credit Limit", "line_item_number": "44",
		"source_field": "CARDS.ACCT.CR_LMT_AMT", "suggested_source_field": "CARDS.ACCT.CR_LMT_AMT",
		"data_source": "Cards Processing", "schema": "CARDS", "table": "ACCT", "column": "CR_LMT_AMT",
		"data_type": "DECIMAL(15,2)", "requested_by": "tess", "changed_by": "tess", "updated_by": "tess",
		"created_by": "tess", "reviewed_by": "mia", "If-Match": `"7"`, "ETag": `"7"`, "mdrm": "M097",
		"classified_by": "rules@1", "model": "claude-sonnet", "url": "postgres://reader@db.example.com/cards",
		"sort": "id",
	}
	if text, known := texts[name]; known {
		return text
	}
	if name == "id" || strings.HasSuffix(name, "_id") {
		return "01a221d4-6f1e-78da-a318-a82bfa1cf9f2"
	}
	text := "text"
	if s.MinLength != nil {
		for len(text) < *s.MinLength {
			text += " text"
		}
	}
	return text
}
