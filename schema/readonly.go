package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrReadOnly is returned by [DB.Writable] if the database accepts no writes.
var ErrReadOnly = errors.New("the database is read-only")

// writableFor is how long a result of [DB.Writable] is reused, and the shortest time between two renewals of a pool.
const writableFor = time.Second

// Writable returns nil if the database accepts writes, and otherwise an [ErrReadOnly] with the reason. Either
// result is reused for a second. If the database cannot be reached, Writable returns that error.
func (db *DB) Writable(ctx context.Context) error {
	if last := db.writable.Load(); last != nil && time.Since(last.at) < writableFor {
		return last.err
	}
	var standby, readOnly bool
	err := db.NewRaw("select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'").
		Scan(ctx, &standby, &readOnly)
	switch {
	case err != nil && IsReadOnly(err):
		err = fmt.Errorf("%w: none of its hosts accepts writes", ErrReadOnly)
	case err != nil:
		return fmt.Errorf("database: %w", err)
	case standby:
		err = fmt.Errorf("%w: the server is a standby", ErrReadOnly)
	case readOnly:
		err = fmt.Errorf("%w: default_transaction_read_only is on, "+
			"which an operator sets, or a provider when the disk is full", ErrReadOnly)
	}
	if err != nil {
		db.pool.renew() // the session may be older than a failover
	}
	db.writable.Store(&writability{at: time.Now(), err: err})
	return err
}

// writability is a result of [DB.Writable].
type writability struct {
	at  time.Time
	err error
}

// pool is a pool whose connections can be replaced all at once.
type pool struct {
	*pgxpool.Pool
	mu      sync.Mutex
	renewed time.Time
}

// renew closes the connections of the pool, each as soon as it is idle: after a failover they may all lead to
// the old primary. It does so at most once a second, because the new connections may lead to a read-only
// database too.
func (p *pool) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.renewed) < writableFor {
		return
	}
	p.renewed = time.Now()
	p.Reset()
}

// preferWritable makes connections use a host that accepts writes if the URL names several hosts. pgx would
// use the first that answers.
func preferWritable(config *pgx.ConnConfig) {
	other := func(f *pgconn.FallbackConfig) bool { return f.Host != config.Host || f.Port != config.Port }
	if config.ValidateConnect == nil && slices.ContainsFunc(config.Fallbacks, other) {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}
