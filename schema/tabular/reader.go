package tabular

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// reader reads one file.
type reader[R any] struct {
	layout layout[R]
	file   string
	// sheet is the sheet that is being read; empty for a CSV file.
	sheet string
	// fields has for each cell of a line the index of its field, -1 if the cell of the header is empty.
	fields   []int
	seen     map[string]schema.Place
	rows     []R
	places   []schema.Place
	problems Problems
	// refused counts the rows with problems, and twice has the identities that several rows have.
	refused int
	twice   map[string]bool
	// unusable reports that a header has problems, so that no row under it was read.
	unusable bool
}

func newReader[R any](l layout[R], name string) *reader[R] {
	return &reader[R]{layout: l, file: name, seen: map[string]schema.Place{}, twice: map[string]bool{}}
}

// add adds a problem with the cell at this index of a line; a negative index means the whole line.
func (r *reader[R]) add(line, index int, column, reason string) {
	p := Problem{File: r.file, Line: line, Column: column, Reason: reason}
	if r.sheet != "" && line > 0 {
		p.Cell = cellName(r.sheet, max(index, 0), line)
	}
	r.problems.Add(p)
}

// fail adds an error that ends the reading, and returns all problems. An error of the server is returned as it is.
func (r *reader[R]) fail(err error) error {
	if own, ok := errors.AsType[spoolError](err); ok {
		return own
	}
	line := 0
	if located, ok := errors.AsType[lineError](err); ok {
		line, err = located.line, located.error
	}
	r.add(line, -1, "", err.Error())
	return r.problems
}

// table reads the rows under a header. It collects mistakes in the rows; an error ends the reading of the file.
func (r *reader[R]) table(h header) error {
	r.sheet, r.fields = h.table.sheet, h.fields
	if problems := headerProblems(r.layout, h); len(problems) > 0 {
		for _, p := range problems {
			r.add(h.record.line, p.cell, p.column, p.reason)
		}
		r.unusable = true
		return nil
	}
	for rec, err := range h.table.records(r.unread()) {
		if err != nil {
			if _, located := errors.AsType[lineError](err); located {
				return err
			}
			return lineError{rec.line, err}
		}
		if rec.line <= h.record.line || rec.isEmpty() {
			continue
		}
		row, ok := r.row(rec)
		if !ok {
			r.refused++
		}
		if !ok || !r.layout.partial && len(r.problems.First) > 0 {
			continue // without partial the file is refused, so its rows are not kept
		}
		if most := r.layout.limits.rows; len(r.rows) == most {
			return lineError{rec.line, fmt.Errorf("a file may have at most %d rows; split it", most)}
		}
		if r.layout.keep != nil {
			if err := r.layout.keep(&row); err != nil {
				return err
			}
		}
		r.rows = append(r.rows, row)
		r.places = append(r.places, r.place(rec))
	}
	return nil
}

// unread returns the indexes of the cells that the rows do not have.
func (r *reader[R]) unread() (cells []int) {
	for cell, field := range r.fields {
		if field >= 0 && r.layout.fields[field].kind == kindUnread {
			cells = append(cells, cell)
		}
	}
	return cells
}

func (r *reader[R]) place(rec record) schema.Place {
	return schema.Place{Sheet: r.sheet, Line: rec.line}
}

// row reads one line; ok is false if the line has a mistake.
func (r *reader[R]) row(rec record) (row R, ok bool) {
	before := r.problems.count()
	if rec.csv && len(rec.cells) < len(r.fields) {
		r.add(rec.line, -1, "", fmt.Sprintf("the line has %d cells and the header has %d; "+
			"write every separator, and quotes around a cell with a separator in it", len(rec.cells), len(r.fields)))
		return row, false
	}
	if r.layout.setPlace != nil {
		r.layout.setPlace(&row, r.place(rec))
	}
	given := make([]bool, len(r.layout.fields))
	placeholder := make([]bool, len(r.layout.fields))
	for i, c := range rec.cells {
		if c.isEmpty() {
			continue
		}
		if i >= len(r.fields) || r.fields[i] < 0 {
			r.add(rec.line, i, "", "there is a value under no column name; "+
				"the header names every column, and quotes stand around a cell with a separator in it")
			return row, false
		}
		f := r.layout.fields[r.fields[i]]
		if rec.csv && f.kind == kindRaw {
			c.text = Unprotect(c.text)
		}
		value, reason := f.clean(c)
		if reason == "" && value == "" {
			placeholder[r.fields[i]] = true
			continue
		}
		given[r.fields[i]] = true
		if reason == "" {
			reason = f.set(&row, value)
		}
		if reason != "" {
			r.add(rec.line, i, f.name, reason)
		}
	}
	r.requireFields(rec, given, placeholder)
	if r.problems.count() == before {
		r.identify(row, rec)
	}
	return row, r.problems.count() == before
}

// requireFields adds a problem for each required field without a value.
func (r *reader[R]) requireFields(rec record, given, placeholder []bool) {
	for i, f := range r.layout.fields {
		if !f.required || given[i] {
			continue
		}
		reason := reasonEmpty
		if placeholder[i] {
			reason += advicePlaceholder
		}
		r.add(rec.line, r.cellOf(i), f.name, reason)
	}
}

// cellOf returns the index of the cell of a field.
func (r *reader[R]) cellOf(field int) int {
	for i, f := range r.fields {
		if f == field {
			return i
		}
	}
	return -1
}

// identify adds a problem if the row has no identity, or the identity of an earlier row.
func (r *reader[R]) identify(row R, rec record) {
	key, column, advice := r.layout.identity(row)
	if key == "" {
		r.add(rec.line, -1, "", "one of "+list(r.layout.oneOf, "or")+" must not be empty")
		return
	}
	key = strings.Clone(key) // it is a part of the text of its line
	if first, duplicate := r.seen[key]; duplicate {
		reason := fmt.Sprintf("%s is already in %s; %s", r.layout.noun, first, advice)
		r.add(rec.line, r.cellOf(r.layout.index(column)), column, reason)
		r.twice[key] = true
		return
	}
	r.seen[key] = r.place(rec)
}
