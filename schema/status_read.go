package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// ListFinalStatuses computes the statuses of jobs that have ended, by job id, from their rows and all of their
// items. It does not read job_status, which may be deleted and rebuilt. CompletedAt and UpdatedAt are the time
// at which the job ended.
func ListFinalStatuses(ctx context.Context, db bun.IDB, jobs []Job) (map[string]JobStatus, error) {
	statuses := make(map[string]JobStatus, len(jobs))
	if len(jobs) == 0 {
		return statuses, nil
	}
	var counted []struct {
		JobID  string `bun:"job_id"`
		Counts `bun:"embed:"`
	}
	ids := bun.List(each(jobs, func(j Job) string { return j.ID }))
	err := db.NewRaw(countItems+`, job_id from (
		select job_id, outcome, information_security_classification as tier, input_tokens, output_tokens, cost_usd,
			ended_at
		from job_items where job_id in (?)) items group by job_id`, ids).Scan(ctx, &counted)
	if err != nil {
		return nil, fmt.Errorf("count items: %w", err)
	}
	counts := make(map[string]Counts, len(jobs))
	var failed []string
	for _, c := range counted {
		counts[c.JobID] = c.Counts
		if c.Failed > 0 {
			failed = append(failed, c.JobID)
		}
	}
	failures, err := listFailures(ctx, db, failed)
	if err != nil {
		return nil, err
	}
	for _, job := range jobs {
		status := StatusOf(job, counts[job.ID], Waiting{}, failures[job.ID])
		status.CompletedAt, status.UpdatedAt = job.EndedAt, job.EndedAt
		statuses[job.ID] = status
	}
	return statuses, nil
}

// ListFailures counts the failed items of the job by error code, the most frequent first.
func ListFailures(ctx context.Context, db bun.IDB, jobID string) ([]FailureCount, error) {
	failures, err := listFailures(ctx, db, []string{jobID})
	return failures[jobID], err
}

// listFailures counts the failed items of the jobs by error code, the most frequent first.
func listFailures(ctx context.Context, db bun.IDB, jobIDs []string) (map[string][]FailureCount, error) {
	failures := map[string][]FailureCount{}
	if len(jobIDs) == 0 {
		return failures, nil
	}
	var rows []struct {
		JobID        string `bun:"job_id"`
		FailureCount `bun:"embed:"`
	}
	err := db.NewRaw(`select job_id, error_code, count(*) as items, coalesce(min(error), '') as error
		from job_items where job_id in (?) and outcome = 'failed'
		group by job_id, error_code order by job_id, items desc, error_code`, bun.List(jobIDs)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("failed items: %w", err)
	}
	for _, row := range rows {
		failures[row.JobID] = append(failures[row.JobID], row.FailureCount)
	}
	return failures, nil
}

// missingStatusSQL computes the status of a job j without a row in job_status, for use in a condition. It must
// agree with [ListStatuses].
const missingStatusSQL = `case
	when j.ended_at is null and not exists (
		select from job_items i where i.job_id = j.id and i.folded_at is not null) then 'pending'
	when j.ended_at is null and j.intent = 'pause' then 'paused'
	when j.ended_at is null then 'running'
	when j.cancelled > 0 or j.listed = 0 and j.intent = 'cancel' then 'cancelled'
	when exists (select from job_items i where i.job_id = j.id and i.outcome = 'failed') then 'failed'
	else 'completed' end`

// GetStatus returns the status of the job. If it is not stored in job_status, GetStatus computes it.
func GetStatus(ctx context.Context, db bun.IDB, job Job) (JobStatus, error) {
	statuses, err := ListStatuses(ctx, db, []Job{job})
	if err != nil {
		return JobStatus{}, err
	}
	return statuses[0], nil
}

// ListStatuses returns the statuses of the jobs, in the order of jobs. It computes those that are not stored.
func ListStatuses(ctx context.Context, db bun.IDB, jobs []Job) ([]JobStatus, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	ids := each(jobs, func(j Job) string { return j.ID })
	stored, err := ListStoredStatuses(ctx, db, ids)
	if err != nil {
		return nil, err
	}
	statuses := make([]JobStatus, len(jobs))
	for i, job := range jobs {
		status, ok := stored[job.ID]
		if !ok {
			if status, err = missingStatus(ctx, db, job); err != nil {
				return nil, err
			}
		}
		statuses[i] = status
	}
	return statuses, nil
}

// ListStoredStatuses reads the stored statuses of the jobs, by job id. It omits jobs without a stored status.
func ListStoredStatuses(ctx context.Context, db bun.IDB, jobIDs []string) (map[string]JobStatus, error) {
	var rows []JobStatus
	if err := db.NewSelect().Model(&rows).Where("job_id in (?)", bun.List(jobIDs)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("statuses of %d jobs: %w", len(jobIDs), err)
	}
	statuses := make(map[string]JobStatus, len(rows))
	for _, status := range rows {
		statuses[status.JobID] = status
	}
	return statuses, nil
}

// ListJobsWithoutStatus returns the ids of the first limit jobs that have no row in job_status.
func ListJobsWithoutStatus(ctx context.Context, db bun.IDB, limit int) (ids []string, err error) {
	err = db.NewRaw("select job_id from jobs_without_status order by job_id limit ?", limit).Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("jobs without a status: %w", err)
	}
	return ids, nil
}

// missingStatus computes the status of a job that has no row in job_status. It counts only folded items, so
// that the progress never decreases when the projector writes the row again. A job without folded items is
// pending until the projector writes that it runs.
func missingStatus(ctx context.Context, db bun.IDB, job Job) (JobStatus, error) {
	counts, err := countFolded(ctx, db, job.ID)
	if err != nil {
		return JobStatus{}, err
	}
	if counts.Completed() == 0 && job.EndedAt.IsZero() {
		job = unstarted(job)
	}
	status, err := computeStatus(ctx, db, job, counts)
	if err != nil {
		return JobStatus{}, err
	}
	// The time must not depend on the clock, because the ETag of the status may only change with the status.
	status.UpdatedAt = job.CreatedAt
	if counts.LastEndedAt.After(status.UpdatedAt) {
		status.UpdatedAt = counts.LastEndedAt
	}
	return status, nil
}
