package tabular

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// The longest that cells may be, in characters.
const (
	maxCode = 100
	// maxSource bounds the name of a data source, which an index holds.
	maxSource = 255
	maxName   = 1000
	maxType   = 10_000
	// maxField is room for schema.table.column, with quotes.
	maxField = 3*maxName + 100
)

// layout is one kind of file.
type layout[R any] struct {
	// noun is one row, as a reason begins with it.
	noun   string
	fields []field[R]
	// oneOf names columns of which one is needed.
	oneOf []string
	// place notes in the row where it stands; nil where the row has no room for it.
	place func(row *R, at schema.Place)
	// identity returns what tells the row from others of the file, the column to blame where two rows have the same, and advice for that
	// case. The key is empty where none of oneOf is given.
	identity func(row R) (key, column, advice string)
}

// wants returns which columns the header takes.
func (l layout[R]) wants() string {
	var needed, more []string
	for _, f := range l.fields {
		switch {
		case f.needed:
			needed = append(needed, f.name)
		case !slices.Contains(l.oneOf, f.name):
			more = append(more, f.name)
		}
	}
	if len(needed) == 0 {
		return "the header needs " + list(l.oneOf, "or") + ", and takes " + list(more, "and")
	}
	return "the header needs " + list(needed, "and") + ", and takes " + list(more, "and")
}

func attributes() layout[schema.Attribute] {
	type row = schema.Attribute
	return layout[row]{
		noun: "the attribute",
		fields: []field[row]{
			must(identity(label("attribute_name", maxName, func(r *row) *string { return &r.AttributeName }))),
			text("description", func(r *row) *string { return &r.Description }),
			label("data_type", maxType, func(r *row) *string { return &r.DataType }),
			identity(code("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber })),
			code("technical_line_item_name", maxName, func(r *row) *string { return &r.TechnicalLineItemName }),
			identity(code("mdrm", maxCode, func(r *row) *string { return &r.MDRM })),
			flag("is_mandatory", func(r *row) *bool { return &r.IsMandatory }),
			flag("is_cde", func(r *row) *bool { return &r.IsCDE }),
			flag("is_primary_key", func(r *row) *bool { return &r.IsPrimaryKey }),
			flag("has_issues", func(r *row) *bool { return &r.HasIssues }),
			text("validation_rules", func(r *row) *string { return &r.ValidationRules }),
		},
		identity: func(r row) (key, column, advice string) {
			switch {
			case r.LineItemNumber == "":
				column, advice = "attribute_name", "an attribute without a line_item_number is known by its name: give each a line_item_number, or remove one"
			case r.MDRM == "":
				column, advice = "line_item_number", "attributes with one line_item_number need an mdrm each, or remove one"
			default:
				column, advice = "mdrm", "an attribute is known by its line_item_number and its mdrm: correct one of the two rows, or remove it"
			}
			return schema.AttributeIdentity(r.LineItemNumber, r.MDRM, r.AttributeName), column, advice
		},
	}
}

func columns() layout[schema.ColumnRow] {
	type row = schema.ColumnRow
	return layout[row]{
		noun: "the column",
		fields: []field[row]{
			must(identity(label("data_source", maxSource, func(r *row) *string { return &r.DataSource }))),
			must(identity(code("schema", maxName, func(r *row) *string { return &r.SchemaName }))),
			must(identity(code("table", maxName, func(r *row) *string { return &r.TableName }))),
			must(identity(code("column", maxName, func(r *row) *string { return &r.ColumnName }))),
			label("data_type", maxType, func(r *row) *string { return &r.DataType }),
			text("description", func(r *row) *string { return &r.Description }),
		},
		identity: func(r row) (key, column, advice string) {
			return strings.Join([]string{r.DataSource, r.SchemaName, r.TableName, r.ColumnName}, "\x00"), "column", "remove one of the two rows"
		},
	}
}

func dataSources() layout[schema.DataSource] {
	type row = schema.DataSource
	return layout[row]{
		noun: "the data source",
		fields: []field[row]{
			must(identity(label("name", maxSource, func(r *row) *string { return &r.Name }))),
			text("description", func(r *row) *string { return &r.Description }),
		},
		identity: func(r row) (key, column, advice string) { return r.Name, "name", "remove one of the two" },
	}
}

func mappings() layout[schema.MappingRow] {
	type row = schema.MappingRow
	return layout[row]{
		noun:  "the mapping of the attribute",
		place: func(r *row, at schema.Place) { r.Line, r.Sheet = at.Line, at.Sheet },
		oneOf: []string{"attribute_name", "line_item_number"},
		fields: []field[row]{
			identity(label("attribute_name", maxName, func(r *row) *string { return &r.AttributeName })),
			identity(code("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber })),
			identity(code("mdrm", maxCode, func(r *row) *string { return &r.MDRM })),
			label("pde_name", maxName, func(r *row) *string { return &r.PDEName }),
			code("pde_code", maxName, func(r *row) *string { return &r.PDECode }),
			text("pde_description", func(r *row) *string { return &r.PDEDescription }),
			identity(label("data_source", maxSource, func(r *row) *string { return &r.DataSource })),
			identity(code("source_field", maxField, func(r *row) *string { return &r.SourceField })),
			choice("mapping_type", schema.MappingTypes(), func(r *row) *schema.MappingType { return &r.MappingType }),
			text("transformation_rule", func(r *row) *string { return &r.TransformationRule }),
			label("business_process", maxName, func(r *row) *string { return &r.BusinessProcess }),
			label("business_owner", maxName, func(r *row) *string { return &r.BusinessOwner }),
			label("data_steward", maxName, func(r *row) *string { return &r.DataSteward }),
			flag("mapping_confirmed_by_user", func(r *row) *bool { return &r.Confirmed }),
		},
		identity: func(r row) (key, column, advice string) {
			column, advice = "line_item_number", "remove one of the two rows"
			if r.LineItemNumber == "" {
				column = "attribute_name"
			}
			if r.LineItemNumber == "" && r.AttributeName == "" {
				return "", column, advice
			}
			return strings.Join([]string{r.LineItemNumber, r.MDRM, r.AttributeName}, "\x00"), column, advice
		},
	}
}
