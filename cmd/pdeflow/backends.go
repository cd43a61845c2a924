package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/localpg"
)

// backendOptions say where the database and the message server are. One that has no URL is embedded.
type backendOptions struct {
	databaseURL string
	nats        natsServer
	// topology is how the streams are declared.
	topology events.Topology
	// dir is where what is embedded is kept; it belongs to this process then.
	dir string
	// natsListen is where an embedded nats-server listens; the next free port if natsNext is set and it is taken.
	natsListen string
	natsNext   bool
	// logSQL receives every statement; nil logs none.
	logSQL *slog.Logger
	// name is how connections show on both servers.
	name string
	// hasAPI reports that the process runs the api.
	hasAPI bool
}

// backends are the database and the message server, and a connection to each.
type backends struct {
	deps
	databaseURL, natsURL string
	// postgres is the embedded database; nil where none is embedded.
	postgres *localpg.Server
	// closers end what was opened, in the order in which it was.
	closers []func() error
}

// openBackends starts what is embedded, opens the connections, and brings an embedded database to the newest structure.
// What it opened it closes where it fails.
func openBackends(ctx context.Context, getenv func(string) string, o backendOptions, log *slog.Logger) (b *backends, err error) {
	b = &backends{databaseURL: o.databaseURL, natsURL: o.nats.url}
	b.log, b.topology = log, o.topology
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if o.databaseURL == "" {
		if err := b.startPostgres(ctx, getenv, o); err != nil {
			return b, err
		}
	}
	if o.nats.url == "" {
		if err := b.startNATS(ctx, o); err != nil {
			return b, err
		}
	}
	if err := b.openDatabase(ctx, o); err != nil {
		return b, err
	}
	return b, b.connectNATS(ctx, o)
}

func (b *backends) startPostgres(ctx context.Context, getenv func(string) string, o backendOptions) error {
	binaries, err := localpg.Find(getenv)
	if err != nil && getenv("PDEFLOW_PG_BIN") != "" {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	server, err := localpg.Start(ctx, localpg.Options{
		Binaries: binaries, Dir: datadir.Postgres(o.dir), Durable: true, User: getenv("PDEFLOW_PG_USER"),
		Logger: b.log.With("server", "postgres"),
	})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, server.Stop)
	b.databaseURL, b.postgres = server.URL(), server
	return nil
}

// watchPostgres returns when ctx ends, or with the reason when the embedded database ends before that.
func (b *backends) watchPostgres(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.postgres.Done():
		return fmt.Errorf("embedded database: %w", b.postgres.Err())
	}
}

func (b *backends) startNATS(ctx context.Context, o backendOptions) error {
	user, err := datadir.NATSUser(o.dir)
	if err != nil {
		return err
	}
	server, err := localnats.Start(ctx, localnats.Options{
		StoreDir: datadir.NATS(o.dir), Listen: o.natsListen, NextFreePort: o.natsNext, User: user,
		Logger: b.log.With("server", "nats"),
	})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, func() error {
		server.Stop()
		return nil
	})
	b.natsURL = server.URL()
	return nil
}

const (
	// apiStatementTimeout is what the server may work on one statement of the api. Clients do not wait longer, and ask
	// again.
	apiStatementTimeout = 10 * time.Second
	// smallestSplit is the smallest pool of which the api gets a part of its own.
	minSplitPool = 6
)

// openDatabase opens the pools. Where the process has the api, a third of the connections are the api's alone, so that
// requests cannot take those that jobs need.
func (b *backends) openDatabase(ctx context.Context, o backendOptions) error {
	size, err := schema.PoolSize(b.databaseURL)
	if err != nil {
		return err
	}
	forAPI := 0
	if o.hasAPI && size >= minSplitPool {
		forAPI = size / 3
	}
	open := func(name string, conns int, timeout time.Duration) (*schema.DB, error) {
		db, err := schema.Open(ctx, b.databaseURL, schema.Options{
			ApplicationName: name, LogSQL: o.logSQL, MaxConns: conns, StatementTimeout: timeout,
		})
		if err == nil {
			b.closers = append(b.closers, db.Close)
		}
		return db, err
	}
	db, err := open(o.name, size-forAPI, 0)
	if err != nil {
		return err
	}
	b.db, b.apiDB = db, db
	if forAPI > 0 {
		if b.apiDB, err = open(o.name+"-api", forAPI, apiStatementTimeout); err != nil {
			return err
		}
	}
	if o.databaseURL == "" {
		_, err := schema.Migrate(ctx, db)
		return err
	}
	if err := db.Writable(ctx); schema.IsReadOnly(err) {
		b.log.WarnContext(ctx, "no job can move and nothing can be changed until the database accepts writes", "error",
			err)
	}
	steps, err := schema.Migrations(ctx, db)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(steps, func(m schema.Migration) bool { return !m.Applied }); i >= 0 {
		return fmt.Errorf("the database lacks migration %s and what follows it; run: pdeflow migrate up", steps[i].Name)
	}
	return nil
}

// connectNATS opens the connection and declares the streams. A server that is away is no reason not to start: the
// services declare what they need when it is back.
func (b *backends) connectNATS(ctx context.Context, o backendOptions) error {
	server := o.nats
	if server.url == "" {
		server = natsServer{url: b.natsURL} // the embedded one
		b.topology.Domain = ""
	}
	nc, err := server.connect(o.name, b.log)
	if err != nil {
		return err
	}
	b.nc = nc
	b.closers = append(b.closers, func() error {
		nc.Close()
		return nil
	})
	if b.js, err = b.topology.JetStream(nc); err != nil {
		return err
	}
	if !nc.IsConnected() {
		return nil
	}
	if err := b.topology.Declare(ctx, b.js); err != nil {
		if o.nats.url == "" {
			return err
		}
		b.log.WarnContext(ctx, "streams are not declared yet", "error", err)
	}
	return nil
}

// close ends everything, the last opened first.
func (b *backends) close() error {
	var errs []error
	for _, closer := range slices.Backward(b.closers) {
		errs = append(errs, closer())
	}
	b.closers = nil
	return errors.Join(errs...)
}
