package schema

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Positions holds one mapping for each job, by job id. No item before it is queued with nothing to wait for. A
// query that starts there does not read the dead index entries of earlier items, which remain while an older
// transaction is open.
type Positions map[string]string

// arrays returns the jobs and their positions as two SQL arrays.
func (p Positions) arrays() (jobs, mappings any) {
	ids, after := make([]string, 0, len(p)), make([]string, 0, len(p))
	for id, position := range p {
		ids, after = append(ids, id), append(after, position)
	}
	return pgdialect.Array(ids), pgdialect.Array(after)
}

// LongestWait is the longest time for which an item waits. If the due time is further ahead, the database's
// clock stepped back after it was written, and the item is due.
const LongestWait = 80 * time.Second

// latestDue is the latest time for which an item may wait, if the clock did not step back.
var latestDue = fmt.Sprintf("clock_timestamp() + interval '%d seconds'", int(LongestWait.Seconds()))

// isDue is the condition that a queued item is due, for an item that is found by its key.
var isDue = "(due_at <= clock_timestamp() or due_at > " + latestDue + ")"

// Each of these conditions is one range of the index job_items_queued. Together they select the due items of the
// job q.id. The clock is read in a subquery, because Postgres does not use a volatile function in an index
// condition.
var (
	dueAtOnce  = "job_id = q.id and outcome is null and due_at = 'epoch' and mapping_id >= q.after"
	dueWaited  = "job_id = q.id and outcome is null and due_at > 'epoch' and due_at <= (select clock_timestamp())"
	dueStepped = "job_id = q.id and outcome is null and due_at > (select " + latestDue + ")"
)

// ListJobsWithWork returns the jobs on which the dispatcher must act, oldest first, without their MappingIDs.
// These are the jobs with an unpublished event, an incomplete list, a due item, or the intent to cancel, and
// those that were blocked. It is one statement, however many jobs are waiting.
func ListJobsWithWork(ctx context.Context, db bun.IDB, from Positions) ([]Job, error) {
	var jobs []Job
	ids, after := from.arrays()
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").
		Join(`cross join lateral (select j.id, coalesce((
			select p.after from unnest(?::text[], ?::text[]) p (id, after) where p.id = j.id limit 1), '') as after) q`,
			ids, after).
		Where("not j.published_finished").
		Where(`(not j.published_requested or j.published_intent < j.intent_version
			or j.published_started <> (j.started_at is not null) or j.published_listed <> (j.listed_at is not null)
			or j.ended_at is null and (j.intent = 'cancel' or j.intent = 'run' and (
				j.started_at is null or j.listed_at is null or j.blocked_by is not null
				or exists (select from job_items where ` + dueAtOnce + `)
				or exists (select from job_items where ` + dueWaited + `)
				or exists (select from job_items where ` + dueStepped + `))))`).
		Order("j.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("jobs with work: %w", err)
	}
	return jobs, nil
}

// DueItem is an item that may be published.
type DueItem struct {
	JobID     string `bun:"job_id"`
	MappingID string `bun:"mapping_id"`
	Attempt   int    `bun:"attempt"`
	// AtOnce reports that the item does not wait for anything, so it advances the position of its job; see
	// [Positions].
	AtOnce bool `bun:"at_once"`
}

// ListDueItems returns the first queued items of each job that are due, by job id. limits has the jobs and the
// maximum number of items for each.
func ListDueItems(
	ctx context.Context, db bun.IDB, limits map[string]int, from Positions,
) (map[string][]DueItem, error) {
	var (
		ids, after []string
		most       []int
		items      []DueItem
	)
	for id, limit := range limits {
		ids, after, most = append(ids, id), append(after, from[id]), append(most, limit)
	}
	err := db.NewRaw(`select q.id as job_id, due.mapping_id, due.attempt, due.at_once
		from unnest(?ids::text[], ?after::text[], ?most::int[]) q (id, after, most) cross join lateral (
			(select mapping_id, attempt, true as at_once from job_items
				where `+dueAtOnce+` order by mapping_id limit q.most)
			union all
			(select mapping_id, attempt, false from job_items
				where `+dueWaited+` order by due_at, mapping_id limit q.most)
			union all
			(select mapping_id, attempt, false from job_items
				where `+dueStepped+` order by due_at, mapping_id limit q.most)
			limit q.most) due`,
		dueArgs{pgdialect.Array(ids), pgdialect.Array(after), pgdialect.Array(most)}).
		Scan(ctx, &items)
	if err != nil {
		return nil, fmt.Errorf("due items: %w", err)
	}
	due := make(map[string][]DueItem, len(limits))
	for _, item := range items {
		due[item.JobID] = append(due[item.JobID], item)
	}
	return due, nil
}

