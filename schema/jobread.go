package schema

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

// JobFilter selects jobs. An empty field selects all.
type JobFilter struct {
	CycleID, ReportID string
	Status            Status
	// Active selects the jobs that have not ended.
	Active bool
	// IDPrefix is the beginning of the ids.
	IDPrefix string
}

// ListJobs returns at most limit jobs without their MappingIDs, newest first. If before is not empty, it
// returns only jobs that are older than the job with that id.
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
		query = query.Join("left join job_status s on s.job_id = j.id").
			Where("coalesce(s.status, "+missingStatusSQL+") = ?", filter.Status)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return jobs, nil
}

// lastWithPrefix returns the upper end of the range of ids with the prefix, in the collation of ids. Postgres
// can read a range from the index, but not always a pattern.
func lastWithPrefix(prefix string) string { return prefix + string(utf8.MaxRune) }

// ListJobsByID reads the jobs with these ids without their MappingIDs, in no particular order. It omits ids
// that do not exist.
func ListJobsByID(ctx context.Context, db bun.IDB, ids []string) ([]Job, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var jobs []Job
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").Where("id in (?)", bun.List(ids)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("%d jobs: %w", len(ids), err)
	}
	return jobs, nil
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

// ListJobsWithoutStatus looks at the next limit jobs after the given one, in the order of their ids, and
// returns those that have no row in job_status. It also returns the last job that it looked at, or "" if there
// are no more jobs.
func ListJobsWithoutStatus(
	ctx context.Context, db bun.IDB, after string, limit int,
) (ids []string, last string, err error) {
	var page []struct {
		ID      string `bun:"id"`
		Missing bool   `bun:"missing"`
	}
	err = db.NewRaw(`select j.id, s.job_id is null as missing
		from (select id from jobs where id > ? order by id limit ?) j
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

// ItemFilter selects items of a job. The zero value selects all.
type ItemFilter struct {
	Outcome Outcome
	// Queued selects the items without an outcome.
	Queued bool
}

// ListItems returns at most limit items of the job after the mapping with the id after, in the order of
// mapping ids.
func ListItems(
	ctx context.Context, db bun.IDB, jobID string, filter ItemFilter, after string, limit int,
) ([]Item, error) {
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
		// Most queued items need not wait. They are read in the order of job_items_queued, which has no items with
		// an outcome. Few items wait, and all of them are read. A limit would make Postgres read the job in the
		// order of the limit.
		return page(tx.NewSelect().Model(into).ModelTableExpr("((?) union all (?)) as i",
			page(items().Where("outcome is null and due_at = 'epoch'")),
			items().Where("outcome is null and due_at > 'epoch'")))
	default:
		return page(items())
	}
}
