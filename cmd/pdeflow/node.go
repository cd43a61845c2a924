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

// node is what one process is to run.
type node struct {
	names    []service
	backends backendOptions
	settings settings
	// listen is the API's address; empty means the default one or the next that is free.
	listen string
	// healthListen is the address of --health-listen; empty means none.
	healthListen string
	// secret signs tokens; empty means the data directory's.
	secret string
	// token is what the commands of this machine use; there is none without the API.
	token localToken
	log   *slog.Logger
	// ready, if set, is called once everything runs, beside it. When it returns nil the node goes on; [errStop] ends it
	// well.
	ready func(ctx context.Context, at address) error
}

// address is where a running node is to be reached.
type address struct {
	datadir.Run
	token string
	db    *schema.DB
}

// errStop ends a node that has done what it was started for.
var errStop = errors.New("done")

// runNode runs until ctx ends, and returns when everything that it started has ended.
func (a *app) runNode(ctx context.Context, n node) (err error) {
	n.backends.hasAPI = slices.Contains(n.names, apiService)
	b, err := openBackends(ctx, a.getenv, n.backends, n.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if n.settings.health, err = listenHealth(ctx, n.healthListen); err != nil {
		return err
	}
	if n.settings.health != nil {
		defer n.settings.health.Close() //nolint:errcheck // serving it has closed it already, unless that was never reached
	}
	at := address{Run: datadir.Run{NATS: b.natsURL, Database: b.databaseURL}, db: b.db}
	if slices.Contains(n.names, apiService) {
		unpublish, err := a.listenAPI(ctx, &n, &at)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unpublish()) }()
	}
	n.log.InfoContext(ctx, "pdeflow runs", "version", version(), "services", n.names, "http", at.HTTP, "nats",
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

// reachable turns the address of a listener into one to connect to.
func dialable(address string) string {
	for _, any := range []string{"[::]:", "0.0.0.0:"} {
		if port, ok := strings.CutPrefix(address, any); ok {
			return "127.0.0.1:" + port
		}
	}
	return address
}