// dueArgs are the named arguments of the query of [ListDueItems].
type dueArgs struct {
	IDs   any `bun:"ids"`
	After any `bun:"after"`
	Most  any `bun:"most"`
}

// CancelItems cancels at most limit queued items of the job: first those that need not wait, from the position
// on, then any others. The same transaction folds them and counts them in the job's row. It returns their
// number and the position for the next page. The number may be less than limit although more items are queued,
// if other transactions have locked some of them.
func CancelItems(ctx context.Context, db bun.IDB, jobID, from string, limit int) (n int64, next string, err error) {
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := readInIndexOrder(ctx, tx); err != nil {
			return err
		}
		n, next, err = cancelPage(
			ctx, tx, jobID, limit, "due_at = 'epoch' and mapping_id >= ? order by mapping_id", from,
		)
		if err != nil || n > 0 {
			return err
		}
		n, _, err = cancelPage(ctx, tx, jobID, limit, "true order by due_at, mapping_id")
		return err
	})
	if err != nil {
		return 0, from, fmt.Errorf("cancel items of job %s: %w", jobID, err)
	}
	return n, max(from, next), nil
}

func cancelPage(
	ctx context.Context, tx bun.Tx, jobID string, limit int, which string, args ...any,
) (n int64, last string, err error) {
	// A separate step locks the page, because a condition of the update may be evaluated repeatedly and would then
	// select another page each time. The update finds the rows by their ctid, which is faster than by the primary
	// key. If another transaction has updated a row since the statement began, the row has another ctid, and a
	// later page cancels the item.
	err = tx.NewRaw(`with page as materialized (
			select ctid as place from job_items where job_id = ? and outcome is null and ? limit ?
				for update skip locked
		), clock as materialized (
			select clock_timestamp() as now from (select count(*) from page) locked
		), cancelled as (
			update job_items i set outcome = ?, error_code = null, error = null, ended_at = clock.now,
				folded_at = clock.now,
				updated_at = clock.now, updated_by = ?
			from clock where i.ctid = any (array(select place from page))
			returning i.mapping_id
		), counted as (
			update jobs j set cancelled = j.cancelled + page.items, cancelled_at = clock.now,
				cancelled_from = least(j.cancelled_from, page.first), version = j.version + 1,
				updated_at = clock.now, updated_by = ?
			from clock, (select count(*) as items, min(mapping_id) as first from cancelled) page
			where j.id = ? and page.items > 0
		)
		select count(*), coalesce(max(mapping_id), '') from cancelled`,
		jobID, bun.SafeQuery(which, args...), limit, OutcomeCancelled, ServiceDispatcher, ServiceDispatcher, jobID).
		Scan(ctx, &n, &last)
	return n, last, err
}

// readInIndexOrder makes the transaction read pages in the order of an index. In a table that was never
// analyzed, Postgres expects a job to have few items, and would read and sort the whole queue for every page.
func readInIndexOrder(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewRaw(`select set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
		set_config('enable_indexscan', 'on', true), set_config('enable_indexonlyscan', 'on', true),
		set_config('enable_incremental_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)`).Exec(ctx)
	if err != nil {
		return fmt.Errorf("plan of the transaction: %w", err)
	}
	return nil
}

