package tabular

import (
	"strconv"
	"strings"
	"unicode"
)

// cellKind classifies a cell by how the file stores it. Every cell of a CSV file is plain.
type cellKind int

const (
	cellPlain cellKind = iota
	// cellDate is a number that the workbook displays as a date or a time.
	cellDate
	// cellExponent is a number that the workbook displays with an exponent.
	cellExponent
	// cellInexact is a number of more than 15 digits; spreadsheets store zeros in place of the others.
	cellInexact
	// cellError is the error of a formula, such as #REF!.
	cellError
	// cellUncomputed is a formula whose value is not stored.
	cellUncomputed
	// cellMerged is a cell that is merged with others.
	cellMerged
)

// cell is one cell of a line. The text is the text that a spreadsheet displays.
type cell struct {
	text string
	kind cellKind
}

func (c cell) isEmpty() bool { return c.kind == cellPlain && trimmed(c.text) == "" }

// record is one line of a table.
type record struct {
	line  int
	cells []cell
	// csv reports that the line has all of its cells, empty ones too; workbooks omit empty cells at the end.
	csv bool
}

func (r record) isEmpty() bool {
	for _, c := range r.cells {
		if !c.isEmpty() {
			return false
		}
	}
	return true
}

// trimmed returns the text without blanks around it.
func trimmed(text string) string { return strings.TrimFunc(text, isBlank) }

// isBlank reports whether the rune is a space of any kind, or a zero-width character that often remains after copying.
func isBlank(r rune) bool {
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
	return sheetName(sheet) + "!" + columnLetters(column) + strconv.Itoa(line)
}

// sheetName returns the name of a sheet as references have it.
func sheetName(sheet string) string {
	plainName := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if strings.TrimFunc(sheet, plainName) != "" {
		sheet = "'" + strings.ReplaceAll(sheet, "'", "''") + "'"
	}
	return sheet
}
