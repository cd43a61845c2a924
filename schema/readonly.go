package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrReadOnly is returned by [DB.Writable] if the database accepts no writes.
var ErrReadOnly = errors.New("the database is read-only")

const (
	// readOnlyTransaction is the SQLSTATE of a write that a standby or a read-only database refuses.
	readOnlyTransaction = "25006"
	// writableFor is how long the answer of [DB.Writable] is reused, and how often at most a pool is renewed.
	writableFor = time.Second
)

// IsReadOnly reports whether an error means that the database accepts no writes.
func IsReadOnly(err error) bool {
	if pg, ok := asPgError(err); ok && pg.Code == readOnlyTransaction {
		return true
	}
	// pgx has no value for the error of a URL with target_session_attrs=read-write.
	return errors.Is(err, ErrReadOnly) || err != nil && strings.Contains(err.Error(), "read only connection")
}

// Writable returns an [ErrReadOnly] that names the reason if the database accepts no writes. An answer is reused for a second.
func (db *DB) Writable(ctx context.Context) error {
	if last := db.writable.Load(); last != nil && time.Since(last.at) < writableFor {
		return last.err
	}
	var standby, readOnly bool
	err := db.NewRaw("select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'").Scan(ctx, &standby, &readOnly)
	switch {
	case err != nil && IsReadOnly(err):
		err = fmt.Errorf("%w: none of its hosts accepts writes", ErrReadOnly)
	case err != nil:
		return fmt.Errorf("database: %w", err)
	case standby:
		err = fmt.Errorf("%w: the server is a standby", ErrReadOnly)
	case readOnly:
		err = fmt.Errorf("%w: default_transaction_read_only is on, which an operator sets, or a provider when the disk is full", ErrReadOnly)
	}
	if err != nil {
		db.pool.renew() // this session may have begun before the database changed
	}
	db.writable.Store(&writability{at: time.Now(), err: err})
	return err
}

// writability is an answer of [DB.Writable].
type writability struct {
	at  time.Time
	err error
}

// pool is a pool of connections that can be replaced all at once.
type pool struct {
	*pgxpool.Pool
	mu      sync.Mutex
	renewed time.Time
}

// renew closes the connections of the pool, each as soon as it is free: after a failover they may all lead to the old primary. It does
// so once a second at most, since the new ones may lead to a read-only database too.
func (p *pool) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.renewed) < writableFor {
		return
	}
	p.renewed = time.Now()
	p.Reset()
}

// preferWritable makes connections go to a host that accepts writes if the URL names several: pgx would take the first that answers.
func preferWritable(config *pgx.ConnConfig) {
	other := func(f *pgconn.FallbackConfig) bool { return f.Host != config.Host || f.Port != config.Port }
	if config.ValidateConnect == nil && slices.ContainsFunc(config.Fallbacks, other) {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}
