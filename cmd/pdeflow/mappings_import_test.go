package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// TestDecisionsAreMadeInAWorkbook exports a workbook, decides in it with another library, and imports it.
func TestDecisionsAreMadeInAWorkbook(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceAuditor)
	ids := schematest.Report(t, f.db, 3)
	command := func(exit int, command string, args ...string) result {
		typed := append([]string{"mappings", command, "--cycle", schematest.CycleID, "--report", schematest.ReportID},
			args...)
		return f.pdeflow(typed...).ends(t, exit)
	}
	path := filepath.Join(t.TempDir(), "mappings.xlsx")
	command(exitDone, "export", "--format", "xlsx", "--output", path)
	cells := fillWorkbook(t, path, map[string]map[string]string{
		ids[0]: {"criticality": "High", "comment": "a key"}, ids[1]: {"decision": "approved"},
		ids[2]: {"risk_level": "Extreme"},
	})
	command(exitFailed, "import-decisions", path).ends(t, exitFailed,
		path+":Mappings!"+cells["risk_level"]+": risk_level: must be one of High, Medium, Low",
		"nothing was imported")
	dry := command(exitDone, "import-decisions", path, "--only-clean", "--dry-run")
	dry.ends(t, exitDone, "1 mappings would be edited and 1 decided; 0 rows are unchanged and 1 refused.")
	fillWorkbook(t, path, map[string]map[string]string{ids[2]: {"risk_level": ""}})
	done := from[api.ImportedDecisions](t, command(exitDone, "import-decisions", path, "--json"))
	if done.Edited != 1 || done.Decided != 1 || done.Unchanged != 1 {
		t.Errorf("got %+v, want a row of each kind", done)
	}
	edited := from[api.Mapping](t, command(exitDone, "show", ids[0], "--json"))
	if *edited.Criticality != schema.LevelHigh || !edited.MappingConfirmedByUser || edited.Version != 2 {
		t.Errorf("edited: got %+v, want a high criticality, confirmed, version 2", edited)
	}
	command(exitDone, "history", ids[0]).ends(t, exitDone, "a key")
	command(exitDone, "history", ids[1]).ends(t, exitDone, "approved")
	f.eventually("both changes are audited",
		"select count(*) = 2 from audit_log where event_id in ('changed/"+ids[0]+"/2', 'changed/"+ids[1]+"/2')")
}

// fillWorkbook writes the values of mappings, by id and column, into an exported workbook, with another library than
// the one that exports. It returns the cell that it wrote last in each column.
func fillWorkbook(t *testing.T, path string, values map[string]map[string]string) map[string]string {
	t.Helper()
	book, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	rows, err := book.GetRows("Mappings")
	if err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	for i, row := range rows {
		for column, value := range values[row[0]] {
			cell, err := excelize.CoordinatesToCellName(slices.Index(rows[0], column)+1, i+1)
			if err != nil {
				t.Fatalf("column %s: got %v, want nil", column, err)
			}
			if err := book.SetCellValue("Mappings", cell, value); err != nil {
				t.Fatal(err)
			}
			cells[column] = cell
		}
	}
	if err := book.Save(); err != nil {
		t.Fatal(err)
	}
	return cells
}
