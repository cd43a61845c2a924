//go:build unix

package schematest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// FinishItems saves an outcome for each of these items of the job, as the classifier does. Every third item fails.
func FinishItems(t testing.TB, db *schema.DB, jobID string, mappingIDs ...string) {
	t.Helper()
	for i, id := range mappingIDs {
		var err error
		if i%3 == 2 {
			failed := schema.ItemResult{
				Attempt: 5, Code: schema.ErrorCodePanic, Error: "it's \"broken\" — \\ and\nmore",
			}
			err = schema.FailItem(t.Context(), db, jobID, id, failed)
		} else {
			err = succeedItem(t.Context(), db, jobID, id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func succeedItem(ctx context.Context, db *schema.DB, jobID, mappingID string) error {
	work, err := schema.GetWork(ctx, db, jobID, mappingID)
	if err != nil {
		return err
	}
	after := work.Mapping
	after.InformationSecurityClassification, after.ClassifiedBy = schema.TierConfidential, "rules@1"
	after.ClassificationRationale = "a balance"
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		saved, err := schema.SaveWork(ctx, tx, jobID, work.Mapping, after, schema.ItemResult{
			Outcome: schema.OutcomeSucceeded, Attempt: 1, Classifier: "rules@1", Duration: 3 * time.Millisecond,
			Usage: schema.Usage{InputTokens: 900, OutputTokens: 60, CostUSD: schema.USDOf(0.0036)},
		})
		if err == nil && !saved {
			err = errors.New("the mapping was not saved")
		}
		return err
	})
}

// EndJob computes the status of a job whose items all have an outcome, which ends the job, as the projector does.
// It returns the status.
func EndJob(t testing.TB, db *schema.DB, jobID string) schema.JobStatus {
	t.Helper()
	var status schema.JobStatus
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, jobID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !status.Status.IsFinal() {
		t.Fatalf("status of job %s: got %s, want a final one", jobID, status.Status)
	}
	return status
}
