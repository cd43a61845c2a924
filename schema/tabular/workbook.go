package tabular

import (
	"archive/zip"
	"bufio"
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
	// maxCells bounds the cells of a line.
	maxCells = 200
	// maxPiece bounds a piece of XML, such as a text, because the decoder holds it in memory.
	maxPiece = 32 << 20
	// maxHeldTexts bounds the shared strings that are held in memory, in bytes. The others are in a file.
	maxHeldTexts = 32 << 20
)

// limits bound a file.
type limits struct {
	// rows is the maximum number of rows, unpacked that of the unpacked bytes of a workbook, and texts that of its
	// shared strings.
	rows     int
	unpacked uint64
	texts    int
}

// usualLimits are those of a file whose rows are held in memory.
func usualLimits() limits { return limits{rows: 500_000, unpacked: 128 << 20, texts: 1_000_000} }

var errWorkbook = errors.New(
	"the workbook cannot be read; open it in a spreadsheet program and save it again as .xlsx")

// limitError is the error of a workbook that exceeds a limit.
type limitError struct{ text string }

// Error implements error.
func (e limitError) Error() string { return e.text }

func (l limits) unpackedError() error {
	return limitError{fmt.Sprintf("unpacked, the workbook is larger than %d MiB; split it, or save the sheet as .csv",
		l.unpacked>>20)}
}

func (l limits) textsError() error {
	return limitError{fmt.Sprintf("the workbook has more than %d texts; split it, or save the sheet as .csv", l.texts)}
}

// workbook is an open .xlsx file.
type workbook struct {
	parts  map[string]*zip.File
	limits limits
	// left is the number of bytes that may still be unpacked.
	left   uint64
	sheets []sheet
	shared texts
	// merged has the merged areas of the sheets that were read, by part.
	merged map[string][]area
	styles styles
	// stale reports that the stored values of formulas were not computed by a spreadsheet program.
	stale bool
}

// sheet is a worksheet of a workbook.
type sheet struct {
	name, part string
	hidden     bool
}

// openWorkbook reads all parts of a workbook except its sheets. The caller closes it.
func openWorkbook(content *io.SectionReader, limits limits) (*workbook, error) {
	archive, err := zip.NewReader(content, content.Size())
	if err != nil {
		return nil, errWorkbook
	}
	b := &workbook{parts: map[string]*zip.File{}, limits: limits, left: limits.unpacked, merged: map[string][]area{}}
	declared := uint64(0)
	for _, file := range archive.File {
		name := partName(file.Name)
		b.parts[name] = file
		if strings.HasSuffix(name, ".xml") {
			declared += min(file.UncompressedSize64, limits.unpacked)
		}
	}
	if declared >= limits.unpacked {
		return nil, limits.unpackedError()
	}
	if b.parts["mimetype"] != nil && b.parts["content.xml"] != nil {
		return nil, errors.New("it is an OpenDocument spreadsheet; save it as .xlsx or as .csv")
	}
	if err := b.readParts(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close releases the shared strings.
func (b *workbook) Close() error { return b.shared.rest.Close() }

func (b *workbook) readParts() error {
	main := "xl/workbook.xml"
	for _, rel := range b.relations("") {
		if rel.kind == "officeDocument" {
			main = rel.target
		}
	}
	if strings.HasSuffix(main, ".bin") {
		return errors.New("it is a binary workbook (.xlsb); save it as .xlsx or as .csv")
	}
	rels := b.relations(main)
	if err := b.readMain(main, rels); err != nil {
		return broken(err)
	}
	for _, rel := range rels {
		var err error
		switch {
		case rel.kind == "sharedStrings" && b.parts[rel.target] != nil:
			err = b.readShared(rel.target)
		case rel.kind == "styles" && b.parts[rel.target] != nil:
			err = b.readStyles(rel.target)
		}
		if err != nil {
			return broken(err)
		}
	}
	return nil
}

// broken returns the error to show to the user for an error in reading a workbook. An error of the server is returned
// as it is.
func broken(err error) error {
	if limit, ok := errors.AsType[limitError](err); ok {
		return limit
	}
	if own, ok := errors.AsType[spoolError](err); ok {
		return own
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
	_ = b.elements(partName(path.Join(dir, "_rels", base+".rels")), func(_ *decoder, e xml.StartElement) error {
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
	err := b.elements(main, func(_ *decoder, e xml.StartElement) error {
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

// texts are the shared strings of a workbook: the first ones in memory, because the texts that occur often are among
// them, and the others in a file.
type texts struct {
	first []string
	// held is the number of bytes of the first ones.
	held int
	rest spool
	at   []int64
}

func (t *texts) count() int { return len(t.first) + len(t.at) }

func (t *texts) add(text string) error {
	if t.held += len(text); t.held <= maxHeldTexts && len(t.at) == 0 {
		t.first = append(t.first, text)
		return nil
	}
	at, err := t.rest.add([]byte(text))
	t.at = append(t.at, at)
	return err
}

// get returns the text with this index, which must be valid.
func (t *texts) get(i int) (string, error) {
	if i < len(t.first) {
		return t.first[i], nil
	}
	text, err := t.rest.read(t.at[i-len(t.first)])
	return string(text), err
}

// readShared reads the shared strings.
func (b *workbook) readShared(part string) error {
	return b.elements(part, func(d *decoder, e xml.StartElement) error {
		if e.Name.Local != "si" {
			return nil
		}
		if b.shared.count() == b.limits.texts {
			return b.limits.textsError()
		}
		text, err := richText(d)
		if err != nil {
			return err
		}
		return b.shared.add(text)
	})
}

// elements calls on for each element of a part until on returns an error. It returns an error if any part is not
// well-formed.
func (b *workbook) elements(part string, on func(*decoder, xml.StartElement) error) error {
	in, err := b.open(part)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	d := &decoder{Decoder: xml.NewDecoder(bufio.NewReaderSize(in, 64<<10)), in: in}
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

// open unpacks a part, up to the limit of the workbook.
func (b *workbook) open(part string) (*partReader, error) {
	file := b.parts[part]
	if file == nil {
		return nil, errWorkbook
	}
	in, err := file.Open()
	if err != nil {
		return nil, errWorkbook
	}
	return &partReader{in, b, 0}, nil
}

// partReader unpacks a part.
type partReader struct {
	io.ReadCloser
	book *workbook
	// piece is the number of bytes since the decoder has returned a piece of XML.
	piece int
}

func (r *partReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	read := uint64(n) //nolint:gosec // a reader returns no negative count
	if read > r.book.left {
		return 0, r.book.limits.unpackedError()
	}
	r.book.left -= read
	if r.piece += n; r.piece > maxPiece {
		return 0, limitError{fmt.Sprintf("a text of the workbook is larger than %d MiB", maxPiece>>20)}
	}
	return n, err
}

// decoder decodes a part.
type decoder struct {
	*xml.Decoder
	in *partReader
}

// Token returns the next piece of XML. Its size is limited.
func (d *decoder) Token() (xml.Token, error) {
	d.in.piece = 0
	return d.Decoder.Token()
}

// escaped matches the escape of a character that XML does not allow.
var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// richText reads the text of the element that the decoder has just entered, without its phonetic guides.
func richText(d *decoder) (string, error) {
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
