package tabular

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
)

// The longest that cells may be, in characters: room for what forms and databases have, and an end to what would be a mistake.
const (
	maxCode = 50
	maxType = 100
	maxName = 255
	maxText = 4000
	// maxField is room for schema.table.column.
	maxField = 3*maxName + 2
)

// field is one column of a kind of file.
type field[R any] struct {
	name   string
	needed bool
	// read puts the cell, which is trimmed and not empty, into the row; it returns what would be right where the cell is wrong.
	read func(row *R, cell string) (reason string)
}

// layout is one kind of file.
type layout[R any] struct {
	// noun is one row, as a reason begins with it.
	noun   string
	fields []field[R]
	// oneOf names columns of which one is needed.
	oneOf []string
	// place tells the row in which line it stands; nil where it need not know.
	place func(row *R, line int)
	// identity is what the row is known by within the file, and the column to blame where it is there twice; key is empty where none of
	// oneOf is given.
	identity func(row R) (key, column string)
}

func (l layout[R]) index(name string) int {
	return slices.IndexFunc(l.fields, func(f field[R]) bool { return f.name == name })
}

// wants says which columns the header takes.
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
			must(word("attribute_name", maxName, func(r *row) *string { return &r.AttributeName })),
			text("description", func(r *row) *string { return &r.Description }),
			word("data_type", maxType, func(r *row) *string { return &r.DataType }),
			word("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber }),
			word("technical_line_item_name", maxName, func(r *row) *string { return &r.TechnicalLineItemName }),
			word("mdrm", maxCode, func(r *row) *string { return &r.MDRM }),
			flag("is_mandatory", func(r *row) *bool { return &r.IsMandatory }),
			flag("is_cde", func(r *row) *bool { return &r.IsCDE }),
			flag("is_primary_key", func(r *row) *bool { return &r.IsPrimaryKey }),
			flag("has_issues", func(r *row) *bool { return &r.HasIssues }),
			text("validation_rules", func(r *row) *string { return &r.ValidationRules }),
		},
		identity: func(r row) (key, column string) { return known(r.LineItemNumber, r.AttributeName) },
	}
}

func columns() layout[schema.ColumnRow] {
	type row = schema.ColumnRow
	return layout[row]{
		noun: "the column",
		fields: []field[row]{
			must(word("data_source", maxName, func(r *row) *string { return &r.DataSource })),
			must(word("schema", maxName, func(r *row) *string { return &r.SchemaName })),
			must(word("table", maxName, func(r *row) *string { return &r.TableName })),
			must(word("column", maxName, func(r *row) *string { return &r.ColumnName })),
			word("data_type", maxType, func(r *row) *string { return &r.DataType }),
			text("description", func(r *row) *string { return &r.Description }),
		},
		identity: func(r row) (key, column string) {
			return strings.Join([]string{r.DataSource, r.SchemaName, r.TableName, r.ColumnName}, "\x00"), "column"
		},
	}
}

func dataSources() layout[schema.DataSource] {
	type row = schema.DataSource
	return layout[row]{
		noun: "the data source",
		fields: []field[row]{
			must(word("name", maxName, func(r *row) *string { return &r.Name })),
			text("description", func(r *row) *string { return &r.Description }),
		},
		identity: func(r row) (key, column string) { return r.Name, "name" },
	}
}

func mappings() layout[schema.MappingRow] {
	type row = schema.MappingRow
	return layout[row]{
		noun:  "the mapping of the attribute",
		place: func(r *row, line int) { r.Line = line },
		oneOf: []string{"attribute_name", "line_item_number"},
		fields: []field[row]{
			word("attribute_name", maxName, func(r *row) *string { return &r.AttributeName }),
			word("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber }),
			word("pde_name", maxName, func(r *row) *string { return &r.PDEName }),
			word("pde_code", maxType, func(r *row) *string { return &r.PDECode }),
			text("pde_description", func(r *row) *string { return &r.PDEDescription }),
			word("data_source", maxName, func(r *row) *string { return &r.DataSource }),
			word("source_field", maxField, func(r *row) *string { return &r.SourceField }),
			choice("mapping_type", schema.MappingTypes(), func(r *row) *schema.MappingType { return &r.MappingType }),
			text("transformation_rule", func(r *row) *string { return &r.TransformationRule }),
			word("business_process", maxName, func(r *row) *string { return &r.BusinessProcess }),
			word("business_owner", maxName, func(r *row) *string { return &r.BusinessOwner }),
			word("data_steward", maxName, func(r *row) *string { return &r.DataSteward }),
			flag("mapping_confirmed_by_user", func(r *row) *bool { return &r.Confirmed }),
		},
		identity: func(r row) (key, column string) { return known(r.LineItemNumber, r.AttributeName) },
	}
}

// known is what an attribute is known by, and in which column that stands.
func known(lineItemNumber, name string) (key, column string) {
	switch {
	case lineItemNumber != "":
		return schema.AttributeIdentity(lineItemNumber, name), "line_item_number"
	case name != "":
		return schema.AttributeIdentity("", name), "attribute_name"
	default:
		return "", ""
	}
}

// must is the field, needed.
func must[R any](f field[R]) field[R] {
	f.needed = true
	return f
}

// word is a field of one line.
func word[R any](name string, most int, into func(*R) *string) field[R] {
	return field[R]{name: name, read: func(row *R, cell string) string {
		*into(row) = cell
		return wrong(cell, most, false)
	}}
}

// text is a field that may have several lines.
func text[R any](name string, into func(*R) *string) field[R] {
	return field[R]{name: name, read: func(row *R, cell string) string {
		*into(row) = cell
		return wrong(cell, maxText, true)
	}}
}

// flag is a field that says yes or no; an empty cell says no.
func flag[R any](name string, into func(*R) *bool) field[R] {
	return field[R]{name: name, read: func(row *R, cell string) string {
		switch strings.ToLower(cell) {
		case "true", "yes", "y", "1":
			*into(row) = true
		case "false", "no", "n", "0":
			*into(row) = false
		default:
			return "must be true, yes, y or 1, or else false, no, n or 0"
		}
		return ""
	}}
}

// choice is a field that takes one of a few values, in any case.
func choice[R any, V ~string](name string, values []V, into func(*R) *V) field[R] {
	return field[R]{name: name, read: func(row *R, cell string) string {
		var names []string
		for _, v := range values {
			if strings.EqualFold(string(v), cell) {
				*into(row) = v
				return ""
			}
			names = append(names, string(v))
		}
		return "must be " + list(names, "or")
	}}
}

const notUTF8 = "is not UTF-8 text; save the file as CSV UTF-8"

// wrong says what would be right where the text has what none may have.
func wrong(cell string, most int, lines bool) string {
	if !utf8.ValidString(cell) {
		return notUTF8
	}
	if utf8.RuneCountInString(cell) > most {
		return atMost(most)
	}
	for _, r := range cell {
		switch {
		case lines && (r == '\n' || r == '\t' || r == '\r'):
		case r == '\n' || r == '\r':
			return "must stand on one line"
		case unicode.IsControl(r):
			return "must not have control characters"
		case !lines && unicode.Is(unicode.Cf, r):
			return "must not have invisible characters"
		}
	}
	return ""
}
