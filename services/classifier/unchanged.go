package classifier

import (
	"context"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// workPage is the number of mappings that [CountUnchanged] reads by one statement.
const workPage = 1000

// CountUnchanged returns the number of mappings that the job would skip as unchanged. It judges each as the job would.
func CountUnchanged(ctx context.Context, db *schema.DB, engine *rules.Engine, job schema.Job) (n int64, err error) {
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
			if _, saved := evaluate(engine, from, work); saved.Code == schema.ErrorCodeUnchanged {
				n++
			}
			after = work.Mapping.ID
		}
		if len(page) < workPage {
			return n, nil
		}
	}
}
