package schema

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

// JobFilter says which jobs are asked for; what is empty does not matter.
type JobFilter struct {
	CycleID, ReportID string
	Status            Status
	// Active leaves out the jobs that have ended.
	Active bool
	// IDPrefix is what the ids begin with.
	IDPrefix string
}

// ListJobs lists at most limit jobs, the newest first, older than the job with the id before where it is not empty, without the
// mappings that a caller named.
func ListJobs(ctx context.Context, db bun.IDB, filter JobFilter, before string, limit int) ([]Job, error) {
	var jobs []Job
	query := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").OrderExpr("j.id desc").Limit(int64(limit))
	if before != "" {
		query = query.Where("j.id < ?", before)
	}
	if filter.IDPrefix != "" {
		query = query.Where("j.id between ? and ?", filter.IDPrefix, lastWithPrefix(filter.IDPrefix))
	}
	if filter.CycleID != "" {
		query = query.Where("j.cycle_id = ?", filter.CycleID)
	}
	if filter.ReportID != "" {
		query = query.Where("j.report_id = ?", filter.ReportID)
	}
	if filter.Active {
		query = query.Where("j.ended_at is null")
	}
	if filter.Status != "" {
		query = query.Join("left join job_status s on s.job_id = j.id").Where("coalesce(s.status, "+missingStatusSQL+") = ?", filter.Status)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return jobs, nil
}

// lastWithPrefix is the last text, in the collation of ids, that may begin with the prefix. A range reads the index where a pattern may not.
func lastWithPrefix(prefix string) string { return prefix + string(utf8.MaxRune) }

// ListJobsByID reads the jobs with these ids, in no particular order and without the mappings that a caller named. It leaves out the ids of
// jobs that do not exist.
func ListJobsByID(ctx context.Context, db bun.IDB, ids []string) ([]Job, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var jobs []Job
	if err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").Where("id in (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("%d jobs: %w", len(ids), err)
	}
	return jobs, nil
}

// missingStatusSQL is the status of a job j that has no row in job_status, as [ListStatuses] computes it, for a condition.
const missingStatusSQL = `case
	when j.ended_at is null and not exists (select from job_items i where i.job_id = j.id and i.folded_at is not null) then 'pending'
	when j.ended_at is null and j.intent = 'pause' then 'paused'
	when j.ended_at is null then 'running'
	when j.cancelled > 0 or j.listed = 0 and j.intent = 'cancel' then 'cancelled'
	when exists (select from job_items i where i.job_id = j.id and i.outcome = 'failed') then 'failed'
	else 'completed' end`

// GetStatus reads the status of the job. If the projector has not written one, or its row was deleted, the status is computed.
func GetStatus(ctx context.Context, db bun.IDB, job Job) (JobStatus, error) {
	statuses, err := ListStatuses(ctx, db, []Job{job})
	if err != nil {
		return JobStatus{}, err
	}
	return statuses[0], nil
}

// ListStatuses does the same for several jobs, and returns the statuses in their order.
func ListStatuses(ctx context.Context, db bun.IDB, jobs []Job) ([]JobStatus, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
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

// ListStoredStatuses reads the rows of job_status for the jobs, by job. A job without a row is missing from the result.
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

// ListJobsWithoutStatus lists the jobs that have no row in job_status, among the next limit jobs after the given one in the order of their
// ids. It also returns the last of the jobs that it looked at, which is empty after the last job of all.
func ListJobsWithoutStatus(ctx context.Context, db bun.IDB, after string, limit int) (ids []string, last string, err error) {
	var page []struct {
		ID      string `bun:"id"`
		Missing bool   `bun:"missing"`
	}
	err = db.NewRaw(`select j.id, s.job_id is null as missing from (select id from jobs where id > ? order by id limit ?) j
		left join job_status s on s.job_id = j.id order by j.id`, after, limit).Scan(ctx, &page)
	if err != nil {
		return nil, after, fmt.Errorf("jobs without a status: %w", err)
	}
	for _, job := range page {
		if job.Missing {
			ids = append(ids, job.ID)
		}
	}
	if len(page) == limit {
		last = page[limit-1].ID
	}
	return ids, last, nil
}

// missingStatus computes the status of a job that has no row in job_status. Only the items that are marked as folded count, so that a
// client never sees the progress go back once the projector has written the row again. A job without any is pending until the projector
// has written that it runs.
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
	// A fixed time, because the ETag of the status may only change with the status.
	status.UpdatedAt = job.CreatedAt
	if counts.LastEndedAt.After(status.UpdatedAt) {
		status.UpdatedAt = counts.LastEndedAt
	}
	return status, nil
}

// ItemFilter says which items of a job are asked for; the zero value means all.
type ItemFilter struct {
	Outcome Outcome
	// Queued means those that have no outcome yet.
	Queued bool
}

// InsertItems lists at most limit items of the job behind the mapping with the id after, in the order of the mappings' ids.
func ListItems(ctx context.Context, db bun.IDB, jobID string, filter ItemFilter, after string, limit int) ([]Item, error) {
	var items []Item
	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := readInIndexOrder(ctx, tx); err != nil {
			return err
		}
		return selectItems(tx, &items, jobID, filter, after, limit).Scan(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("items of job %s: %w", jobID, err)
	}
	return items, nil
}

func selectItems(tx bun.Tx, into *[]Item, jobID string, filter ItemFilter, after string, limit int) *bun.SelectQuery {
	items := func() *bun.SelectQuery {
		return tx.NewSelect().Model(into).Where("job_id = ? and mapping_id > ?", jobID, after)
	}
	page := func(query *bun.SelectQuery) *bun.SelectQuery { return query.Order("mapping_id").Limit(int64(limit)) }
	switch {
	case filter.Outcome != "":
		return page(items().Where("outcome = ?", filter.Outcome))
	case filter.Queued:
		// Most queued items wait for nothing. They are read in the order of job_items_queued, which has no items with an outcome.
		// Those that wait are few, and all of them are read: without a limit of their own, which would read the job in its order.
		return page(tx.NewSelect().Model(into).ModelTableExpr("((?) union all (?)) as i",
			page(items().Where("outcome is null and due_at = 'epoch'")),
			items().Where("outcome is null and due_at > 'epoch'")))
	default:
		return page(items())
	}
}
