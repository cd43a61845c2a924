package tabular

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Maximum lengths of values, in characters.
const (
	maxCode = 100
	// maxSource is small because the name of a data source is part of an index.
	maxSource = 255
	maxName   = 1000
	maxType   = 10_000
	// maxField allows for schema.table.column, with quotes.
	maxField = 3*maxName + 100
	// maxFields allows for a list of them.
	maxFields = schema.MaxSourceFields * maxField
)

// layout is one kind of file.
type layout[R any] struct {
	// noun is the subject of a reason about a row.
	noun   string
	fields []field[R]
	// oneOf names the columns of which at least one is required.
	oneOf []string
	// partial keeps the rows without problems of a file in which other rows have some.
	partial bool
	// limits bound the file.
	limits limits
	// keep stores elsewhere what a row need not hold in memory; nil if it holds everything.
	keep func(row *R) error
	// setPlace stores the place of the row in the row; nil if the row does not have one.
	setPlace func(row *R, place schema.Place)
	// identity returns the key that must be unique in the file, the column to report for a duplicate, and advice for
	// that case. The key is empty if the row has none of the columns in oneOf.
	identity func(row R) (key, column, advice string)
}

// accepted describes the columns that the header takes.
func (l layout[R]) accepted() string {
	var required, optional []string
	for _, f := range l.fields {
		switch {
		case f.required:
			required = append(required, f.name)
		case !slices.Contains(l.oneOf, f.name):
			optional = append(optional, f.name)
		}
	}
	needs := list(required, "and")
	if len(required) == 0 {
		needs = list(l.oneOf, "or")
	}
	return "the header needs " + needs + ", and takes " + list(optional, "and")
}

// hasRequired reports whether a header with these fields has every required column.
func (l layout[R]) hasRequired(fields []int) bool {
	for i, f := range l.fields {
		if f.required && !slices.Contains(fields, i) {
			return false
		}
	}
	return len(l.oneOf) == 0 || l.hasOneOf(fields)
}

func (l layout[R]) hasOneOf(fields []int) bool {
	return slices.ContainsFunc(l.oneOf, func(name string) bool { return slices.Contains(fields, l.index(name)) })
}

// present returns the names of the columns of a header, in the order of the layout.
func (l layout[R]) present(fields []int) []string {
	var names []string
	for i, f := range l.fields {
		if slices.Contains(fields, i) {
			names = append(names, f.name)
		}
	}
	return names
}

// index returns the index of the field that a cell of the header names, or -1. It ignores a remark in parentheses
// after the name: "is_cde (Y,N)".
func (l layout[R]) index(cell string) int {
	name := normalName(cell)
	named := func(f field[R]) bool { return f.name == name }
	i := slices.IndexFunc(l.fields, named)
	if remark := strings.IndexByte(name, '('); i < 0 && remark > 0 && strings.HasSuffix(name, ")") {
		name = strings.TrimRight(name[:remark], "_")
		i = slices.IndexFunc(l.fields, named)
	}
	return i
}

func attributes() layout[schema.Attribute] {
	return layout[schema.Attribute]{
		noun:   "the attribute",
		limits: usualLimits(),
		fields: attributeFields(),
		identity: func(r schema.Attribute) (key, column, advice string) {
			switch {
			case r.LineItemNumber == "":
				column = "attribute_name"
				advice = "an attribute without a line_item_number is identified by its name: " +
					"give each a line_item_number, or remove one"
			case r.MDRM == "":
				column = "line_item_number"
				advice = "attributes with one line_item_number need an mdrm each, or remove one"
			default:
				column = "mdrm"
				advice = "an attribute is identified by its line_item_number and its mdrm: " +
					"correct one of the two rows, or remove it"
			}
			return schema.AttributeIdentity(r.LineItemNumber, r.MDRM, r.AttributeName), column, advice
		},
	}
}

func attributeFields() []field[schema.Attribute] {
	type row = schema.Attribute
	return []field[row]{
		required(identifying(title("attribute_name", maxName, func(r *row) *string { return &r.AttributeName }))),
		prose("description", func(r *row) *string { return &r.Description }),
		title("data_type", maxType, func(r *row) *string { return &r.DataType }),
		identifying(code("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber })),
		code("technical_line_item_name", maxName, func(r *row) *string { return &r.TechnicalLineItemName }),
		identifying(code("mdrm", maxCode, func(r *row) *string { return &r.MDRM })),
		flag("is_mandatory", func(r *row) *bool { return &r.IsMandatory }),
		flag("is_cde", func(r *row) *bool { return &r.IsCDE }),
		flag("is_primary_key", func(r *row) *bool { return &r.IsPrimaryKey }),
		flag("has_issues", func(r *row) *bool { return &r.HasIssues }),
		prose("validation_rules", func(r *row) *string { return &r.ValidationRules }),
	}
}

func columns() layout[schema.ColumnRow] {
	type row = schema.ColumnRow
	return layout[row]{
		noun:   "the column",
		limits: usualLimits(),
		fields: []field[row]{
			required(identifying(title("data_source", maxSource, func(r *row) *string { return &r.DataSource }))),
			required(identifying(code("schema", maxName, func(r *row) *string { return &r.SchemaName }))),
			required(identifying(code("table", maxName, func(r *row) *string { return &r.TableName }))),
			required(identifying(code("column", maxName, func(r *row) *string { return &r.ColumnName }))),
			title("data_type", maxType, func(r *row) *string { return &r.DataType }),
			prose("description", func(r *row) *string { return &r.Description }),
		},
		identity: func(r row) (key, column, advice string) {
			key = strings.Join([]string{r.DataSource, r.SchemaName, r.TableName, r.ColumnName}, "\x00")
			return key, "column", "remove one of the two rows"
		},
	}
}

// dataSourceFields returns the fields of a data source. No file has data sources as rows.
func dataSourceFields() []field[schema.DataSource] {
	type row = schema.DataSource
	return []field[row]{
		required(identifying(title("name", maxSource, func(r *row) *string { return &r.Name }))),
		prose("description", func(r *row) *string { return &r.Description }),
	}
}

func mappings() layout[schema.MappingRow] {
	type row = schema.MappingRow
	return layout[row]{
		noun:     "the mapping of the attribute",
		limits:   usualLimits(),
		setPlace: func(r *row, place schema.Place) { r.Line, r.Sheet = place.Line, place.Sheet },
		oneOf:    []string{"attribute_name", "line_item_number"},
		fields: []field[row]{
			identifying(title("attribute_name", maxName, func(r *row) *string { return &r.AttributeName })),
			identifying(code("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber })),
			identifying(code("mdrm", maxCode, func(r *row) *string { return &r.MDRM })),
			title("pde_name", maxName, func(r *row) *string { return &r.PDEName }),
			code("pde_code", maxName, func(r *row) *string { return &r.PDECode }),
			prose("pde_description", func(r *row) *string { return &r.PDEDescription }),
			identifying(title("data_source", maxSource, func(r *row) *string { return &r.DataSource })),
			identifying(code("source_field", maxField, func(r *row) *string { return &r.SourceField })),
			sourceFields("source_fields", func(r *row) *schema.SourceFields { return &r.SourceFields }),
			choice("mapping_type", schema.MappingTypes(), func(r *row) *schema.MappingType { return &r.MappingType }),
			prose("transformation_rule", func(r *row) *string { return &r.TransformationRule }),
			title("business_process", maxName, func(r *row) *string { return &r.BusinessProcess }),
			title("business_owner", maxName, func(r *row) *string { return &r.BusinessOwner }),
			title("data_steward", maxName, func(r *row) *string { return &r.DataSteward }),
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
