package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// UnauditedJob is a job that has ended and whose rows have not been compared with the log.
type UnauditedJob struct {
	ID string `bun:"id"`
	// Announced reports whether the event of its end is published.
	Announced bool `bun:"announced"`
	// Finished reports whether the log has the end, which is the last event of a job.
	Finished bool `bun:"-"`
	// Unchanged is the time since the job's row was last written.
	Unchanged time.Duration `bun:"unchanged"`
}

// ListUnauditedJobs returns the jobs that have ended and are not audited, the oldest first.
func ListUnauditedJobs(ctx context.Context, db bun.IDB) ([]UnauditedJob, error) {
	var jobs []UnauditedJob
	err := db.NewRaw(`select id, published_finished as announced,
			(extract(epoch from clock_timestamp() - updated_at) * 1e9)::bigint as unchanged
		from jobs where audited_at is null and ended_at is not null order by id`).Scan(ctx, &jobs)
	if err != nil {
		return nil, fmt.Errorf("unaudited jobs: %w", err)
	}
	ends := each(jobs, func(j UnauditedJob) string { return finishedID(j.ID) })
	logged, err := listLogged(ctx, db, ends)
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		jobs[i].Finished = logged[ends[i]]
	}
	return jobs, nil
}

func finishedID(jobID string) string {
	return events.JobFinished{JobStatus: events.JobStatus{JobID: jobID}}.ID()
}

// factCount is an SQL expression: the number of facts that the rows of the job j prove.
const factCount = `(1 + (j.started_at is not null)::int + (j.listed_at is not null)::int + (j.ended_at is not null)::int
	+ (select count(*) from job_intents where job_id = j.id and version > 1)
	+ (select count(*) from job_items where job_id = j.id and outcome is not null))`

// IsJobComplete reports whether the log has as many verified rows of the job as there are facts. It only counts,
// which takes milliseconds.
func IsJobComplete(ctx context.Context, db bun.IDB, jobID string) (complete bool, err error) {
	err = db.NewRaw("select "+factCount+" = (select count(*) from audit_log where job_id = j.id and verified)"+
		" from jobs j where id = ?", jobID).Scan(ctx, &complete)
	if err != nil {
		return false, fmt.Errorf("audit of job %s: %w", jobID, err)
	}
	return complete, nil
}

// ListMissingFacts returns the facts of the job's row and intents that the log lacks, in the order in which they
// happened.
func ListMissingFacts(ctx context.Context, db bun.IDB, jobID string) ([]Fact, error) {
	facts, err := listFacts(ctx, db, Query{Jobs: []string{jobID}})
	if err != nil {
		return nil, err
	}
	logged, err := listVerified(ctx, db, each(facts, func(f Fact) string { return f.Event.ID() }))
	if err != nil {
		return nil, err
	}
	facts = slices.DeleteFunc(facts, func(f Fact) bool { return logged[f.Event.ID()] })
	slices.SortStableFunc(facts, func(a, b Fact) int { return a.OccurredAt.Compare(b.OccurredAt) })
	return facts, nil
}

// ListMissingItems reads a page of at most limit items of the job whose mapping ids are greater than after, and
// returns the facts of these items that the log lacks. Last is the mapping id after which to continue, or empty
// after the last page.
func ListMissingItems(
	ctx context.Context, db bun.IDB, jobID, after string, limit int,
) (facts []Fact, last string, err error) {
	var mappings []string
	err = db.NewRaw(`select mapping_id from job_items
		where job_id = ? and outcome is not null and mapping_id > ? order by mapping_id limit ?`,
		jobID, after, limit).Scan(ctx, &mappings)
	if err != nil {
		return nil, "", fmt.Errorf("items of job %s: %w", jobID, err)
	}
	if len(mappings) == limit {
		last = mappings[limit-1]
	}
	ids := each(mappings, func(id string) string { return events.JobItem(jobID, events.Item{MappingID: id}).ID() })
	// Look up each id: the log may be many times as long as the job.
	logged, err := listVerified(ctx, db, ids)
	if err != nil {
		return nil, "", err
	}
	var missing Query
	for i, id := range mappings {
		if !logged[ids[i]] {
			missing.Items = append(missing.Items, ItemKey{JobID: jobID, MappingID: id})
		}
	}
	facts, err = listFactsInOrder(ctx, db, missing, ids)
	return facts, last, err
}

