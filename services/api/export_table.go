package api

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// exportColumn is a column of a table of mappings.
type exportColumn struct {
	tabular.SheetColumn
	// field is the index of the field in [Mapping], or -1 for a column that is empty in an export.
	field int
}

// isFlag reports whether the column has yes or no.
func (c exportColumn) isFlag() bool { return slices.Equal(c.Choices, flagChoices()) }

func flagChoices() []string { return []string{"TRUE", "FALSE"} }

// exportColumns returns the columns of a table of mappings: the id and the version, the other fields in the order of
// the contract, and the two that a reviewer fills in. The fields of [EditBody] are editable.
func exportColumns() []exportColumn {
	editable := editableFields()
	var first, others []exportColumn
	mapping := reflect.TypeFor[Mapping]()
	for i := range mapping.NumField() {
		field := mapping.Field(i)
		column := exportColumn{field: i, SheetColumn: tabular.SheetColumn{
			Name: jsonName(field), Width: exportWidth(jsonName(field), field.Type), About: field.Tag.Get("doc"),
			Choices: choicesOf(field),
		}}
		column.Editable = editable[column.Name]
		switch column.Name {
		case "id", "version":
			column.About += " The import of decisions needs it; do not change it."
			first = append(first, column)
			continue
		case "attribute_name":
			column.Frozen = true // with the ids before it, which are narrow
		case "information_security_classification":
			column.Colours = tierColours()
		}
		others = append(others, column)
	}
	decision, _ := reflect.TypeFor[ReviewBody]().FieldByName("Decision")
	return slices.Concat(first, others, []exportColumn{
		{field: -1, SheetColumn: tabular.SheetColumn{
			Name: decisionColumn, Width: 16, Editable: true, Choices: choicesOf(decision),
			About: "Your decision about the mapping as it is in this row; it needs the role manager.",
		}},
		{field: -1, SheetColumn: tabular.SheetColumn{
			Name: commentColumn, Width: 40, Editable: true, About: "The reason for your decision or your changes.",
		}},
	})
}

const (
	decisionColumn = "decision"
	commentColumn  = "comment"
)

// editableFields returns the names of the fields of a mapping that a person can set.
func editableFields() map[string]bool {
	fields := map[string]bool{}
	for field := range reflect.TypeFor[EditBody]().Fields() {
		fields[jsonName(field)] = true
	}
	return fields
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// choicesOf returns the values of an enumeration or of a flag; none for other fields.
func choicesOf(field reflect.StructField) []string {
	if values := field.Tag.Get("enum"); values != "" {
		return strings.Split(values, ",")
	}
	kind := field.Type
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind.Kind() == reflect.Bool {
		return flagChoices()
	}
	return nil
}

// exportWidth returns the width of a column with this name, for values of the type. Ids are not for reading.
func exportWidth(name string, of reflect.Type) int {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case name == "id", strings.HasSuffix(name, "_id"), name == "version":
		return 9
	case strings.HasSuffix(name, "_rationale"):
		return 60
	case of.Kind() == reflect.String && of.Name() == "string", of.Kind() == reflect.Slice:
		return 34
	case of.Kind() == reflect.String, of == reflect.TypeFor[time.Time]():
		return 20
	default:
		return 13
	}
}

// tierColours returns the colours of the tiers, from red to green.
func tierColours() []tabular.Colour {
	return []tabular.Colour{
		{Value: string(schema.TierHRCI), RGB: "F4B084"},
		{Value: string(schema.TierConfidential), RGB: "FFE699"},
		{Value: string(schema.TierProprietary), RGB: "DDEBF7"},
		{Value: string(schema.TierPublic), RGB: "C6E0B4"},
	}
}

// rowWriter writes the rows of a table.
type rowWriter interface {
	Write(row []any) error
	Close() error
}

// tableExport writes mappings as the rows of a table.
type tableExport struct {
	rowWriter
	columns []exportColumn
	row     []any
}

func newCSVExport(to io.Writer) (exportWriter, error) {
	columns := exportColumns()
	header := make([]string, len(columns))
	for i, column := range columns {
		header[i] = column.Name
	}
	file, err := tabular.NewCSVWriter(to, header)
	return &tableExport{rowWriter: file, columns: columns}, err
}

func newXLSXExport(to io.Writer, of ReportPath) (exportWriter, error) {
	columns := exportColumns()
	sheet := make([]tabular.SheetColumn, len(columns))
	for i, column := range columns {
		sheet[i] = column.SheetColumn
	}
	file, err := tabular.NewXLSXWriter(to, "Mappings", sheet, []string{
		fmt.Sprintf("The mappings of report %s in cycle %s, exported at %s.", of.ReportID, of.CycleID,
			time.Now().UTC().Format(time.RFC3339)),
		"The columns with a blue header can be changed. The other columns are for information.",
	})
	return &tableExport{rowWriter: file, columns: columns}, err
}

// Write implements exportWriter.
func (e *tableExport) Write(m Mapping) (err error) {
	if e.row, err = exportRow(e.row[:0], e.columns, &m); err != nil {
		return err
	}
	return e.rowWriter.Write(e.row)
}

// exportRow appends the values of the columns of the mapping to the row.
func exportRow(row []any, columns []exportColumn, m *Mapping) ([]any, error) {
	fields := reflect.ValueOf(m).Elem()
	for _, column := range columns {
		if column.field < 0 {
			row = append(row, nil)
			continue
		}
		value, err := exportValue(fields.Field(column.field))
		if err != nil {
			return nil, fmt.Errorf("%s of mapping %s: %w", column.Name, m.ID, err)
		}
		row = append(row, value)
	}
	return row, nil
}

// exportValue returns the value of a cell: a text, a number, a flag or a time; nil for null. A list is JSON, unless it
// is empty; the columns of a mapping are separated by commas.
func exportValue(field reflect.Value) (any, error) {
	if field.Kind() == reflect.Pointer {
		if field.IsNil() {
			return nil, nil
		}
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		return field.String(), nil
	case reflect.Int, reflect.Int64:
		return field.Int(), nil
	case reflect.Bool:
		return field.Bool(), nil
	case reflect.Slice:
		if field.Len() == 0 {
			return nil, nil
		}
		if columns, ok := field.Interface().(schema.SourceFields); ok {
			return columns.String(), nil
		}
		text, err := json.Marshal(field.Interface())
		return string(text), err
	default:
		at, isTime := field.Interface().(time.Time)
		if !isTime {
			return nil, fmt.Errorf("a %s cannot be exported", field.Type())
		}
		return at, nil
	}
}

// jsonExport writes a [MappingExport], one mapping a line.
type jsonExport struct {
	to        io.Writer
	separator string
}

func newJSONExport(to io.Writer, of ReportPath) (exportWriter, error) {
	empty, err := json.Marshal(MappingExport{CycleID: of.CycleID, ReportID: of.ReportID, Items: []Mapping{}})
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	_, err = io.WriteString(to, strings.TrimSuffix(string(empty), "]}"))
	return &jsonExport{to: to, separator: "\n"}, err
}

// Write implements exportWriter.
func (e *jsonExport) Write(m Mapping) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mapping %s: %w", m.ID, err)
	}
	_, err = e.to.Write(slices.Concat([]byte(e.separator), text))
	e.separator = ",\n"
	return err
}

// Close implements exportWriter.
func (e *jsonExport) Close() error {
	_, err := io.WriteString(e.to, "\n]}\n")
	return err
}
