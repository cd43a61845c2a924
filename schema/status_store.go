package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// LockedStatus is a job with its locked status, and the time of the transaction that holds the lock.
type LockedStatus struct {
	Job    Job
	Status JobStatus
	Now    time.Time
}

// LockStatus locks the job's status until the transaction ends, then reads the job's row and the clock. If the
// job has no status, it inserts an empty one and returns the counts of the items folded so far. It returns
// [ErrNotFound] if the job does not exist.
func LockStatus(ctx context.Context, tx bun.Tx, jobID string) (locked LockedStatus, err error) {
	// Another projector holds the lock briefly, but a user may hold it for any time, and all other jobs wait
	// for this transaction.
	if _, err := tx.NewRaw("select set_config('lock_timeout', '5s', true)").Exec(ctx); err != nil {
		return locked, fmt.Errorf("lock timeout: %w", err)
	}
	locking := tx.NewSelect().Model(&locked.Status).Where("job_id = ?", jobID).For("update")
	err = locking.Scan(ctx)
	inserted := false
	if errors.Is(err, sql.ErrNoRows) {
		if inserted, err = insertStatus(ctx, tx, jobID); err == nil {
			err = locking.Scan(ctx)
		}
	}
	if err != nil {
		return locked, fmt.Errorf("lock status of job %s: %w", jobID, err)
	}
	if locked.Now, err = Now(ctx, tx); err != nil {
		return locked, err
	}
	if inserted {
		if locked.Status.Counts, err = countFolded(ctx, tx, jobID); err != nil {
			return locked, err
		}
	}
	if locked.Job, err = GetJob(ctx, tx, jobID); err != nil {
		return locked, err
	}
	if inserted && (locked.Status.Completed() > 0 || !locked.Job.EndedAt.IsZero()) {
		// The previous status was deleted after clients had seen it, so the transitions are not checked.
		locked.Status = JobStatus{Counts: locked.Status.Counts}
	}
	return locked, nil
}

