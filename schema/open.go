package schema

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	pool *pgxpool.Pool
	// readWork is the statement of [ReadWork], written once from the columns of the rows that it reads.
	readWork string
}

// Options for [Open]; the zero value works.
type Options struct {
	// ApplicationName is how the sessions show in pg_stat_activity; pdeflow if empty.
	ApplicationName string
	// MaxConns bounds the pool; 16 if zero.
	MaxConns int
	// LogSQL receives every statement, with literals and parameters shown as ?; nil logs none.
	LogSQL *slog.Logger
	// StatementLimit is how long one statement may take; for ever if zero. A network that swallows packets, without a word to either
	// side, would hold whoever waits for an answer for a quarter of an hour otherwise.
	StatementLimit time.Duration
}

// Open makes a pool of connections to the database at url and checks that it answers. The error names the database without the
// password.
//
// Statements go by the simple protocol unless they ask for more, because bun writes its arguments into the text, so that each text is
// prepared for nothing. Sessions speak UTC, and one that sits idle in a transaction for 30 seconds is ended by the server: a process
// that was stopped there holds locks that others wait for.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// What pgx says of a URL may repeat the password in it.
		return nil, errors.New("database URL: it is not of the form postgres://user:password@host:port/database?sslmode=verify-full")
	}
	config.MaxConns = 16
	if opts.MaxConns > 0 {
		config.MaxConns = int32(min(opts.MaxConns, 1000))
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	params := config.ConnConfig.RuntimeParams
	params["application_name"] = "pdeflow"
	if opts.ApplicationName != "" {
		params["application_name"] = opts.ApplicationName
	}
	params["timezone"] = "UTC"
	params["idle_in_transaction_session_timeout"] = "30s"
	if opts.StatementLimit > 0 {
		// A pool asks connections that have lain idle whether they live, which is no statement to the tracer.
		config.PingTimeout = min(opts.StatementLimit, 5*time.Second)
	}
	if opts.LogSQL != nil || opts.StatementLimit > 0 {
		config.ConnConfig.Tracer = tracer{log: opts.LogSQL, limit: opts.StatementLimit}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("database pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		where := config.ConnConfig
		return nil, fmt.Errorf("database %s on %s:%d: %w", where.Database, where.Host, where.Port, err)
	}
	sqlDB := stdlib.OpenDBFromPool(pool)
	db := bun.NewDB(sqlDB, pgdialect.New())
	return &DB{DB: db, pool: pool, readWork: readWorkSQL(db)}, nil
}

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
