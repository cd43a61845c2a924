package main

import (
	"path/filepath"
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
	decide := func(values map[string]string) {
		book, err := excelize.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = book.Close() }()
		for cell, value := range values {
			if err := book.SetCellValue("Mappings", cell, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := book.Save(); err != nil {
			t.Fatal(err)
		}
	}
	columns := map[string]string{}
	book, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := book.GetRows("Mappings")
	if err != nil || book.Close() != nil {
		t.Fatal(err)
	}
	for i, name := range rows[0] {
		if columns[name], err = excelize.ColumnNumberToName(i + 1); err != nil {
			t.Fatal(err)
		}
	}

	decide(map[string]string{
		columns["criticality"] + "2": "High", columns["comment"] + "2": "a key", columns["decision"] + "3": "approved",
		columns["risk_level"] + "4": "Extreme",
	})
	command(exitFailed, "import-decisions", path).ends(t, exitFailed,
		path+":Mappings!"+columns["risk_level"]+"4: risk_level: must be one of High, Medium, Low",
		"nothing was imported")
	dry := command(exitDone, "import-decisions", path, "--only-clean", "--dry-run")
	dry.ends(t, exitDone, "1 mappings would be edited and 1 decided; 0 rows are unchanged and 1 refused.")
	decide(map[string]string{columns["risk_level"] + "4": ""})
	done := from[api.ImportedDecisions](t, command(exitDone, "import-decisions", path, "--json"))
	if done.Edited != 1 || done.Decided != 1 || done.Unchanged != 1 {
		t.Errorf("got %+v, want a row of each kind", done)
	}
	edited := from[api.Mapping](t, command(exitDone, "show", ids[0], "--json"))
	if *edited.Criticality != schema.LevelHigh || !edited.MappingConfirmedByUser || edited.Version != 2 {
		t.Errorf("edited: got %+v", edited)
	}
	command(exitDone, "history", ids[0]).ends(t, exitDone, "a key")
	command(exitDone, "history", ids[1]).ends(t, exitDone, "approved")
	f.eventually("both changes are audited",
		"select count(*) = 2 from audit_log where event_id in ('changed/"+ids[0]+"/2', 'changed/"+ids[1]+"/2')")
}
