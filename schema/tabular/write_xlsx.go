package tabular

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

const (
	// MaxSheetRows is the number of rows under the header that a sheet of a spreadsheet program can have.
	MaxSheetRows = 1<<20 - 1
	// maxSheetText is the number of UTF-16 units that a cell of a spreadsheet program can have.
	maxSheetText = 32_767
)

// ErrSheetFull is returned for a row beyond [MaxSheetRows].
var ErrSheetFull = errors.New("a sheet cannot have more rows")

// SheetColumn is a column of a workbook.
type SheetColumn struct {
	Name string
	// Width is in characters.
	Width int
	// Frozen keeps the column in view while others scroll. All columns before it are frozen too.
	Frozen bool
	// Editable marks a column whose values people may change.
	Editable bool
	// Choices are the values in the drop-down list of an editable column; none for any value.
	Choices []string
	// Colours has the background of the cells with a value, as RRGGBB.
	Colours []Colour
	// About explains the column on the second sheet.
	About string
}

// Colour is the background of the cells with this value.
type Colour struct{ Value, RGB string }

// XLSXWriter writes a workbook, row by row. It keeps nothing but the current row in memory and uses no file. The header
// is frozen and has filters; a second sheet explains the columns.
type XLSXWriter struct {
	columns []SheetColumn
	// name is the name of the first sheet.
	name  string
	zip   *zip.Writer
	sheet *bufio.Writer
	line  int
}

// NewXLSXWriter returns a writer, and writes everything before the first row. The sheet is the name of the first sheet.
// The notes are lines of the second sheet above the explanations of the columns.
func NewXLSXWriter(to io.Writer, sheet string, columns []SheetColumn, notes []string) (*XLSXWriter, error) {
	w := &XLSXWriter{columns: columns, name: sheet, zip: zip.NewWriter(to), line: 1}
	w.zip.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestSpeed)
	})
	parts := append(workbookParts(),
		part{"xl/styles.xml", stylesXML(columns)}, part{"xl/worksheets/sheet2.xml", explanationXML(columns, notes)})
	for _, p := range parts {
		if err := w.writePart(p); err != nil {
			return nil, err
		}
	}
	file, err := w.zip.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		return nil, fmt.Errorf("sheet: %w", err)
	}
	w.sheet = bufio.NewWriterSize(file, 64<<10)
	_, err = w.sheet.WriteString(xmlHeader + sheetStart(columns))
	return w, err
}

// Write writes a row. The values are those of [CSVWriter.Write]. A text is a cell of type text, which no spreadsheet
// program executes. It is cut to the length that a cell can have; see [SheetText].
func (w *XLSXWriter) Write(row []any) error {
	if w.line > MaxSheetRows {
		return ErrSheetFull
	}
	w.line++
	var text strings.Builder
	fmt.Fprintf(&text, `<row r="%d">`, w.line)
	for i, value := range row {
		if err := writeCell(&text, columnLetters(i)+strconv.Itoa(w.line), value); err != nil {
			return err
		}
	}
	text.WriteString("</row>")
	if _, err := w.sheet.WriteString(text.String()); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	return nil
}

func writeCell(to *strings.Builder, at string, value any) error {
	switch v := value.(type) {
	case nil:
	case string:
		style := styleText
		if isExecutable(v) {
			style = styleQuoted
		}
		writeText(to, at, style, v)
	case int64:
		fmt.Fprintf(to, `<c r="%s" s="%d"><v>%d</v></c>`, at, styleValue, v)
	case bool:
		number := 0
		if v {
			number = 1
		}
		fmt.Fprintf(to, `<c r="%s" s="%d" t="b"><v>%d</v></c>`, at, styleFlag, number)
	case time.Time:
		days := v.UTC().Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Seconds() / (24 * 60 * 60)
		fmt.Fprintf(to, `<c r="%s" s="%d"><v>%s</v></c>`, at, styleTime, strconv.FormatFloat(days, 'f', 10, 64))
	default:
		return fmt.Errorf("cell: a %T cannot be written", value)
	}
	return nil
}

func writeText(to *strings.Builder, at string, style int, text string) {
	space := ""
	if strings.TrimSpace(text) != text || strings.ContainsAny(text, "\t\n\r") || strings.Contains(text, "  ") {
		space = ` xml:space="preserve"`
	}
	fmt.Fprintf(to, `<c r="%s" s="%d" t="inlineStr"><is><t%s>%s</t></is></c>`, at, style, space,
		escapeXML(SheetText(text)))
}

// SheetText returns the text as a cell of a workbook has it: cut to 32,767 UTF-16 units.
func SheetText(text string) string {
	if len(text) <= maxSheetText {
		return text
	}
	units := 0
	for i, r := range text {
		if units += max(utf16.RuneLen(r), 1); units > maxSheetText {
			return text[:i]
		}
	}
	return text
}

// Close writes the end of the workbook. It does not close the underlying writer.
func (w *XLSXWriter) Close() error {
	_, err := w.sheet.WriteString(sheetEnd(w.columns, w.line))
	if err := errors.Join(err, w.sheet.Flush()); err != nil {
		return fmt.Errorf("end of the sheet: %w", err)
	}
	// The workbook is last, because it has the number of rows.
	if err := w.writePart(part{"xl/workbook.xml", workbookXML(w.name, w.columns, w.line)}); err != nil {
		return err
	}
	if err := w.zip.Close(); err != nil {
		return fmt.Errorf("end of the workbook: %w", err)
	}
	return nil
}

func (w *XLSXWriter) writePart(p part) error {
	file, err := w.zip.Create(p.name)
	if err == nil {
		_, err = io.WriteString(file, xmlHeader+p.content)
	}
	if err != nil {
		return fmt.Errorf("part %s of the workbook: %w", p.name, err)
	}
	return nil
}

// looksEscaped matches a text that becomes an escape with an underscore after it.
var looksEscaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}`)

// escapeXML returns the text as the content of an element. Characters that XML cannot have or would change, and texts
// that look like their escapes, are escaped as spreadsheet programs do; see unescape.
func escapeXML(text string) string {
	text = looksEscaped.ReplaceAllString(text, "_x005F$0")
	var to strings.Builder
	for _, r := range text {
		switch {
		case r == '&':
			to.WriteString("&amp;")
		case r == '<':
			to.WriteString("&lt;")
		case r == '>':
			to.WriteString("&gt;")
		case r == '"':
			to.WriteString("&quot;")
		case r < ' ' && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			fmt.Fprintf(&to, "_x%04X_", r)
		default:
			to.WriteRune(r)
		}
	}
	return to.String()
}
