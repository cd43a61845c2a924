package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestMappingsAreExportedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	ids := schematest.Report(t, f.db, 3)
	command := func(exit int, args ...string) result {
		typed := append([]string{"mappings", "export", "--cycle", schematest.CycleID, "--report", schematest.ReportID},
			args...)
		return f.pdeflow(typed...).ends(t, exit)
	}
	if got := from[api.MappingExport](t, command(exitDone, "--format", "json")); len(got.Items) != len(ids) {
		t.Errorf("got %d mappings, want %d", len(got.Items), len(ids))
	}
	path := filepath.Join(t.TempDir(), "a.csv")
	command(exitDone, "--format", "csv", "--output", path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil || len(rows) != len(ids)+1 || rows[1][0] != ids[0] {
		t.Errorf("got %d rows (%v), want %d", len(rows), err, len(ids)+1)
	}
	command(exitUsage)
	command(exitUsage, "--format", "pdf")
	command(exitUsage, "--format", "csv", "--output", filepath.Join(path, "none"))
	// A failed export leaves the file as it was.
	f.pdeflow("mappings", "export", "--cycle", "none", "--report", "none", "--format", "csv", "--output", path).
		ends(t, exitFailed, "There is no report")
	again, err := os.ReadFile(path)
	if left, _ := filepath.Glob(path + ".part-*"); err != nil || string(again) != string(content) || len(left) > 0 {
		t.Errorf("the file has changed (%v), and left %v", err, left)
	}
}
