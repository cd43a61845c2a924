package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// StuckJob is a job that should get on and does not.
type StuckJob struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	Job
	// Still is for how long nothing of it has changed.
	Still time.Duration `bun:"still,scanonly"`
	// Queued counts its mappings without an outcome, Due those of them whose time has come, and Uncounted the outcomes that its status
	// lacks.
	Queued    int64 `bun:"queued,scanonly"`
	Due       int64 `bun:"due,scanonly"`
	Uncounted int64 `bun:"uncounted,scanonly"`
	// DueMapping is the one that is due first; empty where none is.
	DueMapping string `bun:"due_mapping,scanonly"`
}

// ListStuckJobs lists the jobs that are active, and not paused, and have not changed for as long as still, the oldest first. A job is not
// stuck while all of its mappings wait for their next attempt, which none does for longer than [LongestWait].
//
// Times that lie ahead of the database's clock are ignored: they were written before the clock stepped back.
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
		Where("j.ended_at is null and j.intent <> ? and ?", IntentPause, scope.within("j.cycle_id = ?0 and j.report_id = ?1")).
		Where("moved.at < clock.now - ? * interval '1 second'", still.Seconds()).
		Where("not (j.intent = ? and i.queued > 0 and i.due = 0 and i.uncounted = 0)", IntentRun).
		Order("j.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("stuck jobs: %w", err)
	}
	return jobs, nil
}

// Why says which step of the job is not done, and whose it is.
func (s StuckJob) Why() string {
	switch {
	case s.Intent == IntentRun && s.StartedAt.IsZero():
		return "it has not been started, which is for a dispatcher to do"
	case s.ListedAt.IsZero():
		return "its work list is not complete, which is for a dispatcher to write"
	case s.Intent == IntentCancel && s.Queued > 0:
		return fmt.Sprintf("it is being cancelled and %s are still queued, which is for a dispatcher to end", mappings(s.Queued))
	case s.Due > 0:
		return fmt.Sprintf("%s are due, which is for a dispatcher to send and for a classifier to take", mappings(s.Due))
	case s.Uncounted > 0:
		return fmt.Sprintf("%s have an outcome that its status lacks, which is for a projector to count", mappings(s.Uncounted))
	default:
		return "every mapping is accounted for and its end is not written, which is for a projector to do"
	}
}
