package classifier

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestEvaluate_SkipsAnUnchangedMapping(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	first, _ := evaluate(p, loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", schema.Mapping{}))
	for name, tt := range map[string]struct {
		change  func(*schema.Work, *candidates)
		skipped bool
	}{
		"nothing":           {func(*schema.Work, *candidates) {}, true},
		"a review":          {func(w *schema.Work, _ *candidates) { w.Mapping.ReviewStatus = "approved" }, true},
		"another attribute": {func(w *schema.Work, _ *candidates) { w.Attribute.Description = "at month end" }, false},
		"the column":        {func(_ *schema.Work, c *candidates) { setDescriptions(c, "balance") }, false},
		"the name":          {func(_ *schema.Work, c *candidates) { c.report = "FR Y-9C" }, false},
		"the kind of job": {func(w *schema.Work, _ *candidates) {
			w.JobType = schema.JobTypePDEClassification
		}, false},
		"a person's edit":    {func(w *schema.Work, _ *candidates) { w.Mapping.InputHash = "" }, false},
		"force":              {func(w *schema.Work, _ *candidates) { w.Force = true }, false},
		"nothing but its id": {func(w *schema.Work, _ *candidates) { w.Attribute.ID = "other" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, work := loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", first)
			tt.change(&work, from)
			after, saved := evaluate(p, from, work)
			if got := saved.Code == schema.ErrorCodeUnchanged; got != tt.skipped ||
				got != (saved.Outcome == schema.OutcomeSkipped) {
				t.Errorf("got %s with code %q, want skipped %t", saved.Outcome, saved.Code, tt.skipped)
			}
			if diff := diffMappings(work.Mapping, after); tt.skipped && diff != "" {
				t.Errorf("mapping of a skipped item (-want +got):\n%s", diff)
			}
			if after.InputHash == "" {
				t.Error("got no digest of the input")
			}
		})
	}
}

// A class is weighed by the decisions on its column also if the report does not have the column.
func TestInputHash_HasTheDecisionsOnAColumnThatTheReportLacks(t *testing.T) {
	t.Parallel()
	from, work := loans(), workOn(schema.JobTypePDEClassification, "Current Loan Balance", schema.Mapping{})
	work.Mapping.SourceField = "old.TABLE.BALANCE"
	engine := defaultEngine()
	before := inputHash(engine, from, work, choice{}, "")
	from.precedents = newPrecedents([]schema.Precedent{{
		SourceField: "old.TABLE.BALANCE", InformationSecurityClassification: schema.TierHRCI,
	}})
	if after := inputHash(engine, from, work, choice{}, ""); after == before {
		t.Error("got the same digest with and without the decision")
	}
}

func setDescriptions(c *candidates, text string) {
	for i := range c.columns {
		c.columns[i].Description = text
	}
}

func TestAnUnchangedMappingIsSkippedByTheNextJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	c, _ := f.classifier(nil)
	for _, id := range f.ids {
		f.handle(c, id)
	}
	f.Exec("update jobs set ended_at = now()")
	err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.EditMapping(ctx, tx, schema.Decision{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, MappingID: f.ids[1], Author: "olga",
		}, schema.MappingEdit{RiskLevel: new(schema.LevelLow)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	next := schema.Job{
		JobType: schema.JobTypePDERegeneration, CycleID: schematest.CycleID, ReportID: schematest.ReportID,
		Scope: schema.ScopeAll, Classifier: schema.ClassifierRules,
	}
	count := func(job schema.Job) int64 {
		e, err := EstimateJob(t.Context(), f.DB, defaultEngine(), nil, job)
		if err != nil {
			t.Fatal(err)
		}
		return e.Unchanged
	}
	forced, selected := next, next
	forced.Force = true
	selected.Scope, selected.MappingIDs = schema.ScopeSelected, []string{f.ids[0], f.ids[1]}
	if all, some, none := count(next), count(selected), count(forced); all != 2 || some != 1 || none != 0 {
		t.Errorf("unchanged: got %d of all, %d of two and %d if forced, want 2, 1 and 0", all, some, none)
	}

	f.job = schematest.ListedJob(t, f.DB, 3)
	before := f.work(f.ids[0])
	for _, id := range f.ids {
		f.handle(c, id)
	}
	after := f.work(f.ids[0])
	if after.Mapping.Version != before.Mapping.Version || after.Item.Outcome != schema.OutcomeSkipped ||
		after.Item.ErrorCode != schema.ErrorCodeUnchanged ||
		after.Item.InformationSecurityClassification != before.Mapping.InformationSecurityClassification {
		t.Errorf("unchanged mapping: got version %d and item %+v, want the version kept and the item skipped",
			after.Mapping.Version, after.Item)
	}
	if n := f.Count("select count(*) from classification_history where job_id = ?", f.job.ID); n != 1 {
		t.Errorf("history of the job: got %d entries, want that of the edited mapping", n)
	}
	if edited := f.work(f.ids[1]); edited.Item.ErrorCode == schema.ErrorCodeUnchanged ||
		edited.Mapping.RiskLevel != schema.LevelLow {
		t.Errorf("edited mapping: got item %+v and risk %s, want a new judgement with a low risk",
			edited.Item, edited.Mapping.RiskLevel)
	}
}
