package tabular

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/xuri/excelize/v2"
)

const (
	// maxUnzipped bounds what a workbook may be unpacked. All of it stays in memory, so that no temporary file can be left behind.
	maxUnzipped = 256 << 20
	// maxCells bounds a line: a single cell far to the right costs as much as all to its left.
	maxCells = 200
)

// spreadsheetErrors are what a cell shows whose formula has no value.
var spreadsheetErrors = []string{"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}

var errWorkbook = errors.New("the workbook cannot be read; open it in a spreadsheet program and save it again as .xlsx")

// sheetRecords yields the lines of the workbook's first sheet.
func sheetRecords(content []byte) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		var line int
		if err := readSheet(content, &line, yield); err != nil {
			yield(record{line: line}, err)
		}
	}
}

// readSheet yields lines until yield asks for no more or something is wrong; line is where it stands.
func readSheet(content []byte, line *int, yield func(record, error) bool) (err error) {
	yielding := false
	defer func() {
		// A broken workbook makes the library panic in places. What the caller's own code panics of is not ours.
		if !yielding {
			if recover() != nil {
				err = errWorkbook
			}
		}
	}()
	if err := wellFormed(content); err != nil {
		return err
	}
	book, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzipped})
	if err != nil {
		return errWorkbook
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	sheets := book.GetSheetList()
	if len(sheets) == 0 {
		return errWorkbook
	}
	rows, err := book.Rows(sheets[0])
	if err != nil {
		return errWorkbook
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		*line++
		cells, err := rows.Columns()
		if err != nil {
			return errWorkbook
		}
		if len(cells) > maxCells {
			return fmt.Errorf("the line has %d cells, and at most %d are read", len(cells), maxCells)
		}
		yielding = true
		more := yield(record{line: *line, cells: cells, formatted: true}, nil)
		yielding = false
		if !more {
			return nil
		}
	}
	return nil
}

// wellFormed reads every sheet as XML to its end, because the library takes a sheet that breaks off for a shorter one.
func wellFormed(content []byte) error {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return errWorkbook
	}
	left := int64(maxUnzipped)
	for _, part := range archive.File {
		left -= int64(min(part.UncompressedSize64, maxUnzipped+1))
		if left < 0 {
			return fmt.Errorf("unpacked, the workbook is larger than %d MiB", maxUnzipped>>20)
		}
		if !strings.HasPrefix(part.Name, "xl/worksheets/") || !strings.HasSuffix(part.Name, ".xml") {
			continue
		}
		if err := wellFormedPart(part); err != nil {
			return errWorkbook
		}
	}
	return nil
}

func wellFormedPart(part *zip.File) error {
	in, err := part.Open()
	if err != nil {
		return fmt.Errorf("part of the workbook: %w", err)
	}
	defer func() { _ = in.Close() }() // only read
	decoder := xml.NewDecoder(in)
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("part of the workbook: %w", err)
		}
	}
}
