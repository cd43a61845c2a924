package tabular

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// header reads the first line into r.at; ok is false where the line is no header of this kind of file.
func (r *reader[R]) header(rec record) (ok bool) {
	names := make([]string, len(rec.cells))
	known := 0
	for i, cell := range rec.cells {
		if !utf8.ValidString(cell) {
			r.add(rec.line, "", notUTF8)
			return false
		}
		names[i] = normal(cell)
		at := r.layout.index(names[i])
		r.at = append(r.at, at)
		if at >= 0 {
			known++
		}
	}
	if known == 0 {
		// What stands here may be a row of data, so none of it is repeated.
		r.add(rec.line, "", "none of the cells in the first line names a column; "+r.layout.wants()+tabs(rec))
		return false
	}
	for i, name := range names {
		switch {
		case name == "":
		case r.at[i] < 0:
			r.add(rec.line, shown(rec.cells[i]), "there is no such column; "+r.layout.wants())
		case slices.Contains(names[:i], name):
			r.add(rec.line, name, "the column stands in the header twice")
		}
	}
	r.missing(rec.line, names)
	return len(r.problems) == 0
}

// missing adds a problem for each column that must be there and is not, naming what is.
func (r *reader[R]) missing(line int, names []string) {
	has := func(name string) bool { return slices.Contains(names, name) }
	there := "the header has " + list(r.present(), "and")
	for _, f := range r.layout.fields {
		if f.needed && !has(f.name) {
			r.add(line, f.name, "the column is missing; "+there)
		}
	}
	if one := r.layout.oneOf; len(one) > 0 && !slices.ContainsFunc(one, has) {
		r.add(line, one[0], fmt.Sprintf("one of the columns %s must be there; %s", list(one, "or"), there))
	}
}

// tabs is the advice for a file whose cells are separated by tabs.
func tabs(rec record) string {
	if len(rec.cells) == 1 && strings.Contains(strings.TrimSpace(rec.cells[0]), "\t") {
		return "; the line has tabs: separate the cells by commas"
	}
	return ""
}

// normal is a header's cell as columns are named.
func normal(cell string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(cell)))
}

// shown is a header's cell, cut to what a column may be called and without what a terminal would obey.
func shown(cell string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.TrimSpace(cell))
	if runes := []rune(printable); len(runes) > 40 {
		printable = string(runes[:40]) + "…"
	}
	return printable
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

func atMost(n int) string { return "must have at most " + strconv.Itoa(n) + " characters" }
