package tabular_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

// rawSheet is a sheet of a raw workbook: its attributes in the list of sheets, its rows, and the elements after them.
type rawSheet struct{ name, attributes, rows, after string }

// rawWorkbook writes a workbook part by part, as other libraries do. Styles 0 to 4 are General, 0.00, a date, 0.00E+00
// and @.
func rawWorkbook(t *testing.T, calculation string, sheets ...rawSheet) []byte {
	t.Helper()
	const ns = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	const office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	var list, rels strings.Builder
	parts := map[string]string{
		"_rels/.rels": `<Relationships><Relationship Id="r" Type="` + office + `/officeDocument" ` +
			`Target="xl/workbook.xml"/></Relationships>`,
		"xl/styles.xml": `<styleSheet ` + ns + `><cellXfs><xf numFmtId="0"/><xf numFmtId="2"/><xf numFmtId="14"/><xf ` +
			`numFmtId="11"/><xf numFmtId="49"/>` +
			`</cellXfs></styleSheet>`,
	}
	for i, s := range sheets {
		fmt.Fprintf(&list, `<sheet name="%s" sheetId="%d" %s r:id="rId%d"/>`, s.name, i+1, s.attributes, i+1)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`,
			i+1, office, i+1)
		parts[fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1)] = `<worksheet ` + ns + `><sheetData>` + s.rows +
			`</sheetData>` + s.after + `</worksheet>`
	}
	parts["xl/workbook.xml"] = `<workbook ` + ns + ` xmlns:r="` + office + `"><sheets>` + list.String() +
		`</sheets>` + calculation + `</workbook>`
	parts["xl/_rels/workbook.xml.rels"] = `<Relationships>` + rels.String() +
		`<Relationship Id="rIdS" Type="` + office + `/styles" Target="styles.xml"/>` +
		`<Relationship Id="rIdT" Type="` + office + `/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>`
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for name, content := range parts {
		w, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// texts returns a row of cells with texts.
func texts(cells ...string) string {
	row := "<row>"
	for _, c := range cells {
		row += `<c t="inlineStr"><is><t>` + c + `</t></is></c>`
	}
	return row + "</row>"
}

const numbered = "attribute_name|line_item_number|description"

func withHeader(rows string) string { return texts(strings.Split(numbered, "|")...) + rows }

func name(text, more string) string {
	return `<row><c t="inlineStr"><is><t>` + text + `</t></is></c>` + more + `</row>`
}

func TestAFormulaWithoutAStoredValueIsRefusedByCell(t *testing.T) {
	t.Parallel()
	const refused = "line_item_number: has a formula whose value is not stored; open the workbook in Excel or " +
		"LibreOffice and save it"
	for program, c := range map[string]struct {
		calculation, cell string
		// want is the problem, or the line item number that is read.
		want string
	}{
		"openpyxl": {
			`<calcPr calcId="124519" fullCalcOnLoad="1"/>`, `<c><f>ROW()-1</f><v></v></c>`, refused,
		},
		"excelize": {"", `<c><f>ROW()-1</f></c>`, refused},
		"SheetJS":  {"", `<c t="n"><f>ROW()-1</f></c>`, refused},
		"XlsxWriter": {
			`<calcPr calcId="124519" fullCalcOnLoad="1"/>`, `<c><f>ROW()-1</f><v>0</v></c>`, refused,
		},
		"Apache POI, streaming": {"", `<c><f>ROW()-1</f><v>0.0</v></c>`, refused},
		"Excel":                 {`<calcPr calcId="191029"/>`, `<c><f>ROW()-1</f><v>1</v></c>`, "1"},
		"Excel, shared formula": {`<calcPr calcId="191029"/>`, `<c><f t="shared" si="0"/><v>7</v></c>`, "7"},
		"Excel, empty text":     {`<calcPr calcId="191029"/>`, `<c t="str"><f>""</f><v></v></c>`, ""},
		"LibreOffice": {
			`<calcPr iterateCount="100"/>`, `<c t="str"><f aca="false">"a"&amp;"b"</f><v>ab</v></c>`, "ab",
		},
		"fullCalcOnLoad, value": {`<calcPr fullCalcOnLoad="1"/>`, `<c><v>3</v></c>`, "3"},
	} {
		t.Run(program, func(t *testing.T) {
			file, err := tabular.Attributes(
				"a.xlsx",
				rawWorkbook(t, c.calculation, rawSheet{name: "S", rows: withHeader(name("A", c.cell))}),
			)
			if c.want == refused {
				if err == nil || err.Error() != "a.xlsx:S!B2: "+refused {
					t.Errorf("got error %v, want %s", err, refused)
				}
				return
			}
			if err != nil || file.Rows[0].LineItemNumber != c.want {
				t.Errorf("got %+v, %v, want %q", file.Rows, err, c.want)
			}
		})
	}
}

func TestAValueThatASpreadsheetHasDamagedIsRefusedByCell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows, after string
		want        []string
	}{
		"error": {
			name("A", `<c t="e"><v>#REF!</v></c>`), "",
			[]string{"2|line_item_number|the spreadsheet shows an error here instead of a value"},
		},
		"error in German": {
			texts("A", "#BEZUG!"), "",
			[]string{"2|line_item_number|the spreadsheet shows an error here instead of a value"},
		},
		"scientific": {
			name("A", `<c s="3"><v>120000000001</v></c>`), "",
			[]string{
				"2|line_item_number|has a number with an exponent in place of a code; format the column as text and " +
					"type the code again",
			},
		},
		"long fraction": {name("A", `<c><v>1.1000000000000001</v></c>`), "", nil},
		"date in a name": {
			`<row><c s="2"><v>46024</v></c></row>`, "",
			[]string{
				"2|attribute_name|has a date in place of a code: spreadsheets turn entries such as 1-3 into dates; " +
					"format the column as text and type the code again",
			},
		},
		"date in a text": {
			`<row><c t="inlineStr"><is><t>A</t></is></c><c r="C2" s="2"><v>46024</v></c></row>`, "", nil,
		},
		"merged names": {
			texts("A", "1") + texts("", "2"), `<mergeCells><mergeCell ref="A2:A3"/></mergeCells>`,
			[]string{
				"2|attribute_name|is merged with other cells; unmerge them and write every value into its own cell",
				"3|attribute_name|must not be empty",
			},
		},
		"merged, no value": {texts("A", "1") + texts("", ""), `<mergeCells><mergeCell ref="A3:C3"/></mergeCells>`, nil},
		"formula as text": {
			texts("A", "=ROW()"), "",
			[]string{"2|line_item_number|has the text of a formula in place of its value; save the values"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tabular.Attributes(
				"a.xlsx",
				rawWorkbook(t, "", rawSheet{name: "S", rows: withHeader(c.rows), after: c.after}),
			)
			if diff := cmp.Diff(c.want, lines(err)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
	for row, want := range map[string]string{
		"A,1.2E+11,":           "has a number with an exponent",
		"A,\"1,20E+11\",":      "has a number with an exponent",
		"A,3-Jan,":             "has a date",
		"A,2026-01-03 00:00,":  "has a date",
		"A,1/3/2026,":          "has a date",
		"A,1-3,":               "",
		"A,1E10,":              "",
		"A,12345678901234567,": "",
		"=ROW(),1,":            "has the text of a formula",
		"A,1,= B - C":          "",
		"A,#N/A,":              "the spreadsheet shows an error",
	} {
		t.Run(row, func(t *testing.T) {
			got := attributeProblems(strings.ReplaceAll(numbered, "|", ",") + "\n" + row + "\n")
			if (want == "") != (got == nil) || got != nil && !strings.Contains(got[0], want) {
				t.Errorf("got problems %v, want %q", got, want)
			}
		})
	}
}

func TestVisibleSheetsWithTheSameColumnsAreReadAndTheOthersListed(t *testing.T) {
	t.Parallel()
	file, err := tabular.Attributes("a.xlsx", rawWorkbook(
		t,
		"",
		rawSheet{name: "Lists", attributes: `state="hidden"`, rows: withHeader(texts("Hidden", "1"))},
		rawSheet{name: "Secret", attributes: `state="veryHidden"`, rows: withHeader(texts("Very hidden", "1"))},
		rawSheet{name: "Part 1", rows: withHeader(texts("A", "1"))},
		rawSheet{name: "Notes", rows: texts("who", "when")},
		rawSheet{
			name: "Part 2",
			rows: texts("Line Item Number", "description", "attribute_name") + texts("2", "", "B"),
		},
		rawSheet{name: "Names only", rows: texts("attribute_name") + texts("C")},
		rawSheet{name: "Empty"},
	))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, a := range file.Rows {
		got = append(got, a.AttributeName+a.LineItemNumber+" in "+file.Places[i].String())
	}
	want := []string{"A1 in line 2 of sheet Part 1", "B2 in line 2 of sheet Part 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	wantSheets := [][]string{{"Part 1", "Part 2"}, {"Notes", "Names only", "Lists", "Secret"}}
	if diff := cmp.Diff(wantSheets, [][]string{file.Sheets, file.Unread}); diff != "" {
		t.Errorf("sheets differ (-want +got):\n%s", diff)
	}

	_, err = tabular.Attributes("a.xlsx", rawWorkbook(
		t,
		"",
		rawSheet{
			name: "Part 1",
			rows: withHeader(texts("A", "1")),
		},
		rawSheet{name: "It's 2", rows: withHeader(texts("B", "2") + texts("C", "1"))},
	))
	if want := "a.xlsx:'It''s 2'!B3: line_item_number: the attribute is already in line 2 of sheet Part " +
		"1; "; err == nil ||
		!strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error %v, want one that begins with %s", err, want)
	}
	_, err = tabular.Attributes(
		"a.xlsx",
		rawWorkbook(t, "", rawSheet{name: "S", attributes: `state="hidden"`, rows: withHeader(texts("A", "1"))}),
	)
	if err == nil || err.Error() != "a.xlsx: every sheet of the workbook is hidden; unhide the one to import" {
		t.Errorf("got error %v, want one about hidden sheets", err)
	}
	_, err = tabular.Attributes("a.xlsx", rawWorkbook(
		t,
		"",
		rawSheet{
			name: "New",
			rows: texts("attribute_name", "line item no.") + texts("A", "1"),
		},
		rawSheet{name: "Old", rows: withHeader(texts("B", "1"))},
	))
	if err == nil || !strings.HasPrefix(err.Error(), "a.xlsx:New!B1: line item no.: there is no such column") {
		t.Errorf("got error %v, want the mistake in the sheet that has the columns", err)
	}
}

func TestAValueInTheHeaderIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"123-45-6789", "Jane\nDoe", strings.Repeat("secret ", 10)} {
		t.Run("cell of the header", func(t *testing.T) {
			_, err := tabular.Attributes("a.csv", []byte("attribute_name,\""+secret+"\"\nA,b\n"))
			if err == nil || strings.Contains(err.Error(), strings.TrimSpace(secret)) ||
				!strings.Contains(err.Error(), "cell B") {
				t.Errorf("got error %v, want one that names the cell and does not show its text", err)
			}
		})
	}
}

// added returns the archive with another part.
func added(t *testing.T, archive []byte, part, content string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, file := range in.File {
		if err := to.Copy(file); err != nil {
			t.Fatal(err)
		}
	}
	w, err := to.Create(part)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
