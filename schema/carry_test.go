package schema_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// quarters is a report in one cycle with decisions, and the next cycle.
type quarters struct {
	t  *testing.T
	db *schema.DB
}

const nextCycle = "2026-Q4"

// loans returns the data of a report of four attributes and three columns.
func loans(cycleID string) schema.ReportData {
	data := schema.ReportData{
		CycleID: cycleID, ReportID: schematest.ReportID, Name: "Loans", Author: "ida",
		Attributes: attributes(
			schema.Attribute{
				AttributeName: "Balance", LineItemNumber: "1", Description: "What is owed", DataType: "N10",
			},
			schema.Attribute{AttributeName: "Flag", LineItemNumber: "2", Description: "A flag", IsCDE: true},
			schema.Attribute{AttributeName: "Date", LineItemNumber: "3", DataType: "Date"},
			schema.Attribute{AttributeName: "Comment"}),
		Columns: columns(
			schema.ColumnRow{
				DataSource: "Loans", SchemaName: "svc", TableName: "LOANS", ColumnName: "BAL", DataType: "NUMBER(10)",
			},
			column("Loans", "FLG"), column("Bureau", "FLG"), column("Loans", "DT")),
	}
	return data
}

// newQuarters imports the report into the first cycle, where tess edits the mappings of three attributes and mona
// approves two of them. The mapping of the attribute Comment has a job's values.
func newQuarters(t *testing.T) quarters {
	t.Helper()
	q := quarters{t: t, db: schematest.New(t)}
	q.load(loans(schematest.CycleID))
	for name, edit := range map[string]schema.MappingEdit{
		"Balance": {SourceField: new("svc.LOANS.BAL"), RiskLevel: new(schema.LevelHigh)},
		"Flag":    {SourceField: new("svc.LOANS.FLG"), DataSourceID: new(q.source(schematest.CycleID, "Bureau"))},
		"Date":    {SourceField: new("svc.LOANS.DT"), BusinessOwner: new("Treasury")},
	} {
		if _, err := edited(t.Context(), q.db, q.mapping(schematest.CycleID, name).ID, "tess", edit); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Balance", "Flag"} {
		id := q.mapping(schematest.CycleID, name).ID
		if err := reviewed(t.Context(), q.db, id, "mona", schema.ReviewStatusApproved); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, q.db, `update pde_mappings set source_field = 'svc.LOANS.BAL', confidence_score = 70,
		data_source_id = ?, information_security_classification = 'Public', pii_flag = false, input_hash = 'x',
		alternative_mappings = '[{"source_field": "svc.LOANS.DT", "score": 50, "reason": "it may"}]'
		where id = ?`, q.source(schematest.CycleID, "Loans"), q.mapping(schematest.CycleID, "Comment").ID)
	return q
}

func (q quarters) load(data schema.ReportData) {
	q.t.Helper()
	err := in(q.t.Context(), q.db, func(tx bun.Tx) error {
		_, err := schema.Import(q.t.Context(), tx, data)
		return err
	})
	if err != nil {
		q.t.Fatal(err)
	}
}

func (q quarters) source(cycleID, name string) (id string) {
	q.t.Helper()
	err := q.db.NewRaw("select id from data_sources where cycle_id = ? and name = ?", cycleID, name).
		Scan(q.t.Context(), &id)
	if err != nil {
		q.t.Fatal(err)
	}
	return id
}

// mapping returns the mapping of the attribute with this name.
func (q quarters) mapping(cycleID, name string) (m schema.Mapping) {
	q.t.Helper()
	err := q.db.NewSelect().Model(&m).Join("join attributes a on a.id = m.attribute_id").
		Where("m.cycle_id = ? and a.attribute_name = ?", cycleID, name).Scan(q.t.Context())
	if err != nil {
		q.t.Fatal(err)
	}
	return m
}

func nextQuarter() schema.CarryOver {
	return schema.CarryOver{
		CycleID: nextCycle, ReportID: schematest.ReportID, FromCycleID: schematest.CycleID, Author: "cora",
	}
}

func carry(ctx context.Context, db *schema.DB, o schema.CarryOver) (done schema.CarryResult, err error) {
	err = in(ctx, db, func(tx bun.Tx) (err error) {
		done, err = o.Run(ctx, tx)
		return err
	})
	return done, err
}

func (q quarters) carried(o schema.CarryOver) schema.CarryResult {
	q.t.Helper()
	preview, err := o.Preview(q.t.Context(), q.db)
	if err != nil {
		q.t.Fatal(err)
	}
	done, err := carry(q.t.Context(), q.db, o)
	if err != nil {
		q.t.Fatal(err)
	}
	if diff := cmp.Diff(counts(done), counts(preview)); diff != "" {
		q.t.Errorf("Preview differs from Run (-run +preview):\n%s", diff)
	}
	return done
}