// insertStatus inserts an empty status of the job, unless it has one. It returns whether it has inserted one.
func insertStatus(ctx context.Context, tx bun.Tx, jobID string) (inserted bool, err error) {
	job, err := GetJob(ctx, tx, jobID)
	if err != nil {
		return false, err
	}
	fresh := StatusOf(unstarted(job), Counts{}, Waiting{}, nil)
	fresh.UpdatedAt, fresh.UpdatedBy = job.CreatedAt, string(ServiceProjector)
	result, err := tx.NewInsert().Model(&fresh).On("conflict (job_id) do nothing").Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// IsFirstStart reports whether the job has started and its status does not show that yet.
func (l LockedStatus) IsFirstStart() bool {
	return l.Status.Status != "" && l.Status.StartedAt.IsZero() && !l.Status.Status.IsFinal() &&
		!l.Job.StartedAt.IsZero()
}

// unstarted returns the job as it was when it was inserted. Its version is lower than any real one, so that a
// status computed from it lags.
func unstarted(job Job) Job {
	return Job{
		ID: job.ID, CycleID: job.CycleID, ReportID: job.ReportID, JobType: job.JobType,
		MappingCount: job.MappingCount, RequestedBy: job.RequestedBy, CreatedAt: job.CreatedAt,
	}
}

// MarkRunning sets the status to running regardless of the items, so that the start is committed and visible
// before any item is counted. The status still lags afterwards.
func MarkRunning(ctx context.Context, tx bun.Tx, locked LockedStatus) error {
	job := &locked.Job
	job.Version, job.Intent = 0, IntentRun
	job.MappingCount, job.ListedAt = job.Total(), time.Time{}
	job.Cancelled, job.CancelledAt = locked.Status.Cancelled, time.Time{}
	_, err := UpdateStatus(ctx, tx, locked, locked.Status.Counts)
	return err
}

// ErrJobChanged is returned if the job's row changed after it was read, for example because a user paused or
// cancelled the job. Nothing may be written from the old row: the caller rolls the transaction back and starts
// again.
var ErrJobChanged = errors.New("the job changed while its status was computed")

// ErrTransition is returned if the status computed from the rows cannot follow the current one.
var ErrTransition = errors.New("invalid transition of the status")

// UpdateStatus computes the job's status with these counts and writes it if it differs from the current one.
// The first final status also ends the job in its row, so that the report is free for the next job at the same
// moment. It ends the job only in the version that was read, so that a pause or cancellation that was accepted
// in the meantime is not lost. It returns the new status, [ErrTransition], or [ErrJobChanged].
func UpdateStatus(ctx context.Context, tx bun.Tx, locked LockedStatus, counts Counts) (JobStatus, error) {
	job, before := locked.Job, locked.Status
	status, err := computeStatus(ctx, tx, job, counts)
	if err != nil {
		return status, err
	}
	if status.Equal(before) && status.Status.IsFinal() == !job.EndedAt.IsZero() {
		before.WaitingUntil = status.WaitingUntil
		return before, nil
	}
	if before.Status != "" && before.Status != status.Status && !before.Status.CanBecome(status.Status) {
		return before, fmt.Errorf("job %s, from %s to %s: %w", job.ID, before.Status, status.Status, ErrTransition)
	}
	status.UpdatedAt, status.UpdatedBy = locked.Now, string(ServiceProjector)
	_, err = tx.NewInsert().Model(&status).On("conflict (job_id) do update").
		Set("status = excluded.status, progress_percentage = excluded.progress_percentage").
		Set("current_step = excluded.current_step").
		Set("total_steps = excluded.total_steps, completed_steps = excluded.completed_steps").
		Set("succeeded = excluded.succeeded, skipped = excluded.skipped").
		Set("failed = excluded.failed, cancelled = excluded.cancelled").
		Set("hrci = excluded.hrci, confidential = excluded.confidential").
		Set("proprietary = excluded.proprietary, public = excluded.public").
		Set("input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens").
		Set("cost_usd = excluded.cost_usd, message = excluded.message, waiting_for = excluded.waiting_for").
		Set("error = excluded.error, eta_seconds = excluded.eta_seconds, last_ended_at = excluded.last_ended_at").
		Set("started_at = excluded.started_at, completed_at = excluded.completed_at").
		Set("job_version = excluded.job_version, updated_at = excluded.updated_at, updated_by = excluded.updated_by").
		Exec(ctx)
	if err != nil {
		return status, fmt.Errorf("write status of job %s: %w", job.ID, err)
	}
	if status.Status.IsFinal() && job.EndedAt.IsZero() {
		return status, endJob(ctx, tx, job, status)
	}
	return status, nil
}

// endJob sets the end of the job, if its row still has the version that was read.
func endJob(ctx context.Context, tx bun.Tx, job Job, status JobStatus) error {
	result, err := tx.NewUpdate().Model((*Job)(nil)).
		Set("ended_at = ?, updated_at = clock_timestamp(), updated_by = ?", status.CompletedAt, ServiceProjector).
		Where("id = ? and version = ? and ended_at is null", job.ID, job.Version).Exec(ctx)
	if err != nil {
		return fmt.Errorf("end job %s: %w", job.ID, err)
	}
	if ended, err := result.RowsAffected(); err != nil {
		return fmt.Errorf("end job %s: %w", job.ID, err)
	} else if ended == 0 {
		return fmt.Errorf("end job %s: %w", job.ID, ErrJobChanged)
	}
	if _, err := tx.NewRaw("delete from job_item_locks where job_id = ?", job.ID).Exec(ctx); err != nil {
		return fmt.Errorf("locked items of job %s: %w", job.ID, err)
	}
	return nil
}

// computeStatus reads the other inputs of [StatusOf]. It takes the number of cancelled items from the job's
// row, so that each page of them is counted exactly once.
func computeStatus(ctx context.Context, tx bun.IDB, job Job, counts Counts) (JobStatus, error) {
	counts.Cancelled = job.Cancelled
	if job.CancelledAt.After(counts.LastEndedAt) {
		counts.LastEndedAt = job.CancelledAt
	}
	waiting, err := readWaiting(ctx, tx, job, counts)
	if err != nil {
		return JobStatus{}, err
	}
	if waiting.Paused, err = pausedFor(ctx, tx, job, counts.LastEndedAt); err != nil {
		return JobStatus{}, err
	}
	var failed []string
	if counts.Failed > 0 && statusFrom(job, counts) == StatusFailed {
		failed = append(failed, job.ID)
	}
	failures, err := listFailures(ctx, tx, failed)
	if err != nil {
		return JobStatus{}, err
	}
	return StatusOf(job, counts, waiting, failures[job.ID]), nil
}

// pausedFor returns how long the job was paused between its start and until, the end of the last counted item.
// A pause that has not ended, or began later, is not included.
func pausedFor(ctx context.Context, tx bun.IDB, job Job, until time.Time) (time.Duration, error) {
	if job.IntentVersion == 1 || job.StartedAt.IsZero() || until.IsZero() {
		return 0, nil
	}
	var microseconds int64
	err := tx.NewRaw(`select coalesce(sum(extract(epoch from least(resumed_at, ?) - created_at) * 1000000), 0)::bigint
		from (select intent, created_at, lead(created_at) over (order by version) as resumed_at
			from job_intents where job_id = ?) i
		where intent = ? and created_at between ? and ? and resumed_at is not null`,
		until, job.ID, IntentPause, job.StartedAt, until).Scan(ctx, &microseconds)
	if err != nil {
		return 0, fmt.Errorf("pauses of job %s: %w", job.ID, err)
	}
	return time.Duration(microseconds) * time.Microsecond, nil
}

// RebuildStatus replaces the job's status by one computed from all of its items. It also corrects the number
// of cancelled items in the job's row.
func RebuildStatus(ctx context.Context, tx bun.Tx, jobID string) (JobStatus, error) {
	locked, err := LockStatus(ctx, tx, jobID)
	if err != nil {
		return JobStatus{}, err
	}
	_, err = tx.NewUpdate().Model((*Item)(nil)).
		Set("folded_at = ?, updated_at = ?, updated_by = ?", locked.Now, locked.Now, ServiceProjector).
		Where("job_id = ? and outcome is not null and folded_at is null", jobID).Exec(ctx)
	if err != nil {
		return JobStatus{}, fmt.Errorf("fold items of job %s: %w", jobID, err)
	}
	// A page that is being cancelled waits for the lock, so that it is either in the count or added to it, but not
	// both.
	if _, err := LockJob(ctx, tx, jobID); err != nil {
		return JobStatus{}, err
	}
	counts, err := countFolded(ctx, tx, jobID)
	if err != nil {
		return JobStatus{}, err
	}
	if err := recountCancelled(ctx, tx, jobID); err != nil {
		return JobStatus{}, err
	}
	if locked.Job, err = GetJob(ctx, tx, jobID); err != nil {
		return JobStatus{}, err
	}
	locked.Status = JobStatus{} // so that no transition is checked
	return UpdateStatus(ctx, tx, locked, counts)
}

// readWaiting returns what the queued items of the job wait for. It returns the zero value unless every item that
// is not folded waits, which it finds out without counting them.
func readWaiting(ctx context.Context, tx bun.IDB, job Job, counts Counts) (Waiting, error) {
	var waiting Waiting
	remaining := job.Total() - counts.Completed()
	if job.Intent != IntentRun || job.ListedAt.IsZero() || remaining <= 0 {
		return waiting, nil
	}
	var first struct {
		DueAt *time.Time `bun:"due_at"`
		Lock  string     `bun:"lock"`
	}
	// Not min(due_at): if Postgres expects few waiting items, it reads them all.
	err := tx.NewRaw(`select (select due_at from job_items where job_id = ?0 and outcome is null and due_at > 'epoch'
			order by due_at limit 1) as due_at,
		coalesce(
			(select waiting_for from job_items where job_id = ?0 and outcome is null and waiting_for is not null
				order by mapping_id limit 1),
			(select waiting_for from job_item_locks l where job_id = ?0
				and (select outcome is null from job_items i where i.job_id = l.job_id and i.mapping_id = l.mapping_id)
				order by mapping_id limit 1),
			'') as lock`, job.ID).Scan(ctx, &first)
	if err != nil {
		return waiting, fmt.Errorf("waiting items of job %s: %w", job.ID, err)
	}
	if first.DueAt == nil && first.Lock == "" {
		return waiting, nil
	}
	var moves bool
	err = tx.NewRaw(`select exists (select from job_items i where job_id = ?0 and outcome is null and due_at = 'epoch'
			and not exists (select from job_item_locks l where l.job_id = i.job_id and l.mapping_id = i.mapping_id))
		or exists (select from job_items where job_id = ?0 and outcome is not null and folded_at is null)`, job.ID).
		Scan(ctx, &moves)
	if err != nil {
		return waiting, fmt.Errorf("items of job %s that do not wait: %w", job.ID, err)
	}
	if moves {
		return waiting, nil
	}
	waiting.Items, waiting.Lock = remaining, first.Lock
	if first.DueAt != nil {
		waiting.DueAt = *first.DueAt
	}
	return waiting, nil
}
