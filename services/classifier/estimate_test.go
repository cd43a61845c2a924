package classifier

import (
	"math"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
)

// estimate estimates a job over the whole report.
func (f *fixture) estimate(c *Classifier, classifier schema.ClassifierKind, force bool) Estimate {
	f.T.Helper()
	e, err := EstimateJob(f.T.Context(), f.DB, c.engine, c.model, schema.Job{
		JobType: schema.JobTypePDERegeneration, CycleID: schematest.CycleID, ReportID: schematest.ReportID,
		Scope: schema.ScopeAll, Classifier: classifier, Force: force,
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return e
}

// spent returns the usage of the job.
func (f *fixture) spent() schema.Usage {
	f.T.Helper()
	status := f.status()
	return schema.Usage{InputTokens: status.InputTokens, OutputTokens: status.OutputTokens, CostUSD: status.CostUSD}
}

// wantNear fails if the cost of the estimate differs from the actual one by more than a share.
func wantNear(t *testing.T, name string, got, actual schema.Usage, share float64) {
	t.Helper()
	t.Logf("%s: estimated %v USD (%d and %d tokens), actual %v (%d and %d)", name, got.CostUSD, got.InputTokens,
		got.OutputTokens, actual.CostUSD, actual.InputTokens, actual.OutputTokens)
	if ratio := float64(got.CostUSD) / float64(actual.CostUSD); actual.CostUSD == 0 || math.Abs(ratio-1) > share {
		t.Errorf("%s: got %v, want at most %.0f%% from %v", name, got, 100*share, actual)
	}
}

func TestEstimateJob_IsNearTheCostOfTheJob(t *testing.T) {
	t.Parallel()
	const mappings = 24
	for name, kind := range map[string]schema.ClassifierKind{
		"llm": schema.ClassifierLLM, "hybrid": schema.ClassifierHybrid,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, mappings)
			// Every fifth reply has to be repaired, which only past calls can tell.
			c, server := f.withModel(llmtest.Options{Script: func(call llmtest.Call) llmtest.Fault {
				if call.Number%5 == 0 {
					return llmtest.Prose
				}
				return llmtest.None
			}})
			f.Exec("update jobs set classifier = ?", kind)
			f.Exec(`update attributes set attribute_name = 'Zorgle '||id, technical_line_item_name = ''
				where id <= (select id from attributes order by id offset 21 limit 1)`)
			assumed := f.estimate(c, kind, false)
			for _, id := range f.ids {
				f.handleLLM(c, id)
			}
			first := f.spent()
			wantNear(t, "without past calls", assumed.Usage, first, 0.2)
			if e := f.estimate(c, kind, false); e.Unchanged != mappings || e.Usage != (schema.Usage{}) {
				t.Errorf("after the job: got %+v, want all mappings unchanged", e)
			}
			known, before := f.estimate(c, kind, true), server.Counts().Calls
			f.Exec("update jobs set ended_at = now()")
			f.job = schematest.ListedJob(t, f.DB, mappings)
			f.Exec("update jobs set classifier = ?, force = true where id = ?", kind, f.job.ID)
			for _, id := range f.ids {
				f.handleLLM(c, id)
			}
			wantNear(t, "with past calls", known.Usage, f.spent(), 0.2)
			if calls := server.Counts().Calls - before; calls < 20 || kind == schema.ClassifierLLM && calls < mappings {
				t.Errorf("calls: got %d, want those of %d mappings", calls, mappings)
			}
		})
	}
}

func TestEstimateJob_ComparesWithTheSameClassifier(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	c, _ := f.withModel(llmtest.Options{})
	f.handleLLM(c, f.ids[0])
	f.handleLLM(c, f.ids[1])
	for classifier, want := range map[schema.ClassifierKind]int64{
		schema.ClassifierLLM: 2, schema.ClassifierHybrid: 0, schema.ClassifierRules: 0,
	} {
		t.Run(string(classifier), func(t *testing.T) {
			if got := f.in(t).estimate(c, classifier, false).Unchanged; got != want {
				t.Errorf("unchanged: got %d, want %d", got, want)
			}
		})
	}
}