// counts returns the attributes of the result as "kind: name reason".
func counts(done schema.CarryResult) (lines []string) {
	for _, part := range []struct {
		name string
		rows schema.CarriedRows
	}{
		{"carried", done.Carried},
		{"changed", done.Changed},
		{"kept", done.Kept},
		{"added", done.Added},
		{"dropped", done.Dropped},
	} {
		lines = append(lines, fmt.Sprintf("%s %d", part.name, part.rows.Count))
		for _, row := range part.rows.First {
			lines = append(lines, strings.TrimSpace(part.name+": "+row.AttributeName+" "+row.Reason))
		}
	}
	return lines
}

// digest returns a digest of every row of the cycle.
func (q quarters) digest(cycleID string) (digest string) {
	q.t.Helper()
	err := q.db.NewRaw(`select md5(string_agg(row, '' order by row)) from (
			select t::text as row from reports t where cycle_id = ?0
			union all select t::text from attributes t where cycle_id = ?0
			union all select t::text from data_sources t where cycle_id = ?0
			union all select t::text from source_columns t join data_sources d on d.id = t.data_source_id
				where d.cycle_id = ?0
			union all select t::text from pde_mappings t where cycle_id = ?0
			union all select t::text from classification_history t join pde_mappings m on m.id = t.mapping_id
				where m.cycle_id = ?0) rows`, cycleID).Scan(q.t.Context(), &digest)
	if err != nil {
		q.t.Fatal(err)
	}
	return digest
}

