package schema_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// intend records an intent for the job.
func intend(t *testing.T, db *schema.DB, jobID string, intent schema.Intent) {
	t.Helper()
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		job, err := schema.LockJob(ctx, tx, jobID)
		if err != nil {
			return err
		}
		_, err = schema.InsertIntent(ctx, tx, job, intent, "olga", job.Traceparent)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// endOver folds all items of the job, and records an intent after it has read the row of the job.
func endOver(t *testing.T, db *schema.DB, jobID string, intent schema.Intent) error {
	t.Helper()
	return db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockStatus(ctx, tx, jobID)
		if err != nil {
			return err
		}
		counts, _, err := schema.FoldItemsSince(ctx, tx, locked, time.Time{}, 10)
		if err != nil {
			return err
		}
		intend(t, db, jobID, intent)
		_, err = schema.UpdateStatus(ctx, tx, locked, locked.Status.Plus(counts))
		return err
	})
}

func TestUpdateStatus_DoesNotEndAJobThatWasPausedInTheMeantime(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	mustFold(t, db, job.ID)
	succeed(t, db, job.ID, ids...)
	if err := endOver(t, db, job.ID, schema.IntentPause); !errors.Is(err, schema.ErrJobChanged) {
		t.Fatalf("UpdateStatus: got %v, want %v", err, schema.ErrJobChanged)
	}
	status := mustFold(t, db, job.ID, ids...)
	job, err := schema.GetJob(t.Context(), db, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if status.Status != schema.StatusCompleted || status.JobVersion != job.Version || job.EndedAt.IsZero() {
		t.Errorf("got %s at version %d, ended at %v, want %s at version %d", status.Status, status.JobVersion,
			job.EndedAt, schema.StatusCompleted, job.Version)
	}
}

func TestAnEmptyJobThatIsCancelledAsItEndsIsCancelled(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 0)
	job := schematest.Job(t, db, 0)
	mustFold(t, db, job.ID)
	exec(t, db, "update jobs set started_at = now(), version = version + 1 where id = ?", job.ID)
	mustFold(t, db, job.ID)
	exec(t, db, "update jobs set listed_at = now(), version = version + 1 where id = ?", job.ID)
	if err := endOver(t, db, job.ID, schema.IntentCancel); !errors.Is(err, schema.ErrJobChanged) {
		t.Fatalf("UpdateStatus: got %v, want %v", err, schema.ErrJobChanged)
	}
	if status := mustFold(t, db, job.ID); status.Status != schema.StatusCancelled {
		t.Errorf("status: got %s, want %s", status.Status, schema.StatusCancelled)
	}
}

func TestTheRemainingTimeIsEstimatedWithoutPauses(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 4)
	job := schematest.ListedJob(t, db, 4)
	mustFold(t, db, job.ID)
	intend(t, db, job.ID, schema.IntentPause)
	intend(t, db, job.ID, schema.IntentRun)
	succeed(t, db, job.ID, ids[:2]...)
	// Two mappings took ten seconds each, before and after an hour's pause.
	exec(t, db, "update jobs set started_at = now() - interval '2 hours' where id = ?", job.ID)
	exec(t, db, "update job_intents set created_at = now() - interval '2 hours' + interval '10 seconds' "+
		"where version = 2")
	exec(t, db, "update job_intents set created_at = now() - interval '1 hour' + interval '10 seconds' "+
		"where version = 3")
	exec(t, db, "update job_items set ended_at = now() - interval '1 hour' + interval '20 seconds' "+
		"where outcome = 'succeeded'")
	status := mustFold(t, db, job.ID, ids...)
	if status.Status != schema.StatusRunning || status.ETASeconds == nil || *status.ETASeconds < 20 ||
		*status.ETASeconds > 21 {
		t.Errorf("got %s with %v seconds left, want %s with 20 or 21", status.Status, *status.ETASeconds,
			schema.StatusRunning)
	}
}
