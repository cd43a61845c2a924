package tabular

import (
	"bytes"
	"errors"
	"iter"
	"path/filepath"
	"strings"
)

// table is one CSV file or one sheet of a workbook.
type table struct {
	// sheet is the name of the sheet; empty for a CSV file.
	sheet string
	// records returns a new iterator over the lines. An error ends it; the record that comes with it has the line.
	records func() iter.Seq2[record, error]
}

// lineError is an error in a line of a file.
type lineError struct {
	line int
	error
}

// tables returns the tables of a file and the names of its hidden sheets. Known reports whether a cell of the header
// names a column.
func tables(name string, content []byte, known func(string) bool) (visible []table, hidden []string, err error) {
	zip := bytes.HasPrefix(content, []byte("PK\x03\x04"))
	switch base := filepath.Base(name); {
	case strings.HasPrefix(base, "~$"), strings.HasPrefix(base, ".~lock."):
		return nil, nil, errors.New(
			"it is the lock file of a workbook that is open in another program; import the workbook itself")
	case zip:
		return sheets(content)
	case bytes.HasPrefix(content, []byte("\xd0\xcf\x11\xe0")):
		return nil, nil, errors.New(
			"it is an .xls workbook, or one with a password; save it as .xlsx without a password, or as .csv")
	case len(content) > 0 && strings.EqualFold(filepath.Ext(name), ".xlsx"):
		return nil, nil, errors.New(
			"it is named .xlsx and is not a workbook; save it as .xlsx, or name it .csv if it is text")
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return nil, nil, errors.New("it is UTF-16 text; save it as CSV UTF-8")
	}
	only, err := csvTable(content, known)
	return []table{only}, nil, err
}

// sheets returns the visible sheets of a workbook, and the names of the others.
func sheets(content []byte) (visible []table, hidden []string, err error) {
	book, err := openWorkbook(content)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range book.sheets {
		if s.hidden {
			hidden = append(hidden, s.name)
			continue
		}
		records := func() iter.Seq2[record, error] { return book.sheetRecords(s) }
		visible = append(visible, table{sheet: s.name, records: records})
	}
	if len(visible) == 0 {
		return nil, hidden, errors.New("every sheet of the workbook is hidden; unhide the one to import")
	}
	return visible, hidden, nil
}
