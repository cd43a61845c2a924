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
	// exampleHealthListen is an address for --health-listen. Without the flag only a process with the api serves health
	// endpoints.
	exampleHealthListen = "127.0.0.1:8081"
	// readyTimeout limits a request to /readyz. Its checks take a second at most.
	readyTimeout = 5 * time.Second
)

func (a *app) healthListenFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "health-listen", Usage: "also answer /healthz and /readyz at this `ADDRESS`, such as " +
			exampleHealthListen + ", for a process without the api",
		Sources: a.env("PDEFLOW_HEALTH_LISTEN"),
	}
}

// listenHealth opens the port of --health-listen. It returns nil if there is none.
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

// serveHealth serves the health endpoints on the listener until ctx ends.
func serveHealth(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readyTimeout, WriteTimeout: readyTimeout}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health: %w", err)
	}
	return nil
}

// natsChecks returns the checks of NATS and of blocked jobs that every process reports. The dispatcher stores its
// reasons in the rows, so a process without a dispatcher can report them.
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

// blockedJobs returns an error that names the reason of the oldest job whose reason matches, and the number of such
// jobs.
func blockedJobs(ctx context.Context, db *schema.DB, by func(reason string) bool) error {
	jobs, err := schema.ListBlockedJobs(ctx, db, schema.CheckScope{})
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
