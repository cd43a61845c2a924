package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	someAttributes = "attribute_name,line_item_number,is_cde\nBalance,1,yes\nLimit,2,\n"
	someColumns    = "data_source,schema,table,column,data_type\n" +
		"Cards,CRD,ACCT,BAL_AMT,NUMBER\nCards,CRD,ACCT,LMT_AMT,NUMBER\n"
)

func TestAnImportLoadsEverythingOrListsEveryError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	load := func(args ...string) result {
		return f.pdeflow(append([]string{"import", "--cycle", "2026-Q3", "--report", "cards"}, args...)...)
	}
	attributes, columns := file(t, "attributes.csv", someAttributes), file(t, "columns.csv", someColumns)
	golden(t, "import", transcript(
		load("--name", "Cards & loans", "--attributes", attributes, "--columns", columns,
			"--mappings",
			file(t, "mappings.csv",
				"line_item_number,source_field,mapping_confirmed_by_user\n1,CRD.ACCT.BAL_AMT,yes\n")).ends(t, exitDone),
		load("--attributes", file(t, "attributes.csv", strings.ReplaceAll(someAttributes, "yes", "no")), "--columns",
			columns).ends(t, exitDone),
		load("--mappings", file(t, "mappings.csv", "line_item_number,source_field\n1,CRD.ACCT.LMT_AMT\n")).ends(t,
			exitDone),
		load("--attributes",
			file(t, "wrong.csv", "attribute_name,line_item_number,is_cde\nBalance,1,maybe\n,2,\nLimit,1,\n"),
			"--columns", file(t, "empty.csv", "")).ends(t, exitFailed),
		load("--attributes", file(t, "header.csv", "name,number\nBalance,1\n")).ends(t, exitFailed),
		load("--attributes", file(t, "latin1.csv", "attribute_name\nSald\xf3\n")).ends(t, exitFailed),
		load("--mappings",
			file(t, "mappings.csv",
				"line_item_number,data_source,source_field\n"+
					"1,Loans,CRD.ACCT.LMT_AMT\n9,,CRD.ACCT.LMT_AMT\n2,,CRD.ACCT.NONE\n")).ends(t, exitFailed),
		load("--attributes", file(t, "large.csv", strings.Repeat("x", 50<<20))).ends(t, exitFailed),
		load("--attributes", file(t, "wrong.csv", "attribute_name,is_cde\nBalance,maybe\n"), "--json").ends(t,
			exitFailed),
		f.pdeflow("import", "--cycle", "a/b", "--report", "cards", "--attributes", attributes).ends(t, exitFailed),
	))
	var rows int
	if err := f.db.NewRaw("select count(*) from attributes where report_id = 'cards'").Scan(t.Context(),
		&rows); err != nil || rows != 2 {
		t.Errorf("got %d attributes (%v), want the 2 of the valid imports", rows, err)
	}
}

func TestAWorkbookIsImportedAndReportedAsJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	book := excelize.NewFile()
	for cell, value := range map[string]any{
		"A1": "Attribute Name", "B1": "line_item_number", "A2": "Balance", "B2": 1, "A3": "Limit", "B3": 2,
	} {
		if err := book.SetCellValue("Sheet1", cell, value); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "attributes.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	done := from[api.Imported](t,
		f.pdeflow("import", "--cycle", "c", "--report", "r", "--attributes", path, "--json").ends(t, exitDone))
	if done.MappingCount != 2 || done.Attributes.Added != 2 || done.Name != "r" {
		t.Errorf("import: got %+v, want two added attributes of r", done)
	}
}

