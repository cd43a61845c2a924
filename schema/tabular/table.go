package tabular

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"strings"
)

// table is one CSV file or one sheet of a workbook.
type table struct {
	// sheet is the name of the sheet; empty for a CSV file.
	sheet string
	// records returns a new iterator over the lines. It may omit the values of the cells with unread indexes. An error
	// ends it; the record that comes with it has the line.
	records func(unread []int) iter.Seq2[record, error]
}

// lineError is an error in a line of a file.
type lineError struct {
	line int
	error
}

// document is a file with its tables.
type document struct {
	visible []table
	// hidden has the names of the hidden sheets.
	hidden []string
	// Closer releases what the tables read from.
	io.Closer
}

// open opens a file, which the caller closes. Known reports whether a cell of the header names a column.
func open(name string, content *io.SectionReader, limits limits, known func(string) bool) (document, error) {
	start := make([]byte, min(4, content.Size()))
	if _, err := content.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return document{}, spoolError{err}
	}
	zip := bytes.HasPrefix(start, []byte("PK\x03\x04"))
	switch base := filepath.Base(name); {
	case strings.HasPrefix(base, "~$"), strings.HasPrefix(base, ".~lock."):
		return document{}, errors.New(
			"it is the lock file of a workbook that is open in another program; import the workbook itself")
	case zip:
		return sheets(content, limits)
	case bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0")):
		return document{}, errors.New(
			"it is an .xls workbook, or one with a password; save it as .xlsx without a password, or as .csv")
	case content.Size() > 0 && strings.EqualFold(filepath.Ext(name), ".xlsx"):
		return document{}, errors.New(
			"it is named .xlsx and is not a workbook; save it as .xlsx, or name it .csv if it is text")
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return document{}, errors.New("it is UTF-16 text; save it as CSV UTF-8")
	}
	only, err := csvTable(content, known)
	return document{visible: []table{only}, Closer: io.NopCloser(nil)}, err
}

// sheets opens a workbook.
func sheets(content *io.SectionReader, limits limits) (document, error) {
	book, err := openWorkbook(content, limits)
	if err != nil {
		return document{}, err
	}
	d := document{Closer: book}
	for _, s := range book.sheets {
		if s.hidden {
			d.hidden = append(d.hidden, s.name)
			continue
		}
		records := func(unread []int) iter.Seq2[record, error] { return book.sheetRecords(s, unread) }
		d.visible = append(d.visible, table{sheet: s.name, records: records})
	}
	if len(d.visible) == 0 {
		err := errors.New("every sheet of the workbook is hidden; unhide the one to import")
		return document{}, errors.Join(err, book.Close())
	}
	return d, nil
}
