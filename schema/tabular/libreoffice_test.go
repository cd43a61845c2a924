package tabular_test

import (
	"bytes"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// libreOfficeColumns are the columns of the workbook that LibreOffice 7.4 has opened and saved: once as .xlsx, and once
// as .ods and then as .xlsx (soffice --headless --convert-to).
func libreOfficeColumns() []tabular.SheetColumn {
	flags := []string{"TRUE", "FALSE"}
	return []tabular.SheetColumn{
		{Name: "id", Width: 9},
		{Name: "version", Width: 9},
		{Name: "pde_name", Width: 34, Frozen: true, Editable: true},
		{Name: "pii_flag", Width: 13, Editable: true, Choices: flags},
		{Name: "regulatory_flag", Width: 20, Editable: true, Choices: flags},
		{
			Name: "information_security_classification", Width: 20, Editable: true, Choices: []string{"HRCI", "Public"},
			Colours: []tabular.Colour{{Value: "HRCI", RGB: "F4B084"}, {Value: "Public", RGB: "C6E0B4"}},
		},
		{Name: "confidence_score", Width: 13},
		{Name: "decision", Width: 16, Editable: true, Choices: []string{"approved", "rejected"}},
		{Name: "comment", Width: 40, Editable: true},
	}
}

func libreOfficeRows() [][]any {
	return [][]any{
		{"m1", int64(1), "=1+1", true, false, "HRCI", int64(93), "approved", "checked"},
		{"m2", int64(22), "+49 30", false, true, "Public", int64(0), nil, nil},
		{"m3", int64(333), "'=quoted", nil, nil, nil, nil, "rejected", "two\nlines"},
		{"m4", int64(4), "@SUM(A1) _x0041_ <&>", true, true, "HRCI", int64(7), nil, "-5"},
	}
}

func TestDecisions_ReadsWhatLibreOfficeHasSaved(t *testing.T) {
	t.Parallel()
	if path := os.Getenv("LIBREOFFICE_INPUT"); path != "" { // writes the workbook to convert
		writeWorkbook(t, path)
	}
	for _, name := range []string{"libreoffice.xlsx", "libreoffice_ods.xlsx"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			file, err := tabular.Decisions(name, section(content),
				[]string{"pde_name", "pii_flag", "regulatory_flag", "information_security_classification"},
				[]string{"confidence_score"})
			if err != nil || len(file.Problems.First) > 0 {
				t.Fatalf("got %v, problems %v, want none", err, file.Problems)
			}
			defer func() { _ = file.Close() }()
			var got [][]string
			for i := range file.Rows {
				row, err := file.Row(i)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, append([]string{row.ID, string(row.Decision), row.Comment}, row.Cells...))
			}
			want := [][]string{
				{"m1", string(schema.ReviewStatusApproved), "checked", "=1+1", "TRUE", "FALSE", "HRCI"},
				{"m2", "", "", "+49 30", "FALSE", "TRUE", "Public"},
				{"m3", string(schema.ReviewStatusRejected), "two\nlines", "'=quoted"},
				{"m4", "", "-5", "@SUM(A1) _x0041_ <&>", "TRUE", "TRUE", "HRCI"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows differ (-want +got):\n%s", diff)
			}
			checkHelp(t, content)
		})
	}
}

// checkHelp checks that the drop-down lists and the colours are still in the workbook.
func checkHelp(t *testing.T, content []byte) {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	lists, err := book.GetDataValidations("Mappings")
	var formulas []string
	for _, list := range lists {
		formulas = append(formulas, html.UnescapeString(list.Formula1))
	}
	want := []string{`"TRUE,FALSE"`, `"TRUE,FALSE"`, `"HRCI,Public"`, `"approved,rejected"`}
	if diff := cmp.Diff(want, formulas); err != nil || diff != "" {
		t.Errorf("drop-down lists (%v) (-want +got):\n%s", err, diff)
	}
	if colours, err := book.GetConditionalFormats("Mappings"); err != nil || len(colours["F2:F5"]) != 2 {
		t.Errorf("colours: got %v (%v), want two for F2:F5", colours, err)
	}
	if text, err := book.GetCellValue("Mappings", "D2"); err != nil || !strings.EqualFold(text, "TRUE") {
		t.Errorf("flag: got %q (%v), want TRUE", text, err)
	}
}

func writeWorkbook(t *testing.T, path string) {
	t.Helper()
	to, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	w, err := tabular.NewXLSXWriter(to, "Mappings", libreOfficeColumns(), []string{"A note."})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range libreOfficeRows() {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
