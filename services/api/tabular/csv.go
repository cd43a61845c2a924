package tabular

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"iter"
)

// csvRecords yields the lines of a CSV file. Empty lines are left out.
func csvRecords(content []byte) iter.Seq2[record, error] {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord = -1
	r.Comma = separator(content)
	return func(yield func(record, error) bool) {
		for {
			cells, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(record{line: parsedTo(err)}, errors.New(
					"the quotes do not match: a cell with quotes in it stands in quotes, and each quote in it is written twice"))
				return
			}
			line, _ := r.FieldPos(0)
			if !yield(record{line: line, cells: cells, exact: true}, nil) {
				return
			}
		}
	}
}

// separator is a comma, or the semicolon where the first line has these and no comma.
func separator(content []byte) rune {
	first, _, _ := bytes.Cut(bytes.TrimLeft(content, "\r\n"), []byte("\n"))
	if bytes.ContainsRune(first, ';') && !bytes.ContainsRune(first, ',') {
		return ';'
	}
	return ','
}

// parsedTo is the line in which the broken record begins.
func parsedTo(err error) int {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return parse.StartLine
	}
	return 0
}
