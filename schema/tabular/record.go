package tabular

import (
	"strconv"
	"strings"
	"unicode"
)

// cellKind classifies a cell by how the file stores it. Every cell of a CSV file is plain.
type cellKind int

const (
	plain cellKind = iota
	// date is a number that the workbook displays as a date or a time.
	date
	// scientific is a number that the workbook displays with an exponent.
	scientific
	// inexact is a number of more than 15 digits; spreadsheets store zeros in place of the others.
	inexact
	// errorValue is a formula's error, such as #REF!.
	errorValue
	// uncomputed is a formula whose value is not stored.
	uncomputed
	// merged is a cell that is merged with others.
	merged
)

// cell is one cell of a line. Its text is what a spreadsheet displays.
type cell struct {
	text string
	kind cellKind
}

// trimmed returns the text without blanks and invisible characters around it.
func (c cell) trimmed() string { return strings.TrimFunc(c.text, blank) }

// record is one line of a table.
type record struct {
	line  int
	cells []cell
	// exact reports that the line has all of its cells, empty ones too; spreadsheets leave out the last ones.
	exact bool
}

func (r record) empty() bool {
	for _, c := range r.cells {
		if c.kind != plain || c.trimmed() != "" {
			return false
		}
	}
	return true
}

// blank reports whether the rune shows nothing: a space of any kind, or a zero-width character that copying leaves behind.
func blank(r rune) bool {
	switch r {
	case '\u200b', '\u2060', '\ufeff':
		return true
	}
	return unicode.IsSpace(r)
}

// columnLetters returns the letters by which spreadsheets name the column with this index, which counts from 0.
func columnLetters(index int) string {
	letters := ""
	for n := index + 1; n > 0; n = (n - 1) / 26 {
		letters = string(rune('A'+(n-1)%26)) + letters
	}
	return letters
}

// cellName returns the reference of a cell, such as Sheet1!B3 or 'My sheet'!B3.
func cellName(sheet string, column, line int) string {
	plainName := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if strings.TrimFunc(sheet, plainName) != "" {
		sheet = "'" + strings.ReplaceAll(sheet, "'", "''") + "'"
	}
	return sheet + "!" + columnLetters(column) + strconv.Itoa(line)
}
