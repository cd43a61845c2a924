package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// CurrentStatus is where the job stands when its row is asked, which an intent changes at once, while the status that the projector
// keeps may lag.
func CurrentStatus(job Job, kept JobStatus) Status {
	if kept.Status.IsFinal() {
		return kept.Status
	}
	return statusFrom(job, kept.Counts)
}

// CanTake reports whether the job may be asked for the intent now. A job that is to be cancelled takes no more.
func (j Job) CanTake(intent Intent, current Status) bool {
	return j.Intent != IntentCancel && intent.IsAllowedFrom(current)
}

// InsertIntent writes the next thing that somebody asks of the job. The caller holds the lock of the job's row. It returns the job as it
// stands then.
func InsertIntent(ctx context.Context, tx bun.Tx, job Job, intent Intent, by, traceparent string) (Job, error) {
	now, err := Now(ctx, tx)
	if err != nil {
		return job, err
	}
	job.Intent = intent
	job.IntentVersion++
	job.Version++
	job.UpdatedAt, job.UpdatedBy = now, by
	_, err = tx.NewUpdate().Model(&job).Column("intent", "intent_version", "version", "updated_at", "updated_by").WherePK().Exec(ctx)
	if err != nil {
		return job, fmt.Errorf("intent of job %s: %w", job.ID, err)
	}
	return job, insertIntentRow(ctx, tx, job, by, traceparent, now)
}

func insertIntentRow(ctx context.Context, tx bun.Tx, job Job, by, traceparent string, now time.Time) error {
	intent := JobIntent{
		JobID: job.ID, Version: job.IntentVersion, Intent: job.Intent, RequestedBy: by, Traceparent: traceparent,
		CreatedAt: now, CreatedBy: by, UpdatedAt: now, UpdatedBy: by,
	}
	if _, err := tx.NewInsert().Model(&intent).Exec(ctx); err != nil {
		return fmt.Errorf("intent %d of job %s: %w", intent.Version, job.ID, err)
	}
	return nil
}
