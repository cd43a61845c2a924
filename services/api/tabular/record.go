package tabular

import (
	"bytes"
	"errors"
	"iter"
	"path/filepath"
	"strings"
)

// record is one line of a file.
type record struct {
	line  int
	cells []string
	// exact says that the line has all of its cells, empty ones too; spreadsheets leave out the last ones.
	exact bool
	// formatted says that the cells are as a spreadsheet displays them.
	formatted bool
}

func (r record) empty() bool {
	for _, cell := range r.cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}

// records yields the lines of a file, the header first; an error ends it, and the record beside it says in which line.
func records(name string, content []byte) iter.Seq2[record, error] {
	zip := bytes.HasPrefix(content, []byte("PK\x03\x04"))
	switch {
	case zip:
		return sheetRecords(content)
	case bytes.HasPrefix(content, []byte("\xd0\xcf\x11\xe0")):
		return refuse("it is an .xls workbook of old, or one with a password; save it as .xlsx without a password, or as .csv")
	case len(content) > 0 && strings.EqualFold(filepath.Ext(name), ".xlsx"):
		return refuse("it is named .xlsx and is no workbook; save it as .xlsx, or name it .csv if it is text")
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return refuse("it is UTF-16 text; save it as CSV UTF-8")
	default:
		return csvRecords(content)
	}
}

func refuse(reason string) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) { yield(record{}, errors.New(reason)) }
}
