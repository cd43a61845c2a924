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
	"strings"
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
func csvTable(content *io.SectionReader, known func(string) bool) (table, error) {
	sample := make([]byte, min(content.Size(), separatorSample))
	if _, err := content.ReadAt(sample, 0); err != nil && !errors.Is(err, io.EOF) {
		return table{}, spoolError{err}
	}
	begin := int64(0)
	for bytes.HasPrefix(sample, byteOrderMark) {
		sample, begin = sample[len(byteOrderMark):], begin+int64(len(byteOrderMark))
	}
	end, err := endOfText(content)
	if err != nil {
		return table{}, err
	}
	sample = sample[:max(min(int64(len(sample)), end-begin), 0)]
	// A carriage return ends a line if there are no line feeds. A large file has one among its first lines.
	returns := bytes.IndexByte(sample, '\n') < 0
	if returns {
		sample = bytes.ReplaceAll(sample, []byte("\r"), []byte("\n"))
	}
	comma, start := rune(0), ""
	if found := separatorLine.FindSubmatch(sample); found != nil {
		comma = rune(found[1][0])
		if !slices.Contains([]rune{',', ';', '\t', '|'}, comma) {
			return table{}, errors.New("the separator of the sep= line must be a comma, a semicolon, a tab or |")
		}
		// An empty line replaces it, so that the lines keep their numbers.
		start, begin = "\n", begin+int64(len(found[0]))
	}
	if comma == 0 {
		comma = separator(sample, known)
	}
	return table{records: func([]int) iter.Seq2[record, error] {
		text := io.Reader(io.NewSectionReader(content, begin, max(end-begin, 0)))
		if returns {
			text = lineFeeds{text}
		}
		return csvRecords(io.MultiReader(strings.NewReader(start), text), comma)
	}}, nil
}

// endOfText returns the size of the text without the Ctrl-Z that ends a file of DOS.
func endOfText(content *io.SectionReader) (int64, error) {
	last := make([]byte, min(content.Size(), 4096))
	if _, err := content.ReadAt(last, content.Size()-int64(len(last))); err != nil && !errors.Is(err, io.EOF) {
		return 0, spoolError{err}
	}
	text := bytes.TrimRight(last, "\x1a\x00\r\n")
	if bytes.IndexByte(last[len(text):], 0x1a) < 0 {
		return content.Size(), nil
	}
	return content.Size() - int64(len(last)-len(text)), nil
}

// lineFeeds replaces carriage returns by line feeds.
type lineFeeds struct{ in io.Reader }

func (r lineFeeds) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// csvRecords yields the lines of a CSV file, without empty lines.
func csvRecords(text io.Reader, comma rune) iter.Seq2[record, error] {
	r := csv.NewReader(&lineGuard{in: text, comma: comma, line: 1, cells: 1})
	r.FieldsPerRecord, r.Comma, r.TrimLeadingSpace, r.ReuseRecord = -1, comma, comma != '\t', true
	return func(yield func(record, error) bool) {
		for {
			texts, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				rec, err := malformedLine(err)
				yield(rec, err)
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

// malformedLine returns the line in which the malformed record begins, and the error to show to the user.
func malformedLine(err error) (record, error) {
	if located, ok := errors.AsType[lineError](err); ok {
		return record{line: located.line}, located
	}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return record{line: parse.StartLine}, errQuotes
	}
	return record{}, spoolError{err}
}

// separator returns the comma or the semicolon, whichever splits one of the top lines into more known column names.
func separator(sample []byte, known func(string) bool) rune {
	best, most := ',', 0
	for _, comma := range []rune{',', ';'} {
		guard := lineGuard{in: bytes.NewReader(sample), comma: comma, line: 1, cells: 1}
		if _, err := io.Copy(io.Discard, &guard); err != nil {
			continue
		}
		lines := 0
		for rec, err := range csvRecords(bytes.NewReader(sample), comma) {
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

// lineGuard returns an error in place of a line with more than [maxCells] cells or [maxPiece] bytes. It counts
// separators outside of quotes, before cells are allocated.
type lineGuard struct {
	in    io.Reader
	comma rune
	// line is the number of the line, and cells and bytes are what has been read of it.
	line, cells, bytes int
	quoted             bool
}

func (g *lineGuard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	for i, b := range p[:n] {
		g.bytes++
		switch {
		case b == '\n':
			g.line++
			if !g.quoted {
				g.cells, g.bytes = 1, 0
			}
		case b == '"':
			g.quoted = !g.quoted
		case rune(b) == g.comma && !g.quoted:
			g.cells++
		}
		switch {
		case g.cells > maxCells:
			return i, lineError{g.line, fmt.Errorf("the line has more than %d cells", maxCells)}
		case g.bytes > maxPiece:
			return i, lineError{g.line, fmt.Errorf("the line has more than %d MiB; check its quotes", maxPiece>>20)}
		}
	}
	return n, err
}
