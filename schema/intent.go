package schema

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Intent is a request of a person to run, pause or cancel a job.
type Intent string

const (
	// IntentRun starts or resumes the job.
	IntentRun Intent = "run"
	// IntentPause starts no more items until the job is resumed.
	IntentPause Intent = "pause"
	// IntentCancel ends the job. It cannot be undone.
	IntentCancel Intent = "cancel"
)

// Intents returns all intents.
func Intents() []Intent { return []Intent{IntentRun, IntentPause, IntentCancel} }

// IsAllowedFrom reports whether the intent may be recorded for a job with this status: run for a paused job,
// pause for a pending or running job, and cancel for any job that has not ended.
func (i Intent) IsAllowedFrom(s Status) bool { return slices.Contains(i.From(), s) }

// From returns the statuses from which the intent is allowed.
func (i Intent) From() []Status {
	switch i {
	case IntentRun:
		return []Status{StatusPaused}
	case IntentPause:
		return []Status{StatusPending, StatusRunning}
	case IntentCancel:
		return []Status{StatusPending, StatusRunning, StatusPaused}
	default:
		return nil
	}
}

// JobIntent is one recorded intent of a job. The first has version 1.
type JobIntent struct {
	bun.BaseModel `bun:"table:job_intents,alias:ji"`

	JobID       string    `bun:"job_id,pk"`
	Version     int64     `bun:"version,pk"`
	Intent      Intent    `bun:"intent"`
	RequestedBy string    `bun:"requested_by"`
	Traceparent string    `bun:"traceparent"`
	CreatedAt   time.Time `bun:"created_at"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedAt   time.Time `bun:"updated_at"`
	UpdatedBy   string    `bun:"updated_by"`
}

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

// InsertIntent records a new intent of the job, with its PausedFor and MaxCostUSD, and returns the updated job. The
// caller must hold the lock of the job's row.
func InsertIntent(ctx context.Context, tx bun.Tx, job Job, intent Intent, by, traceparent string) (Job, error) {
	now, err := Now(ctx, tx)
	if err != nil {
		return job, err
	}
	job.Intent = intent
	job.IntentVersion++
	job.Version++
	job.UpdatedAt, job.UpdatedBy = now, by
	if intent != IntentPause {
		job.PausedFor = ""
	}
	_, err = tx.NewUpdate().Model(&job).
		Column("intent", "intent_version", "version", "updated_at", "updated_by", "paused_for", "max_cost_usd").
		WherePK().Exec(ctx)
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

// ListUnpublishedIntents returns the job's intents that are not recorded as published, the oldest first.
func ListUnpublishedIntents(ctx context.Context, db bun.IDB, job Job) ([]JobIntent, error) {
	var intents []JobIntent
	err := db.NewSelect().Model(&intents).Where("job_id = ? and version > ?", job.ID, job.PublishedIntent).
		Order("version").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("intents of job %s: %w", job.ID, err)
	}
	return intents, nil
}

// MarkIntentPublished records that the stream contains the job's intents up to this version.
func MarkIntentPublished(ctx context.Context, db bun.IDB, jobID string, version int64) error {
	_, err := db.NewUpdate().Model((*Job)(nil)).
		Set("published_intent = ?, updated_at = clock_timestamp(), updated_by = ?", version, ServiceDispatcher).
		Where("id = ? and published_intent < ?", jobID, version).Exec(ctx)
	if err != nil {
		return fmt.Errorf("published intent of job %s: %w", jobID, err)
	}
	return nil
}