// InsertItems writes the next page of the job's work list, at most limit mappings. A page with fewer mappings
// completes the list. If the job is being cancelled, its new items are cancelled too, so that a retry finds
// them. It returns the job after the page. An interrupted list continues after its last committed page.
func InsertItems(ctx context.Context, tx bun.Tx, jobID string, limit int) (Job, error) {
	// Listing a mapping locks its row against deletion, and would wait while a user has locked the row.
	if err := limitLockWait(ctx, tx); err != nil {
		return Job{ID: jobID}, err
	}
	if err := readInIndexOrder(ctx, tx); err != nil {
		return Job{ID: jobID}, err
	}
	job, err := LockJob(ctx, tx, jobID)
	if err != nil {
		return job, err
	}
	if !job.ListedAt.IsZero() {
		return job, nil
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return job, err
	}
	if err := insertPage(ctx, tx, &job, limit, now); err != nil {
		return job, fmt.Errorf("list mappings of job %s: %w", jobID, err)
	}
	job.Version++
	job.UpdatedAt, job.UpdatedBy = now, string(ServiceDispatcher)
	_, err = tx.NewUpdate().Model(&job).WherePK().
		Column("listed", "list_cursor", "listed_at", "cancelled", "cancelled_at", "cancelled_from").
		Column("version", "updated_at", "updated_by").Exec(ctx)
	if err != nil {
		return job, fmt.Errorf("list of job %s: %w", jobID, err)
	}
	return job, nil
}

// insertPage inserts the next items of the job, and counts them in it.
func insertPage(ctx context.Context, tx bun.Tx, job *Job, limit int, now time.Time) error {
	var (
		outcome *Outcome
		endedAt *time.Time
	)
	if job.Intent == IntentCancel {
		cancelled := OutcomeCancelled
		outcome, endedAt = &cancelled, &now
	}
	var page struct {
		Items int64  `bun:"items"`
		First string `bun:"first"`
		Last  string `bun:"last"`
	}
	err := tx.NewRaw(`with page as (?), listed as (
		insert into job_items (job_id, mapping_id, outcome, ended_at, folded_at, created_at, created_by,
			updated_at, updated_by)
		select ?, mapping_id, ?, ?::timestamptz, ?::timestamptz, ?, ?, ?, ? from page
		returning mapping_id)
		select count(*) as items, coalesce(min(mapping_id), '') as first, coalesce(max(mapping_id), '') as last
		from listed`,
		scoped(tx, *job, limit), job.ID, outcome, endedAt, endedAt, now, ServiceDispatcher, now,
		ServiceDispatcher).Scan(ctx, &page)
	if err != nil {
		return err
	}
	job.Listed += page.Items
	if page.Items > 0 {
		job.ListCursor = page.Last
		if outcome != nil {
			job.Cancelled += page.Items
			job.CancelledFrom = cmp.Or(job.CancelledFrom, page.First)
			job.CancelledAt = now
		}
	}
	if page.Items < int64(limit) {
		job.ListedAt = now
	}
	return nil
}

// scoped returns a query of the next mappings after the job's cursor.
func scoped(tx bun.Tx, job Job, limit int) *bun.RawQuery {
	switch job.Scope {
	case ScopeUnmapped:
		return tx.NewRaw(`select id as mapping_id from pde_mappings where cycle_id = ? and report_id = ? and id > ?
			and source_field is null order by id limit ?`, job.CycleID, job.ReportID, job.ListCursor, limit)
	case ScopeSelected:
		return tx.NewRaw(`select id as mapping_id from pde_mappings where cycle_id = ? and report_id = ? and id > ?
			and id = any ((select mapping_ids from jobs where id = ?)::text[]) order by id limit ?`,
			job.CycleID, job.ReportID, job.ListCursor, job.ID, limit)
	case ScopeRetry:
		page := retryable(tx, job.RetryOf, job.RetryErrorCode, "and mapping_id > ? order by mapping_id limit ?",
			job.ListCursor, limit)
		return tx.NewRaw("select mapping_id from (?) i order by mapping_id limit ?", page, limit)
	default: // ScopeAll
		return tx.NewRaw(`select id as mapping_id from pde_mappings where cycle_id = ? and report_id = ? and id > ?
			order by id limit ?`, job.CycleID, job.ReportID, job.ListCursor, limit)
	}
}
