package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// printableASCII is the pattern of [KeyHeader].
const printableASCII = "^[ -~]+$"

// KeyHeader is the header that makes it safe to repeat a request.
type KeyHeader struct {
	Key string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" doc:"The same key returns the same job."`
}

// requireOneKey refuses an Idempotency-Key that is empty or given twice. A client that sends an empty key has lost its
// key, and each repetition would start another job.
func (s *Server) requireOneKey(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 1 || len(keys) == 1 && keys[0] == "" {
		s.write(w, r, newFieldProblem("header.Idempotency-Key", "must be given once, with 1 to 255 characters, or "+
			"not at all"))
		return
	}
	next(ctx)
}

// requestKey is the idempotency key of a request with a hash of the request. Without a key, it finds and inserts
// nothing.
type requestKey struct{ caller, key, hash string }

// newRequestKey returns the key of the caller; parts are the parts of the request that must be the same in a
// repetition.
func newRequestKey(ctx context.Context, key string, parts ...any) (requestKey, error) {
	text, err := json.Marshal(parts)
	if err != nil {
		return requestKey{}, fmt.Errorf("hash of the request: %w", err)
	}
	sum := sha256.Sum256(text)
	return requestKey{caller: callerOf(ctx).User, key: key, hash: hex.EncodeToString(sum[:])}, nil
}

// findJob returns the job of the key, or [schema.ErrNotFound] for a new key. It returns a [Problem] if the key belongs
// to another request.
func (k requestKey) findJob(ctx context.Context, tx bun.Tx) (schema.Job, error) {
	if k.key == "" {
		return schema.Job{}, schema.ErrNotFound
	}
	found, err := schema.GetIdempotencyKey(ctx, tx, k.caller, k.key)
	if err != nil {
		return schema.Job{}, err
	}
	if found.RequestHash != k.hash {
		problem := newProblem(keyReused, "This Idempotency-Key was used for another report, body or route; use a new "+
			"one.")
		return schema.Job{}, problem.addError("header.Idempotency-Key", "must be new, or belong to the same request "+
			"as before")
	}
	return schema.GetJob(ctx, tx, found.JobID)
}

// insert stores the key for a job that the same transaction inserts. It returns errConcurrent if a concurrent request
// has used the key.
func (k requestKey) insert(ctx context.Context, tx bun.Tx, job schema.Job) error {
	if k.key == "" {
		return nil
	}
	row := schema.IdempotencyKey{Caller: k.caller, Key: k.key, RequestHash: k.hash}
	inserted, err := schema.InsertIdempotencyKey(ctx, tx, row, job)
	if err == nil && !inserted {
		return errConcurrent
	}
	return err
}
