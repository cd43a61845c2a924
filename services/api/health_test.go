package api_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

func TestReadinessListsEveryCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	up := func(context.Context) error { return nil }
	down := func(context.Context) error { return errors.New("it is away") }
	asleep := func(ctx context.Context) error { <-ctx.Done(); return errors.New("it does not answer") }
	tests := map[string]struct {
		checks []api.Check
		status int
		want   api.Readiness
	}{
		"nats is down and jobs are accepted all the same": {
			[]api.Check{{Name: "nats", Run: down}, {Name: "dispatcher", Run: up}},
			http.StatusOK,
			api.Readiness{Status: "ready", Checks: []api.CheckedState{
				{Name: "postgres", State: api.Up},
				{Name: "api", State: api.Up},
				{Name: "nats", State: api.Down, Reason: "it is away"},
				{Name: "dispatcher", State: api.Up},
			}},
		},
		"a required dependency does not respond": {
			[]api.Check{{Name: "classifier", Required: true, Run: asleep}},
			http.StatusServiceUnavailable,
			api.Readiness{Status: "not ready", Checks: []api.CheckedState{
				{Name: "postgres", State: api.Up},
				{Name: "api", State: api.Up},
				{Name: "classifier", State: api.Down, Reason: "it does not answer"},
			}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			f.serve(f.JS, api.Options{Verify: verifier(t), Checks: tt.checks})
			got := must[api.Readiness](t, f.do(call{method: "GET", path: "/readyz"}), tt.status)
			if got.Status != tt.want.Status || !slices.Equal(got.Checks, tt.want.Checks) {
				t.Errorf("readiness: got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestHealthReportsTheVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.serve(f.JS, api.Options{Verify: verifier(t), Version: "v1.2.3"})
	got := must[api.Health](t, f.do(call{method: "GET", path: "/healthz?probe=1"}), http.StatusOK)
	if got != (api.Health{Status: "ok", Version: "v1.2.3"}) {
		t.Errorf("health: got %+v, want ok and v1.2.3", got)
	}
}
