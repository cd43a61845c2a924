package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/services/api"

	"github.com/pdeflow/pdeflow/schema"
)

// readiness returns the body of /readyz.
func (f *fixture) readiness() (code int, states []string) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet,
		strings.TrimSuffix(f.url, "/api/v1")+"/readyz", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	var ready api.Readiness
	if err := json.NewDecoder(response.Body).Decode(&ready); err != nil {
		f.t.Fatal(err)
	}
	for _, check := range ready.Checks {
		states = append(states, check.Name+" "+string(check.State))
	}
	return response.StatusCode, states
}

// isReady waits until /readyz lists exactly these checks.
func (f *fixture) isReady(want ...string) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var states []string
	for end := time.Now().Add(f.patience); time.Now().Before(end); <-tick.C {
		var code int
		if code, states = f.readiness(); code != http.StatusOK {
			f.t.Fatalf("/readyz: got %d, want 200: %v", code, states)
		}
		if slices.Equal(states, want) {
			return
		}
	}
	f.t.Fatalf("got /readyz checks %v, want %v", states, want)
}

func TestReadinessListsEveryServiceAndItsDependencies(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	f.run(schema.Services()...)
	f.isReady("postgres up", "api up", "nats up", "jobs up", "dispatcher up", "classifier up", "projector up",
		"auditor up")
	f.nats.Stop()
	f.isReady("postgres up", "api up", "nats down", "jobs up", "dispatcher down", "classifier down", "projector down",
		"auditor down")
	f.nats.Restart()
	f.isReady("postgres up", "api up", "nats up", "jobs up", "dispatcher up", "classifier up", "projector up",
		"auditor up")
}

func TestMakeServices_MakesAllOrNone(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	js, err := events.JetStream(f.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	makeable, _, err := makeServices([]schema.Service{schema.ServiceDispatcher, schema.ServiceAPI},
		deps{db: f.db, apiDB: f.db, js: js, log: slog.New(slog.DiscardHandler)}, settings{})
	if err == nil || len(makeable) > 0 || !strings.Contains(err.Error(), "Options.Verify") {
		t.Errorf("without a verifier: got %d services (%v), want an error", len(makeable), err)
	}
}
