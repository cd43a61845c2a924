package classifier

import (
	"context"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// workPage is the number of mappings that [CountUnchanged] reads by one statement.
const workPage = 1000

// CountUnchanged returns the number of mappings that the job would skip as unchanged. It compares the digest of each as
// the job would. The model is that of the llm lane; a job of the rules lane needs none.
func CountUnchanged(
	ctx context.Context, db *schema.DB, engine *rules.Engine, model *llm.Model, job schema.Job,
) (n int64, err error) {
	if job.Force {
		return 0, nil
	}
	var from *candidates
	for after := ""; ; {
		page, err := schema.ListUnlistedWork(ctx, db, job, after, workPage)
		if err != nil {
			return 0, err
		}
		if from == nil && len(page) > 0 {
			if from, err = readCandidates(ctx, db, engine.Vocabulary(), job.CycleID, job.ReportID); err != nil {
				return 0, err
			}
		}
		for _, work := range page {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if isUnchanged(work, inputHash(engine, from, work, rank(from, work), digestOf(model, job.Classifier))) {
				n++
			}
			after = work.Mapping.ID
		}
		if len(page) < workPage {
			return n, nil
		}
	}
}
