package tabular

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxMerged bounds the merged ranges of a sheet that are checked.
const maxMerged = 10_000

// area is a rectangle of cells; rows count from 1 and columns from 0.
type area struct{ top, left, bottom, right int }

// sheetRecords yields the lines of a sheet. It omits lines without cells, and the values of the unread columns.
func (b *workbook) sheetRecords(s sheet, unread []int) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		r := sheetReader{book: b, unread: unread}
		stop := errors.New("the caller has stopped")
		err := r.read(s.part, func(rec record) error {
			if !yield(rec, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			if _, ok := errors.AsType[lineError](err); !ok {
				err = broken(err)
			}
			yield(record{line: r.line}, err)
		}
	}
}

// sheetReader reads one sheet.
type sheetReader struct {
	book   *workbook
	unread []int
	// line is the line that is being read, and column the index of the next cell.
	line, column int
	merged       []area
	cells        []cell
}

// read calls on for each line of the sheet. It returns an error if any part of the sheet is not well-formed.
func (r *sheetReader) read(part string, on func(record) error) error {
	merged, err := r.book.mergedAreas(part)
	if err != nil {
		return err
	}
	r.merged = merged
	inRow := false
	emit := func() error {
		if !inRow {
			return nil
		}
		inRow = false
		r.markMerged()
		return on(record{line: r.line, cells: r.cells})
	}
	err = r.book.elements(part, func(d *decoder, e xml.StartElement) error {
		switch e.Name.Local {
		case "row":
			if err := emit(); err != nil {
				return err
			}
			inRow = true
			return r.startRow(e)
		case "c":
			if !inRow {
				return errWorkbook
			}
			return r.cell(d, e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return emit()
}

func (r *sheetReader) startRow(e xml.StartElement) error {
	line := r.line + 1
	if at := attribute(e, "r"); at != "" {
		n, err := strconv.Atoi(at)
		if err != nil || n < line || n > 1<<20 {
			return errWorkbook
		}
		line = n
	}
	r.line, r.column, r.cells = line, 0, nil
	return nil
}

// cell reads a cell and stores it at its index.
func (r *sheetReader) cell(d *decoder, e xml.StartElement) error {
	column := r.column
	if at := attribute(e, "r"); at != "" {
		c, line, ok := position(at)
		if !ok || line != r.line || c < column {
			return errWorkbook
		}
		column = c
	}
	r.column = column + 1
	if slices.Contains(r.unread, column) {
		return d.Skip()
	}
	stored, err := storedCell(d)
	if err != nil {
		return err
	}
	c, err := r.value(stored, attribute(e, "t"), attribute(e, "s"))
	if err != nil || c == (cell{}) {
		return err
	}
	if column >= maxCells {
		return lineError{r.line, fmt.Errorf("there is a value in column %s, and only the first %d columns are read",
			columnLetters(column), maxCells)}
	}
	for len(r.cells) <= column {
		r.cells = append(r.cells, cell{})
	}
	r.cells[column] = c
	return nil
}

// stored is the content of a cell as it is stored.
type stored struct {
	value, text string
	// formula, rich and valued report which elements the cell has: f, is and v.
	formula, rich, valued bool
}

// storedCell reads the cell that the decoder has just entered.
func storedCell(d *decoder) (stored, error) {
	var s stored
	for {
		token, err := d.Token()
		if err != nil {
			return s, fmt.Errorf("cell: %w", err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			return s, nil
		case xml.StartElement:
			switch t.Name.Local {
			case "v":
				s.valued = true
				s.value, err = plainText(d)
			case "is":
				s.rich = true
				s.text, err = richText(d)
			case "f":
				s.formula = true
				err = d.Skip()
			default:
				err = d.Skip()
			}
			if err != nil {
				return s, fmt.Errorf("cell: %w", err)
			}
		}
	}
}

// plainText reads the text of the element that the decoder has just entered.
func plainText(d *decoder) (string, error) {
	var text strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			if err := d.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return text.String(), nil
		}
	}
}

// value returns the cell with its text as it is displayed.
func (r *sheetReader) value(s stored, kind, style string) (cell, error) {
	if s.formula && r.isUncomputed(s, kind) {
		return cell{kind: cellUncomputed}, nil
	}
	raw := strings.TrimSpace(s.value)
	switch kind {
	case "inlineStr":
		return cell{text: s.text}, nil
	case "e":
		return cell{kind: cellError}, nil
	case "str":
		return cell{text: unescape(s.value)}, nil
	case "d":
		return cell{text: raw, kind: cellDate}, nil
	}
	if raw == "" {
		return cell{}, nil
	}
	switch kind {
	case "s":
		i, err := strconv.Atoi(raw)
		if err != nil || i < 0 || i >= r.book.shared.count() {
			return cell{}, errWorkbook
		}
		text, err := r.book.shared.get(i)
		return cell{text: text}, err
	case "b":
		return cell{text: strings.ToUpper(strconv.FormatBool(isTrue(raw)))}, nil
	case "", "n":
		return r.book.styles.number(raw, style)
	default:
		return cell{}, errWorkbook
	}
}

// isUncomputed reports whether no spreadsheet program has computed the value of a formula. Libraries store no value, or
// a zero (as 0.0, or in a workbook that asks to be calculated when it is opened). A formula with an empty text as its
// result is stored as an empty value of the type text.
func (r *sheetReader) isUncomputed(s stored, kind string) bool {
	empty := s.value == "" && kind != "str" || !s.valued
	return r.book.stale || s.value == "0.0" || empty && !s.rich
}

// markMerged marks the cells of the line that are merged with others and have a value. Only the first cell of an area
// can have a value.
func (r *sheetReader) markMerged() {
	for _, a := range r.merged {
		if a.top == r.line && a.left < len(r.cells) && trimmed(r.cells[a.left].text) != "" {
			r.cells[a.left].kind = cellMerged
		}
	}
}

var mergedRef = regexp.MustCompile(`mergeCell\s[^>]*ref\s*=\s*["']([A-Z]+[0-9]+):([A-Z]+[0-9]+)["']`)

// mergedAreas returns the merged areas of a sheet. It is a pass of its own, because a sheet lists them after its lines.
func (b *workbook) mergedAreas(part string) ([]area, error) {
	if all, known := b.merged[part]; known {
		return all, nil
	}
	in, err := b.open(part)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // only read
	before := b.left
	defer func() { b.left = before }() // the sheet will be read again
	var all []area
	for tags := bufio.NewReaderSize(in, 64<<10); ; {
		in.piece = 0
		tag, err := tags.ReadSlice('>')
		if i := bytes.LastIndex(tag, []byte("mergeCell")); i >= 0 {
			if found := mergedRef.FindSubmatch(tag[i:]); found != nil && len(all) < maxMerged {
				left, top, _ := position(string(found[1]))
				right, bottom, _ := position(string(found[2]))
				all = append(all, area{top, left, bottom, right})
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			b.merged[part] = all
			return all, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// position parses a reference such as B3 into the column, which counts from 0, and the line, which counts from 1.
func position(ref string) (column, line int, ok bool) {
	letters := len(ref) - len(strings.TrimLeft(ref, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
	if letters == 0 || letters > 3 {
		return 0, 0, false
	}
	for _, letter := range ref[:letters] {
		column = column*26 + int(letter-'A') + 1
	}
	line, err := strconv.Atoi(ref[letters:])
	return column - 1, line, err == nil && line > 0
}
