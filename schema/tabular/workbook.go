package tabular

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
)

const (
	// maxUnpacked bounds the unpacked bytes of a workbook. No temporary file is written.
	maxUnpacked = 128 << 20
	// maxShared bounds the shared strings of a workbook, which are held in memory.
	maxShared = 1_000_000
	// maxCells bounds the cells of a line.
	maxCells = 200
)

var (
	errWorkbook = errors.New(
		"the workbook cannot be read; open it in a spreadsheet program and save it again as .xlsx")
	errUnpacked = fmt.Errorf(
		"unpacked, the workbook is larger than %d MiB; split it, or save the sheet as .csv", maxUnpacked>>20)
	errShared = fmt.Errorf("the workbook has more than %d texts; split it, or save the sheet as .csv", maxShared)
)

// workbook is an open .xlsx file.
type workbook struct {
	parts  map[string]*zip.File
	budget *budget
	sheets []sheet
	shared []string
	styles styles
	// stale reports that the stored values of formulas were not computed by a spreadsheet program.
	stale bool
}

// sheet is a worksheet of a workbook.
type sheet struct {
	name, part string
	hidden     bool
}

// openWorkbook reads all parts of a workbook except its sheets.
func openWorkbook(content []byte) (*workbook, error) {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, errWorkbook
	}
	b := &workbook{parts: map[string]*zip.File{}, budget: &budget{left: maxUnpacked}}
	declared := uint64(0)
	for _, file := range archive.File {
		name := partName(file.Name)
		b.parts[name] = file
		if strings.HasSuffix(name, ".xml") {
			declared += min(file.UncompressedSize64, maxUnpacked)
		}
	}
	if declared >= maxUnpacked {
		return nil, errUnpacked
	}
	if b.parts["mimetype"] != nil && b.parts["content.xml"] != nil {
		return nil, errors.New("it is an OpenDocument spreadsheet; save it as .xlsx or as .csv")
	}
	main := "xl/workbook.xml"
	for _, rel := range b.relations("") {
		if rel.kind == "officeDocument" {
			main = rel.target
		}
	}
	if strings.HasSuffix(main, ".bin") {
		return nil, errors.New("it is a binary workbook (.xlsb); save it as .xlsx or as .csv")
	}
	rels := b.relations(main)
	if err := b.readMain(main, rels); err != nil {
		return nil, broken(err)
	}
	for _, rel := range rels {
		switch {
		case rel.kind == "sharedStrings" && b.parts[rel.target] != nil:
			err = b.readShared(rel.target)
		case rel.kind == "styles" && b.parts[rel.target] != nil:
			err = b.readStyles(rel.target)
		}
		if err != nil {
			return nil, broken(err)
		}
	}
	return b, nil
}

// broken returns the error to show to the user for an error in reading a workbook.
func broken(err error) error {
	for _, known := range []error{errUnpacked, errShared} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errWorkbook
}

// partName returns the key of a part. Relationships and archives may differ in case and in slashes.
func partName(name string) string {
	return strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(name, `\`, "/"), "/"))
}

// relation is a reference from one part of a workbook to another.
type relation struct{ id, kind, target string }

// relations returns the relationships of a part, or of the archive for "". It returns none if they cannot be read.
func (b *workbook) relations(part string) []relation {
	dir, base := path.Split(part)
	var all []relation
	_ = b.elements(partName(path.Join(dir, "_rels", base+".rels")), func(_ *xml.Decoder, e xml.StartElement) error {
		if e.Name.Local != "Relationship" {
			return nil
		}
		target := attribute(e, "Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(dir, target)
		}
		all = append(all, relation{attribute(e, "Id"), path.Base(attribute(e, "Type")), partName(target)})
		return nil
	})
	return all
}

// readMain reads the list of sheets.
func (b *workbook) readMain(main string, rels []relation) error {
	err := b.elements(main, func(_ *xml.Decoder, e xml.StartElement) error {
		switch e.Name.Local {
		case "calcPr":
			b.stale = isTrue(attribute(e, "fullCalcOnLoad"))
		case "sheet":
			for _, rel := range rels {
				if rel.id == relationID(e) && rel.kind == "worksheet" {
					state := attribute(e, "state")
					hidden := state != "" && state != "visible"
					b.sheets = append(b.sheets, sheet{name: attribute(e, "name"), part: rel.target, hidden: hidden})
				}
			}
		}
		return nil
	})
	if err == nil && len(b.sheets) == 0 {
		return errWorkbook
	}
	return err
}

// readShared reads the shared strings.
func (b *workbook) readShared(part string) error {
	return b.elements(part, func(d *xml.Decoder, e xml.StartElement) error {
		if e.Name.Local != "si" {
			return nil
		}
		if len(b.shared) == maxShared {
			return errShared
		}
		text, err := richText(d)
		b.shared = append(b.shared, text)
		return err
	})
}

// elements calls on for each element of a part until on returns an error. It returns an error if any part is not
// well-formed.
func (b *workbook) elements(part string, on func(*xml.Decoder, xml.StartElement) error) error {
	in, err := b.open(part)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	d := xml.NewDecoder(in)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("part of the workbook: %w", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			if err := on(d, e); err != nil {
				return err
			}
		}
	}
}

// open unpacks a part, up to the budget of the workbook.
func (b *workbook) open(part string) (io.ReadCloser, error) {
	file := b.parts[part]
	if file == nil {
		return nil, errWorkbook
	}
	in, err := file.Open()
	if err != nil {
		return nil, errWorkbook
	}
	return struct {
		io.Reader
		io.Closer
	}{&budgetReader{in, b.budget}, in}, nil
}

// budget is the number of bytes that may still be unpacked.
type budget struct{ left int64 }

type budgetReader struct {
	in     io.Reader
	budget *budget
}

func (r *budgetReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if r.budget.left -= int64(n); r.budget.left < 0 {
		return 0, errUnpacked
	}
	return n, err
}

// escaped matches the escape of a character that XML does not allow.
var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// richText reads the text of the element that the decoder has just entered, without its phonetic guides.
func richText(d *xml.Decoder) (string, error) {
	var text strings.Builder
	inText, depth, phonetic := false, 1, 0
	for depth > 0 {
		token, err := d.Token()
		if err != nil {
			return "", fmt.Errorf("text of a cell: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			inText = t.Name.Local == "t"
			if t.Name.Local == "rPh" {
				phonetic = depth
			}
		case xml.EndElement:
			if depth == phonetic {
				phonetic = 0
			}
			depth--
			inText = false
		case xml.CharData:
			if inText && phonetic == 0 {
				text.Write(t)
			}
		}
	}
	return unescape(text.String()), nil
}

func unescape(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	return escaped.ReplaceAllStringFunc(text, func(code string) string {
		n, err := strconv.ParseUint(code[2:6], 16, 16)
		if err != nil {
			return code
		}
		return string(rune(n))
	})
}

// attribute returns the value of an attribute without a namespace, or "".
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// relationID returns the id of the relationship to which the element refers.
func relationID(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "id" && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

func isTrue(value string) bool { return value == "1" || value == "true" }
