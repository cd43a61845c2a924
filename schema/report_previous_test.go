package schema_test

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestListPreviousReports(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	var asked []schema.Report
	for _, report := range []schema.Report{
		{CycleID: "2024", ReportID: "cards"},
		{CycleID: "2025", ReportID: "cards"},
		{CycleID: "2026", ReportID: "cards"},
		{CycleID: "2025", ReportID: "loans"},
	} {
		exec(t, db, `insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
			values (?, ?, '', now(), 'test', now(), 'test')`, report.CycleID, report.ReportID)
		asked = append(asked, report)
	}
	previous, err := schema.ListPreviousReports(t.Context(), db, asked)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range previous {
		got = append(got, p.ReportID+" "+p.CycleID+" after "+p.ReportSummary.CycleID)
	}
	if want := []string{"cards 2025 after 2024", "cards 2026 after 2025"}; !slices.Equal(got, want) {
		t.Errorf("ListPreviousReports: got %q, want %q", got, want)
	}
}
