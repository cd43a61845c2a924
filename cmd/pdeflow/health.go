package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// exampleHealthListen is an address for --health-listen. Without the flag only a process with the api answers about
	// its health.
	exampleHealthListen = "127.0.0.1:8081"
	// readyTimeout is how long a process may take to answer about its readiness. Its checks take a second at most.
	readyTimeout = 5 * time.Second
)

func (a *app) healthListenFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "health-listen", Usage: "also answer /healthz and /readyz at this `ADDRESS`, such as " +
			exampleHealthListen + ", for a process without the api",
		Sources: a.env("PDEFLOW_HEALTH_LISTEN"),
	}
}

// listenHealth opens the port of --health-listen; it returns nil if there is none.
func listenHealth(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // no listener is asked for
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--health-listen %s: %w", address, err)
	}
	return listener, nil
}

// serveHealth answers on the listener until ctx ends.
func serveHealth(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readyTimeout, WriteTimeout: readyTimeout}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health: %w", err)
	}
	return nil
}

// natsChecks are what every process reports of NATS and of jobs that wait for it. What the dispatcher has found out
// stands in the rows, so that a process without a dispatcher reports it too.
func natsChecks(w deps) []api.Check {
	return []api.Check{
		{Name: "nats", Run: func(ctx context.Context) error {
			if !w.nc.IsConnected() {
				return events.ErrDisconnected
			}
			return blockedJobs(ctx, w.db, func(reason string) bool { return strings.HasPrefix(reason, "NATS ") })
		}},
		{Name: "jobs", Run: func(ctx context.Context) error {
			return blockedJobs(ctx, w.db, func(string) bool { return true })
		}},
	}
}

// blockedJobs reports the reason of the oldest job that is blocked by one of these, and how many are.
func blockedJobs(ctx context.Context, db *schema.DB, by func(reason string) bool) error {
	jobs, err := schema.BlockedJobs(ctx, db, schema.CheckScope{})
	if err != nil {
		return errors.New("the jobs cannot be read")
	}
	var blocked []schema.Job
	for _, job := range jobs {
		if by(job.BlockedBy) {
			blocked = append(blocked, job)
		}
	}
	if len(blocked) == 0 {
		return nil
	}
	return fmt.Errorf("%s cannot move: %s", count(int64(len(blocked)), "job"), blocked[0].BlockedBy)
}
