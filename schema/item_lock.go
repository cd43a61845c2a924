package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// lockTimeout limits how long a statement waits for rows that other transactions have locked. As the first
// step of a statement it needs no round trip, and it ends with the transaction. The limit is short because the
// worker is idle while it waits. It does not apply to locks on whole tables: Postgres acquires those before
// the statement begins, and they block every item of every job alike.
const lockTimeout = "lock_timeout as materialized (select set_config('lock_timeout', '200ms', true) as is_set)"

// limitLockWait sets the limit of lockTimeout for the following statements of a transaction.
func limitLockWait(ctx context.Context, tx bun.Tx) error {
	if _, err := tx.NewRaw("with " + lockTimeout + " select is_set from lock_timeout").Exec(ctx); err != nil {
		return fmt.Errorf("lock timeout: %w", err)
	}
	return nil
}

// DescribeLock describes the lock that blocks writes to the item or its mapping, and the session that holds
// it.
func DescribeLock(ctx context.Context, db bun.IDB, jobID, mappingID string) (string, error) {
	var locks []struct {
		What        string `bun:"what"`
		Application string `bun:"application"`
		Username    string `bun:"username"`
		PID         int    `bun:"pid"`
	}
	// xmax is the last transaction that locked or changed the row. It holds a lock on its own id until it ends.
	err := db.NewRaw(`with wanted (what, transaction) as (
			select 'mapping', xmax from pde_mappings where id = ?1
			union all
			select 'the item of mapping', xmax from job_items where job_id = ?0 and mapping_id = ?1
		)
		select w.what, coalesce(nullif(a.application_name, ''), 'a session without a name') as application,
			coalesce(a.usename, '') as username, a.pid
		from wanted w join pg_locks l on l.transactionid = w.transaction and l.granted
			join pg_stat_activity a on a.pid = l.pid
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

// PostponeLockedItem records that a queued item waits for the lock that waitingFor describes, and makes it due
// again after wait. It does not count as an attempt. It returns [ErrNotFound] if the item is no longer queued,
// and an error for which [IsLockTimeout] is true if the item's own row is locked.
func PostponeLockedItem(
	ctx context.Context, db bun.IDB, jobID, mappingID, waitingFor string, wait time.Duration,
) error {
	var id string
	err := db.NewRaw(lockQueued+`update job_items i set waiting_for = ?,
		due_at = clock.now + ? * interval '1 millisecond',
		updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id returning i.mapping_id`,
		jobID, mappingID, waitingFor, wait.Milliseconds(), JobAuthor(jobID)).Scan(ctx, &id)
	if err != nil {
		return notFound(err, "queued item of mapping "+mappingID)
	}
	return nil
}

// InsertItemLock records that the item's own row is locked. It does so in job_item_locks, because the item
// cannot be written. It reports whether the record is new or has changed.
func InsertItemLock(ctx context.Context, db bun.IDB, jobID, mappingID, waitingFor string) (changed bool, err error) {
	result, err := db.NewRaw(`insert into job_item_locks as l (job_id, mapping_id, waiting_for, noted_at)
		values (?, ?, ?, clock_timestamp())
		on conflict (job_id, mapping_id) do update set waiting_for = excluded.waiting_for, noted_at = excluded.noted_at
			where l.waiting_for <> excluded.waiting_for`, jobID, mappingID, waitingFor).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("record lock on the item of mapping %s: %w", mappingID, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("record lock on the item of mapping %s: %w", mappingID, err)
	}
	return n > 0, nil
}
