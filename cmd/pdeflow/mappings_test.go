package main

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// judged saves a result for the mapping as a job does.
func judged(t *testing.T, db *schema.DB, jobID, mappingID string, change func(*schema.Mapping)) {
	t.Helper()
	work, err := schema.GetWork(t.Context(), db, jobID, mappingID)
	if err != nil {
		t.Fatal(err)
	}
	m, sure, yes, no := work.Mapping, 91, true, false
	m.PDEName, m.SourceField, m.MappingType = "LN_CURR_BAL_AMT", "svc.LN_MSTR.LN_CURR_BAL_AMT", schema.MappingTypeDirect
	m.ConfidenceScore, m.MappingRationale = &sure,
		"The words current, loan and balance stand in the column's name, and its type can hold an amount of money."
	m.AlternativeMappings = []schema.Alternative{
		{SourceField: "svc.LN_MSTR.VIN", Score: 3, Reason: "It is in the same table."},
	}
	m.InformationSecurityClassification, m.Criticality, m.RiskLevel = schema.TierConfidential, schema.LevelHigh,
		schema.LevelMedium
	m.RegulatoryFlag, m.PIIFlag = &yes, &no
	m.ClassificationConfidence, m.ClassificationRationale = &sure, "A balance belongs to the customer."
	m.RegulatoryReferences, m.ClassifiedBy = []string{"Law 1", "Law 2"}, "rules@1"
	if change != nil {
		change(&m)
	}
	err = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		saved, err := schema.SaveWork(ctx, tx, jobID, work.Mapping, m,
			schema.ItemResult{Outcome: schema.OutcomeSucceeded, Attempt: 1, Classifier: m.ClassifiedBy})
		if err == nil && !saved {
			t.Error("mapping not saved")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMappingsAreListedAndShownWithTheirHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	ids := schematest.Report(t, f.db, 4)
	job := schematest.ListedJob(t, f.db, 4)
	judged(t, f.db, job.ID, ids[0], nil)
	judged(t, f.db, job.ID, ids[1], func(m *schema.Mapping) {
		low, yes := 12, true
		m.SourceField, m.PDEName, m.MappingType, m.AlternativeMappings = "", "", "", nil
		m.ConfidenceScore, m.InformationSecurityClassification, m.PIIFlag = &low, schema.TierHRCI, &yes
		m.SuggestedInformationSecurityClassification, m.SuggestedPIIFlag = schema.TierPublic, m.RegulatoryFlag
	})
	if _, err := f.db.NewRaw(`update jobs set ended_at = now() where id = ?`, job.ID).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := schematest.ListedJob(t, f.db, 4)
	judged(t, f.db, again.ID, ids[0], func(m *schema.Mapping) {
		less := 40
		m.Criticality, m.ClassificationConfidence, m.RegulatoryReferences = schema.LevelLow, &less, []string{"Law 1"}
	})
	judged(t, f.db, again.ID, ids[1], func(m *schema.Mapping) { *m = mappingOf(t, f.db, ids[1]) })

	of := func(command string, args ...string) result {
		typed := append([]string{"mappings", command, "--cycle", schematest.CycleID, "--report", schematest.ReportID},
			args...)
		return f.pdeflow(typed...).ends(t, exitDone)
	}
	golden(t, "mappings", transcript(
		of("list"),
		of("list", "--information-security-classification", "HRCI"),
		of("list", "--criticality", "High", "--review-status", "pending"),
		of("list", "-q", "dealer"),
		of("list", "--unmapped=false"),
		of("list", "--unmapped", "--sort=-attribute_name"),
		of("list", "--min-confidence", "0", "--max-confidence", "50"),
		of("list", "--review-status", "approved"),
		of("show", ids[0]),
		of("show", ids[1]),
		of("show", ids[3]),
		of("history", ids[0]),
		of("history", ids[1], "--limit", "1"),
		of("history", ids[3]),
	))
	if mapping := from[api.Mapping](t, of("show", ids[0], "--json")); mapping.ID != ids[0] ||
		*mapping.Criticality != schema.LevelLow {
		t.Errorf("JSON: got %+v, want the mapping with a low criticality", mapping)
	}
	history := from[struct{ Items []api.HistoryEntry }](t, of("history", ids[0], "--json"))
	if len(history.Items) != 2 || history.Items[0].JobID == nil || *history.Items[0].JobID != again.ID {
		t.Errorf("history: got %+v, want two entries, the newest of the second job", history)
	}
	if list := from[struct{ Items []api.Mapping }](t, of("list", "--json")); len(list.Items) != 4 {
		t.Errorf("mappings as JSON: got %d, want 4", len(list.Items))
	}
}

func mappingOf(t *testing.T, db *schema.DB, id string) schema.Mapping {
	t.Helper()
	found, err := schema.GetMapping(t.Context(), db, schematest.CycleID, schematest.ReportID, id)
	if err != nil {
		t.Fatal(err)
	}
	return found.Mapping
}
