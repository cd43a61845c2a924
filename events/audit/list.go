package audit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// Filter selects rows of the log. An empty field selects every row.
type Filter struct {
	JobID, MappingID  string
	CycleID, ReportID string
	Actor             string
	Origin            Origin
	// Unverified selects only the rows that are not verified.
	Unverified bool
	// Types are the ce-types of the events.
	Types []string
	// Actions leaves out the items of jobs, of which there is one per mapping.
	Actions bool
	// From and To select the rows that were recorded at From or later and before To.
	From, To time.Time
}

const (
	// isAction is true of every row but the items of jobs. Indexes have the same words.
	isAction = "(job_id is null or mapping_id is null)"
	// jobActor begins the actor of what a job did.
	jobActor = "job:"
)

// List returns at most limit rows with a Seq greater than after, the oldest first. It reads the rows that [ListBefore]
// would read.
func List(ctx context.Context, db bun.IDB, filter Filter, after int64, limit int) ([]Row, error) {
	from, to, err := filter.bounds(ctx, db)
	if err != nil {
		return nil, err
	}
	return filter.read(ctx, db, max(after+1, from), to, oldestFirst, limit)
}

// ListLast returns the last rows, at most limit, the oldest of them first.
func ListLast(ctx context.Context, db bun.IDB, filter Filter, limit int) ([]Row, error) {
	rows, err := ListBefore(ctx, db, filter, 0, limit)
	slices.Reverse(rows)
	return rows, err
}

// ListBefore returns at most limit rows with a Seq less than before, or of any Seq if it is 0, the newest first.
//
// It reads the rows in the order of an index and no other rows, if the filter has one of: a mapping, a job, an actor,
// Unverified, or, with Actions, a report or types. Further conditions are checked row by row.
func ListBefore(ctx context.Context, db bun.IDB, filter Filter, before int64, limit int) ([]Row, error) {
	from, to, err := filter.bounds(ctx, db)
	if err != nil {
		return nil, err
	}
	if before > 0 {
		to = min(to, before)
	}
	return filter.read(ctx, db, from, to, newestFirst, limit)
}

// direction is the order of a list.
type direction bool

const (
	oldestFirst direction = false
	newestFirst direction = true
)

// read returns at most limit rows whose Seq is at least from and less than to.
func (f Filter) read(
	ctx context.Context, db bun.IDB, from, to int64, order direction, limit int,
) (rows []Row, err error) {
	column, values := f.key()
	oldest, newest, older, since := "seq", "seq desc", "seq < ?", "seq >= ?"
	if column != "" { // as in the indexes of the columns
		oldest, newest, older, since = "-seq desc", "-seq", "-seq > -(?)", "-seq <= -(?)"
	}
	by := oldest
	if order == newestFirst {
		by = newest
	}
	for _, value := range values {
		var found []Row
		query := f.apply(db.NewSelect().Model(&found)).OrderExpr(by).Limit(int64(limit))
		if column != "" {
			query = query.Where("? = ?", bun.Ident(column), value)
		}
		if to < math.MaxInt64 {
			query = query.Where(older, to)
		}
		if from > 1 {
			query = query.Where(since, from)
		}
		if err := query.Scan(ctx); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		rows = append(rows, found...)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if order == newestFirst {
			a, b = b, a
		}
		return cmp.Compare(a.Seq, b.Seq)
	})
	return rows[:min(limit, len(rows))], nil
}

// key returns the column by which the rows are found and its values. Without such a column it returns an empty one with
// one value.
func (f Filter) key() (column string, values []string) {
	jobID, isJob := strings.CutPrefix(f.Actor, jobActor)
	switch {
	case f.MappingID != "":
		return "mapping_id", []string{f.MappingID}
	case f.JobID != "":
		return "job_id", []string{f.JobID}
	case isJob:
		return "job_id", []string{jobID}
	case f.Actor != "":
		return "actor", []string{f.Actor}
	case f.ReportID != "" && f.Actions:
		return "report_id", []string{f.ReportID}
	case len(f.Types) > 0 && f.Actions:
		return "type", f.Types
	default:
		return "", []string{""}
	}
}

// apply adds the conditions of all columns.
func (f Filter) apply(query *bun.SelectQuery) *bun.SelectQuery {
	for _, condition := range []struct{ column, value string }{
		{"job_id", f.JobID},
		{"mapping_id", f.MappingID},
		{"cycle_id", f.CycleID},
		{"report_id", f.ReportID},
		{"origin", string(f.Origin)},
	} {
		if condition.value != "" {
			query = query.Where("? = ?", bun.Ident(condition.column), condition.value)
		}
	}
	switch {
	case strings.HasPrefix(f.Actor, jobActor):
		// Most rows of a job have it as their actor. The server would take two equal columns for a rare coincidence.
		query = query.Where("case when actor = ? then true else false end", f.Actor)
	case f.Actor != "":
		query = query.Where("actor = ? and actor not like 'job:%'", f.Actor) // as in the index
	}
	if f.Unverified {
		query = query.Where("not verified")
	}
	if len(f.Types) > 0 {
		query = query.Where("type in (?)", bun.List(f.Types))
	}
	if f.Actions {
		query = query.Where(isAction)
	}
	return query
}

// bounds returns the first Seq that the times of the filter allow, and the one after the last.
func (f Filter) bounds(ctx context.Context, db bun.IDB) (from, to int64, err error) {
	from, to = 1, math.MaxInt64
	if !f.From.IsZero() {
		if from, err = findRecorded(ctx, db, f.From); err != nil {
			return 0, 0, err
		}
	}
	if !f.To.IsZero() {
		to, err = findRecorded(ctx, db, f.To)
	}
	return from, to, err
}

// findRecorded returns the Seq of the first row that was recorded at the time or later, or the next one of the log. It
// halves the log until one row remains: rows are recorded in the order of their Seq, which has no gaps.
func findRecorded(ctx context.Context, db bun.IDB, at time.Time) (seq int64, err error) {
	err = db.NewRaw(`with recursive halves (low, high) as (
			select 1::bigint, coalesce((select max(seq) + 1 from audit_log), 1)
			union all
			select case when l.recorded_at < ?0 then l.seq + 1 else h.low end,
				case when l.recorded_at < ?0 then h.high else l.seq end
			from halves h join audit_log l on l.seq = (h.low + h.high) / 2
			where h.low < h.high
		)
		select low from halves where low >= high`, at).Scan(ctx, &seq)
	if err != nil {
		return 0, fmt.Errorf("time in the audit log: %w", err)
	}
	return seq, nil
}
