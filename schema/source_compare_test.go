package schema_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// described returns a column with a type and a description, as in a file.
func described(name, dataType, description string) schema.ColumnRow {
	c := column("Loans", name)
	c.DataType, c.Description = dataType, description
	return c
}

// changesOf returns the changes of one data source as texts.
func changesOf(t *testing.T, done schema.ImportResult) []string {
	t.Helper()
	if len(done.Changes) != 1 || done.Changes[0].Source.Name != "Loans" {
		t.Fatalf("changes: got %+v, want those of Loans", done.Changes)
	}
	var all []string
	add := func(kind string, changes schema.ColumnChanges, text func(schema.ColumnChange) string) {
		for _, c := range changes.First {
			all = append(all, kind+" "+text(c))
		}
	}
	changes := done.Changes[0]
	add("added", changes.Added, func(c schema.ColumnChange) string { return c.After.ColumnName })
	add("dropped", changes.Dropped, func(c schema.ColumnChange) string { return c.Before.ColumnName })
	add("renamed", changes.Renamed, func(c schema.ColumnChange) string {
		return c.Before.ColumnName + " to " + c.After.ColumnName
	})
	add("retyped", changes.Retyped, func(c schema.ColumnChange) string {
		return c.Before.ColumnName + " from " + c.Before.DataType + " to " + c.After.DataType
	})
	return all
}

// filed returns a database with a report whose columns come from a file: Balance is mapped to BAL, Limit to LMT and,
// confirmed, Rate to RT.
func filed(t *testing.T) *schema.DB {
	t.Helper()
	db := schematest.New(t)
	data := planned()
	data.Columns = columns(
		described("BAL", "NUMBER(10)", "Balance"), described("LMT", "NUMBER(12)", "Credit limit"),
		described("RT", "NUMBER(5)", "Rate"), described("AUX", "CHAR(1)", ""),
	)
	data.Mappings = slices.Values([]schema.MappingRow{
		{Line: 1, LineItemNumber: "1", SourceField: "svc.LOANS.BAL"},
		{Line: 2, LineItemNumber: "2", SourceField: "svc.LOANS.LMT"},
		{Line: 3, LineItemNumber: "3", SourceField: "svc.LOANS.RT", Confirmed: true},
	})
	if done := loaded(t, db, data); len(done.Changes) != 0 {
		t.Errorf("first import: got changes %+v, want none", done.Changes)
	}
	return db
}

// nextFile returns the columns of a later file: BAL has another type, LMT another name, RT and AUX are gone, and NEW is
// new.
func nextFile() schema.ReportData {
	return schema.ReportData{Columns: columns(
		described("BAL", "NUMBER(14,2)", "Balance"), described("LIMIT_AMT", "NUMBER(12)", "Credit limit"),
		described("NEW", "CHAR(1)", ""),
	)}
}

func TestImport_ComparesTheColumnsOfAFile(t *testing.T) {
	t.Parallel()
	db := filed(t)
	done := loaded(t, db, nextFile())
	want := []string{
		"added NEW", "dropped AUX", "dropped RT", "renamed LMT to LIMIT_AMT",
		"retyped BAL from NUMBER(10) to NUMBER(14,2)",
	}
	if diff := cmp.Diff(want, changesOf(t, done)); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
	if c := done.Changes[0]; c.Revised != 2 || c.Unmapped != 0 || done.Columns.Removed != 0 {
		t.Errorf("got %d revised and %d unmapped mappings, want 2 and none", c.Revised, c.Unmapped)
	}

	mappings := mappingsOf(t, db)
	limit, rate := mappings["Limit"], mappings["Rate"]
	if limit.SourceField != "svc.LOANS.LMT" || limit.SuggestedSourceField != "svc.LOANS.LIMIT_AMT" ||
		limit.ReviewStatus != schema.ReviewStatusNeedsRevision || limit.ReviewedBy != schema.ColumnRemoval {
		t.Errorf("Limit: got %+v, want its column, the new one as a suggestion and a revision", limit.Mapping)
	}
	if rate.SourceField != "svc.LOANS.RT" || !rate.MappingConfirmedByUser || rate.SuggestedSourceField != "" ||
		rate.ReviewStatus != schema.ReviewStatusNeedsRevision {
		t.Errorf("Rate: got %+v, want its column, confirmed, and a revision", rate.Mapping)
	}
	if m := mappings["Balance"]; m.ReviewStatus != schema.ReviewStatusPending {
		t.Errorf("Balance, whose column has another type: got %s, want pending", m.ReviewStatus)
	}
	history, err := schema.ListHistory(t.Context(), db, limit.ID, time.Time{}, "", 10)
	wantComment := "data source Loans no longer has the column svc.LOANS.LMT, which was probably renamed to " +
		"svc.LOANS.LIMIT_AMT"
	if err != nil || history[0].Comment != wantComment || history[0].Action != schema.HistoryActionRefreshed {
		t.Errorf("history of Limit: got %+v (%v), want the comment %s", history[0], err, wantComment)
	}
	planning, err := schema.ListUnpublishedPlanningChanges(t.Context(), db, 10)
	if err != nil || planning[1].Counts.Mappings.Updated != 2 {
		t.Errorf("planning change: got %+v (%v), want two updated mappings", planning[1].Counts, err)
	}
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 0 {
		t.Errorf("check: got %q, want nothing", found)
	}
}

