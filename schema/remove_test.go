package schema_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func line(number, name string) schema.Attribute {
	return schema.Attribute{LineItemNumber: number, AttributeName: name}
}

// planned returns a report with three attributes. The second is mapped, and the third is mapped and confirmed.
func planned() schema.ReportData {
	return schema.ReportData{
		Attributes: attributes(line("1", "Balance"), line("2", "Limit"), line("3", "Rate")),
		Columns: columns(
			column("Loans", "BAL"), column("Loans", "LMT"), column("Loans", "RT"), column("Cards", "BAL"),
		),
		Mappings: slices.Values([]schema.MappingRow{
			{Line: 2, LineItemNumber: "2", SourceField: "svc.LOANS.LMT"},
			{Line: 3, LineItemNumber: "3", SourceField: "svc.LOANS.RT", Confirmed: true},
		}),
	}
}

// mappingsOf returns the mappings of the report by attribute name.
func mappingsOf(t *testing.T, db *schema.DB) map[string]schema.ListedMapping {
	t.Helper()
	list, _, err := schema.ListMappings(t.Context(), db, schema.MappingFilter{CycleID: "c", ReportID: "r"},
		schema.MappingPosition{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	mappings := map[string]schema.ListedMapping{}
	for _, m := range list {
		mappings[m.AttributeName] = m
	}
	return mappings
}

func names(rows schema.MissingRows) []string {
	var all []string
	for _, row := range rows.First {
		name := row.Name
		if row.Confirmed {
			name += " (confirmed)"
		}
		all = append(all, name)
	}
	return all
}

func TestAnImportListsTheRowsThatItNoLongerContains(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	if done := loaded(t, db, planned()); done.Missing.Attributes.Count+done.Missing.Columns.Count != 0 {
		t.Errorf("missing rows of a new report: got %+v, want none", done.Missing)
	}
	next := schema.ReportData{Attributes: attributes(line("1", "Balance")), Columns: columns(column("Loans", "BAL"))}
	for range 2 { // an import only removes rows with Prune
		done := loaded(t, db, next)
		got := [][]string{names(done.Missing.Attributes), names(done.Missing.Columns)}
		want := [][]string{{"Limit", "Rate (confirmed)"}, {"svc.LOANS.LMT", "svc.LOANS.RT (confirmed)"}}
		if diff := cmp.Diff(want, got); diff != "" || done.Attributes.Removed != 0 {
			t.Errorf("missing rows (-want +got):\n%s", diff)
		}
	}
	// A file of columns has no attributes.
	if done := loaded(
		t, db, schema.ReportData{Columns: next.Columns},
	); done.Missing.Attributes.Count != 0 || done.Missing.Columns.Count != 2 {
		t.Errorf("missing rows without attributes: got %+v, want two columns", done.Missing)
	}
}

func TestAColumnThatTheLastImportLacksIsNoCandidate(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, planned())
	fields := func(list func(context.Context, bun.IDB, string, string) ([]schema.SourceColumn, error)) []string {
		t.Helper()
		found, err := list(t.Context(), db, "c", "r")
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range found {
			name := c.ColumnName
			if !c.MissingSince.IsZero() {
				name += " missing"
			}
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	}
	updated := func() (n int64) {
		t.Helper()
		err := db.NewRaw(`select (counts->'columns'->>'updated')::int from planning_changes
			order by id desc limit 1`).Scan(t.Context(), &n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2 {
		loaded(t, db, schema.ReportData{Columns: columns(column("Loans", "BAL"))})
		if got, want := fields(schema.ListCandidateColumns), []string{"BAL", "BAL"}; !slices.Equal(got, want) {
			t.Errorf("ListCandidateColumns: got %v, want %v", got, want)
		}
		want := []string{"BAL", "BAL", "LMT missing", "RT missing"}
		if got := fields(schema.ListSourceColumns); !slices.Equal(got, want) {
			t.Errorf("ListSourceColumns: got %v, want %v", got, want)
		}
	}
	if n := updated(); n != 0 {
		t.Errorf("updated columns of the second import: got %d, want 0", n)
	}
	if m := mappingsOf(t, db)["Limit"]; m.SourceField != "svc.LOANS.LMT" {
		t.Errorf("source_field of a mapping to a missing column: got %q, want it unchanged", m.SourceField)
	}
	// The other fields of the row keep their values, because the file has none for them.
	partial := schema.ReportData{Columns: columns(column("Loans", "BAL"), column("Loans", "LMT"))}
	partial.Columns.Fields = []string{"data_source", "schema", "table", "column"}
	loaded(t, db, partial)
	if got, want := fields(schema.ListCandidateColumns), []string{"BAL", "BAL", "LMT"}; !slices.Equal(got, want) {
		t.Errorf("ListCandidateColumns after an import with the column: got %v, want %v", got, want)
	}
	if n := updated(); n != 1 {
		t.Errorf("updated columns of the import with the column: got %d, want 1", n)
	}
	pruned := loaded(t, db, schema.ReportData{Columns: columns(column("Loans", "BAL")), Prune: schema.PruneConfirmed})
	if got, want := fields(schema.ListSourceColumns), []string{"BAL", "BAL"}; !slices.Equal(got, want) ||
		pruned.Columns.Removed != 2 {
		t.Errorf("ListSourceColumns after pruning: got %v with %d removed, want %v with 2", got, pruned.Columns.Removed,
			want)
	}
}

func TestPruningRemovesEverythingOrNothing(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, planned())
	next := schema.ReportData{
		Attributes: attributes(line("1", "Balance"), line("4", "New")),
		Columns:    columns(column("Loans", "BAL")), Prune: schema.PruneUnconfirmed,
	}
	_, err := load(t.Context(), db, next)
	if held, ok := errors.AsType[*schema.ConfirmedError](err); !ok || held.Count != 2 {
		t.Fatalf("Import: got %v, want a ConfirmedError with 2 mappings", err)
	}
	if got := mappingsOf(t, db); len(got) != 3 || got["Limit"].SourceField == "" {
		t.Errorf("mappings: got %+v, want the three as before", got)
	}
	next.Prune = schema.PruneConfirmed
	done := loaded(t, db, next)
	if done.Attributes != (schema.Tally{Added: 1, Unchanged: 1, Removed: 2}) ||
		done.Columns.Removed != 2 || done.Mappings.Removed != 2 {
		t.Errorf("Import: got %+v, want two removed attributes, columns and mappings", done)
	}
	if got := mappingsOf(t, db); len(got) != 2 {
		t.Errorf("mappings: got %+v, want 2", got)
	}
	report, err := schema.GetReport(t.Context(), db, "c", "r")
	if err != nil || report.MappingCount != 2 {
		t.Errorf("mapping count of the report: got %d (%v), want 2", report.MappingCount, err)
	}
	changes, err := schema.ListUnpublishedPlanningChanges(t.Context(), db, 10)
	if err != nil || len(changes) != 2 || changes[1].Counts.Attributes.Removed != 2 ||
		changes[1].Counts.Columns.Removed != 2 {
		t.Errorf("planning changes: got %+v (%v), want two, the last with both removals", changes, err)
	}
	// A later attribute with the same identity is a new one, and unmapped.
	loaded(t, db, schema.ReportData{Attributes: attributes(line("3", "Rate"))})
	if m := mappingsOf(t, db)["Rate"]; m.SourceField != "" || m.MappingConfirmedByUser {
		t.Errorf("mapping of the attribute that came back: got %+v, want an empty one", m)
	}
}

func TestARemovedColumnIsNeitherMappedNorSuggested(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, planned())
	before := mappingsOf(t, db)
	for name, set := range map[string]string{
		"Balance": `source_field = 'svc.LOANS.BAL', data_source_id = (select id from data_sources where name = 'Cards'),
			suggested_source_field = 'svc.LOANS.LMT', confidence_score = 80,
			alternative_mappings = '[{"source_field": "svc.LOANS.LMT", "score": 3, "reason": ""},
				{"source_field": "svc.LOANS.RT", "score": 2, "reason": ""}]'`,
		"Limit": "confidence_score = 90, mapping_rationale = 'the words fit', review_status = 'rejected', " +
			"reviewed_by = 'mia', reviewed_at = now()",
	} {
		if _, err := db.NewRaw(
			"update pde_mappings set "+set+" where id = ?", before[name].ID,
		).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string, confirmed bool) error {
		var c schema.SourceColumn
		err := db.NewSelect().Model(&c).Where(
			"column_name = ? and data_source_id = (select id from data_sources where name = 'Loans')", name,
		).Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return in(t.Context(), db, func(tx bun.Tx) error {
			return schema.DeleteColumn(t.Context(), tx, removal(confirmed), c.DataSourceID, c.ID)
		})
	}
	for _, name := range []string{"LMT", "BAL"} {
		if err := remove(name, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, held := errors.AsType[*schema.ConfirmedError](remove("RT", false)); !held {
		t.Error("the column of a confirmed mapping was removed")
	}

	got := mappingsOf(t, db)
	if m := got["Limit"]; m.SourceField != "" || m.DataSourceID != "" || *m.ConfidenceScore != 0 ||
		m.MappingRationale == "the words fit" || m.ReviewStatus != schema.ReviewStatusPending {
		t.Errorf("mapping to the removed column: got %+v, want no column and a pending review", m.Mapping)
	}
	balance := got["Balance"]
	if balance.SourceField != "svc.LOANS.BAL" {
		t.Error("the mapping to a column of the same name in another data source has lost it")
	}
	if balance.SuggestedSourceField != "" || len(balance.AlternativeMappings) != 1 ||
		balance.AlternativeMappings[0].SourceField != "svc.LOANS.RT" {
		t.Errorf("suggestions: got %q, %+v, want none of the removed column",
			balance.SuggestedSourceField, balance.AlternativeMappings)
	}
	history, err := schema.ListHistory(t.Context(), db, got["Limit"].ID, time.Time{}, "", 10)
	if err != nil || history[0].ChangedBy != "mia" ||
		history[0].Comment != "the column was removed from the data source" {
		t.Errorf("history: got %+v (%v), want the removal by mia", history, err)
	}
	if err := remove("RT", true); err != nil {
		t.Fatal(err)
	}
	if m := mappingsOf(t, db)["Rate"]; m.SourceField != "" || m.MappingConfirmedByUser {
		t.Errorf("confirmed mapping: got %+v, want no column", m.Mapping)
	}
}

// removal returns a removal from the tests' report by mia.
func removal(confirmed bool) schema.Removal {
	return schema.Removal{CycleID: "c", ReportID: "r", Author: "mia", Confirmed: confirmed}
}

func TestADataSourceIsRemovedWithItsColumns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := planned()
	data.Mappings = slices.Values(
		append(slices.Collect(data.Mappings), schema.MappingRow{Line: 4, LineItemNumber: "1", DataSource: "Cards"}),
	)
	loaded(t, db, data)
	sources, err := schema.ListDataSources(t.Context(), db, "c", "r", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		remove := func(confirmed bool) error {
			return in(t.Context(), db, func(tx bun.Tx) error {
				return schema.DeleteDataSource(t.Context(), tx, removal(confirmed), source.ID)
			})
		}
		err := remove(false)
		if _, held := errors.AsType[*schema.ConfirmedError](err); held != (source.Name == "Loans") {
			t.Errorf("%s: got error %v, want ConfirmedError for Loans only", source.Name, err)
		}
		if err != nil {
			err = remove(true)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := remove(true); !errors.Is(err, schema.ErrNotFound) {
			t.Errorf("second removal: got %v, want ErrNotFound", err)
		}
	}
	for name, m := range mappingsOf(t, db) {
		if m.SourceField != "" || m.DataSourceID != "" || m.MappingConfirmedByUser {
			t.Errorf("mapping of %s: got %+v, want no column", name, m.Mapping)
		}
	}
	if has, err := schema.HasColumns(t.Context(), db, "c", "r"); err != nil || has {
		t.Errorf("HasColumns: got %v (%v), want false", has, err)
	}
}

func TestARemovalKeepsJobsHistoryAndAudit(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	r := schema.Removal{CycleID: job.CycleID, ReportID: job.ReportID, Author: "mia"}
	attribute := read(t, db, job.ID, ids[0]).Attribute
	removeFirst := func() error {
		return in(
			t.Context(), db, func(tx bun.Tx) error { return schema.DeleteAttribute(t.Context(), tx, r, attribute.ID) },
		)
	}
	if active, ok := errors.AsType[*schema.ActiveJobError](removeFirst()); !ok || active.JobID != job.ID {
		t.Fatal("an attribute is removed while a job works on it")
	}
	before := read(t, db, job.ID, ids[0]).Mapping
	if saved, err := save(t.Context(), db, job.ID, before, judged(before)); err != nil || !saved {
		t.Fatalf("SaveWork: got %v (%v), want true", saved, err)
	}
	cancelAll(t, db, job.ID)

	second := read(t, db, job.ID, ids[1]).Attribute
	for _, id := range []string{attribute.ID, second.ID} {
		err := in(t.Context(), db, func(tx bun.Tx) error { return schema.DeleteAttribute(t.Context(), tx, r, id) })
		if err != nil {
			t.Fatal(err)
		}
	}
	lost, err := schema.CountRetryableItems(t.Context(), db, job.ID, "")
	if err != nil || lost != 1 {
		t.Errorf("mappings of a retry: got %d (%v), want the one that is left", lost, err)
	}
	history, err := schema.ListHistory(t.Context(), db, ids[0], time.Time{}, "", 10)
	if removed, errRemoved := schema.WasRemoved(
		t.Context(), db, job.CycleID, job.ReportID, ids[0],
	); err != nil || errRemoved != nil || !removed || len(history) != 1 {
		t.Errorf("removed mapping: got %d history entries (%v), removed %v (%v), want 1 and true",
			len(history), err, removed, errRemoved)
	}
	wantClean(t, db)

	if err := in(
		t.Context(), db, func(tx bun.Tx) error { return schema.DeleteReport(t.Context(), tx, r) },
	); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"reports", "attributes", "data_sources", "source_columns", "pde_mappings"} {
		var n int
		if err := db.NewRaw("select count(*) from ?", bun.Ident(table)).Scan(t.Context(), &n); err != nil || n != 0 {
			t.Errorf("rows of %s: got %d (%v), want 0", table, n, err)
		}
	}
	if kept, err := schema.GetJob(t.Context(), db, job.ID); err != nil || kept.Listed != 3 {
		t.Errorf("job: got %+v (%v), want 3 listed items", kept, err)
	}
	wantClean(t, db)
	changes, err := schema.ListUnpublishedPlanningChanges(t.Context(), db, 10)
	if err != nil || len(changes) != 3 || changes[2].Action != schema.PlanningActionRemoved ||
		changes[2].Object != schema.PlanningObjectReport || changes[2].Counts.Mappings.Removed != 1 {
		t.Errorf("planning changes: got %+v (%v), want three, the last the removed report", changes, err)
	}
}

// cancelAll ends the job by cancelling its queued items.
func cancelAll(t *testing.T, db *schema.DB, jobID string) {
	t.Helper()
	intend(t, db, jobID, schema.IntentCancel)
	err := in(t.Context(), db, func(tx bun.Tx) error {
		if _, _, err := schema.CancelItems(t.Context(), tx, jobID, "", 100); err != nil {
			return err
		}
		_, err := schema.RebuildStatus(t.Context(), tx, jobID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantClean reports what check finds in the database.
func wantClean(t *testing.T, db *schema.DB) {
	t.Helper()
	if _, found := check(t, db, schema.CheckScope{}); len(found) > 0 {
		t.Errorf("check: got %q, want nothing found", found)
	}
}
