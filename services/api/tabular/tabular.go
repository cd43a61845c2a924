package tabular

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File string
	// Line counts from 1, the header included; 0 where the file as a whole is wrong.
	Line int
	// Column is the name of the column; empty where the whole line is wrong.
	Column string
	// Reason says what would be right.
	Reason string
}

// String is the problem as a line of text.
func (p Problem) String() string {
	text := p.File
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d", text, p.Line)
	}
	if p.Column != "" {
		text += ": " + p.Column
	}
	return text + ": " + p.Reason
}

// Problems is everything that is wrong with a file, in its order.
type Problems []Problem

// Error implements error with one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// File is what was read from a file.
type File[R any] struct {
	// Columns names the columns that the header has, in the order in which this package knows them.
	Columns []string
	// Rows are in the order of the file.
	Rows []R
}

// Attributes reads a file of attributes. Any error is [Problems].
func Attributes(name string, content []byte) (File[schema.Attribute], error) {
	return read(attributes(), name, content)
}

// Columns reads a file of source columns. Any error is [Problems].
func Columns(name string, content []byte) (File[schema.ColumnRow], error) {
	return read(columns(), name, content)
}

// Mappings reads a file of existing mappings. Any error is [Problems].
func Mappings(name string, content []byte) (File[schema.MappingRow], error) {
	return read(mappings(), name, content)
}

// Attribute reads one attribute from its cells by column, and judges them as it does a file's row. Any error is [Problems], of which file
// and line are empty.
func Attribute(cells map[string]string) (schema.Attribute, error) {
	return readOne(attributes(), cells)
}

// DataSource reads one data source from its name and description, which it judges as it does the cells of a file. Any error is
// [Problems], of which file and line are empty.
func DataSource(cells map[string]string) (schema.DataSource, error) {
	return readOne(dataSources(), cells)
}

func readOne[R any](l layout[R], cells map[string]string) (R, error) {
	r := reader[R]{layout: l, seen: map[string]int{}}
	values := make([]string, len(l.fields))
	for i, f := range l.fields {
		r.at = append(r.at, i)
		values[i] = cells[f.name]
	}
	row, _ := r.row(record{cells: values})
	return row, r.problems.err()
}

func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// read reads the file's rows by the layout.
func read[R any](l layout[R], name string, content []byte) (File[R], error) {
	r := reader[R]{layout: l, file: name, seen: map[string]int{}}
	headed := false
	for rec, err := range records(name, content) {
		switch {
		case err != nil:
			r.add(rec.line, "", err.Error())
			return File[R]{}, r.problems
		case rec.empty():
			continue
		case !headed:
			if !r.header(rec) {
				return File[R]{}, r.problems
			}
			headed = true
			continue
		}
		if row, ok := r.row(rec); ok {
			r.rows = append(r.rows, row)
		}
		if len(r.problems) >= schema.MaxProblems {
			return File[R]{}, r.problems[:schema.MaxProblems]
		}
	}
	switch {
	case !headed:
		r.add(0, "", "the file is empty; "+l.wants())
	case len(r.rows) == 0 && len(r.problems) == 0:
		r.add(0, "", "there are no rows under the header")
	}
	if len(r.problems) > 0 {
		return File[R]{}, r.problems
	}
	return File[R]{Columns: r.present(), Rows: r.rows}, nil
}

// reader is one reading of a file.
type reader[R any] struct {
	layout layout[R]
	file   string
	// at says for each cell of a line which field of the layout it is; -1 where the header's cell is empty.
	at       []int
	seen     map[string]int
	rows     []R
	problems Problems
}

func (r *reader[R]) add(line int, column, reason string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Column: column, Reason: reason})
}

// present lists the columns of the header in the layout's order.
func (r *reader[R]) present() []string {
	var names []string
	for i, f := range r.layout.fields {
		if slices.Contains(r.at, i) {
			names = append(names, f.name)
		}
	}
	return names
}

// row reads one line; ok is false where something is wrong with it.
func (r *reader[R]) row(rec record) (row R, ok bool) {
	before := len(r.problems)
	if rec.exact && len(rec.cells) < len(r.at) {
		r.add(rec.line, "", fmt.Sprintf("the line has %d cells and the header has %d; write every separator, and quotes around a cell with a separator in it",
			len(rec.cells), len(r.at)))
		return row, false
	}
	if r.layout.place != nil {
		r.layout.place(&row, rec.line)
	}
	given := make([]bool, len(r.layout.fields))
	for i, cell := range rec.cells {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		if i >= len(r.at) || r.at[i] < 0 {
			r.add(rec.line, "", "there is a value under no column name; the header names every column, and quotes stand around a cell with a separator in it")
			return row, false
		}
		f := r.layout.fields[r.at[i]]
		given[r.at[i]] = true
		if reason := r.cell(f, &row, cell, rec); reason != "" {
			r.add(rec.line, f.name, reason)
		}
	}
	for i, f := range r.layout.fields {
		if f.needed && !given[i] {
			r.add(rec.line, f.name, "must not be empty")
		}
	}
	if len(r.problems) == before {
		r.identify(row, rec.line)
	}
	return row, len(r.problems) == before
}

func (r *reader[R]) cell(f field[R], row *R, cell string, rec record) string {
	if rec.formatted && slices.Contains(spreadsheetErrors, cell) {
		return "the spreadsheet shows an error here instead of a value"
	}
	return f.read(row, cell)
}

// identify adds a problem where the row is known by nothing, or by what an earlier one is known by.
func (r *reader[R]) identify(row R, line int) {
	key, column := r.layout.identity(row)
	if key == "" {
		r.add(line, "", "one of "+list(r.layout.oneOf, "or")+" must not be empty")
		return
	}
	if first, twice := r.seen[key]; twice {
		r.add(line, column, fmt.Sprintf("%s is already in line %d; each may stand in a file once", r.layout.noun, first))
		return
	}
	r.seen[key] = line
}
