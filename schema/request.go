package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// LockReport reads the report and blocks changes of its planning data until the transaction ends. Other jobs
// can be requested at the same time. It returns [ErrNotFound] if there is no such report, and an error for
// which [IsLockTimeout] is true if an import or a removal holds the report for longer than two seconds.
func LockReport(ctx context.Context, tx bun.Tx, cycleID, reportID string) (Report, error) {
	// The lock conflicts with that of an import or a removal, but not with that of another request.
	return selectReport(ctx, tx, cycleID, reportID, "key share")
}

// HasColumns reports whether the report has at least one source column.
func HasColumns(ctx context.Context, db bun.IDB, cycleID, reportID string) (has bool, err error) {
	err = db.NewRaw(`select exists (select from data_sources d join source_columns c on c.data_source_id = d.id
		where d.cycle_id = ? and d.report_id = ?)`, cycleID, reportID).Scan(ctx, &has)
	if err != nil {
		return false, fmt.Errorf("columns of report %s: %w", reportID, err)
	}
	return has, nil
}

// CountUnmapped counts the report's mappings that have no source column.
func CountUnmapped(ctx context.Context, db bun.IDB, cycleID, reportID string) (n int64, err error) {
	err = db.NewRaw("select count(*) from pde_mappings where cycle_id = ? and report_id = ? and source_field is null",
		cycleID, reportID).Scan(ctx, &n)
	if err != nil {
		return 0, fmt.Errorf("unmapped mappings of report %s: %w", reportID, err)
	}
	return n, nil
}

// ListUnknownMappings returns the indexes of at most limit ids that are not mappings of the report.
func ListUnknownMappings(
	ctx context.Context, db bun.IDB, cycleID, reportID string, ids []string, limit int,
) (places []int, err error) {
	err = db.NewRaw(`select place - 1 from unnest(?::text[]) with ordinality as asked (id, place)
		where not exists (select from pde_mappings m where m.id = asked.id and m.cycle_id = ? and m.report_id = ?)
		order by place limit ?`, pgdialect.Array(ids), cycleID, reportID, limit).Scan(ctx, &places)
	if err != nil {
		return nil, fmt.Errorf("named mappings of report %s: %w", reportID, err)
	}
	return places, nil
}

// CountRetryableItems counts the items that a retry of the job would include: those that failed or were
// cancelled and whose mapping exists. If code is not empty, only items with this error code count.
func CountRetryableItems(ctx context.Context, db bun.IDB, jobID string, code ErrorCode) (n int64, err error) {
	err = db.NewRaw(`select count(*) from job_items where job_id = ? and outcome in ('failed', 'cancelled')
		and (? = '' or error_code = ?)
		and exists (select from pde_mappings where id = mapping_id)`,
		jobID, code, code).Scan(ctx, &n)
	if err != nil {
		return 0, fmt.Errorf("retryable items of job %s: %w", jobID, err)
	}
	return n, nil
}

// InsertJob writes a job with its first intent, which is to run. It returns the job with the fields that it
// has set. If another job of the report is active, it writes nothing and inserted is false. It returns
// [ErrNotFound] if there is no such report.
func InsertJob(ctx context.Context, tx bun.Tx, job Job) (written Job, inserted bool, err error) {
	// The lock keeps the report from being changed or removed. After [LockReport] the transaction has it already.
	var held int
	err = tx.NewRaw("select 1 from reports where cycle_id = ? and report_id = ? for key share",
		job.CycleID, job.ReportID).Scan(ctx, &held)
	if err != nil {
		return job, false, notFound(err, fmt.Sprintf("report %s of cycle %s", job.ReportID, job.CycleID))
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return job, false, err
	}
	job.Intent, job.IntentVersion, job.Version, job.PublishedIntent = IntentRun, 1, 1, 1
	job.CreatedAt, job.CreatedBy, job.UpdatedAt, job.UpdatedBy = now, job.RequestedBy, now, job.RequestedBy
	// If another request has inserted a job and not committed it yet, this waits for its end.
	result, err := tx.NewInsert().Model(&job).
		On("conflict (cycle_id, report_id) where ended_at is null do nothing").Exec(ctx)
	if err != nil {
		return job, false, fmt.Errorf("job %s: %w", job.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return job, false, err
	}
	return job, true, insertIntentRow(ctx, tx, job, job.RequestedBy, job.Traceparent, now)
}

// IdempotencyKey records the job that a caller requested with a key, so that the same request returns the same
// job.
type IdempotencyKey struct {
	bun.BaseModel `bun:"table:idempotency_keys,alias:ik"`

	Caller string `bun:"caller,pk"`
	Key    string `bun:"key,pk"`
	// RequestHash is the hash of the request. A request with another hash is a different request.
	RequestHash string    `bun:"request_hash"`
	JobID       string    `bun:"job_id"`
	CreatedAt   time.Time `bun:"created_at"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedAt   time.Time `bun:"updated_at"`
	UpdatedBy   string    `bun:"updated_by"`
}

// GetIdempotencyKey reads the key of the caller. It returns [ErrNotFound] if the caller has not used it.
func GetIdempotencyKey(ctx context.Context, db bun.IDB, caller, key string) (IdempotencyKey, error) {
	var found IdempotencyKey
	if err := db.NewSelect().Model(&found).Where("caller = ? and key = ?", caller, key).Scan(ctx); err != nil {
		return found, notFound(err, "idempotency key of "+caller)
	}
	return found, nil
}

// InsertIdempotencyKey records the key for a job that the same transaction inserts. Kept is false if another
// request has used the key concurrently.
func InsertIdempotencyKey(ctx context.Context, tx bun.Tx, key IdempotencyKey, job Job) (kept bool, err error) {
	key.JobID = job.ID
	key.CreatedAt, key.CreatedBy, key.UpdatedAt, key.UpdatedBy = job.CreatedAt, key.Caller, job.CreatedAt, key.Caller
	result, err := tx.NewInsert().Model(&key).On("conflict do nothing").Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("idempotency key of %s: %w", key.Caller, err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
