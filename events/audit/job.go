package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// GetLastEventTime is when that happened which an event brought last into the audit log, or when it was recorded where the rows do not
// say. It is the zero time where no event has brought anything.
func GetLastEventTime(ctx context.Context, db bun.IDB) (time.Time, error) {
	var at time.Time
	err := db.NewRaw("select coalesce(occurred_at, recorded_at) from audit_log where origin = ? order by seq desc limit 1", OriginEvent).Scan(ctx, &at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, fmt.Errorf("last event of the audit log: %w", err)
	}
	return at, nil
}

// UnauditedJob is a job that has ended and whose rows have not been compared with the audit log.
type UnauditedJob struct {
	ID string `bun:"id"`
	// Announced says that its end is in the stream.
	Announced bool `bun:"announced"`
	// Finished says that its end is in the audit log, which is the last that is said of a job.
	Finished bool `bun:"finished"`
	// Settled is for how long nobody has written the job's row.
	Settled time.Duration `bun:"settled"`
}

// ListUnauditedJobs lists the jobs that have ended and are not audited, the oldest first.
func ListUnauditedJobs(ctx context.Context, db bun.IDB) ([]UnauditedJob, error) {
	var jobs []UnauditedJob
	err := db.NewRaw(`select id, announced_finished as announced,
		exists (select from audit_log where event_id = 'finished/' || j.id) as finished,
		(extract(epoch from clock_timestamp() - updated_at) * 1e9)::bigint as settled
		from jobs j where audited_at is null and ended_at is not null order by id`).Scan(ctx, &jobs)
	if err != nil {
		return nil, fmt.Errorf("unaudited jobs: %w", err)
	}
	return jobs, nil
}

// happened is an expression that counts what the rows of the job j report: what the log has to have of it.
const happened = `(1 + (j.started_at is not null)::int + (j.listed_at is not null)::int + (j.ended_at is not null)::int
	+ (select count(*) from job_intents where job_id = j.id and version > 1)
	+ (select count(*) from job_items where job_id = j.id and outcome is not null))`

// IsJobComplete reports whether the audit log has as many rows of the job as its rows require. It only counts, which takes
// milliseconds.
func IsJobComplete(ctx context.Context, db bun.IDB, jobID string) (logged bool, err error) {
	err = db.NewRaw("select "+happened+" = (select count(*) from audit_log where job_id = j.id and verified)"+
		" from jobs j where id = ?", jobID).Scan(ctx, &logged)
	if err != nil {
		return false, fmt.Errorf("audit of job %s: %w", jobID, err)
	}
	return logged, nil
}

// ListMissingFacts lists what the row of the job and those of its intents say and the audit log does not have, in the order in which it
// happened.
func ListMissingFacts(ctx context.Context, db bun.IDB, jobID string) ([]Fact, error) {
	var facts []Fact
	err := db.NewRaw(jobFacts+" and j.id = ?0 union all "+intentFacts+" and n.job_id = ?0 order by occurred_at", jobID).Scan(ctx, &facts)
	if err != nil {
		return nil, fmt.Errorf("facts of job %s: %w", jobID, err)
	}
	ids := make([]string, len(facts))
	for i, fact := range facts {
		ids[i] = fact.EventID
	}
	logged, err := verifiedEvents(ctx, db, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(facts, func(fact Fact) bool { return logged[fact.EventID] }), nil
}

// ListMissingItems looks at a page of the job's items, at most limit, those of the mappings behind the one with the id after, and lists
// what they say and the audit log does not have. Last is the mapping behind which to go on, empty where the page is the last.
func ListMissingItems(ctx context.Context, db bun.IDB, jobID, after string, limit int) (facts []Fact, last string, err error) {
	var mappings []string
	err = db.NewRaw("select mapping_id from job_items where job_id = ? and outcome is not null and mapping_id > ? order by mapping_id limit ?",
		jobID, after, limit).Scan(ctx, &mappings)
	if err != nil {
		return nil, "", fmt.Errorf("items of job %s: %w", jobID, err)
	}
	if len(mappings) == limit {
		last = mappings[limit-1]
	}
	ids := make([]string, len(mappings))
	for i, id := range mappings {
		ids[i] = "item/" + jobID + "/" + id
	}
	// Asked by name, because the log may be many times as long as the job.
	logged, err := verifiedEvents(ctx, db, ids)
	if err != nil {
		return nil, "", err
	}
	var unlogged Query
	for i, id := range mappings {
		if !logged[ids[i]] {
			unlogged.Items = append(unlogged.Items, ItemKey{JobID: jobID, MappingID: id})
		}
	}
	facts, err = readInOrder(ctx, db, unlogged, ids)
	return facts, last, err
}

// readInOrder reads facts, in the order of these ids.
func readInOrder(ctx context.Context, db bun.IDB, q Query, ids []string) ([]Fact, error) {
	found, err := ListFacts(ctx, db, q)
	if err != nil {
		return nil, err
	}
	facts := make([]Fact, 0, len(found))
	for _, id := range ids {
		if fact, ok := found[id]; ok {
			facts = append(facts, fact)
		}
	}
	return facts, nil
}

// MarkJobAudited records that the audit log has all that the job's rows say.
func MarkJobAudited(ctx context.Context, db bun.IDB, jobID string) error {
	_, err := db.NewRaw(`with locked as materialized (
			select id from jobs where id = ? and audited_at is null and ended_at is not null for no key update
		), clock as materialized (
			select id, clock_timestamp() as now from locked
		)
		update jobs j set audited_at = clock.now, updated_at = clock.now, updated_by = ? from clock where j.id = clock.id`,
		jobID, auditor).Exec(ctx)
	if err != nil {
		return fmt.Errorf("audited job %s: %w", jobID, err)
	}
	return nil
}
