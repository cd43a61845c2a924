package classifier

import (
	"context"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// workPage is the number of mappings that [EstimateJob] reads by one statement.
const workPage = 1000

// Estimate is what a job would do.
type Estimate struct {
	// Unchanged is the number of mappings that the job would skip as unchanged.
	Unchanged int64
	// Usage is what its calls of the model would use and cost.
	Usage schema.Usage
}

// EstimateJob plans each mapping as the job would, and adds up the calls. What a call uses is estimated from the last
// calls of the same model and prompt, if there are enough. The model is that of the llm lane; a job of the rules lane
// needs none.
func EstimateJob(
	ctx context.Context, db *schema.DB, engine *rules.Engine, model *llm.Model, job schema.Job,
) (e Estimate, err error) {
	if job.Classifier == schema.ClassifierRules && job.Force {
		return e, nil
	}
	var calls llm.Calls
	err = eachUnlisted(ctx, db, engine, job, func(from *candidates, work schema.Work) {
		if job.Classifier == schema.ClassifierRules {
			if isUnchanged(work, inputHash(engine, from, work, rank(from, work), "")) {
				e.Unchanged++
			}
			return
		}
		switch p := newPlan(engine, model, from, work); {
		case p.unchanged:
			e.Unchanged++
		case p.doubt != "":
			if len(p.tables) > 0 {
				calls.Add(model.Prompt().Tables(p.question))
			}
			calls.Add(model.Prompt().Answer(p.question))
		}
	})
	if err != nil || calls.N == 0 {
		return e, err
	}
	past, err := schema.SumPastCalls(ctx, db, model.Name(), model.Prompt().Version())
	if err != nil {
		return e, err
	}
	e.Usage = model.Estimate(calls, past)
	return e, nil
}

// eachUnlisted calls do for each mapping that the job would work on, with the candidates of its report.
func eachUnlisted(
	ctx context.Context, db *schema.DB, engine *rules.Engine, job schema.Job, do func(*candidates, schema.Work),
) error {
	list := func(after string, limit int) ([]schema.Work, error) {
		return schema.ListUnlistedWork(ctx, db, job, after, limit)
	}
	var from *candidates
	for page, err := range schema.Pages(workPage, list, func(w schema.Work) string { return w.Mapping.ID }) {
		if err != nil {
			return err
		}
		if from == nil && len(page) > 0 {
			if from, err = readCandidates(ctx, db, engine.Vocabulary(), job.CycleID, job.ReportID); err != nil {
				return err
			}
		}
		for _, work := range page {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			do(from, work)
		}
	}
	return nil
}
