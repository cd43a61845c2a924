package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/schema"
)

// checkTimeout is how long a check may take before what it asks counts as down.
const checkTimeout = time.Second

// Check is one thing that /readyz asks about.
type Check struct {
	// Name is how the answer calls it, such as nats or classifier.
	Name string
	// Required says that this process cannot do its work without it.
	Required bool
	// Ask returns nil where it is up. Its error is shown to anyone.
	Ask func(ctx context.Context) error
}

// State says whether something that was checked is up.
type State string

// The states.
const (
	// Up means that it answered.
	Up State = "up"
	// Down means that it did not.
	Down State = "down"
)

// Health is the answer of /healthz.
type Health struct {
	Status  string `json:"status" enum:"ok"`
	Version string `json:"version"`
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Status string         `json:"status" enum:"ready,not ready" doc:"Whether this process can do its work."`
	Checks []CheckedState `json:"checks" nullable:"false" doc:"Each dependency and each service of the process."`
}

// CheckedState is what a check came to.
type CheckedState struct {
	Name   string `json:"name"`
	State  State  `json:"state" enum:"up,down"`
	Reason string `json:"reason,omitempty" doc:"Why it is down."`
}

func (s *Server) registerHealth() {
	route(s, "", huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"operating"},
		Summary: "Says that the process lives",
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		return &healthOutput{Body: Health{Status: "ok", Version: s.version}}, nil
	})
	route(s, "", huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"operating"},
		Summary:     "Says whether the process can do its work",
		Description: "Lists each dependency and each service of the process; 503 where the process cannot do its work.",
		Responses:   map[string]*huma.Response{"503": s.jsonResponse("What is needed is down", typeOf[Readiness]())},
	}, s.readyz)
}

type healthOutput struct{ Body Health }

type readinessOutput struct {
	Status int
	Body   Readiness
}

func (s *Server) readyz(ctx context.Context, _ *struct{}) (*readinessOutput, error) {
	checks := append([]Check{{Name: "postgres", Required: true, Ask: s.askDatabase}, {Name: "api", Required: true, Ask: s.askSelf}}, s.checks...)
	out := &readinessOutput{Status: http.StatusOK, Body: Readiness{Status: "ready", Checks: make([]CheckedState, len(checks))}}
	var asked sync.WaitGroup
	for i, check := range checks {
		asked.Go(func() { out.Body.Checks[i] = check.state(ctx) })
	}
	asked.Wait()
	for i, check := range checks {
		if check.Required && out.Body.Checks[i].State == Down {
			out.Status, out.Body.Status = http.StatusServiceUnavailable, "not ready"
		}
	}
	return out, nil
}

func (c Check) state(ctx context.Context) CheckedState {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := c.Ask(ctx); err != nil {
		return CheckedState{Name: c.Name, State: Down, Reason: err.Error()}
	}
	return CheckedState{Name: c.Name, State: Up}
}

// askDatabase leaves out what the driver reports, which names hosts and users.
func (s *Server) askDatabase(ctx context.Context) error {
	err := s.db.Writable(ctx)
	if err != nil && !schema.IsReadOnly(err) {
		return errors.New("it does not answer")
	}
	return err
}

func (s *Server) askSelf(context.Context) error {
	select {
	case <-s.stopping:
		return errors.New("it is stopping")
	default:
		return nil
	}
}
