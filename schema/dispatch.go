package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// dispatcher is the author of the rows that the dispatcher writes.
const dispatcher = "dispatcher"

// TryLockJob locks the job until the transaction ends, so that several dispatchers share the jobs. It returns
// false if another dispatcher has locked the job. The lock is advisory and blocks no other service.
func TryLockJob(ctx context.Context, tx bun.Tx, jobID string) (taken bool, err error) {
	if err := tx.NewRaw("select pg_try_advisory_xact_lock(hashtextextended(?, 0))", "job:"+jobID).
		Scan(ctx, &taken); err != nil {
		return false, fmt.Errorf("lock job %s: %w", jobID, err)
	}
	return taken, nil
}

// MarkStarted records the start of the job, unless the job has started, or its intent is no longer to run.
func MarkStarted(ctx context.Context, db bun.IDB, jobID string) error {
	_, err := db.NewRaw(`with `+lockTimeout+`, locked as materialized (
			select j.id from lock_timeout, jobs j where lock_timeout.is_set <> '' and id = ?
				and started_at is null and intent = ? for no key update of j
		), clock as materialized (
			select id, clock_timestamp() as now from locked
		)
		update jobs j set started_at = clock.now, version = j.version + 1, updated_at = clock.now, updated_by = ?
		from clock where j.id = clock.id`, jobID, IntentRun, dispatcher).Exec(ctx)
	if err != nil {
		return fmt.Errorf("start job %s: %w", jobID, err)
	}
	return nil
}

// UpdateBlockedBy records why the dispatcher cannot move the job, or, with an empty reason, that it can. It
// writes only if the reason differs from the recorded one, and increments the job's version so that the
// projector computes the status again.
func UpdateBlockedBy(ctx context.Context, db bun.IDB, jobID, reason string) error {
	_, err := db.NewRaw(`with `+lockTimeout+`, locked as materialized (
			select j.id from lock_timeout, jobs j where lock_timeout.is_set <> '' and id = ?
				and blocked_by is distinct from nullif(?, '') and ended_at is null for no key update of j
		), clock as materialized (
			select id, clock_timestamp() as now from locked
		)
		update jobs j set blocked_by = nullif(?, ''),
			blocked_since = case when ? <> '' then coalesce(j.blocked_since, clock.now) end,
			version = j.version + 1, updated_at = clock.now, updated_by = ?
		from clock where j.id = clock.id`, jobID, reason, reason, reason, dispatcher).Exec(ctx)
	if err != nil {
		return fmt.Errorf("blocked state of job %s: %w", jobID, err)
	}
	return nil
}

// ListBlockedJobs returns the jobs of the scope that the dispatcher cannot move, the oldest first.
func ListBlockedJobs(ctx context.Context, db bun.IDB, scope CheckScope) ([]Job, error) {
	var jobs []Job
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").
		Where("not published_finished and blocked_by is not null and intent <> ? and ended_at is null", IntentPause).
		Where("?", scope.within("j.cycle_id = ?0 and j.report_id = ?1")).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("blocked jobs: %w", err)
	}
	return jobs, nil
}

// JobEvent is the column that records that an event of a job, which occurs once, was published.
type JobEvent string

// The events that are published once for each job.
const (
	JobEventRequested JobEvent = "published_requested"
	JobEventStarted   JobEvent = "published_started"
	JobEventListed    JobEvent = "published_listed"
	JobEventFinished  JobEvent = "published_finished"
)