// MarkJobAudited records that the log has every fact of the job.
func MarkJobAudited(ctx context.Context, db bun.IDB, jobID string) error {
	_, err := db.NewRaw(`with locked as materialized (
			select id from jobs where id = ? and audited_at is null and ended_at is not null for no key update
		), clock as materialized (
			select id, clock_timestamp() as now from locked
		)
		update jobs j set audited_at = clock.now, updated_at = clock.now, updated_by = ? from clock
			where j.id = clock.id`,
		jobID, auditor).Exec(ctx)
	if err != nil {
		return fmt.Errorf("audited job %s: %w", jobID, err)
	}
	return nil
}

// verifyJobs reports the facts of audited jobs that the log lacks. It counts, and compares fact by fact only if
// the counts differ or if rows of the log disagree with the job.
func (v *verifier) verifyJobs(ctx context.Context) error {
	total, err := schema.CountJobs(ctx, v.db, schema.CheckScope{})
	if err != nil {
		return err
	}
	v.progress("audited jobs", 0, total)
	return schema.EachJobBatch(ctx, v.db, schema.CheckScope{}, func(batch schema.JobBatch) error {
		var jobs []struct {
			ID       string `bun:"id"`
			Audited  bool   `bun:"audited"`
			Complete bool   `bun:"complete"`
		}
		err := v.db.NewRaw(`select j.id, j.audited_at is not null as audited,
			`+factCount+` = coalesce(l.n, 0) as complete
			from jobs j left join (
				select job_id, count(*) as n from audit_log where ? and verified group by job_id
			) l on l.job_id = j.id where ? order by j.id`,
			batch.Contains("job_id"), batch.Contains("j.id")).Scan(ctx, &jobs)
		if err != nil {
			return fmt.Errorf("audited jobs: %w", err)
		}
		for _, job := range jobs {
			if job.Audited && (!job.Complete || v.suspect[job.ID]) {
				if err := v.verifyJob(ctx, job.ID); err != nil {
					return err
				}
			}
		}
		v.verdict.Jobs += int64(len(batch.IDs))
		v.progress("audited jobs", v.verdict.Jobs, max(total, v.verdict.Jobs))
		return nil
	})
}

// verifyJob reports each fact of an audited job that the log lacks.
func (v *verifier) verifyJob(ctx context.Context, jobID string) error {
	report := func(facts []Fact) {
		for _, fact := range facts {
			v.found(Finding{Problem: ProblemMissing, EventID: fact.Event.ID(), JobID: jobID})
		}
	}
	facts, err := ListMissingFacts(ctx, v.db, jobID)
	if err != nil {
		return err
	}
	report(facts)
	for after, more := "", true; more; more = after != "" {
		if facts, after, err = ListMissingItems(ctx, v.db, jobID, after, verifyPage); err != nil {
			return err
		}
		report(facts)
	}
	return nil
}

// verifyLate reports jobs that have ended and are late for their audit; see decision 6.
func (v *verifier) verifyLate(ctx context.Context) error {
	var late []string
	err := v.db.NewRaw(`with ended as (
			select id, updated_at, max((
				select recorded_at from audit_log where job_id = j.id and verified order by -seq limit 1
			)) over (order by id) as logged_at
			from jobs j where audited_at is null and ended_at is not null
		)
		select id from ended e
		where greatest(updated_at, logged_at) < now() - ?0 * interval '1 second'
			and not exists (select from jobs where id < e.id and audited_at >= now() - ?0 * interval '1 second')
		order by id`, grace.Seconds()).Scan(ctx, &late)
	if err != nil {
		return fmt.Errorf("late jobs: %w", err)
	}
	for _, id := range late {
		v.found(Finding{Problem: ProblemLate, JobID: id})
	}
	return nil
}
