package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// DB is a pool of connections to Postgres with bun on top of it.
type DB struct {
	*bun.DB
	pool *pool
	// writable is the last result of [DB.Writable].
	writable atomic.Pointer[writability]
	// readWork is the statement of [GetWork]. It depends on the columns of the rows that it reads.
	readWork string
}

// Options are the options of [Open]. The zero value is valid.
type Options struct {
	// ApplicationName is the name of the sessions in pg_stat_activity; the default is pdeflow.
	ApplicationName string
	// MaxConns is the size of the pool; the default is 16. If the URL has pool_max_conns too, the smaller one
	// applies.
	MaxConns int
	// LogSQL logs every statement with its literals and parameters replaced by ?. If it is nil, statements are
	// not logged.
	LogSQL *slog.Logger
	// StatementTimeout is how long the server executes a statement of this pool before it cancels it. Zero
	// means no limit.
	StatementTimeout time.Duration
}

const (
	defaultMaxConns = 16
	// minMaxConns is the smallest pool with which a process works: a migration uses two connections.
	minMaxConns = 2
)

var errURL = errors.New("the database URL is not of the form postgres://user:password@host:port/database")

// CheckURL returns an error if url is not a valid database URL. The error does not repeat the URL, which may
// contain a password.
func CheckURL(url string) error {
	_, err := parseURL(url, 0)
	return err
}

// PoolSize returns the size of a pool for the database at url without [Options.MaxConns].
func PoolSize(url string) (int, error) {
	config, err := parseURL(url, 0)
	if err != nil {
		return 0, err
	}
	return int(config.MaxConns), nil
}

// parseURL returns the configuration of a pool of at most maxConns connections, or of the default size if
// maxConns is zero.
func parseURL(url string, maxConns int) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The error of pgx may contain the password.
		return nil, errURL
	}
	raw, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errURL
	}
	maxConns = min(maxConns, 1000)
	_, inURL := raw.RuntimeParams["pool_max_conns"]
	switch {
	case inURL && config.MaxConns < minMaxConns:
		return nil, fmt.Errorf(
			"the database URL has pool_max_conns=%d, which must be at least %d", config.MaxConns, minMaxConns,
		)
	case !inURL:
		config.MaxConns = int32(cmp.Or(maxConns, defaultMaxConns)) //nolint:gosec // at most 1000
	case maxConns > 0:
		config.MaxConns = min(config.MaxConns, int32(maxConns))
	}
	return config, nil
}

// Open opens a pool of connections to the database at url and checks that the database can be used. Errors
// name the database without its password.
//
// Statements use the simple protocol by default: bun writes the arguments into the text, so preparing it would
// be useless. Every session has the settings that this package relies on. The server ends a session that is
// idle in a transaction for 30 seconds, because a stopped process would keep its locks.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	config, err := parseURL(url, opts.MaxConns)
	if err != nil {
		return nil, err
	}
	conn := config.ConnConfig
	conn.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn.DialFunc = dial
	conn.ConnectTimeout = cmp.Or(conn.ConnectTimeout, 5*time.Second)
	conn.RuntimeParams["application_name"] = cmp.Or(opts.ApplicationName, "pdeflow")
	preferWritable(conn)
	if err := inspect(ctx, conn); err != nil {
		return nil, fmt.Errorf("database %s on %s: %w", conn.Database, addresses(conn), err)
	}
	p := &pool{}
	conn.AfterConnect = setUpSession(opts.StatementTimeout)
	conn.Tracer = tracer{log: opts.LogSQL, readOnly: p.renew}
	config.PingTimeout = cmp.Or(config.PingTimeout, 5*time.Second) // for connections that were idle
	if p.Pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("database pool: %w", err)
	}
	db := bun.NewDB(stdlib.OpenDBFromPool(p.Pool), pgdialect.New())
	return &DB{DB: db, pool: p, readWork: getWorkSQL(db)}, nil
}

// MaxConns returns the size of the pool.
func (db *DB) MaxConns() int { return int(db.pool.Config().MaxConns) }

// Close closes all connections.
func (db *DB) Close() error {
	err := db.DB.Close()
	db.pool.Close()
	return err
}

// Now returns the current time of the database. A transaction calls it once, after it has acquired its row
// locks, so that the times in a row never go backwards.
func Now(ctx context.Context, tx bun.IDB) (time.Time, error) {
	var now time.Time
	if err := tx.NewRaw("select clock_timestamp()").Scan(ctx, &now); err != nil {
		return time.Time{}, fmt.Errorf("clock: %w", err)
	}
	return now.UTC(), nil
}
