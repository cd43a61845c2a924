package schema_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

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
			t.Errorf("%s: got carried from %q, version %d by %s, want %q, version 2 by cora",
				name, after.CarriedFrom, after.Version, after.UpdatedBy, schematest.CycleID)
		}
		if before.DataSourceID == after.DataSourceID {
			t.Errorf("%s: got the data source of the earlier cycle, want that of the new one", name)
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
	history, err := schema.ListUnpublishedChanges(t.Context(), q.db, nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	history = slices.DeleteFunc(history, func(h schema.History) bool { return h.Action != "carried_over" })
	if len(history) != 4 || history[0].Comment != "Carried over from cycle 2026-Q3." ||
		history[0].ChangedBy != "cora" || history[0].EditedBy != "tess" || history[3].EditedBy != "" {
		t.Errorf("history: got %+v, want four entries, the carry-over first", history)
	}
	report, err := schema.GetReport(t.Context(), q.db, nextCycle, schematest.ReportID)
	if err != nil || report.Name != "Loans" || report.MappingCount != 4 {
		t.Errorf("report: got %+v, %v, want Loans with 4 mappings", report, err)
	}
	scope := schema.CheckScope{CycleID: nextCycle, ReportID: schematest.ReportID}
	if _, found := check(t, q.db, scope); len(found) > 0 {
		t.Errorf("check: got %q, want nothing found", found)
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
		"another column": {
			func(data *schema.ReportData) {
				data.Columns = columns(column("Loans", "BAL"), column("Loans", "DT"), column("Bureau", "OTHER"))
			},
			[]string{
				"carried 2", "carried: Balance", "carried: Comment", "changed 2",
				"changed: Flag The data source Bureau has no column svc.LOANS.FLG in this cycle.",
				"changed: Date No data source has the column svc.LOANS.FLG in this cycle.",
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
				t.Errorf("check: got %q, want nothing found", found)
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
		t.Errorf("mapping without its column: got %+v, want confidence 0, unconfirmed", m)
	}
	if m.RiskLevel != schema.LevelHigh || m.ReviewStatus != schema.ReviewStatusNeedsRevision ||
		m.ReviewedBy != schema.CarryOverReviewer || m.CarriedFrom != schematest.CycleID {
		t.Errorf("decision: got %+v, want the risk level kept and a revision asked for", m)
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
		t.Errorf("mapping without a decision: got %+v, want tier HRCI of the classifier and version 1", m)
	}
	m := q.mapping(nextCycle, "Balance")
	if m.RiskLevel != schema.LevelHigh || m.SuggestedRiskLevel != schema.LevelLow ||
		m.SuggestedInformationSecurityClassification != schema.TierHRCI {
		t.Errorf("confirmed mapping: got risk %s and the suggestions %s and %s, want High, Low and HRCI",
			m.RiskLevel, m.SuggestedRiskLevel, m.SuggestedInformationSecurityClassification)
	}
}
