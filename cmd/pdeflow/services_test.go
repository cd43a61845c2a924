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
)

// readiness is what /readyz says now.
func (s *stand) readiness() (code int, states []string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet,
		strings.TrimSuffix(s.url, "/api/v1")+"/readyz", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var ready api.Readiness
	if err := json.NewDecoder(response.Body).Decode(&ready); err != nil {
		s.t.Fatal(err)
	}
	for _, check := range ready.Checks {
		states = append(states, check.Name+" "+string(check.State))
	}
	return response.StatusCode, states
}

// isReady waits until /readyz lists exactly these.
func (s *stand) isReady(want ...string) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var states []string
	for end := time.Now().Add(s.patience); time.Now().Before(end); <-tick.C {
		var code int
		if code, states = s.readiness(); code != http.StatusOK {
			s.t.Fatalf("/readyz answers %d: %v", code, states)
		}
		if slices.Equal(states, want) {
			return
		}
	}
	s.t.Fatalf("/readyz lists %v, not %v", states, want)
}

func TestReadinessListsEveryServiceAndWhatItNeeds(t *testing.T) {
	t.Parallel()
	s := newIdleStand(t, eventstest.Start(t))
	s.run(allServices()...)
	s.isReady("postgres up", "api up", "nats up", "jobs up", "dispatcher up", "classifier up", "projector up",
		"auditor up")
	s.nats.Stop()
	s.isReady("postgres up", "api up", "nats down", "jobs up", "dispatcher down", "classifier down", "projector down",
		"auditor down")
	s.nats.Restart()
	s.isReady("postgres up", "api up", "nats up", "jobs up", "dispatcher up", "classifier up", "projector up",
		"auditor up")
}

func TestNoServiceRunsWhereOneCannotBeMade(t *testing.T) {
	t.Parallel()
	s := newIdleStand(t, eventstest.Start(t))
	js, err := events.JetStream(s.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	makeable, _, err := makeServices([]service{dispatcherService, apiService},
		deps{db: s.db, apiDB: s.db, js: js, log: slog.New(slog.DiscardHandler)}, settings{})
	if err == nil || len(makeable) > 0 || !strings.Contains(err.Error(), "verify tokens") {
		t.Errorf("without anything to verify tokens with, %d services would run (%v)", len(makeable), err)
	}
}
