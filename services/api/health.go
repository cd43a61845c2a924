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

// checkTimeout is the timeout of a check, after which its subject counts as down.
const checkTimeout = time.Second

// Check is a check of /readyz.
type Check struct {
	// Name is the name in the response, such as nats or classifier.
	Name string
	// Required means that the process is not ready if the check fails.
	Required bool
	// Run returns nil if the subject is up. Its error is visible to anyone.
	Run func(ctx context.Context) error
}

// State is the result of a check.
type State string

const (
	// Up means that the check has succeeded.
	Up State = "up"
	// Down means that the check has failed.
	Down State = "down"
)

// Health is the response of /healthz.
type Health struct {
	Status  string `json:"status" enum:"ok"`
	Version string `json:"version"`
}

// Readiness is the response of /readyz.
type Readiness struct {
	Status string         `json:"status" enum:"ready,not ready" doc:"Whether the process can do its work."`
	Checks []CheckedState `json:"checks" nullable:"false" doc:"The dependencies and the services of the process."`
}

// CheckedState is the result of one check.
type CheckedState struct {
	Name   string `json:"name"`
	State  State  `json:"state" enum:"up,down"`
	Reason string `json:"reason,omitempty" doc:"The reason if it is down."`
}

// The values of [Readiness.Status].
const (
	Ready    = "ready"
	notReady = "not ready"
)

func (s *Server) registerHealth() {
	route(s, "", huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"operating"},
		Summary: "Reports that the process is alive",
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		return &healthOutput{Body: Health{Status: "ok", Version: s.version}}, nil
	})
	route(s, "", huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"operating"},
		Summary:     "Reports whether the process can do its work",
		Description: "Lists the dependencies and the services of the process; 503 if the process cannot do its work.",
		Responses: map[string]*huma.Response{"503": s.jsonResponse("A required check has "+
			"failed", typeOf[Readiness]())},
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

// readinessOf runs all checks concurrently.
func readinessOf(ctx context.Context, checks []Check) (status int, readiness Readiness) {
	readiness = Readiness{Status: Ready, Checks: make([]CheckedState, len(checks))}
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() { readiness.Checks[i] = check.state(ctx) })
	}
	running.Wait()
	status = http.StatusOK
	for i, check := range checks {
		if check.Required && readiness.Checks[i].State == Down {
			status, readiness.Status = http.StatusServiceUnavailable, notReady
		}
	}
	return status, readiness
}

// HealthHandler serves /healthz and /readyz like a [Server], for a process without one.
func HealthHandler(version string, checks []Check) http.Handler {
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the client may be gone
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, Health{Status: "ok", Version: version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, readiness := readinessOf(r.Context(), checks)
		write(w, status, readiness)
	})
	return mux
}

func (c Check) state(ctx context.Context) CheckedState {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		return CheckedState{Name: c.Name, State: Down, Reason: err.Error()}
	}
	return CheckedState{Name: c.Name, State: Up}
}

// DatabaseCheck checks that the database responds and accepts writes. Its error does not contain the error of the
// driver, which has names of hosts and users.
func DatabaseCheck(db *schema.DB) Check {
	return Check{Name: "postgres", Required: true, Run: func(ctx context.Context) error {
		err := db.Writable(ctx)
		if err != nil && !schema.IsReadOnly(err) {
			return errors.New("does not respond")
		}
		return err
	}}
}

// Check checks that the server is not stopping.
func (s *Server) Check() Check { return Check{Name: "api", Required: true, Run: s.checkStopping} }

func (s *Server) checkStopping(context.Context) error {
	select {
	case <-s.stopping:
		return errors.New("stopping")
	default:
		return nil
	}
}
