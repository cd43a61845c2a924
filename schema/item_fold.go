package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// FoldItems marks those of the given items that have an outcome and are not yet folded, and returns their
// counts.
func FoldItems(ctx context.Context, tx bun.Tx, locked LockedStatus, mappingIDs []string) (Counts, error) {
	if len(mappingIDs) == 0 {
		return Counts{}, nil
	}
	// Postgres estimates ten elements for the subquery, so it looks up each of them by key, whatever the size of
	// the table.
	return fold(ctx, tx, locked.Now, `job_id = ? and mapping_id = any (array(select unnest(?::text[])))
		and outcome is not null and `+stillUnfolded, locked.Job.ID, pgdialect.Array(mappingIDs))
}

// FoldItemsSince folds at most limit items of the job whose outcome was written at since or later, the oldest
// first. It returns their counts and their number.
func FoldItemsSince(
	ctx context.Context, tx bun.Tx, locked LockedStatus, since time.Time, limit int,
) (Counts, int64, error) {
	if err := readInIndexOrder(ctx, tx); err != nil {
		return Counts{}, 0, err
	}
	counts, err := fold(ctx, tx, locked.Now, `ctid = any (array(
		select ctid from job_items where job_id = ? and outcome is not null and folded_at is null and ended_at >= ?
		order by ended_at, mapping_id limit ?)) and outcome is not null and `+stillUnfolded,
		locked.Job.ID, since, limit)
	return counts, counts.Completed(), err
}

// stillUnfolded is "folded_at is null" for items found by their keys, in a form that the planner cannot match with
// the index of all unfolded items; see [stillQueued].
const stillUnfolded = "coalesce(folded_at, 'epoch') = 'epoch'"

// fold marks the items that satisfy the condition, and returns their counts.
func fold(ctx context.Context, tx bun.Tx, now time.Time, where string, args ...any) (Counts, error) {
	query := `with folded as (
		update job_items set folded_at = ?, updated_at = ?, updated_by = ?
		where ` + where + `
		returning outcome, information_security_classification as tier, input_tokens, output_tokens, cost_usd, ended_at)
		` + countItems + ` from folded`
	return scanCounts(ctx, tx, query, append([]any{now, now, ServiceProjector}, args...)...)
}

// countItems is the select list that counts items. It expects the tier in a column of that name.
const countItems = `select count(*) filter (where outcome = 'succeeded') as succeeded,
	count(*) filter (where outcome = 'skipped') as skipped,
	count(*) filter (where outcome = 'failed') as failed, count(*) filter (where outcome = 'cancelled') as cancelled,
	count(*) filter (where tier = 'HRCI') as hrci, count(*) filter (where tier = 'Confidential') as confidential,
	count(*) filter (where tier = 'Proprietary') as proprietary, count(*) filter (where tier = 'Public') as public,
	coalesce(sum(input_tokens), 0)::bigint as input_tokens, coalesce(sum(output_tokens), 0)::bigint as output_tokens,
	coalesce(sum(cost_usd), 0) as cost_usd, max(ended_at) as last_ended_at`

func scanCounts(ctx context.Context, tx bun.IDB, query string, args ...any) (Counts, error) {
	var counts Counts
	if err := tx.NewRaw(query, args...).Scan(ctx, &counts); err != nil {
		return Counts{}, fmt.Errorf("count items: %w", err)
	}
	return counts, nil
}

// recountCancelled corrects the number of cancelled items in the job's row, which the transaction has locked.
func recountCancelled(ctx context.Context, tx bun.Tx, jobID string) error {
	_, err := tx.NewRaw(`update jobs j set cancelled = i.cancelled, cancelled_at = i.cancelled_at,
			cancelled_from = i.cancelled_from, version = j.version + 1, updated_at = clock_timestamp(), updated_by = ?
		from (select count(*) as cancelled, max(ended_at) as cancelled_at, min(mapping_id) as cancelled_from
			from job_items where job_id = ? and outcome = ?) i
		where j.id = ? and (j.cancelled, j.cancelled_at, j.cancelled_from)
			is distinct from (i.cancelled, i.cancelled_at, i.cancelled_from)`,
		ServiceProjector, jobID, OutcomeCancelled, jobID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("cancelled items of job %s: %w", jobID, err)
	}
	return nil
}

// countFolded counts the folded items of the job.
func countFolded(ctx context.Context, tx bun.IDB, jobID string) (Counts, error) {
	return scanCounts(ctx, tx, countItems+` from (
		select outcome, information_security_classification as tier, input_tokens, output_tokens, cost_usd, ended_at
		from job_items where job_id = ? and folded_at is not null) folded`, jobID)
}
