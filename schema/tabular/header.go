package tabular

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxHeaderLine is the number of lines, empty ones not counted, among which the header must be.
const maxHeaderLine = 20

// header is the line of a table that names the columns.
type header struct {
	table  table
	record record
	// fields has for each cell the index of the field that it names, or -1.
	fields []int
	// known counts the cells that name a field.
	known int
	// valid reports that the header has no mistakes.
	valid bool
}

// findHeader returns the first valid header among the top lines of the table, else the line with the most known names.
// Found is false for an empty table.
func findHeader[R any](l layout[R], t table) (best header, found bool, err error) {
	lines := 0
	for rec, err := range t.records(nil) {
		if err != nil {
			return header{}, false, lineError{rec.line, err}
		}
		if rec.isEmpty() {
			continue
		}
		if lines++; lines > maxHeaderLine {
			break
		}
		h := header{table: t, record: rec}
		for _, c := range rec.cells {
			i := l.index(c.text)
			h.fields = append(h.fields, i)
			if i >= 0 {
				h.known++
			}
		}
		h.valid = l.hasRequired(h.fields) && len(headerProblems(l, h)) == 0
		if !found || h.known > best.known || h.valid {
			best, found = h, true
		}
		if h.valid {
			break
		}
	}
	return best, found, nil
}

// headers chooses the tables to read by their headers: the first one with a valid header, and the later ones with the
// same columns. It also returns the names of the other sheets that are not empty.
func (r *reader[R]) headers(all []table) (chosen []header, others []string, err error) {
	var candidates []header
	for _, t := range all {
		h, found, err := findHeader(r.layout, t)
		if err != nil {
			r.sheet = t.sheet
			return nil, nil, err
		}
		if found {
			candidates = append(candidates, h)
		}
	}
	if len(candidates) == 0 {
		return nil, nil, errors.New("the file is empty; " + r.layout.accepted())
	}
	first := candidates[0]
	for _, h := range candidates {
		if h.valid || r.layout.hasRequired(h.fields) {
			first = h
			break
		}
		if h.known > first.known {
			first = h
		}
	}
	for _, h := range candidates {
		if h.table.sheet == first.table.sheet || first.valid && h.valid && sameColumns(h.fields, first.fields) {
			chosen = append(chosen, h)
		} else {
			others = append(others, h.table.sheet)
		}
	}
	return chosen, others, nil
}

// sameColumns reports whether two headers name the same columns, in any order.
func sameColumns(a, b []int) bool { return slices.Equal(named(a), named(b)) }

// named returns the fields that a header names, sorted.
func named(fields []int) []int {
	fields = slices.DeleteFunc(slices.Clone(fields), func(i int) bool { return i < 0 })
	slices.Sort(fields)
	return fields
}

// headerProblem is a mistake in a header: in the cell with this index, or in the whole line if the index is negative.
type headerProblem struct {
	cell           int
	column, reason string
}

func headerProblems[R any](l layout[R], h header) []headerProblem {
	if h.known == 0 {
		// This may be a line of data, so the reason repeats nothing of it.
		reason := "none of the cells in this line names a column; " + l.accepted() + tabAdvice(h.record)
		return []headerProblem{{-1, "", reason}}
	}
	var problems []headerProblem
	for i, c := range h.record.cells {
		switch field := h.fields[i]; {
		case !utf8.ValidString(c.text):
			problems = append(problems, headerProblem{i, "", reasonNotUTF8})
		case c.kind == cellMerged:
			problems = append(problems, headerProblem{i, "", reasonMerged})
		case trimmed(c.text) == "":
		case field < 0:
			reason := "there is no such column; " + l.accepted()
			problems = append(problems, headerProblem{i, displayName(c.text, i), reason})
		case slices.Contains(h.fields[:i], field):
			problems = append(problems, headerProblem{i, l.fields[field].name, "the header has the column twice"})
		}
	}
	return append(problems, missingColumns(l, h.fields)...)
}

// missingColumns returns a problem for each required column that the header does not have.
func missingColumns[R any](l layout[R], fields []int) []headerProblem {
	var problems []headerProblem
	has := "the header has " + list(l.present(fields), "and")
	for i, f := range l.fields {
		if f.required && !slices.Contains(fields, i) {
			problems = append(problems, headerProblem{-1, f.name, "the column is missing; " + has})
		}
	}
	if len(l.oneOf) > 0 && !l.hasOneOf(fields) {
		reason := fmt.Sprintf("one of the columns %s is needed; %s", list(l.oneOf, "or"), has)
		problems = append(problems, headerProblem{-1, l.oneOf[0], reason})
	}
	return problems
}

// tabAdvice returns advice for a line whose cells are separated by tabs.
func tabAdvice(rec record) string {
	if len(rec.cells) == 1 && strings.Contains(trimmed(rec.cells[0].text), "\t") {
		return "; the line has tabs: separate the cells by commas"
	}
	return ""
}

// normalName returns a cell of the header in the form of a column name.
func normalName(cell string) string {
	cell = strings.ToLower(trimmed(cell))
	separates := func(r rune) bool { return isBlank(r) || r == '-' || r == '_' }
	return strings.Join(strings.FieldsFunc(cell, separates), "_")
}

// fourDigits distinguishes a value from a name.
var fourDigits = regexp.MustCompile(`[0-9].*[0-9].*[0-9].*[0-9]`)

// displayName returns how a problem refers to a cell of the header that names no column: its text if that looks like a
// name, else its letters, because it may be a value that does not belong in the header.
func displayName(text string, index int) string {
	text = trimmed(text)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.RuneCountInString(text) > 40 || strings.ContainsFunc(text, unprintable) || fourDigits.MatchString(text) ||
		!strings.ContainsFunc(text, unicode.IsLetter) {
		return "cell " + columnLetters(index)
	}
	return text
}

// list joins names with commas, and with the conjunction before the last one.
func list(names []string, conjunction string) string {
	switch n := len(names); n {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " " + conjunction + " " + names[n-1]
	}
}