// MarkPublished records that the stream contains the event; by is the service that published it.
func MarkPublished(ctx context.Context, db bun.IDB, jobID string, what JobEvent, by string) error {
	_, err := db.NewUpdate().Model((*Job)(nil)).
		Set("? = true, updated_at = clock_timestamp(), updated_by = ?", bun.Ident(what), by).
		Where("id = ? and not ?", jobID, bun.Ident(what)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%s of job %s: %w", what, jobID, err)
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
		Set("published_intent = ?, updated_at = clock_timestamp(), updated_by = ?", version, dispatcher).
		Where("id = ? and published_intent < ?", jobID, version).Exec(ctx)
	if err != nil {
		return fmt.Errorf("published intent of job %s: %w", jobID, err)
	}
	return nil
}

// MarkWaitingPublished records the last published reason for which the job waits; it is empty if the job waits
// for nothing.
func MarkWaitingPublished(ctx context.Context, db bun.IDB, jobID, waitingFor string) error {
	_, err := db.NewUpdate().Model((*Job)(nil)).
		Set("published_waiting = nullif(?, '')", waitingFor).
		Set("updated_at = clock_timestamp(), updated_by = ?", projectorName).
		Where("id = ?", jobID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("published wait of job %s: %w", jobID, err)
	}
	return nil
}

// InsertItems writes the next page of the job's work list, at most limit mappings. A page with fewer mappings
// completes the list. If the job is being cancelled, its new items are cancelled too, so that a retry finds
// them. It returns the job after the page. An interrupted list continues after its last committed page.
func InsertItems(ctx context.Context, tx bun.Tx, jobID string, limit int) (Job, error) {
	// Listing a mapping locks its row against deletion. Without a limit, this waits while a user has locked
	// the row.
	if err := limitLockWait(ctx, tx); err != nil {
		return Job{ID: jobID}, err
	}
	job, err := LockJob(ctx, tx, jobID)
	if err != nil {
		return job, err
	}
	if !job.ListedAt.IsZero() {
		return job, nil
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return job, err
	}
	var (
		outcome *Outcome
		endedAt *time.Time
	)
	if job.Intent == IntentCancel {
		cancelled := OutcomeCancelled
		outcome, endedAt = &cancelled, &now
	}
	var page struct {
		Items int64  `bun:"items"`
		Last  string `bun:"last"`
	}
	err = tx.NewRaw(`with page as (?), listed as (
		insert into job_items (job_id, mapping_id, outcome, ended_at, folded_at, created_at, created_by,
			updated_at, updated_by)
		select ?, mapping_id, ?, ?::timestamptz, ?::timestamptz, ?, ?, ?, ? from page
		returning mapping_id)
		select count(*) as items, coalesce(max(mapping_id), '') as last from listed`,
		scoped(tx, job, limit), job.ID, outcome, endedAt, endedAt, now, dispatcher, now, dispatcher).Scan(ctx, &page)
	if err != nil {
		return job, fmt.Errorf("list mappings of job %s: %w", jobID, err)
	}
	job.Listed += page.Items
	if page.Items > 0 {
		job.ListCursor = page.Last
	}
	if page.Items > 0 && outcome != nil {
		job.Cancelled += page.Items
		job.CancelledAt = now
	}
	if page.Items < int64(limit) {
		job.ListedAt = now
	}
	job.Version++
	job.UpdatedAt, job.UpdatedBy = now, dispatcher
	_, err = tx.NewUpdate().Model(&job).WherePK().
		Column("listed", "list_cursor", "listed_at", "cancelled", "cancelled_at").
		Column("version", "updated_at", "updated_by").Exec(ctx)
	if err != nil {
		return job, fmt.Errorf("list of job %s: %w", jobID, err)
	}
	return job, nil
}

// scoped returns a query of the next mappings after the job's cursor.
func scoped(tx bun.Tx, job Job, limit int) *bun.RawQuery {
	switch job.Scope {
	case ScopeUnmapped:
		return tx.NewRaw(`select id as mapping_id from pde_mappings where cycle_id = ? and report_id = ? and id > ?
			and source_field is null order by id limit ?`, job.CycleID, job.ReportID, job.ListCursor, limit)
	case ScopeSelected:
		return tx.NewRaw(`select id as mapping_id from pde_mappings where cycle_id = ? and report_id = ? and id > ?
			and id = any ((select mapping_ids from jobs where id = ?)::text[]) order by id limit ?`,
			job.CycleID, job.ReportID, job.ListCursor, job.ID, limit)
	case ScopeRetry:
		return tx.NewRaw(`select mapping_id from job_items where job_id = ? and outcome in ('failed', 'cancelled')
			and (? = '' or error_code = ?) and mapping_id > ?
			and exists (select from pde_mappings where id = mapping_id)
			order by mapping_id limit ?`,
			job.RetryOf, job.RetryErrorCode, job.RetryErrorCode, job.ListCursor, limit)
	default: // ScopeAll
		return tx.NewRaw(`select id as mapping_id from pde_mappings where cycle_id = ? and report_id = ? and id > ?
			order by id limit ?`, job.CycleID, job.ReportID, job.ListCursor, limit)
	}
}
