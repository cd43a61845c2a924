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
	// writable is the last answer of [DB.Writable].
	writable atomic.Pointer[writability]
	// getWork is the statement of [GetWork], written once from the columns of the rows that it reads.
	readWork string
}

// Options for [Open]; the zero value works.
type Options struct {
	// ApplicationName is how the sessions show in pg_stat_activity; pdeflow if empty.
	ApplicationName string
	// MaxConns is the size of the pool if the URL has no pool_max_conns; 16 if zero. With both, the smaller one counts.
	MaxConns int
	// LogSQL receives every statement, with literals and parameters shown as ?; nil logs none.
	LogSQL *slog.Logger
	// StatementTimeout is how long the server works on a statement of this pool before it cancels it; without limit if zero.
	StatementTimeout time.Duration
}

const (
	defaultMaxConns = 16
	// minMaxConns is what a process needs to make progress: the migrations hold one connection and work on another.
	minMaxConns = 2
)

var errURL = errors.New("the database URL is not of the form postgres://user:password@host:port/database")

// CheckURL reports what is wrong with the URL of a database, without repeating it: it may hold a password.
func CheckURL(url string) error {
	_, err := parseURL(url, 0)
	return err
}

// PoolSize is the size of a pool of the database at url if [Options] names none.
func PoolSize(url string) (int, error) {
	config, err := parseURL(url, 0)
	if err != nil {
		return 0, err
	}
	return int(config.MaxConns), nil
}

// parseURL returns the configuration of a pool of at most maxConns connections, or of the default size if that is zero.
func parseURL(url string, maxConns int) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The error of pgx may repeat the password.
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
		return nil, fmt.Errorf("the database URL has pool_max_conns=%d, which must be at least %d", config.MaxConns, minMaxConns)
	case !inURL:
		config.MaxConns = int32(cmp.Or(maxConns, defaultMaxConns)) //nolint:gosec // at most 1000
	case maxConns > 0:
		config.MaxConns = min(config.MaxConns, int32(maxConns))
	}
	return config, nil
}

// Open makes a pool of connections to the database at url and checks that the database can be used. The error names the database without
// the password.
//
// Statements use the simple protocol unless they ask for more: bun writes its arguments into the text, so preparing it would be wasted.
// Every session has the settings that this package relies on. The server ends a session that is idle in a transaction for 30 seconds,
// because a stopped process would keep its locks.
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
	config.PingTimeout = cmp.Or(config.PingTimeout, 5*time.Second) // of connections that have been idle
	if p.Pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("database pool: %w", err)
	}
	db := bun.NewDB(stdlib.OpenDBFromPool(p.Pool), pgdialect.New())
	return &DB{DB: db, pool: p, readWork: getWorkSQL(db)}, nil
}

// MaxConns is the size of the pool.
func (db *DB) MaxConns() int { return int(db.pool.Config().MaxConns) }

// Close ends every connection.
func (db *DB) Close() error {
	err := db.DB.Close()
	db.pool.Close()
	return err
}

// Now is the transaction's one reading of the clock. It is the database's own clock at the moment of the call, so a caller that holds
// the row locks it needs never writes time backwards.
func Now(ctx context.Context, tx bun.IDB) (time.Time, error) {
	var now time.Time
	if err := tx.NewRaw("select clock_timestamp()").Scan(ctx, &now); err != nil {
		return time.Time{}, fmt.Errorf("clock: %w", err)
	}
	return now.UTC(), nil
}