func TestImportPrunesOnlyWithTheFlag(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	load := func(args ...string) result {
		return f.pdeflow(append([]string{"import", "--cycle", "c", "--report", "r"}, args...)...)
	}
	load("--attributes", file(t, "a.csv", someAttributes), "--columns", file(t, "c.csv", someColumns),
		"--mappings", file(t, "m.csv", "line_item_number,source_field\n2,CRD.ACCT.LMT_AMT\n")).ends(t, exitDone)
	attributes, columns := file(t, "a.csv", "attribute_name,line_item_number\nLimit,2\n"),
		file(t, "c.csv", "data_source,schema,table,column\nCards,CRD,ACCT,BAL_AMT\n")
	load("--attributes", attributes, "--columns", columns).
		ends(t, exitDone, "Cards: Columns: 1 dropped. 1 mapping needs revision.\n  dropped: CRD.ACCT.LMT_AMT",
			"1 column and 1 attribute are no longer in the files:\n  CRD.ACCT.LMT_AMT\n  Balance\n",
			"Jobs no longer use these columns", "import again with --prune")
	f.pdeflow("sources", "summary", "--cycle", "c", "--report", "r", "Cards").
		ends(t, exitDone, "The last import lacked 1 column", "missing since ")
	f.pdeflow("mappings", "list", "--cycle", "c", "--report", "r", "--review-status", "needs_revision").
		ends(t, exitDone, "CRD.ACCT.LMT_AMT")
	load("--attributes", attributes, "--columns", columns, "--prune").
		ends(t, exitDone, "Removed 1 column and 1 attribute no longer in the files",
			"1 mapping lost a column and became unmapped", "has 1 mapping")
	load("--attributes", attributes, "--prune=all").ends(t, exitUsage, "give --prune, or --prune=confirmed")

	load("--mappings", file(t, "m.csv", "line_item_number,pde_name,mapping_confirmed_by_user\n2,Limit,yes\n")).ends(t,
		exitDone)
	renamed := file(t, "a.csv", "attribute_name,line_item_number\nAnother,9\n")
	load("--attributes", renamed, "--prune").ends(t, exitFailed, "A person has confirmed some of it", "prune=confirmed")
	load("--attributes", renamed).ends(t, exitDone,
		"A person has confirmed 1 of them: only a manager can remove them, with --prune=confirmed.")
}

func TestImportNamesTheSheetsThatItReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	book := excelize.NewFile()
	for sheet, rows := range map[string][][]any{
		"Sheet1": {{"How to fill in this workbook"}},
		"Fields": {{"Fields of the schedule"}, {"attribute_name", "line_item_number"}, {"Balance", 1}},
		"Old":    {{"attribute_name"}, {"Balances"}},
	} {
		if _, err := book.NewSheet(sheet); err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			if err := book.SetSheetRow(sheet, "A"+strconv.Itoa(i+1), &row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := book.SetSheetVisible("Old", false); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "attributes.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	f.pdeflow("import", "--cycle", "c", "--report", "r", "--attributes", path).
		ends(t, exitDone,
			`attributes.xlsx: 1 row of sheet “Fields” under the header in line 2; not read: sheets “Sheet1”, “Old”`)
	f.pdeflow("import", "--cycle", "c", "--report", "r", "--attributes",
		file(t, "a.csv", "attribute_name,is_cde\n"+strings.Repeat(",?\n", 60))).
		ends(t, exitFailed, "a.csv:51: attribute_name: must not be empty", "and 20 more errors")
}

func TestAReportWithAnActiveJobIsNotImported(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	schematest.Report(t, f.db, 1)
	job := f.regenerate()
	f.pdeflow("import", "--cycle", schematest.CycleID, "--report", schematest.ReportID, "--attributes",
		file(t, "a.csv", someAttributes)).
		ends(t, exitFailed, "The report has an active job", "pdeflow jobs watch "+job)
}

func TestErrorsInFilesOfTheSameNameAreNotMixedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	got := f.pdeflow("import", "--cycle", "c", "--report", "r", "--attributes",
		file(t, "x.csv", "attribute_name,is_cde\nA,maybe\n"),
		"--columns", file(t, "x.csv", someColumns)).ends(t, exitFailed, "x.csv:2: is_cde: must be")
	if strings.Contains(got.stderr, "/x.csv") {
		t.Errorf("got the ambiguous file name in %s, want the whole one", got.stderr)
	}
}

func TestTheNextCommandOfAnImportWorksWhenPasted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	attributes, columns := file(t, "attributes.csv", someAttributes), file(t, "columns.csv", someColumns)
	for report, tt := range map[string]struct {
		args []string
		want string
	}{
		"only attributes": {
			[]string{"--attributes", attributes},
			"Next: pdeflow import --cycle c --report 'only attributes' --columns FILE\n",
		},
		"only columns": {
			[]string{"--columns", columns},
			"Next: pdeflow import --cycle c --report 'only columns' --attributes FILE\n",
		},
		"$(touch x)": {
			[]string{"--attributes", attributes, "--columns", columns},
			"Next: pdeflow regenerate --cycle c --report '$(touch x)' --watch\n",
		},
		"it's": {
			[]string{"--attributes", attributes, "--columns", columns},
			`Next: pdeflow regenerate --cycle c --report 'it'\''s' --watch`,
		},
	} {
		t.Run(report, func(t *testing.T) {
			f.pdeflow(append([]string{"import", "--cycle", "c", "--report", report}, tt.args...)...).ends(t, exitDone,
				tt.want)
		})
	}
	server := strings.TrimSuffix(f.url, "/api/v1")
	f.pdeflow("import", "--cycle", "c", "--report", "r", "--server", server, "--attributes", attributes, "--columns",
		columns).
		ends(t, exitDone, "Next: pdeflow regenerate --server "+server+" --cycle c --report r --watch\n")
}