func TestCarryOver_CopiesAReportThatDoesNotExist(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	earlier := q.digest(schematest.CycleID)
	done := q.carried(nextQuarter())
	want := []string{
		"carried 4", "carried: Balance", "carried: Flag", "carried: Date", "carried: Comment",
		"changed 0", "kept 0", "added 0", "dropped 0",
	}
	if diff := cmp.Diff(want, counts(done)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if done.Attributes != 4 || done.DataSources != 2 || done.Columns != 4 {
		t.Errorf("copied: got %d attributes, %d data sources and %d columns, want 4, 2 and 4",
			done.Attributes, done.DataSources, done.Columns)
	}
	if got := q.digest(schematest.CycleID); got != earlier {
		t.Error("the earlier cycle has changed")
	}
	for _, name := range []string{"Balance", "Flag", "Date", "Comment"} {
		before, after := q.mapping(schematest.CycleID, name), q.mapping(nextCycle, name)
		if after.CarriedFrom != schematest.CycleID || after.Version != 2 || after.UpdatedBy != "cora" ||
			after.InputHash != "" {
			t.Errorf("%s: got carried from %q, version %d by %s",
				name, after.CarriedFrom, after.Version, after.UpdatedBy)
		}
		if before.DataSourceID == after.DataSourceID {
			t.Errorf("%s: the data source is that of the earlier cycle", name)
		}
		for _, change := range before.Image().Changes(after.Image()) {
			if change.Field != "data_source_id" && change.Field != "carried_from" {
				t.Errorf("%s: %s: got %v, want %v", name, change.Field, change.After, change.Before)
			}
		}
	}
	if got := q.mapping(nextCycle, "Flag").DataSourceID; got != q.source(nextCycle, "Bureau") {
		t.Errorf("data source of Flag: got %s, want Bureau of the cycle", got)
	}
	history, err := schema.ListUnpublishedChanges(t.Context(), q.db, 100)
	if err != nil {
		t.Fatal(err)
	}
	history = slices.DeleteFunc(history, func(h schema.History) bool { return h.Action != "carried_over" })
	if len(history) != 4 || history[0].Comment != "Carried over from cycle 2026-Q3." ||
		history[0].ChangedBy != "cora" || history[0].EditedBy != "tess" || history[3].EditedBy != "" {
		t.Errorf("history: got %+v", history)
	}
	report, err := schema.GetReport(t.Context(), q.db, nextCycle, schematest.ReportID)
	if err != nil || report.Name != "Loans" || report.MappingCount != 4 {
		t.Errorf("report: got %+v, %v", report, err)
	}
	scope := schema.CheckScope{CycleID: nextCycle, ReportID: schematest.ReportID}
	if _, found := check(t, q.db, scope); len(found) > 0 {
		t.Errorf("check: got %q", found)
	}
}

func TestCarryOver_LeavesWhatHasChangedForRevision(t *testing.T) {
	t.Parallel()
	const retyped = "The data type of the column svc.LOANS.BAL has changed from NUMBER(10) to number (12)."
	for name, tt := range map[string]struct {
		change func(*schema.ReportData)
		want   []string
	}{
		"description": {
			func(data *schema.ReportData) {
				data.Attributes = attributes(
					schema.Attribute{
						AttributeName: "Balance", LineItemNumber: "1", Description: "What was owed", DataType: "N10",
					},
					schema.Attribute{AttributeName: "Flag", LineItemNumber: "2", Description: "A flag", IsCDE: true},
					schema.Attribute{AttributeName: "Date", LineItemNumber: "3", DataType: "Date"},
					schema.Attribute{AttributeName: "Comment"})
			},
			[]string{
				"carried 3", "carried: Flag", "carried: Date", "carried: Comment", "changed 1",
				"changed: Balance The description of the attribute has changed.", "kept 0", "added 0", "dropped 0",
			},
		},
		"type, flag, attributes": {
			func(data *schema.ReportData) {
				data.Attributes = attributes(
					schema.Attribute{
						AttributeName: "Balance", LineItemNumber: "1", Description: "What is owed", DataType: "C18",
					},
					schema.Attribute{
						AttributeName: "Flag", LineItemNumber: "2", Description: "A flag", HasIssues: true,
					},
					schema.Attribute{AttributeName: "Comment"}, schema.Attribute{AttributeName: "New"})
			},
			[]string{
				"carried 1", "carried: Comment", "changed 2",
				"changed: Balance The data type of the attribute has changed from N10 to C18.",
				"changed: Flag The critical data element flag of the attribute has changed from yes to no.",
				"kept 0", "added 1", "added: New", "dropped 1", "dropped: Date",
			},
		},
		"columns": {
			func(data *schema.ReportData) {
				data.Columns = columns(
					schema.ColumnRow{
						DataSource: "Loans", SchemaName: "svc", TableName: "LOANS", ColumnName: "BAL",
						DataType: "number (12)",
					},
					column("Loans", "FLG"), column("Loans", "DT2"))
			},
			[]string{
				"carried 0", "changed 4",
				"changed: Balance " + retyped,
				"changed: Flag The data source Bureau has no column svc.LOANS.FLG in this cycle.",
				"changed: Date The data source Loans has no column svc.LOANS.DT in this cycle.",
				"changed: Comment " + retyped,
				"kept 0", "added 0", "dropped 0",
			},
		},
		"only attributes": {
			func(data *schema.ReportData) { data.Columns = columns() },
			[]string{
				"carried 4", "carried: Balance", "carried: Flag", "carried: Date", "carried: Comment", "changed 0",
				"kept 0", "added 0", "dropped 0",
			},
		},
		"only columns, and another spelling": {
			func(data *schema.ReportData) {
				data.Attributes = attributes()
				data.Columns = columns(
					schema.ColumnRow{
						DataSource: "Loans", SchemaName: "svc", TableName: "LOANS", ColumnName: "BAL",
						DataType: "number( 10 )",
					},
					schema.ColumnRow{
						DataSource: "Bureau", SchemaName: "svc", TableName: "LOANS", ColumnName: "FLG",
						DataType: "CHAR(1)", Description: "A flag of the bureau",
					},
					column("Loans", "DT"))
			},
			[]string{
				"carried 4", "carried: Balance", "carried: Flag", "carried: Date", "carried: Comment", "changed 0",
				"kept 0", "added 0", "dropped 0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQuarters(t)
			data := loans(nextCycle)
			tt.change(&data)
			q.load(data)
			if diff := cmp.Diff(tt.want, counts(q.carried(nextQuarter()))); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if _, found := check(t, q.db, schema.CheckScope{}); len(found) > 0 {
				t.Errorf("check: got %q", found)
			}
		})
	}
}

func TestCarryOver_KeepsTheDecisionWithoutTheColumnThatIsGone(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	data := loans(nextCycle)
	data.Columns = columns(column("Bureau", "FLG"), column("Loans", "FLG"))
	q.load(data)
	q.carried(nextQuarter())

	m := q.mapping(nextCycle, "Balance")
	if m.SourceField != "" || m.DataSourceID != "" || m.MappingConfirmedByUser || *m.ConfidenceScore != 0 {
		t.Errorf("mapping without its column: got %+v", m)
	}
	if m.RiskLevel != schema.LevelHigh || m.ReviewStatus != schema.ReviewStatusNeedsRevision ||
		m.ReviewedBy != schema.CarryOverReviewer || m.CarriedFrom != schematest.CycleID {
		t.Errorf("decision: got %+v", m)
	}
	want := "Carried over from cycle 2026-Q3. Needs revision: " +
		"The data source Loans has no column svc.LOANS.BAL in this cycle."
	if got := historyOf(t, q.db, m.ID); len(got) != 1 || got[0].Comment != want {
		t.Errorf("history: got %+v, want the comment %s", got, want)
	}
	if m := q.mapping(nextCycle, "Comment"); len(m.AlternativeMappings) != 0 {
		t.Errorf("alternatives: got %v, want none, because the column is gone", m.AlternativeMappings)
	}
	if m := q.mapping(nextCycle, "Flag"); m.ReviewStatus != schema.ReviewStatusApproved || m.ReviewedBy != "mona" {
		t.Errorf("equal mapping: got %s by %s, want approved by mona", m.ReviewStatus, m.ReviewedBy)
	}
}

func TestCarryOver_KeepsResultsThatTheEarlierCycleHasNotDecided(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	q.load(loans(nextCycle))
	exec(t, q.db, `update pde_mappings set risk_level = 'Low', information_security_classification = 'HRCI'
		where cycle_id = ?`, nextCycle)
	if got := counts(q.carried(nextQuarter())); !slices.Contains(got, "kept: Comment") {
		t.Errorf("result: got %q, want Comment kept", got)
	}
	if m := q.mapping(nextCycle, "Comment"); m.InformationSecurityClassification != schema.TierHRCI || m.Version != 1 {
		t.Errorf("mapping that nobody has decided about: got %+v", m)
	}
	m := q.mapping(nextCycle, "Balance")
	if m.RiskLevel != schema.LevelHigh || m.SuggestedRiskLevel != schema.LevelLow ||
		m.SuggestedInformationSecurityClassification != schema.TierHRCI {
		t.Errorf("confirmed mapping: got risk %s and the suggestions %s and %s, want High, Low and HRCI",
			m.RiskLevel, m.SuggestedRiskLevel, m.SuggestedInformationSecurityClassification)
	}
}

// The origin of a decision does not let its editor approve it, in the next cycle or in the one after it.
func TestCarryOver_KeepsTheLastEditor(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	q.carried(nextQuarter())
	last := schema.CarryOver{
		CycleID: "2027-Q1", ReportID: schematest.ReportID, FromCycleID: nextCycle, Author: "cora",
	}
	q.carried(last)
	review := func(cycleID, name, author string) error {
		return in(t.Context(), q.db, func(tx bun.Tx) error {
			d := schema.Decision{
				CycleID: cycleID, ReportID: schematest.ReportID, MappingID: q.mapping(cycleID, name).ID, Author: author,
			}
			_, err := schema.ReviewMapping(t.Context(), tx, d, schema.ReviewStatusApproved)
			return err
		})
	}
	for _, cycleID := range []string{nextCycle, "2027-Q1"} {
		if _, own := errors.AsType[*schema.OwnEditError](review(cycleID, "Date", "tess")); !own {
			t.Errorf("%s: the editor of the earlier cycle reviews the carried mapping", cycleID)
		}
		if err := review(cycleID, "Date", "cora"); err != nil {
			t.Errorf("%s: review by the one who carried over: got %v, want none", cycleID, err)
		}
		if err := review(cycleID, "Comment", "tess"); err != nil {
			t.Errorf("%s: review of a mapping without an editor: got %v, want none", cycleID, err)
		}
	}
	if got := q.mapping("2027-Q1", "Date").CarriedFrom; got != nextCycle {
		t.Errorf("carried from: got %s, want %s", got, nextCycle)
	}
	id := q.mapping(nextCycle, "Date").ID
	if _, err := editedIn(t.Context(), q.db, nextCycle, id, "tess", schema.MappingEdit{PDEName: new("x")}); err != nil {
		t.Fatal(err)
	}
	if m := q.mapping(nextCycle, "Date"); m.CarriedFrom != "" || m.ReviewStatus != schema.ReviewStatusPending {
		t.Errorf("edited mapping: got carried from %q and %s, want no origin and pending",
			m.CarriedFrom, m.ReviewStatus)
	}
	undo := schema.Decision{CycleID: nextCycle, ReportID: schematest.ReportID, MappingID: id, Author: "tess"}
	err := in(t.Context(), q.db, func(tx bun.Tx) error {
		_, err := schema.Undo(t.Context(), tx, undo, func(schema.HistoryAction) error { return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := q.mapping(nextCycle, "Date").CarriedFrom; got != schematest.CycleID {
		t.Errorf("carried from, after the edit is undone: got %q, want %s", got, schematest.CycleID)
	}
	// The carry-over itself is not undone for one mapping.
	undo.Author, undo.MappingID = "cora", q.mapping(nextCycle, "Flag").ID
	err = in(t.Context(), q.db, func(tx bun.Tx) error {
		_, err := schema.Undo(t.Context(), tx, undo, func(schema.HistoryAction) error { return nil })
		return err
	})
	if !errors.Is(err, schema.ErrNothingToUndo) {
		t.Errorf("Undo of a carry-over: got %v, want %v", err, schema.ErrNothingToUndo)
	}
}

func editedIn(
	ctx context.Context, db *schema.DB, cycleID, id, author string, edit schema.MappingEdit,
) (d schema.Decided, err error) {
	err = in(ctx, db, func(tx bun.Tx) (err error) {
		d, err = schema.EditMapping(ctx, tx, schema.Decision{
			CycleID: cycleID, ReportID: schematest.ReportID, MappingID: id, Author: author,
		}, edit)
		return err
	})
	return d, err
}

func TestCarryOver_RefusesAReportWithDecisionsOrAJob(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	from := nextQuarter()
	from.FromCycleID = "2025-Q3"
	if _, err := carry(t.Context(), q.db, from); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("unknown cycle: got %v, want %v", err, schema.ErrNotFound)
	}
	_, err := from.Preview(t.Context(), q.db)
	if other, ok := errors.AsType[*schema.OtherCycleError](err); !ok ||
		!slices.Equal(other.Cycles, []string{schematest.CycleID}) {
		t.Errorf("Preview from an unknown cycle: got %v, want its cycles", err)
	}
	q.load(loans(nextCycle))
	exec(t, q.db, "update pde_mappings set mapping_confirmed_by_user = true where id = ?",
		q.mapping(nextCycle, "Date").ID)
	_, err = carry(t.Context(), q.db, nextQuarter())
	if decided, ok := errors.AsType[*schema.DecidedError](err); !ok || decided.Count != 1 {
		t.Errorf("report with a decision: got %v, want one decision", err)
	}
	exec(t, q.db, "update pde_mappings set mapping_confirmed_by_user = false where cycle_id = ?", nextCycle)
	job := schematest.Job(t, q.db, 4)
	exec(t, q.db, "update jobs set cycle_id = ? where id = ?", nextCycle, job.ID)
	_, err = carry(t.Context(), q.db, nextQuarter())
	if active, ok := errors.AsType[*schema.ActiveJobError](err); !ok || active.JobID != job.ID {
		t.Errorf("report with an active job: got %v", err)
	}
	if _, err := nextQuarter().Preview(t.Context(), q.db); err == nil {
		t.Error("Preview for a report with an active job: got no error")
	}
}

func TestCarryOver_LocksNothingOfTheEarlierCycle(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	tx := begin(t, q.db)
	if _, err := nextQuarter().Run(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	edit := schema.MappingEdit{PDEName: new("another")}
	id := q.mapping(schematest.CycleID, "Balance").ID
	if _, err := edited(t.Context(), q.db, id, "tess", edit); err != nil {
		t.Errorf("edit of the earlier cycle: got %v, want none", err)
	}
	q.load(loans(schematest.CycleID))
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestCarryOver_WritesPagesInAFewStatements(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const mappings = 2500
	schematest.Report(t, db, mappings)
	exec(t, db, "update pde_mappings set risk_level = 'High'")
	statements := schematest.CountStatements(t, func(db *schema.DB) {
		done, err := carry(t.Context(), db, nextQuarter())
		if err != nil || done.Carried.Count != mappings || len(done.Carried.First) != schema.MaxProblems {
			t.Errorf("Run: got %d carried and %d listed, %v", done.Carried.Count, len(done.Carried.First), err)
		}
	})
	if statements > 80 {
		t.Errorf("statements for %d mappings: got %d, want a few for each page of 1,000", mappings, statements)
	}
	var ids []string
	err := db.NewRaw(`select o.attribute_id from pde_mappings n join attributes a on a.id = n.attribute_id
		join attributes b on b.identity = a.identity and b.cycle_id = ?
		join pde_mappings o on o.attribute_id = b.id where n.cycle_id = ? order by n.id`,
		schematest.CycleID, nextCycle).Scan(t.Context(), &ids)
	if err != nil || len(ids) != mappings || !slices.IsSorted(ids) {
		t.Errorf("the mappings of the new cycle are not in the order of the earlier one (%d, %v)", len(ids), err)
	}
}
