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
