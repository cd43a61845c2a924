package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// Each service runs in a separate process, as in docker-compose.yml.
func TestEveryServiceServesItsHealth(t *testing.T) {
	t.Parallel()
	nats := eventstest.Start(t)
	database := schematest.URL(t)
	if _, err := schema.Migrate(t.Context(), schematest.New(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range schema.Services() {
		address := schematest.FreeAddress(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan result)
		go func() {
			ended <- pdeflow(ctx, nil, "serve", "--services", string(name), "--health-listen", address, "--listen",
				schematest.FreeAddress(t),
				"--database-url", database, "--nats-url", nats.URL(), "--data-dir", t.TempDir())
		}()
		server := "http://" + address
		awaitReady(t, server)
		pdeflow(t.Context(), nil, "ready", "--server", server).ends(t, exitDone, "ready\n  postgres     up\n",
			"  nats         up\n", "  "+string(name))
		response, err := http.Get(server + "/healthz") //nolint:noctx // a process on this machine
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Errorf("%s: got /healthz %s, want 200", name, response.Status)
		}
		stop()
		(<-ended).ends(t, exitDone)
	}
}

func TestReadyFailsIfTheProcessIsNotReadyOrDoesNotRespond(t *testing.T) {
	t.Parallel()
	nats := eventstest.Start(t)
	address := schematest.FreeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result)
	go func() {
		ended <- pdeflow(ctx, nil, "serve", "--services", "dispatcher", "--health-listen", address, "--database-url",
			schematest.URL(t), "--nats-url", nats.URL())
	}()
	server := "http://" + address
	awaitReady(t, server)
	nats.Stop()
	// NATS may stop between two probes, so one report may have only one of them as down.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var reply result
	for end := time.Now().Add(deadline); reply.code != exitFailed ||
		!strings.Contains(reply.stdout, "nats         down"); <-tick.C {
		reply = pdeflow(t.Context(), nil, "ready", "--server", server)
		if time.Now().After(end) {
			t.Fatalf("dispatcher without NATS: got %+v, want it not ready, and nats down", reply)
		}
	}
	if !strings.HasPrefix(reply.stdout, "not ready\n") {
		t.Errorf("dispatcher without NATS: got %q, want not ready", reply.stdout)
	}
	stop()
	(<-ended).ends(t, exitDone)
	pdeflow(t.Context(), nil, "ready", "--server", server).ends(t, exitFailed, "connection refused")
}

// awaitReady waits until every service of the server is ready.
func awaitReady(t *testing.T, server string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		readiness, err := askReadiness(t.Context(), server)
		if err == nil && readiness.Status == "ready" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: got %+v, want ready (%v)", server, readiness, err)
		}
	}
}
