package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// factsOf asks for the facts of these rows of the log, by the ids of their events.
func factsOf(rows []Row) Query {
	var q Query
	jobs := map[string]bool{}
	for _, row := range rows {
		if !row.Verified {
			continue
		}
		parts := strings.Split(row.EventID, "/")
		if len(parts) == 2 {
			if parts[0] == "planning" {
				q.Planning = append(q.Planning, parts[1])
			} else if !jobs[parts[1]] {
				jobs[parts[1]] = true
				q.Jobs = append(q.Jobs, parts[1])
			}
			continue
		}
		if len(parts) != 3 {
			continue
		}
		version, err := strconv.ParseInt(parts[2], 10, 64)
		switch {
		case parts[0] == "item":
			q.Items = append(q.Items, ItemKey{JobID: parts[1], MappingID: parts[2]})
		case err != nil:
		case parts[0] == "changed":
			q.Changes = append(q.Changes, VersionKey{ID: parts[1], Version: version})
		default:
			q.Intents = append(q.Intents, VersionKey{ID: parts[1], Version: version})
		}
	}
	return q
}

// verifyJobs reports what the log lacks of audited jobs. It counts, and compares event by event only the jobs whose
// counts differ or whose rows in the log disagree with the database.
func (v *verifier) verifyJobs(ctx context.Context) error {
	total, err := schema.CountJobs(ctx, v.db, schema.CheckScope{})
	if err != nil {
		return err
	}
	v.progress("audited jobs", 0, total)
	return schema.EachJobBatch(ctx, v.db, schema.CheckScope{}, func(batch schema.JobBatch) error {
		var jobs []struct {
			ID      string `bun:"id"`
			Audited bool   `bun:"audited"`
			Whole   bool   `bun:"whole"`
		}
		err := v.db.NewRaw(`select j.id, j.audited_at is not null as audited, `+happened+` = coalesce(l.n, 0) as whole
			from jobs j left join (
				select job_id, count(*) as n from audit_log where ? and verified group by job_id
			) l on l.job_id = j.id where ? order by j.id`, batch.Contains("job_id"), batch.Contains("j.id")).Scan(ctx, &jobs)
		if err != nil {
			return fmt.Errorf("audited jobs: %w", err)
		}
		for _, job := range jobs {
			if job.Audited && (!job.Whole || v.suspect[job.ID]) {
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

// verifyJob reports every fact of an audited job that the log lacks.
func (v *verifier) verifyJob(ctx context.Context, jobID string) error {
	missing := func(facts []Fact) {
		for _, fact := range facts {
			v.found(Finding{Problem: ProblemMissing, EventID: fact.EventID, JobID: jobID})
		}
	}
	facts, err := ListMissingFacts(ctx, v.db, jobID)
	if err != nil {
		return err
	}
	missing(facts)
	for after, more := "", true; more; more = after != "" {
		if facts, after, err = ListMissingItems(ctx, v.db, jobID, after, verifyPage); err != nil {
			return err
		}
		missing(facts)
	}
	return nil
}

// verifyLate reports jobs that have ended and are not audited. The auditor takes the jobs in their order, and a long
// one takes it more than the grace, so a job is late if the grace has passed since its own row was written and since
// the auditor last got on with it or with a job before it: a row of such a job is in the log, or such a job is marked
// as audited.
func (v *verifier) verifyLate(ctx context.Context) error {
	var late []string
	err := v.db.NewRaw(`with ended as (
			select id, updated_at, max((
				select recorded_at from audit_log where job_id = j.id and verified order by seq desc limit 1
			)) over (order by id) as logged_at
			from jobs j where audited_at is null and ended_at is not null
		)
		select id from ended e
		where greatest(updated_at, logged_at) < now() - ?0 * interval '1 second'
			and not exists (select from jobs where id < e.id and audited_at >= now() - ?0 * interval '1 second')
		order by id`, auditGrace.Seconds()).Scan(ctx, &late)
	if err != nil {
		return fmt.Errorf("late jobs: %w", err)
	}
	for _, id := range late {
		v.found(Finding{Problem: ProblemLate, JobID: id})
	}
	return nil
}
