package api

import (
	"context"
	"errors"

	"github.com/uptrace/bun"
)

// maxAttempts bounds the transactions of a request that fail with errConcurrent.
const maxAttempts = 5

// errConcurrent means that a concurrent request has changed the rows on which the transaction depends. A new
// transaction can succeed.
var errConcurrent = errors.New("a concurrent request has interfered")

// runInTx runs fn in a transaction, and again in a new one while it returns errConcurrent, up to maxAttempts.
func (s *Server) runInTx(ctx context.Context, fn func(context.Context, bun.Tx) error) (err error) {
	for range maxAttempts {
		if err = s.db.RunInTx(ctx, nil, fn); !errors.Is(err, errConcurrent) {
			return err
		}
	}
	return err
}
