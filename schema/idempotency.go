package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

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
