package api

import (
	"context"
	"encoding/json"
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

// The values of [Readiness.Status].
const (
	Ready    = "ready"
	notReady = "not ready"
)

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
	status, readiness := readinessOf(ctx, append([]Check{DatabaseCheck(s.db), s.Check()}, s.checks...))
	return &readinessOutput{Status: status, Body: readiness}, nil
}

// readinessOf asks every check at once.
func readinessOf(ctx context.Context, checks []Check) (status int, readiness Readiness) {
	readiness = Readiness{Status: Ready, Checks: make([]CheckedState, len(checks))}
	var asked sync.WaitGroup
	for i, check := range checks {
		asked.Go(func() { readiness.Checks[i] = check.state(ctx) })
	}
	asked.Wait()
	status = http.StatusOK
	for i, check := range checks {
		if check.Required && readiness.Checks[i].State == Down {
			status, readiness.Status = http.StatusServiceUnavailable, notReady
		}
	}
	return status, readiness
}

// HealthHandler answers /healthz and /readyz as a [Server] does, for a process that has none.
func HealthHandler(version string, checks []Check) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the client may be gone
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, Health{Status: "ok", Version: version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, readiness := readinessOf(r.Context(), checks)
		answer(w, status, readiness)
	})
	return mux
}

func (c Check) state(ctx context.Context) CheckedState {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := c.Ask(ctx); err != nil {
		return CheckedState{Name: c.Name, State: Down, Reason: err.Error()}
	}
	return CheckedState{Name: c.Name, State: Up}
}

// DatabaseCheck checks that the database answers and accepts writes. It leaves out what the driver reports, which names hosts and users.
func DatabaseCheck(db *schema.DB) Check {
	return Check{Name: "postgres", Required: true, Ask: func(ctx context.Context) error {
		err := db.Writable(ctx)
		if err != nil && !schema.IsReadOnly(err) {
			return errors.New("it does not answer")
		}
		return err
	}}
}

// Check checks that the server is not stopping.
func (s *Server) Check() Check { return Check{Name: "api", Required: true, Ask: s.askSelf} }

func (s *Server) askSelf(context.Context) error {
	select {
	case <-s.stopping:
		return errors.New("it is stopping")
	default:
		return nil
	}
}
