package tabular_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

// workbookOf writes a workbook with the rows and opens it with another library.
func workbookOf(t *testing.T, columns []tabular.SheetColumn, rows ...[]any) *excelize.File {
	t.Helper()
	var to bytes.Buffer
	w, err := tabular.NewXLSXWriter(&to, "A & B", columns, []string{"A note."})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	return book
}

func TestXLSXWriter_WritesTypedCellsThatOtherProgramsRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 18, 30, 15, 0, time.UTC)
	book := workbookOf(t, []tabular.SheetColumn{{Name: "text"}, {Name: "number"}, {Name: "flag"}, {Name: "time"}},
		[]any{"=1+1", int64(42), true, at}, []any{" <&\"'> \r\n\t_x0041_x0042_ _x0041\x01 \x01 é", nil, false, nil})
	rows, err := book.GetRows("A & B")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"text", "number", "flag", "time"},
		{"=1+1", "42", "TRUE", "2026-11-27 18:30:15"},
		{" <&\"'> \r\n\t_x0041_x0042_ _x0041\x01 \x01 é", "", "FALSE"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	for cell, want := range map[string]excelize.CellType{
		"A2": excelize.CellTypeInlineString, "B2": excelize.CellTypeUnset, "C2": excelize.CellTypeBool,
		"D2": excelize.CellTypeUnset,
	} {
		if got, err := book.GetCellType("A & B", cell); err != nil || got != want {
			t.Errorf("type of %s: got %v (%v), want %v", cell, got, err, want)
		}
	}
	if formula, err := book.GetCellFormula("A & B", "A2"); err != nil || formula != "" {
		t.Errorf("got formula %q (%v), want none", formula, err)
	}
}

func TestXLSXWriter_HelpsThePersonWhoEdits(t *testing.T) {
	t.Parallel()
	book := workbookOf(t, []tabular.SheetColumn{
		{Name: "id", About: "Do not change."},
		{
			Name: "tier", Editable: true, Choices: []string{"HRCI", "Public"}, About: "How secret it is.",
			Colours: []tabular.Colour{{Value: "HRCI", RGB: "F8CBAD"}, {Value: "Public", RGB: "C6E0B4"}},
		},
	}, []any{"1", "HRCI"}, []any{"2", "Public"})
	if panes, err := book.GetPanes("A & B"); err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("got panes %+v (%v), want a frozen header", panes, err)
	}
	// LibreOffice keeps the filters only with this name.
	name := excelize.DefinedName{Name: "_xlnm._FilterDatabase", RefersTo: "'A & B'!$A$1:$B$3", Scope: "A & B"}
	if got := book.GetDefinedName(); len(got) != 1 || got[0] != name {
		t.Errorf("got names %+v, want %+v", got, name)
	}
	lists, err := book.GetDataValidations("A & B")
	if err != nil || len(lists) != 1 || lists[0].Sqref != "B2:B3" || lists[0].Formula1 != `"HRCI,Public"` {
		t.Errorf("got drop-down lists %+v (%v), want one for B2:B3", lists, err)
	}
	colours, err := book.GetConditionalFormats("A & B")
	if err != nil || len(colours["B2:B3"]) != 2 {
		t.Errorf("got colours %+v (%v), want two for B2:B3", colours, err)
	}
	about, err := book.GetRows("Columns")
	want := [][]string{
		{"A note."},
		{"Name", "Editable", "Values", "Meaning"},
		{"id", "no", "", "Do not change."},
		{"tier", "yes", "HRCI, Public", "How secret it is."},
	}
	if diff := cmp.Diff(want, about); err != nil || diff != "" {
		t.Errorf("the second sheet differs (%v) (-want +got):\n%s", err, diff)
	}
}

func TestSheetText_CutsToUTF16Units(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want int
	}{
		{strings.Repeat("é", 32_767), 2 * 32_767},
		{strings.Repeat("é", 32_768), 2 * 32_767},
		{strings.Repeat("𝄞", 16_384), 4 * 16_383},
	} {
		if got := len(tabular.SheetText(c.text)); got != c.want {
			t.Errorf("SheetText: got %d bytes, want %d", got, c.want)
		}
	}
}
