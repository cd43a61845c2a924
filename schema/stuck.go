package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// StuckJob is an active job that makes no progress.
type StuckJob struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	Job
	// Still is the time since the last change of the job, its status or its items.
	Still time.Duration `bun:"still,scanonly"`
	// Queued is the number of mappings without an outcome, Due the number of those that are due, and Uncounted
	// the number of outcomes that the status does not count yet.
	Queued    int64 `bun:"queued,scanonly"`
	Due       int64 `bun:"due,scanonly"`
	Uncounted int64 `bun:"uncounted,scanonly"`
	// DueMapping is the mapping that is due first; it is empty if none is.
	DueMapping string `bun:"due_mapping,scanonly"`
}

// ListStuckJobs returns the active jobs of the scope that are not paused and have not changed for at least
// still, the oldest first. A job is not stuck while all of its mappings wait for their next attempt, which
// takes at most [LongestWait].
//
// Times ahead of the database's clock are ignored: they were written before the clock stepped back.
func ListStuckJobs(ctx context.Context, db bun.IDB, scope CheckScope, still time.Duration) ([]StuckJob, error) {
	var jobs []StuckJob
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").
		ColumnExpr("i.queued, i.due, i.uncounted").
		ColumnExpr(`coalesce((select mapping_id from job_items where job_id = j.id and outcome is null and `+isDue+`
			order by due_at, mapping_id limit 1), '') as due_mapping`).
		ColumnExpr("(extract(epoch from clock.now - moved.at) * 1e9)::bigint as still").
		Join("cross join (select clock_timestamp() as now) clock").
		Join("left join job_status s on s.job_id = j.id").
		Join(`cross join lateral (select max(updated_at) filter (where updated_at <= clock_timestamp()) as updated_at,
			count(*) filter (where outcome is null) as queued,
			count(*) filter (where outcome is null and `+isDue+`) as due,
			count(*) filter (where outcome is not null and folded_at is null) as uncounted
			from job_items where job_id = j.id) i`).
		Join(`cross join lateral (select coalesce(max(at) filter (where at <= clock.now), 'epoch') as at
			from (values (j.updated_at), (s.updated_at), (i.updated_at)) change (at)) moved`).
		Where("j.ended_at is null and j.intent <> ? and ?", IntentPause,
			scope.within("j.cycle_id = ?0 and j.report_id = ?1")).
		Where("moved.at < clock.now - ? * interval '1 second'", still.Seconds()).
		Where("not (j.intent = ? and i.queued > 0 and i.due = 0 and i.uncounted = 0)", IntentRun).
		Order("j.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("stuck jobs: %w", err)
	}
	return jobs, nil
}

// Why describes the next step of the job and the service that has to do it.
func (s StuckJob) Why() string {
	switch {
	case s.Intent == IntentRun && s.StartedAt.IsZero():
		return "not started yet; a dispatcher starts it"
	case s.ListedAt.IsZero():
		return "its work list is incomplete; a dispatcher writes it"
	case s.Intent == IntentCancel && s.Queued > 0:
		return fmt.Sprintf("cancelling, but %s are still queued; a dispatcher cancels them", mappings(s.Queued))
	case s.Due > 0:
		return fmt.Sprintf("%s are due; a dispatcher publishes them and a classifier processes them", mappings(s.Due))
	case s.Uncounted > 0:
		return fmt.Sprintf("the outcomes of %s are not counted in the status; a projector counts them",
			mappings(s.Uncounted))
	default:
		return "every mapping is accounted for, but the job has not ended; a projector ends it"
	}
}
