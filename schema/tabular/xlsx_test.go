package tabular_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

// workbook returns a workbook with these rows in its first sheet and a note in the second.
func workbook(t *testing.T, rows ...[]any) []byte {
	t.Helper()
	book := excelize.NewFile()
	for i, row := range rows {
		if err := book.SetSheetRow("Sheet1", fmt.Sprint("A", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := book.NewSheet("Notes"); err != nil {
		t.Fatal(err)
	}
	if err := book.SetCellStr("Notes", "A1", "ignored"); err != nil {
		t.Fatal(err)
	}
	book.SetActiveSheet(1)
	return written(t, book)
}

func written(t *testing.T, book *excelize.File) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := book.Write(&out); err != nil {
		t.Fatal(err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// changed returns the archive with the part changed.
func changed(t *testing.T, archive []byte, part string, change func(string) string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, file := range in.File {
		from, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		if file.Name == part {
			content = []byte(change(string(content)))
		}
		w, err := to.Create(file.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bomb returns a small archive with a large declared size.
func bomb(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	_, err := archive.CreateRaw(
		&zip.FileHeader{Name: "xl/workbook.xml", Method: zip.Deflate, UncompressedSize64: 257 << 20},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAttributes_ReadsAWorkbookLikeTheSameCSV(t *testing.T) {
	t.Parallel()
	content := workbook(t,
		[]any{"attribute_name", "line_item_number", "mdrm", "is_cde", "is_mandatory", "description"},
		[]any{"Balance", 1, "0042", true, "no", "two\nlines"},
		[]any{},
		[]any{" Rate ", 1.5, 9999, 0, 1, nil},
		[]any{"Last"})
	want, err := tabular.Attributes(
		"a.csv",
		[]byte("attribute_name,line_item_number,mdrm,is_cde,is_mandatory,description\n"+
			"Balance,1,0042,true,no,\"two\nlines\"\n\nRate,1.5,9999,0,1,\nLast,,,,,\n"),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.xlsx", "a.csv", "a", ""} {
		t.Run(name, func(t *testing.T) {
			got, err := tabular.Attributes(name, content)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Rows, got.Rows, rowsOnly); diff != "" {
				t.Errorf("the workbook differs from the CSV (-csv +xlsx):\n%s", diff)
			}
		})
	}
}

func TestNumbersOfAWorkbookAreReadAsDisplayed(t *testing.T) {
	t.Parallel()
	book := excelize.NewFile()
	style, err := book.NewStyle(&excelize.Style{NumFmt: 2}) // 0.00
	if err != nil {
		t.Fatal(err)
	}
	for cell, value := range map[string]any{
		"A1": "attribute_name", "B1": "line_item_number", "A2": "A", "B2": 1.0, "A3": "B", "B3": 2.0,
		"A4": "C", "B4": 12345678901.0,
	} {
		if err := book.SetCellValue("Sheet1", cell, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.SetCellStyle("Sheet1", "B3", "B3", style); err != nil {
		t.Fatal(err)
	}
	file, err := tabular.Attributes("a.xlsx", written(t, book))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1", "2.00", "12345678901"} {
		if got := file.Rows[i].LineItemNumber; got != want {
			t.Errorf("row %d: got line item %q, want %q", i+2, got, want)
		}
	}
}

func TestProblemsOfAWorkbookHaveItsLineNumbers(t *testing.T) {
	t.Parallel()
	book := excelize.NewFile()
	for cell, value := range map[string]any{
		"A3": "attribute_name", "B3": "is_cde", "A5": "A", "B5": "what", "A9": "#N/A", "A10": "B", "D10": "x",
	} {
		if err := book.SetCellValue("Sheet1", cell, value); err != nil {
			t.Fatal(err)
		}
	}
	_, err := tabular.Attributes("a.xlsx", written(t, book))
	want := []string{
		"5|is_cde|must be true, yes, y or 1, or else false, no, n or 0",
		"9|attribute_name|the spreadsheet shows an error here instead of a value",
		"10||there is a value under no column name; the header names every column, " +
			"and quotes stand around a cell with a separator in it",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
}

func TestABrokenWorkbookIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	good := workbook(t, []any{"attribute_name"}, []any{"A"}, []any{"B"})
	const sheet = "xl/worksheets/sheet1.xml"
	const broken = "the workbook cannot be read; open it in a spreadsheet program and save it again as .xlsx"
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"cut off": {good[:len(good)-100], "0||" + broken},
		"sheet cut off": {changed(t, good, sheet, func(xml string) string {
			return xml[:strings.Index(xml, `<row r="3"`)]
		}), "2||" + broken},
		"another kind of archive": {
			changed(t, good, "xl/workbook.xml", func(string) string { return "hello" }), "0||" + broken,
		},
		"a cell far to the right": {changed(t, good, sheet, func(xml string) string {
			return strings.Replace(xml, `<c r="A3"`, `<c r="XFD3"`, 1)
		}), "3||there is a value in column XFD, and only the first 200 columns are read"},
		"a bomb": {bomb(t), "0||unpacked, the workbook is larger than 128 MiB; split it, or save the sheet as .csv"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tabular.Attributes("a.xlsx", c.content)
			if diff := cmp.Diff([]string{c.want}, lines(err)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
	if file, err := tabular.Attributes("a.xlsx", good); err != nil || len(file.Rows) != 2 {
		t.Errorf("the intact workbook: got %+v, %v, want two rows", file.Rows, err)
	}
}

func FuzzAWorkbookIsReadOrRefused(f *testing.F) {
	book := excelize.NewFile()
	if err := book.SetSheetRow("Sheet1", "A1", &[]any{"attribute_name", "is_cde"}); err != nil {
		f.Fatal(err)
	}
	var out bytes.Buffer
	if err := book.Write(&out); err != nil {
		f.Fatal(err)
	}
	f.Add(0, byte(0), `<row r="2"><c r="A2" t="s"><v>99</v></c></row>`)
	f.Add(40, byte('P'), `<row><c><v>1</v></c></row>`)
	f.Add(1000, byte(7), `<row r="-1"><c r="A2" s="77"><v>1e400</v></c></row>`)
	f.Fuzz(func(t *testing.T, at int, with byte, rows string) {
		content := withRows(out.Bytes(), rows)
		if len(content) > 0 && at > 0 {
			content[at%len(content)] ^= with
		}
		if _, err := tabular.Attributes("f.xlsx", content); err != nil && len(lines(err)) == 0 {
			t.Errorf("got error %v, want problems", err)
		}
	})
}

// withRows adds the rows to the first sheet, even if they are not XML.
func withRows(archive []byte, rows string) []byte {
	in, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, file := range in.File {
		from, _ := file.Open()
		content, _ := io.ReadAll(from)
		if file.Name == "xl/worksheets/sheet1.xml" {
			content = []byte(strings.Replace(string(content), "</sheetData>", rows+"</sheetData>", 1))
		}
		w, _ := to.CreateHeader(&zip.FileHeader{Name: file.Name, Method: zip.Store})
		_, _ = w.Write(content)
	}
	_ = to.Close()
	return out.Bytes()
}
