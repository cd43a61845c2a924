package tabular

import (
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// styles are the number formats of a workbook.
type styles struct {
	// codes has the custom formats of the workbook by id, and formats the format id of each style.
	codes   map[int]string
	formats []int
	// scratch is a workbook for formatting numbers, because the library formats only cells of a workbook. made has its
	// style for each format, and under the negative id that for zero.
	scratch *excelize.File
	made    map[int]int
}

// maxStyles bounds the formats and styles of a workbook; the limit of Excel is about 64,000.
const maxStyles = 100_000

// readStyles reads the number formats.
func (b *workbook) readStyles(part string) error {
	s := &b.styles
	s.codes = map[int]string{}
	inCells := false
	return b.elements(part, func(_ *decoder, e xml.StartElement) error {
		if len(s.codes) > maxStyles || len(s.formats) > maxStyles {
			return errWorkbook
		}
		switch e.Name.Local {
		case "numFmt":
			if id, err := strconv.Atoi(attribute(e, "numFmtId")); err == nil && !inCells {
				s.codes[id] = attribute(e, "formatCode")
			}
		case "cellXfs":
			inCells = true
		case "cellStyles", "dxfs":
			inCells = false
		case "xf":
			if inCells {
				id, _ := strconv.Atoi(attribute(e, "numFmtId")) // 0 is General
				s.formats = append(s.formats, id)
			}
		}
		return nil
	})
}

// number returns the cell of a stored number with a style.
func (s *styles) number(raw, style string) (cell, error) {
	value, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) {
		return cell{}, errWorkbook
	}
	format := 0
	if i, err := strconv.Atoi(style); err == nil && i >= 0 && i < len(s.formats) {
		format = s.formats[i]
	}
	c := cell{text: general(value), kind: s.kind(format)}
	if c.kind == cellPlain && math.Abs(value) >= 1e15 {
		c.kind = cellInexact
	}
	if format != 0 && format != 49 && !strings.EqualFold(s.codes[format], "General") {
		c.text, err = s.displayed(value, format)
	}
	return c, err
}

// general formats a number as the format General does: 15 digits, because more are noise of the binary form.
func general(value float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(value, 'g', 15, 64), 64)
	if err != nil {
		rounded = value
	}
	if size := math.Abs(rounded); size != 0 && (size < 1e-9 || size >= 1e21) {
		return strconv.FormatFloat(rounded, 'E', -1, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// displayed returns a number as a spreadsheet displays it with the format.
func (s *styles) displayed(value float64, format int) (text string, err error) {
	defer func() {
		// The library panics on some formats that no spreadsheet program writes.
		if recover() != nil {
			text, err = "", errWorkbook
		}
	}()
	if s.scratch == nil {
		s.scratch, s.made = excelize.NewFile(), map[int]int{}
	}
	code := s.codes[format]
	if sections := section.FindAllString(code, -1); value == 0 && len(sections) > 2 {
		// The library formats zero as a positive number, so that "Yes";"Yes";"No" would be Yes.
		code, format = strings.TrimPrefix(sections[2], ";"), -format
		if code == "" {
			return "", nil
		}
	}
	style, ok := s.made[format]
	if !ok {
		made := &excelize.Style{NumFmt: format}
		if code != "" {
			made = &excelize.Style{CustomNumFmt: &code}
		}
		if style, err = s.scratch.NewStyle(made); err != nil {
			return "", errWorkbook
		}
		s.made[format] = style
	}
	const sheet, at = "Sheet1", "A1"
	if err := s.scratch.SetCellFloat(sheet, at, value, -1, 64); err != nil {
		return "", fmt.Errorf("number of a cell: %w", err)
	}
	if err := s.scratch.SetCellStyle(sheet, at, at, style); err != nil {
		return "", fmt.Errorf("number of a cell: %w", err)
	}
	return s.scratch.GetCellValue(sheet, at)
}

// section matches a section of a format with the semicolon before it. The sections are for positive numbers, negative
// ones, zero and texts.
var section = regexp.MustCompile(`(?:^|;)(?:"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|[^;"\\])*`)

// literal matches the parts of a format that are no placeholders of the number: quoted and escaped text, padding, and
// brackets with a colour or a condition. It does not match brackets around elapsed hours, minutes and seconds.
var literal = regexp.MustCompile(
	`"[^"]*"|\\.|_.|\*.|\[(?:[^hmsHMS\]][^\]]*|[hmsHMS][^\]]*[^hmsHMS\]][^\]]*)\]`)

// kind classifies the cells with the format.
func (s *styles) kind(format int) cellKind {
	switch {
	case 14 <= format && format <= 22, 27 <= format && format <= 36,
		45 <= format && format <= 47, 50 <= format && format <= 58:
		return cellDate
	case format == 11, format == 48:
		return cellExponent
	}
	code := strings.ToLower(literal.ReplaceAllString(s.codes[format], ""))
	switch {
	case strings.Contains(code, "e+"), strings.Contains(code, "e-"):
		return cellExponent
	case strings.Contains(code, "general"):
		return cellPlain
	case strings.ContainsAny(code, "ymdhs"):
		return cellDate
	default:
		return cellPlain
	}
}
