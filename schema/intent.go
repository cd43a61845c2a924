package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// CurrentStatus returns the status of the job that follows from its row and the counts of its stored status.
// An intent changes it at once, while the projector may update the stored status later.
func CurrentStatus(job Job, kept JobStatus) Status {
	if kept.Status.IsFinal() {
		return kept.Status
	}
	return statusFrom(job, kept.Counts)
}

// CanTake reports whether the intent may be recorded for the job, whose status is current. A job with the
// intent to cancel takes no other intent.
func (j Job) CanTake(intent Intent, current Status) bool {
	return j.Intent != IntentCancel && intent.IsAllowedFrom(current)
}

// InsertIntent records a new intent of the job and returns the updated job. The caller must hold the lock of
// the job's row.
func InsertIntent(ctx context.Context, tx bun.Tx, job Job, intent Intent, by, traceparent string) (Job, error) {
	now, err := Now(ctx, tx)
	if err != nil {
		return job, err
	}
	job.Intent = intent
	job.IntentVersion++
	job.Version++
	job.UpdatedAt, job.UpdatedBy = now, by
	_, err = tx.NewUpdate().Model(&job).
		Column("intent", "intent_version", "version", "updated_at", "updated_by").WherePK().Exec(ctx)
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
