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

// titleLines is how many lines from the top the header is looked for, empty ones not counted.
const titleLines = 20

// header is the line of a table that names the columns.
type header struct {
	table table
	rec   record
	// at has for each cell the index of the field that it names, -1 where it names none.
	at []int
	// whole reports that nothing is wrong with the header.
	whole bool
	// known counts the cells that name a field.
	known int
}

// findHeader returns the first line near the top of the table that is a header without mistakes, else the one with the most known
// names. Found is false for an empty table.
func findHeader[R any](l layout[R], t table) (best header, found bool, err error) {
	lines := 0
	for rec, err := range t.records() {
		if err != nil {
			return header{}, false, lineError{rec.line, err}
		}
		if rec.empty() {
			continue
		}
		if lines++; lines > titleLines {
			break
		}
		h := header{table: t, rec: rec}
		for _, c := range rec.cells {
			at := l.index(c.text)
			h.at = append(h.at, at)
			if at >= 0 {
				h.known++
			}
		}
		h.whole = l.complete(h.at) && len(headerProblems(l, h)) == 0
		if !found || h.known > best.known || h.whole {
			best, found = h, true
		}
		if h.whole {
			break
		}
	}
	return best, found, nil
}

// headers chooses the tables to read, by their headers: the first that has a header without mistakes, and the further ones with the same
// columns. The names of the other sheets that hold anything are returned too.
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
		return nil, nil, errors.New("the file is empty; " + r.layout.wants())
	}
	first := candidates[0]
	for _, h := range candidates {
		if h.whole || r.layout.complete(h.at) {
			first = h
			break
		}
		if h.known > first.known {
			first = h
		}
	}
	for _, h := range candidates {
		if h.table.sheet == first.table.sheet || first.whole && h.whole && slices.Equal(fieldsOf(h.at), fieldsOf(first.at)) {
			chosen = append(chosen, h)
		} else {
			others = append(others, h.table.sheet)
		}
	}
	return chosen, others, nil
}

// fieldsOf returns the fields that a header names, sorted.
func fieldsOf(at []int) []int {
	fields := slices.DeleteFunc(slices.Clone(at), func(i int) bool { return i < 0 })
	slices.Sort(fields)
	return fields
}

// complete reports whether a header has every column that is needed.
func (l layout[R]) complete(at []int) bool {
	for i, f := range l.fields {
		if f.needed && !slices.Contains(at, i) {
			return false
		}
	}
	return len(l.oneOf) == 0 || slices.ContainsFunc(l.oneOf, func(name string) bool { return slices.Contains(at, l.index(name)) })
}

// headerProblem is a mistake in a header: in the cell with this index, or in the line where it is negative.
type headerProblem struct {
	cell           int
	column, reason string
}

// headerProblems returns the mistakes in a header.
func headerProblems[R any](l layout[R], h header) []headerProblem {
	if h.known == 0 {
		// This may be a line of data, so nothing of it is repeated.
		return []headerProblem{{-1, "", "none of the cells in this line names a column; " + l.wants() + tabs(h.rec)}}
	}
	var problems []headerProblem
	for i, c := range h.rec.cells {
		switch at := h.at[i]; {
		case !utf8.ValidString(c.text):
			problems = append(problems, headerProblem{i, "", notUTF8})
		case c.kind == merged:
			problems = append(problems, headerProblem{i, "", reasonMerged})
		case c.trimmed() == "":
		case at < 0:
			problems = append(problems, headerProblem{i, shown(c.text, i), "there is no such column; " + l.wants()})
		case slices.Contains(h.at[:i], at):
			problems = append(problems, headerProblem{i, l.fields[at].name, "the header has the column twice"})
		}
	}
	return append(problems, missing(l, h.at)...)
}

// missing returns a problem for each needed column that the header does not have.
func missing[R any](l layout[R], at []int) []headerProblem {
	var problems []headerProblem
	there := "the header has " + list(l.present(at), "and")
	for i, f := range l.fields {
		if f.needed && !slices.Contains(at, i) {
			problems = append(problems, headerProblem{-1, f.name, "the column is missing; " + there})
		}
	}
	if one := l.oneOf; len(one) > 0 && !slices.ContainsFunc(one, func(name string) bool { return slices.Contains(at, l.index(name)) }) {
		problems = append(problems, headerProblem{-1, one[0], fmt.Sprintf("one of the columns %s is needed; %s", list(one, "or"), there)})
	}
	return problems
}

// present returns the columns that a header names, in the layout's order.
func (l layout[R]) present(at []int) []string {
	var names []string
	for i, f := range l.fields {
		if slices.Contains(at, i) {
			names = append(names, f.name)
		}
	}
	return names
}

// index returns the index of the field that a header's cell names, -1 where it names none. A remark in brackets behind the name is
// ignored: "is_cde (Y,N)".
func (l layout[R]) index(cell string) int {
	name := normal(cell)
	named := func(f field[R]) bool { return f.name == name }
	at := slices.IndexFunc(l.fields, named)
	if remark := strings.IndexByte(name, '('); at < 0 && remark > 0 && strings.HasSuffix(name, ")") {
		name = strings.TrimRight(name[:remark], "_")
		at = slices.IndexFunc(l.fields, named)
	}
	return at
}

// tabs returns advice for a line whose cells are separated by tabs.
func tabs(rec record) string {
	if len(rec.cells) == 1 && strings.Contains(rec.cells[0].trimmed(), "\t") {
		return "; the line has tabs: separate the cells by commas"
	}
	return ""
}

// normal returns a header's cell in the form in which columns are named.
func normal(cell string) string {
	cell = strings.ToLower(strings.TrimFunc(cell, blank))
	return strings.Join(strings.FieldsFunc(cell, func(r rune) bool { return blank(r) || r == '-' || r == '_' }), "_")
}

// digits distinguishes a value from a name.
var digits = regexp.MustCompile(`[0-9].*[0-9].*[0-9].*[0-9]`)

// shown returns how a problem names a cell of the header that names no column: by its text where that looks like a name, else by its
// place, because it may be a value that has strayed into the header.
func shown(text string, index int) string {
	text = strings.TrimFunc(text, blank)
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.RuneCountInString(text) > 40 || strings.ContainsFunc(text, odd) || digits.MatchString(text) || !strings.ContainsFunc(text, unicode.IsLetter) {
		return "cell " + columnLetters(index)
	}
	return text
}

// list writes names as a sentence does.
func list(names []string, last string) string {
	switch n := len(names); n {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " " + last + " " + names[n-1]
	}
}
