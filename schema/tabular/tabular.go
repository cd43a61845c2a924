package tabular

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Problem is one mistake in a file.
type Problem struct {
	File string
	// Cell is the reference of the cell in a workbook, such as Sheet1!B3; empty for a CSV file.
	Cell string
	// Line counts from 1, the header included; 0 where the file as a whole is wrong.
	Line int
	// Column is the name of the column; empty where the whole line is wrong.
	Column string
	// Reason explains what would be right. It never repeats a value of the file.
	Reason string
}

// Location returns where the problem is: the file, the line or the cell, and the column.
func (p Problem) Location() string {
	text := p.File
	switch {
	case p.Cell != "":
		text += ":" + p.Cell
	case p.Line > 0:
		text += fmt.Sprintf(":%d", p.Line)
	}
	if p.Column != "" {
		text += ": " + p.Column
	}
	return text
}

// String returns the problem as a line of text.
func (p Problem) String() string { return p.Location() + ": " + p.Reason }

// Problems are the mistakes in one or several files, in their order.
type Problems struct {
	// First has at most [schema.MaxProblems] of them.
	First []Problem
	// More counts the others.
	More int
}

// Add adds a problem, or only counts it if there are many.
func (p *Problems) Add(problem Problem) {
	if len(p.First) == schema.MaxProblems {
		p.More++
		return
	}
	p.First = append(p.First, problem)
}

// Error implements error with one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p.First))
	for i, problem := range p.First {
		lines[i] = problem.String()
	}
	if p.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", p.More))
	}
	return strings.Join(lines, "\n")
}

func (p Problems) err() error {
	if len(p.First) == 0 {
		return nil
	}
	return p
}

// File is what was read from a file.
type File[R any] struct {
	Name string
	// Columns names the columns that the header has, in the order in which this package lists them.
	Columns []string
	// Rows are in the order of the file, and Places has for each of them where it stands.
	Rows   []R
	Places []schema.Place
	// Sheets names the sheets of a workbook that were read, and Unread the others that hold anything or are hidden.
	Sheets, Unread []string
	// HeaderLine is the line of the header in the first table.
	HeaderLine int
	// at has the index of each field's cell in a line of the first table.
	at map[string]int
}

// Problem returns a problem with what the file has at a place in a column.
func (f File[R]) Problem(place schema.Place, column, reason string) Problem {
	p := Problem{File: f.Name, Line: place.Line, Column: column, Reason: reason}
	if place.Sheet != "" {
		p.Cell = cellName(place.Sheet, f.at[column], place.Line)
	}
	return p
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

// Attribute reads one attribute from its cells by column, with the same rules as for a row of a file. Any error is [Problems] without
// file and line.
func Attribute(cells map[string]string) (schema.Attribute, error) {
	return readOne(attributes(), cells)
}

// DataSource reads one data source from its name and description, with the rules for cells of a file. Any error is [Problems] without
// file and line.
func DataSource(cells map[string]string) (schema.DataSource, error) {
	return readOne(dataSources(), cells)
}

func readOne[R any](l layout[R], cells map[string]string) (R, error) {
	r := reader[R]{layout: l, seen: map[string]schema.Place{}}
	values := make([]cell, len(l.fields))
	for i, f := range l.fields {
		r.at = append(r.at, i)
		values[i].text = cells[f.name]
	}
	row, _ := r.row(record{cells: values})
	return row, r.problems.err()
}

// read reads the file's rows by the layout.
func read[R any](l layout[R], name string, content []byte) (File[R], error) {
	r := reader[R]{layout: l, file: name, seen: map[string]schema.Place{}}
	file := File[R]{Name: name}
	all, hidden, err := tables(name, content, func(cell string) bool { return l.index(cell) >= 0 })
	if err != nil {
		return File[R]{}, r.fail(err)
	}
	chosen, others, err := r.headers(all)
	if err != nil {
		return File[R]{}, r.fail(err)
	}
	file.Unread = append(others, hidden...)
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
	if err := r.problems.err(); err != nil {
		return File[R]{}, err
	}
	file.Columns, file.Rows, file.Places, file.HeaderLine = l.present(chosen[0].at), r.rows, r.places, chosen[0].rec.line
	file.at = map[string]int{}
	for i, at := range chosen[0].at {
		if at >= 0 {
			file.at[l.fields[at].name] = i
		}
	}
	return file, nil
}