func TestImport_ReportsAMissingColumnOnce(t *testing.T) {
	t.Parallel()
	db := filed(t)
	loaded(t, db, nextFile())
	before := mappingsOf(t, db)
	again := loaded(t, db, nextFile())
	if got := changesOf(t, again); len(got) != 0 || again.Changes[0].Revised != 0 {
		t.Errorf("the same file again: got %q and %d revised mappings, want none", got, again.Changes[0].Revised)
	}
	if diff := cmp.Diff(before, mappingsOf(t, db)); diff != "" {
		t.Errorf("the same file again: mappings differ (-want +got):\n%s", diff)
	}
	// The column is there again. A person has to look at the mapping all the same.
	back := nextFile()
	back.Columns = columns(append(slices.Collect(back.Columns.All), described("RT", "NUMBER(5)", "Rate"))...)
	if diff := cmp.Diff([]string{"added RT"}, changesOf(t, loaded(t, db, back))); diff != "" {
		t.Errorf("a file with the column: changes differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, mappingsOf(t, db)); diff != "" {
		t.Errorf("a file with the column: mappings differ (-want +got):\n%s", diff)
	}
}

func TestImport_WithPruneUnmapsDroppedColumns(t *testing.T) {
	t.Parallel()
	db := filed(t)
	next := nextFile()
	next.Prune = schema.PruneConfirmed
	done := loaded(t, db, next)
	if c := done.Changes[0]; c.Revised != 2 || c.Unmapped != 2 || done.Columns.Removed != 3 ||
		done.Mappings.Unmapped != 2 {
		t.Errorf("Import: got %+v, want 2 unmapped mappings of 3 columns", done)
	}
	mappings := mappingsOf(t, db)
	for name, suggestion := range map[string]string{"Limit": "svc.LOANS.LIMIT_AMT", "Rate": ""} {
		if m := mappings[name]; m.SourceField != "" || m.MappingConfirmedByUser ||
			m.SuggestedSourceField != suggestion ||
			m.ReviewStatus != schema.ReviewStatusNeedsRevision {
			t.Errorf("%s: got %+v, want no column, the suggestion %q and a revision", name, m.Mapping, suggestion)
		}
	}
}

// A file with the needed columns only says nothing about types and descriptions.
func TestImport_ComparesNoTypesThatTheFileLacks(t *testing.T) {
	t.Parallel()
	db := filed(t)
	next := schema.ReportData{Columns: columns(column("Loans", "BAL"), column("Loans", "LIMIT_AMT"))}
	next.Columns.Fields = []string{"data_source", "schema", "table", "column"}
	want := []string{"added LIMIT_AMT", "dropped AUX", "dropped LMT", "dropped RT"}
	if diff := cmp.Diff(want, changesOf(t, loaded(t, db, next))); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
}

func TestImport_FindsNoNewNameByADescriptionOfSeveralColumns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, schema.ReportData{Columns: columns(
		described("A", "DATE", "Date"), described("B", "DATE", "Date"), described("C", "DATE", ""))})
	next := schema.ReportData{Columns: columns(
		described("A2", "DATE", "Date"), described("B2", "DATE", "Date"), described("C2", "DATE", ""))}
	want := []string{"added A2", "added B2", "added C2", "dropped A", "dropped B", "dropped C"}
	if diff := cmp.Diff(want, changesOf(t, loaded(t, db, next))); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
}

// A mapping of several columns, of which one that is not the main one is missing.
func TestImport_AsksForARevisionIfAFurtherColumnIsMissing(t *testing.T) {
	t.Parallel()
	db := filed(t)
	loaded(t, db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{{
		Line: 1, LineItemNumber: "1", SourceFields: schema.SourceFields{"svc.LOANS.BAL", "svc.LOANS.AUX"},
		MappingType: schema.MappingTypeCalculated, TransformationRule: "BAL if AUX = 'Y'",
	}})})
	done := loaded(t, db, nextFile())
	m := mappingsOf(t, db)["Balance"]
	if done.Changes[0].Revised != 3 || m.ReviewStatus != schema.ReviewStatusNeedsRevision ||
		!slices.Equal(m.SourceFields, schema.SourceFields{"svc.LOANS.BAL", "svc.LOANS.AUX"}) {
		t.Errorf("Balance: got %+v with %d revised mappings, want both columns and a revision", m.Mapping,
			done.Changes[0].Revised)
	}
}
