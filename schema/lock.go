package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// lockTimeout limits how long a statement waits for rows that other transactions have locked. It is the first step of a statement, so that the
// limit costs no round trip of its own, and ends with the transaction. It is short, because a worker does nothing else meanwhile. Locks on
// whole tables are not limited: they are taken before the statement begins, and hold up every item of every job alike.
const lockTimeout = "lock_timeout as materialized (select set_config('lock_timeout', '200ms', true) as is_set)"

// limitLockWait does the same for the statements of a transaction that follow.
func limitLockWait(ctx context.Context, tx bun.Tx) error {
	if _, err := tx.NewRaw("with " + lockTimeout + " select is_set from lock_timeout").Exec(ctx); err != nil {
		return fmt.Errorf("lock timeout: %w", err)
	}
	return nil
}

// DescribeLock describes the lock that keeps the item or its mapping from being written, and the session that holds it.
func DescribeLock(ctx context.Context, db bun.IDB, jobID, mappingID string) (string, error) {
	var locks []struct {
		What        string `bun:"what"`
		Application string `bun:"application"`
		Username    string `bun:"username"`
		PID         int    `bun:"pid"`
	}
	// xmax is the transaction that has locked or changed the row last. It holds a lock on its own id for as long as it lives.
	err := db.NewRaw(`with wanted (what, transaction) as (
			select 'mapping', xmax from pde_mappings where id = ?1
			union all
			select 'the item of mapping', xmax from job_items where job_id = ?0 and mapping_id = ?1
		)
		select w.what, coalesce(nullif(a.application_name, ''), 'a session without a name') as application,
			coalesce(a.usename, '') as username, a.pid
		from wanted w join pg_locks l on l.transactionid = w.transaction and l.granted join pg_stat_activity a on a.pid = l.pid
		where a.pid <> pg_backend_pid() order by w.what desc, a.pid limit 1`, jobID, mappingID).Scan(ctx, &locks)
	if err != nil {
		return "", fmt.Errorf("holder of the lock on mapping %s: %w", mappingID, err)
	}
	if len(locks) == 0 {
		return "waits for a lock on mapping " + mappingID + ", held by another transaction", nil
	}
	lock := locks[0]
	return ErrorText(fmt.Sprintf("waits for a lock on %s %s, held by %s (user %s, pid %d)",
		lock.What, mappingID, lock.Application, lock.Username, lock.PID)), nil
}

// PostponeLockedItem records that a queued item waits for the lock that waitingFor describes, and makes it due again after wait. It counts no
// attempt. It returns [ErrNotFound] if the item is no longer queued, and an error of [IsLockTimeout] if the item's own row is locked.
func PostponeLockedItem(ctx context.Context, db bun.IDB, jobID, mappingID, waitingFor string, wait time.Duration) error {
	var id string
	err := db.NewRaw(lockQueued+`update job_items i set waiting_for = ?, due_at = clock.now + ? * interval '1 millisecond',
		updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id returning i.mapping_id`,
		jobID, mappingID, waitingFor, wait.Milliseconds(), JobAuthor(jobID)).Scan(ctx, &id)
	if err != nil {
		return notFound(err, "queued item of mapping "+mappingID)
	}
	return nil
}

// InsertItemLock records beside the item that its row is locked, so that nothing can be written in it. It reports whether that is new.
func InsertItemLock(ctx context.Context, db bun.IDB, jobID, mappingID, waitingFor string) (changed bool, err error) {
	result, err := db.NewRaw(`insert into job_item_locks as l (job_id, mapping_id, waiting_for, noted_at)
		values (?, ?, ?, clock_timestamp())
		on conflict (job_id, mapping_id) do update set waiting_for = excluded.waiting_for, noted_at = excluded.noted_at
			where l.waiting_for <> excluded.waiting_for`, jobID, mappingID, waitingFor).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("note the lock on the item of mapping %s: %w", mappingID, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("note the lock on the item of mapping %s: %w", mappingID, err)
	}
	return n > 0, nil
}

// readWaiting reads what the job's queued items wait for. Its Items is zero unless all items that are not counted wait, which is found
// without counting them.
func readWaiting(ctx context.Context, tx bun.IDB, job Job, counts Counts) (Waiting, error) {
	var waiting Waiting
	remaining := job.Total() - counts.Completed()
	if job.Intent != IntentRun || job.ListedAt.IsZero() || remaining <= 0 {
		return waiting, nil
	}
	var first struct {
		DueAt *time.Time `bun:"due_at"`
		Lock  string     `bun:"lock"`
	}
	err := tx.NewRaw(`select (select min(due_at) from job_items where job_id = ?0 and outcome is null and due_at > 'epoch') as due_at,
		coalesce(
			(select waiting_for from job_items where job_id = ?0 and outcome is null and waiting_for is not null order by mapping_id limit 1),
			(select waiting_for from job_item_locks l where job_id = ?0
				and (select outcome is null from job_items i where i.job_id = l.job_id and i.mapping_id = l.mapping_id) order by mapping_id limit 1),
			'') as lock`, job.ID).Scan(ctx, &first)
	if err != nil {
		return waiting, fmt.Errorf("waiting items of job %s: %w", job.ID, err)
	}
	if first.DueAt == nil && first.Lock == "" {
		return waiting, nil
	}
	var moves bool
	err = tx.NewRaw(`select exists (select from job_items i where job_id = ?0 and outcome is null and due_at = 'epoch'
			and not exists (select from job_item_locks l where l.job_id = i.job_id and l.mapping_id = i.mapping_id))
		or exists (select from job_items where job_id = ?0 and outcome is not null and folded_at is null)`, job.ID).Scan(ctx, &moves)
	if err != nil {
		return waiting, fmt.Errorf("items of job %s that do not wait: %w", job.ID, err)
	}
	if moves {
		return waiting, nil
	}
	waiting.Items, waiting.Lock = remaining, first.Lock
	if first.DueAt != nil {
		waiting.DueAt = *first.DueAt
	}
	return waiting, nil
}
