package tabular

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// File is the content of a file that was read.
type File[R any] struct {
	Name string
	// Columns names the columns of the header, in the order in which this package lists them.
	Columns []string
	// Rows are in the order of the file. Places has the place of each row in the file.
	Rows   []R
	Places []schema.Place
	// Sheets names the sheets of a workbook that were read; Unread names the other sheets, unless they are empty.
	Sheets, Unread []string
	// HeaderLine is the line of the header in the first table that was read.
	HeaderLine int
	// cellOf has, by column, the index of the cell in a line of the first table.
	cellOf map[string]int
}

// Problem returns a problem with the value at a place of the file in a column.
func (f File[R]) Problem(place schema.Place, column, reason string) Problem {
	p := Problem{File: f.Name, Line: place.Line, Column: column, Reason: reason}
	if place.Sheet != "" {
		p.Cell = cellName(place.Sheet, f.cellOf[column], place.Line)
	}
	return p
}

// Sort puts problems of the file into the order of its sheets and lines.
func (f File[R]) Sort(problems []Problem) {
	sheet := func(p Problem) int {
		return slices.IndexFunc(f.Sheets, func(name string) bool {
			return strings.HasPrefix(p.Cell, sheetName(name)+"!")
		})
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(sheet(a), sheet(b)), cmp.Compare(a.Line, b.Line))
	})
}

// Attributes reads a file of attributes. An error is [Problems], or one of a temporary file.
func Attributes(name string, content []byte) (File[schema.Attribute], error) {
	return read(attributes(), name, content)
}

// Columns reads a file of source columns. An error is [Problems], or one of a temporary file.
func Columns(name string, content []byte) (File[schema.ColumnRow], error) {
	return read(columns(), name, content)
}

// Mappings reads a file of existing mappings. An error is [Problems], or one of a temporary file.
func Mappings(name string, content []byte) (File[schema.MappingRow], error) {
	return read(mappings(), name, content)
}

// CheckAttribute applies the rules for the values of an attribute in a file to an attribute from another source. It
// returns the attribute with normalized texts. Any error is [Problems] without file and line.
func CheckAttribute(attribute schema.Attribute) (schema.Attribute, error) {
	return check(attributeFields(), attribute)
}

// CheckColumn does for a source column what [CheckAttribute] does for an attribute. A name such as NA is no
// placeholder.
func CheckColumn(column schema.ColumnRow) (schema.ColumnRow, error) {
	fields := columns().fields
	for i := range fields {
		fields[i].identifies = false
	}
	return check(fields, column)
}

// CheckDataSource does for a data source what [CheckAttribute] does for an attribute.
func CheckDataSource(source schema.DataSource) (schema.DataSource, error) {
	return check(dataSourceFields(), source)
}

// CheckMapping does for the texts of a mapping what [CheckAttribute] does for an attribute.
func CheckMapping(row schema.MappingRow) (schema.MappingRow, error) {
	return check(mappings().fields, row)
}

// check normalizes the text fields of a row.
func check[R any](fields []field[R], row R) (R, error) {
	var problems Problems
	for _, f := range fields {
		if f.text == nil {
			continue // a flag or a choice already has its type
		}
		text := *f.text(&row)
		value, reason := f.normalize(text)
		if reason == "" && value == "" && f.required {
			reason = reasonEmpty
			if trimmed(text) != "" {
				reason += advicePlaceholder
			}
		}
		if reason != "" {
			problems.Add(Problem{Column: f.name, Reason: reason})
		}
		*f.text(&row) = value
	}
	return row, problems.err()
}

// read reads the rows of a file with this layout. Any problem refuses the file.
func read[R any](l layout[R], name string, content []byte) (File[R], error) {
	r := newReader(l, name)
	file, err := r.read(io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content))))
	if err == nil {
		err = r.problems.err()
	}
	if err != nil {
		return File[R]{}, err
	}
	return file, nil
}

// read reads the file. An error means that the file as a whole is refused; problems of rows are in the reader.
func (r *reader[R]) read(content *io.SectionReader) (File[R], error) {
	l, name := r.layout, r.file
	file := File[R]{Name: name}
	opened, err := open(name, content, l.limits, func(cell string) bool { return l.index(cell) >= 0 })
	if err != nil {
		return File[R]{}, r.fail(err)
	}
	defer func() { _ = opened.Close() }() // only read
	chosen, others, err := r.headers(opened.visible)
	if err != nil {
		return File[R]{}, r.fail(err)
	}
	file.Unread = append(others, opened.hidden...)
	for _, h := range chosen {
		if err := r.table(h); err != nil {
			return File[R]{}, r.fail(err)
		}
		if h.table.sheet != "" {
			file.Sheets = append(file.Sheets, h.table.sheet)
		}
	}
	if len(r.rows) == 0 && len(r.problems.First) == 0 {
		return File[R]{}, r.fail(errors.New("there are no rows under the header"))
	}
	if r.unusable {
		return File[R]{}, r.problems
	}
	file.Columns, file.HeaderLine = l.present(chosen[0].fields), chosen[0].record.line
	file.Rows, file.Places = r.rows, r.places
	file.cellOf = map[string]int{}
	for cell, field := range chosen[0].fields {
		if field >= 0 {
			file.cellOf[l.fields[field].name] = cell
		}
	}
	return file, nil
}
