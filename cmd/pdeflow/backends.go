package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/localpg"
)

// backendOptions holds the addresses of the database and the NATS server. A server without a URL is embedded.
type backendOptions struct {
	databaseURL string
	nats        natsServer
	// topology declares the streams.
	topology events.Topology
	// dir holds the data of the embedded servers. It is locked by this process.
	dir string
	// natsListen is the address of an embedded nats-server. With natsNext, the next free port is used if that one is
	// taken.
	natsListen string
	natsNext   bool
	// logSQL receives every statement; nil logs none.
	logSQL *slog.Logger
	// name identifies the connections on both servers.
	name string
	// hasAPI is true if the process runs the api.
	hasAPI bool
}

// backends holds the two servers and the connections to them.
type backends struct {
	deps
	databaseURL, natsURL string
	// natsOptions are further options of the connection to NATS.
	natsOptions []nats.Option
	// postgres is the embedded database, or nil.
	postgres *localpg.Server
	// closers release resources, in the order of their creation.
	closers []func() error
}

// openBackends starts the embedded servers, opens the connections, and migrates an embedded database. On an error it
// closes what it has opened.
func openBackends(
	ctx context.Context, getenv func(string) string, o backendOptions, log *slog.Logger,
) (b *backends, err error) {
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

// watchPostgres returns nil when ctx ends, or an error if the embedded database ends first.
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
	b.natsOptions = []nats.Option{server.InProcess()}
	return nil
}

const (
	// apiStatementTimeout limits a statement of the api on the database server. Clients time out and retry anyway.
	apiStatementTimeout = 10 * time.Second
	// minSplitPool is the smallest pool of which the api gets a part of its own.
	minSplitPool = 6
)

// openDatabase opens the connection pools. If the process has the api, a third of the connections are reserved for it,
// so that requests cannot use up the connections of the jobs.
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
		b.log.WarnContext(ctx, "the database is read-only; jobs wait until it accepts writes", "error",
			err)
	}
	steps, err := schema.ListMigrations(ctx, db)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(steps, func(m schema.Migration) bool { return !m.Applied }); i >= 0 {
		return fmt.Errorf("the database lacks migration %s and later ones; run: pdeflow migrate up", steps[i].Name)
	}
	return nil
}

// connectNATS opens the connection and declares the streams. An unreachable server is not an error: the services
// declare their streams when it is back.
func (b *backends) connectNATS(ctx context.Context, o backendOptions) error {
	server := o.nats
	if server.url == "" {
		server = natsServer{url: b.natsURL} // the embedded one
		b.topology.Domain = ""
	}
	nc, err := server.connect(o.name, b.log, b.natsOptions...)
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
		b.log.WarnContext(ctx, "declare streams; the services will retry", "error", err)
	}
	return nil
}

// close releases everything in reverse order.
func (b *backends) close() error {
	var errs []error
	for _, closer := range slices.Backward(b.closers) {
		errs = append(errs, closer())
	}
	b.closers = nil
	return errors.Join(errs...)
}
