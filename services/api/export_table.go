package api

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

// exportColumn is a column of a table of mappings.
type exportColumn struct {
	name string
	// field is the index of the field in [Mapping], or -1 for a column that is empty in an export.
	field int
}

// exportColumns returns the columns of a table of mappings: the id and the version, the other fields in the order of
// the contract, and the two that a reviewer fills in.
func exportColumns() []exportColumn {
	var first, others []exportColumn
	mapping := reflect.TypeFor[Mapping]()
	for i := range mapping.NumField() {
		name, _, _ := strings.Cut(mapping.Field(i).Tag.Get("json"), ",")
		if name == "id" || name == "version" {
			first = append(first, exportColumn{name, i})
		} else {
			others = append(others, exportColumn{name, i})
		}
	}
	return slices.Concat(first, others, []exportColumn{{"decision", -1}, {"comment", -1}})
}

// csvExport writes mappings as CSV.
type csvExport struct {
	*tabular.CSVWriter
	columns []exportColumn
	row     []any
}

func newCSVExport(to io.Writer) (exportWriter, error) {
	columns := exportColumns()
	header := make([]string, len(columns))
	for i, column := range columns {
		header[i] = column.name
	}
	file, err := tabular.NewCSVWriter(to, header)
	return &csvExport{CSVWriter: file, columns: columns}, err
}

// Write implements exportWriter.
func (e *csvExport) Write(m Mapping) (err error) {
	if e.row, err = exportRow(e.row[:0], e.columns, &m); err != nil {
		return err
	}
	return e.CSVWriter.Write(e.row)
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
			return nil, fmt.Errorf("%s of mapping %s: %w", column.name, m.ID, err)
		}
		row = append(row, value)
	}
	return row, nil
}

// exportValue returns the value of a cell: a text, a number, a flag or a time; nil for null. A list is JSON, unless it
// is empty.
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
