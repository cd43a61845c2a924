package tabular

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
)

var (
	byteOrderMark = []byte("\xef\xbb\xbf")
	// separatorLine is a first line that names the separator of the file for Excel.
	separatorLine = regexp.MustCompile(`^"?sep=(.)"?[ \t]*\r?(?:\n|$)`)
)

// separatorSample is the number of bytes that are read to recognise the separator.
const separatorSample = 64 << 10

var errQuotes = errors.New(
	"the quotes do not match: put quotes around a cell that contains one, and double each quote in it")

// csvTable returns the table of a CSV file. Known reports whether a cell of the header names a column.
func csvTable(content []byte, known func(string) bool) (table, error) {
	for bytes.HasPrefix(content, byteOrderMark) {
		content = content[len(byteOrderMark):]
	}
	if cut := bytes.TrimRight(content, "\x1a\x00\r\n"); bytes.IndexByte(content[len(cut):], 0x1a) >= 0 {
		content = cut // Ctrl-Z ends a file of DOS
	}
	if bytes.IndexByte(content, '\n') < 0 {
		content = bytes.ReplaceAll(content, []byte("\r"), []byte("\n"))
	}
	comma := rune(0)
	if found := separatorLine.FindSubmatch(content); found != nil {
		comma = rune(found[1][0])
		if !slices.Contains([]rune{',', ';', '\t', '|'}, comma) {
			return table{}, errors.New("the separator of the sep= line must be a comma, a semicolon, a tab or |")
		}
		// An empty line replaces it, so that the lines keep their numbers.
		content = append([]byte("\n"), content[len(found[0]):]...)
	}
	if comma == 0 {
		comma = separator(content, known)
	}
	if line, ok := tooWide(content, comma); ok {
		return table{}, lineError{line, fmt.Errorf("the line has more than %d cells", maxCells)}
	}
	return table{records: func() iter.Seq2[record, error] { return csvRecords(content, comma) }}, nil
}

// csvRecords yields the lines of a CSV file, without empty lines.
func csvRecords(content []byte, comma rune) iter.Seq2[record, error] {
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord, r.Comma, r.TrimLeadingSpace, r.ReuseRecord = -1, comma, comma != '\t', true
	return func(yield func(record, error) bool) {
		for {
			texts, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(record{line: parsedTo(err)}, errQuotes)
				return
			}
			rec := record{cells: make([]cell, len(texts)), csv: true}
			rec.line, _ = r.FieldPos(0)
			for i, text := range texts {
				rec.cells[i].text = text
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// separator returns the comma or the semicolon, whichever splits one of the top lines into more known column names.
func separator(content []byte, known func(string) bool) rune {
	sample := content[:min(len(content), separatorSample)]
	best, most := ',', 0
	for _, comma := range []rune{',', ';'} {
		if _, wide := tooWide(sample, comma); wide {
			continue
		}
		lines := 0
		for rec, err := range csvRecords(sample, comma) {
			if lines++; err != nil || lines > maxHeaderLine {
				break
			}
			names := 0
			for _, c := range rec.cells {
				if known(normalName(c.text)) {
					names++
				}
			}
			if names > most {
				best, most = comma, names
			}
		}
	}
	return best
}

// tooWide returns the first line with more than [maxCells] cells. It counts separators outside of quotes, before cells
// are allocated.
func tooWide(content []byte, comma rune) (line int, wide bool) {
	line = 1
	cells, quoted := 1, false
	for _, b := range content {
		switch {
		case b == '\n':
			line++
			if !quoted {
				cells = 1
			}
		case b == '"':
			quoted = !quoted
		case rune(b) == comma && !quoted:
			if cells++; cells > maxCells {
				return line, true
			}
		}
	}
	return 0, false
}

// parsedTo returns the line in which the malformed record begins.
func parsedTo(err error) int {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return parse.StartLine
	}
	return 0
}
