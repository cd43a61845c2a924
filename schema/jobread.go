package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
)

// JobFilter says which jobs are asked for; what is empty does not matter.
type JobFilter struct {
	CycleID, ReportID string
	Status            Status
	// Active leaves out the jobs that have ended.
	Active bool
}

// ListJobs lists at most limit jobs, the newest first, older than the job with the id before where it is not empty, without the
// mappings that a caller named.
func ListJobs(ctx context.Context, db bun.IDB, filter JobFilter, before string, limit int) ([]Job, error) {
	var jobs []Job
	query := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").OrderExpr("j.id desc").Limit(int64(limit))
	if before != "" {
		query = query.Where("j.id < ?", before)
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
		query = query.Join("left join job_status s on s.job_id = j.id").Where("coalesce(s.status, ?) = ?", Pending, filter.Status)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return jobs, nil
}

// ReadJobs reads the jobs with these ids, in no particular order and without the mappings that a caller named. It leaves out the ids of
// jobs that do not exist.
func ReadJobs(ctx context.Context, db bun.IDB, ids []string) ([]Job, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var jobs []Job
	if err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").Where("id in (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("%d jobs: %w", len(ids), err)
	}
	return jobs, nil
}

// ReadStatus reads where the job stands. A job that the projector has not looked at yet is pending.
func ReadStatus(ctx context.Context, db bun.IDB, job Job) (JobStatus, error) {
	var status JobStatus
	err := db.NewSelect().Model(&status).Where("job_id = ?", job.ID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return untouched(job), nil
	}
	if err != nil {
		return status, fmt.Errorf("status of job %s: %w", job.ID, err)
	}
	return status, nil
}

// ReadStatuses reads where each of the jobs stands, in their order.
func ReadStatuses(ctx context.Context, db bun.IDB, jobs []Job) ([]JobStatus, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	var kept []JobStatus
	if err := db.NewSelect().Model(&kept).Where("job_id in (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("statuses of %d jobs: %w", len(jobs), err)
	}
	byJob := make(map[string]JobStatus, len(kept))
	for _, status := range kept {
		byJob[status.JobID] = status
	}
	statuses := make([]JobStatus, len(jobs))
	for i, job := range jobs {
		status, ok := byJob[job.ID]
		if !ok {
			status = untouched(job)
		}
		statuses[i] = status
	}
	return statuses, nil
}

// untouched is the status of a job of which the projector keeps none. It does not change while that is so, whatever the row says.
func untouched(job Job) JobStatus {
	status := StatusOf(unstarted(job), Counts{}, Waiting{}, nil)
	status.UpdatedAt = job.CreatedAt
	return status
}

// ItemFilter says which items of a job are asked for; the zero value means all.
type ItemFilter struct {
	Outcome Outcome
	// Queued means those that have no outcome yet.
	Queued bool
}

// ReadItems lists at most limit items of the job behind the mapping with the id after, in the order of the mappings' ids.
func ReadItems(ctx context.Context, db bun.IDB, jobID string, filter ItemFilter, after string, limit int) ([]Item, error) {
	var items []Item
	query := db.NewSelect().Model(&items).Where("job_id = ? and mapping_id > ?", jobID, after).Order("mapping_id").Limit(int64(limit))
	if filter.Outcome != "" {
		query = query.Where("outcome = ?", filter.Outcome)
	}
	if filter.Queued {
		query = query.Where("outcome is null")
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("items of job %s: %w", jobID, err)
	}
	return items, nil
}
