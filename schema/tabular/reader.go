package tabular

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/pdeflow/pdeflow/schema"
)

// maxRows bounds the rows of a file, all of which are in memory.
const maxRows = 500_000

// reader is one reading of a file.
type reader[R any] struct {
	layout layout[R]
	file   string
	// sheet is the one that is being read; empty for a CSV file.
	sheet string
	// at has for each cell of a line the index of its field, -1 where the header's cell is empty.
	at       []int
	seen     map[string]schema.Place
	rows     []R
	places   []schema.Place
	problems Problems
}

// add adds a problem with the cell of this index in a line; a negative index means the whole line.
func (r *reader[R]) add(line, index int, column, reason string) {
	p := Problem{File: r.file, Line: line, Column: column, Reason: reason}
	if r.sheet != "" && line > 0 {
		p.Cell = cellName(r.sheet, max(index, 0), line)
	}
	r.problems.Add(p)
}

// fail adds an error that ends the reading, and returns every problem.
func (r *reader[R]) fail(err error) error {
	line := 0
	if at, ok := errors.AsType[lineError](err); ok {
		line, err = at.line, at.error
	}
	r.add(line, -1, "", err.Error())
	return r.problems
}

// table reads the rows under a header. Mistakes are noted; an error ends the reading of the file.
func (r *reader[R]) table(h header) error {
	r.sheet, r.at = h.table.sheet, h.at
	if problems := headerProblems(r.layout, h); len(problems) > 0 {
		for _, p := range problems {
			r.add(h.rec.line, p.cell, p.column, p.reason)
		}
		return nil
	}
	for rec, err := range h.table.records() {
		if err != nil {
			if _, placed := errors.AsType[lineError](err); placed {
				return err
			}
			return lineError{rec.line, err}
		}
		if rec.line <= h.rec.line || rec.empty() {
			continue
		}
		row, ok := r.row(rec)
		if !ok || len(r.problems.First) > 0 {
			continue // nothing of the file will be used
		}
		if len(r.rows) == maxRows {
			return lineError{rec.line, fmt.Errorf("a file may have at most %d rows; split it", maxRows)}
		}
		r.rows = append(r.rows, row)
		r.places = append(r.places, r.place(rec))
	}
	return nil
}

func (r *reader[R]) place(rec record) schema.Place {
	return schema.Place{Sheet: r.sheet, Line: rec.line}
}

// row reads one line; ok is false where something is wrong with it.
func (r *reader[R]) row(rec record) (row R, ok bool) {
	before := r.problems.count()
	if rec.exact && len(rec.cells) < len(r.at) {
		r.add(rec.line, -1, "", fmt.Sprintf("the line has %d cells and the header has %d; write every separator, and quotes around a cell with a separator in it",
			len(rec.cells), len(r.at)))
		return row, false
	}
	if r.layout.place != nil {
		r.layout.place(&row, r.place(rec))
	}
	given := make([]bool, len(r.layout.fields))
	empty := make([]string, len(r.layout.fields)) // what is wrong with a needed cell that is empty
	for i, c := range rec.cells {
		if c.kind == plain && c.trimmed() == "" {
			continue
		}
		if i >= len(r.at) || r.at[i] < 0 {
			r.add(rec.line, i, "", "there is a value under no column name; the header names every column, and quotes stand around a cell with a separator in it")
			return row, false
		}
		f := r.layout.fields[r.at[i]]
		text, reason := f.clean(c)
		if reason == "" && text == "" {
			empty[r.at[i]] = "; -, N/A, NA and null count as empty"
			continue
		}
		given[r.at[i]] = true
		if reason == "" {
			reason = f.read(&row, text)
		}
		if reason != "" {
			r.add(rec.line, i, f.name, reason)
		}
	}
	for i, f := range r.layout.fields {
		if f.needed && !given[i] {
			r.add(rec.line, r.cellOf(i), f.name, "must not be empty"+empty[i])
		}
	}
	if r.problems.count() == before {
		r.identify(row, rec)
	}
	return row, r.problems.count() == before
}

func (p Problems) count() int { return len(p.First) + p.More }

// cellOf returns the index of the cell of a field.
func (r *reader[R]) cellOf(field int) int {
	for i, at := range r.at {
		if at == field {
			return i
		}
	}
	return -1
}

// identify adds a problem where the row has no identity, or that of an earlier row.
func (r *reader[R]) identify(row R, rec record) {
	key, column, advice := r.layout.identity(row)
	if key == "" {
		r.add(rec.line, -1, "", "one of "+list(r.layout.oneOf, "or")+" must not be empty")
		return
	}
	if first, twice := r.seen[key]; twice {
		r.add(rec.line, r.cellOf(r.layout.index(column)), column, fmt.Sprintf("%s is already in %s; %s", r.layout.noun, first, advice))
		return
	}
	r.seen[key] = r.place(rec)
}

// spreadsheetError is what a cell shows whose formula has no value, in several languages.
var spreadsheetError = regexp.MustCompile(`^#(?:N/A|N/D|NV|\p{Lu}[\p{Lu}\d/]+[!?])$`)
