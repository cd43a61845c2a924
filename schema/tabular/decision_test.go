package tabular_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// decisions reads a file of decisions that is closed at the end of the test.
func decisions(t *testing.T, name string, content []byte) (tabular.DecisionFile, error) {
	t.Helper()
	file, err := tabular.Decisions(name, section(content), []string{"pde_name", "business_owner"},
		[]string{"mapping_rationale"})
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return file, err
}

func section(content []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content)))
}

// largeWorkbook returns a workbook with these texts.
func largeWorkbook(t *testing.T, rows int, text func(row int) string) []byte {
	t.Helper()
	var to bytes.Buffer
	w, err := tabular.NewXLSXWriter(&to, "Mappings", []tabular.SheetColumn{
		{Name: "id"}, {Name: "version"}, {Name: "pde_name"}, {Name: "decision"}, {Name: "comment"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		row := []any{fmt.Sprint("m", i), int64(i + 1), text(i), "approved", fmt.Sprint("c", i)}
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

// It is not parallel, because it measures the memory of the process.
func TestDecisions_HoldsNoTextsOfALargeFileInMemory(t *testing.T) {
	const rows = 1300
	text := func(row int) string { return strings.Repeat(fmt.Sprint(row%10), 32_000) }
	for name, content := range map[string][]byte{
		"a.xlsx": largeWorkbook(t, rows, text),
		"a.csv": func() []byte {
			var to bytes.Buffer
			to.WriteString("id,version,pde_name,decision,comment\n")
			for i := range rows {
				fmt.Fprintf(&to, "m%d,%d,%s,approved,c%d\n", i, i+1, text(i), i)
			}
			return to.Bytes()
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			file, err := decisions(t, name, content)
			if err != nil || len(file.Rows) != rows || len(file.Problems.First) > 0 {
				t.Fatalf("got %d rows, %v, problems %v, want %d rows", len(file.Rows), err, file.Problems, rows)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if mib := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20; mib > 16 {
				t.Errorf("got %d MiB in memory for %d MiB of texts, want at most 16", mib, rows*32_000>>20)
			}
			for _, i := range []int{0, 17, rows - 1} {
				row, err := file.Row(i)
				if err != nil || row.ID != fmt.Sprint("m", i) || row.Version != int64(i+1) ||
					row.Decision != schema.ReviewStatusApproved || row.Comment != fmt.Sprint("c", i) ||
					row.Cells[0] != text(i) {
					t.Errorf("row %d: got %s, version %d, %q (%v), want its values", i, row.ID, row.Version,
						row.Comment, err)
				}
			}
		})
	}
}

func TestDecisions_ReadsManySharedStrings(t *testing.T) {
	t.Parallel()
	var shared, rows strings.Builder
	const n = 1150
	for i := range n {
		fmt.Fprintf(&shared, "<si><t>%d %s</t></si>", i, strings.Repeat("x", 30_000)) // 34 MB, of which 32 MiB are held
		fmt.Fprintf(&rows, `<row><c t="inlineStr"><is><t>m%d</t></is></c><c><v>1</v></c><c t="s"><v>%d</v></c></row>`,
			i, n-1-i)
	}
	const header = `<row><c t="inlineStr"><is><t>id</t></is></c><c t="inlineStr"><is><t>version</t></is></c>` +
		`<c t="inlineStr"><is><t>pde_name</t></is></c></row>`
	book := rawWorkbook(t, "", rawSheet{name: "S", rows: header + rows.String()})
	file, err := decisions(t, "a.xlsx", added(t, book, "xl/sharedStrings.xml", `<sst>`+shared.String()+`</sst>`))
	if err != nil || len(file.Rows) != n {
		t.Fatalf("got %d rows, %v, want %d", len(file.Rows), err, n)
	}
	for _, i := range []int{0, 1, n - 1} {
		row, err := file.Row(i)
		if err != nil || !strings.HasPrefix(row.Cells[0], fmt.Sprint(n-1-i, " x")) {
			t.Errorf("row %d: got %.20q, %v, want text %d", i, row.Cells, err, n-1-i)
		}
	}
}

func TestDecisions_ReportsAnErrorOfTheTemporaryFileAsItIs(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	_, err := decisions(t, "a.csv", []byte("id,version\nm,1\n"))
	if problems, ok := errors.AsType[tabular.Problems](err); err == nil || ok {
		t.Errorf("got problems %v, error %v, want an error of the temporary file", problems, err)
	}
}

func TestDecisions_LimitsALine(t *testing.T) {
	t.Parallel()
	_, err := decisions(t, "a.csv", []byte("id,version,pde_name\nm,1,\""+strings.Repeat("x,\n", 12<<20)))
	if err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("got %.200v, want that the line is too large", err)
	}
}

// A format can have a text for zero, as LibreOffice writes flags and people write yes and no.
func TestAZeroIsReadAsItIsDisplayed(t *testing.T) {
	t.Parallel()
	for format, want := range map[string][2]string{
		`"TRUE";"TRUE";"FALSE"`: {"FALSE", "TRUE"},
		`0;-0;`:                 {"", "1"},
		`0;-0;\;`:               {";", "1"},
		`[Red]0;[Blue]-0`:       {"0", "1"},
		`0.0`:                   {"0.0", "1.0"},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			book := excelize.NewFile()
			defer func() { _ = book.Close() }()
			style, err := book.NewStyle(&excelize.Style{CustomNumFmt: &format})
			rows := [][]any{{"attribute_name", "description"}, {"zero", 0}, {"one", 1}}
			for i, row := range rows {
				err = errors.Join(err, book.SetSheetRow("Sheet1", fmt.Sprint("A", i+1), &row))
			}
			var to bytes.Buffer
			if err := errors.Join(err, book.SetCellStyle("Sheet1", "B2", "B3", style), book.Write(&to)); err != nil {
				t.Fatal(err)
			}
			file, err := tabular.Attributes("a.xlsx", to.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if got := [2]string{file.Rows[0].Description, file.Rows[1].Description}; got != want {
				t.Errorf("zero and one: got %q, want %q", got, want)
			}
		})
	}
}
