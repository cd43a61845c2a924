package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/schema"
)

// node describes what one process runs.
type node struct {
	names    []schema.Service
	backends backendOptions
	settings settings
	// listen is the API's address. If it is empty, the default or the next free port is used.
	listen string
	// healthListen is the address of --health-listen, or empty.
	healthListen string
	// secret signs tokens. If it is empty, the secret of the data directory is used.
	secret string
	// token is for the commands on this machine. Only a node with the API has one.
	token localToken
	log   *slog.Logger
	// ready, if set, is called once everything runs, in a goroutine of its own. If it returns nil the node keeps
	// running; [errStop] ends it without an error.
	ready func(ctx context.Context, at address) error
}

// address holds the addresses of a running node.
type address struct {
	datadir.Run
	token string
	db    *schema.DB
}

// errStop ends a node that has finished its task.
var errStop = errors.New("done")

// runNode runs the node until ctx ends, and returns when everything that it started has ended.
func (a *app) runNode(ctx context.Context, n node) (err error) {
	n.backends.hasAPI = slices.Contains(n.names, schema.ServiceAPI)
	b, err := openBackends(ctx, a.getenv, n.backends, n.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if n.settings.health, err = listenHealth(ctx, n.healthListen); err != nil {
		return err
	}
	if n.settings.health != nil {
		defer n.settings.health.Close() //nolint:errcheck // already closed if it was served
	}
	at := address{Run: datadir.Run{NATS: b.natsURL, Database: b.databaseURL}, db: b.db}
	if slices.Contains(n.names, schema.ServiceAPI) {
		unpublish, err := a.listenAPI(ctx, &n, &at)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unpublish()) }()
	}
	n.log.InfoContext(ctx, "pdeflow started", "version", version(), "services", n.names, "http", at.HTTP, "nats",
		redacted(at.NATS))

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return runServices(ctx, n.names, b.deps, n.settings) })
	if b.postgres != nil {
		group.Go(func() error { return b.watchPostgres(ctx) })
	}
	if at.token != "" {
		group.Go(func() error { return n.token.keep(ctx, n.log) })
	}
	if n.ready != nil {
		group.Go(func() error { return n.ready(ctx, at) })
	}
	if err := group.Wait(); !errors.Is(err, errStop) {
		return err
	}
	return nil
}

// dialable turns the address of a listener into one to connect to.
func dialable(address string) string {
	for _, any := range []string{"[::]:", "0.0.0.0:"} {
		if port, ok := strings.CutPrefix(address, any); ok {
			return "127.0.0.1:" + port
		}
	}
	return address
}
