package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// With asProgram in its environment the test binary runs as pdeflow, so that a test can start and kill a process.
const asProgram = "PDEFLOW_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	schematest.Main(m)
}

// startProcess starts pdeflow as a separate process against the fixture's servers.
func (f *fixture) startProcess(args ...string) *exec.Cmd {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "DATABASE_URL="+schematest.URL(f.t), "NATS_URL="+f.nats.URL(),
		"PDEFLOW_LOG_FORMAT=json",
		"PDEFLOW_DATA_DIR="+f.t.TempDir())
	cmd.Stdout, cmd.Stderr = f.log, f.log
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

// deadline limits what a test waits for. It does not measure speed.
const deadline = 2 * time.Minute

var testSecret = []byte("a secret of the tests, and of nothing else at all")

// fixture is a pdeflow on a real Postgres and a real nats-server, with services in the test's process.
type fixture struct {
	t     *testing.T
	db    *schema.DB
	nats  *eventstest.Server
	url   string
	token string
	log   *eventstest.Log
	// engine is used by classifiers that run starts.
	engine *rules.Engine
	// model is the model of the llm lane; nil for none.
	model *llm.Model
	// patience limits how long a job may take.
	patience time.Duration
}

// newFixture starts the named services, all by default.
func newFixture(t *testing.T, services ...schema.Service) *fixture {
	t.Helper()
	f := newIdleFixture(t, eventstest.Start(t))
	f.run(services...)
	return f
}

// newIdleFixture starts no service.
func newIdleFixture(t *testing.T, server *eventstest.Server) *fixture {
	t.Helper()
	return &fixture{
		t: t, db: schematest.New(t), nats: server, log: eventstest.NewLog(t), engine: rules.New(policy.Default()),
		patience: deadline,
	}
}

// run starts services in the test's process. They end with the test, or when stop is called.
func (f *fixture) run(services ...schema.Service) (stop func()) {
	f.t.Helper()
	return f.runOn(f.nats.URL(), services...)
}

// runOn is [fixture.run] with another NATS URL.
func (f *fixture) runOn(natsURL string, services ...schema.Service) (stop func()) {
	f.t.Helper()
	if len(services) == 0 {
		services = []schema.Service{
			schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceClassifier, schema.ServiceProjector,
		}
	}
	log := slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	verify, err := api.SecretVerifier(testSecret)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.token, err = api.SignToken(testSecret, "tina", api.Manager, time.Hour); err != nil {
		f.t.Fatal(err)
	}
	engine := f.engine
	nc, err := events.Connect(natsURL, "test", "", log)
	if err != nil {
		f.t.Fatal(err)
	}
	js, err := events.JetStream(nc)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		w := deps{db: f.db, apiDB: f.db, nc: nc, js: js, log: log}
		if err := runServices(ctx, services, w,
			settings{
				listener: listener, verify: verify, secret: string(testSecret), engine: engine, model: f.model,
			}); err != nil {
			f.t.Errorf("services: got %v, want nil", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		nc.Close()
	})
	f.t.Cleanup(stop)
	if slices.Contains(services, schema.ServiceAPI) {
		f.url = "http://" + listener.Addr().String() + "/api/v1"
	}
	return stop
}

// do sends a request and returns the status code and body.
func (f *fixture) do(method, path string, body any) (int, []byte) {
	f.t.Helper()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			f.t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, f.url+path, sent)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// regenerate starts a job over the whole small report and returns its id.
func (f *fixture) regenerate() string {
	f.t.Helper()
	return f.accepted(f.do(http.MethodPost, "/planning/cycles/"+schematest.CycleID+"/reports/"+schematest.ReportID+
		"/pde-mappings/regenerate-all", nil))
}

// accepted checks that the response accepts a new job, and returns the job's id.
func (f *fixture) accepted(code int, body []byte) string {
	f.t.Helper()
	if code != http.StatusAccepted {
		f.t.Fatalf("got status code %d, want 202: %s", code, body)
	}
	var accepted struct {
		JobID  string        `json:"job_id"`
		Status schema.Status `json:"status"`
	}
	if err := json.Unmarshal(body, &accepted); err != nil {
		f.t.Fatal(err)
	}
	if accepted.Status != schema.StatusPending {
		f.t.Errorf("got status %s of a new job, want pending", accepted.Status)
	}
	return accepted.JobID
}

func (f *fixture) status(jobID, query string) events.JobStatus {
	f.t.Helper()
	code, body := f.do(http.MethodGet, "/jobs/"+jobID+"/status"+query, nil)
	if code != http.StatusOK {
		f.t.Fatalf("status of %s: got %d, want 200: %s", jobID, code, body)
	}
	var status events.JobStatus
	if err := json.Unmarshal(body, &status); err != nil {
		f.t.Fatal(err)
	}
	return status
}

// follow polls the job until done returns true, and returns every distinct status.
func (f *fixture) follow(jobID string, done func(events.JobStatus) bool) []events.JobStatus {
	f.t.Helper()
	var seen []events.JobStatus
	for end := time.Now().Add(f.patience); time.Now().Before(end); {
		status := f.status(jobID, "")
		if len(seen) == 0 || seen[len(seen)-1] != status {
			seen = append(seen, status)
		}
		if done(status) {
			return seen
		}
		if again := f.status(jobID, "?wait=1s"); done(again) {
			return append(seen, again)
		}
	}
	f.t.Fatalf("job %s: got %+v after %v, want it ended", jobID, seen[len(seen)-1], f.patience)
	return nil
}

// finish follows the job to its end.
func (f *fixture) finish(jobID string) events.JobStatus {
	f.t.Helper()
	seen := f.follow(jobID, func(status events.JobStatus) bool { return status.Status.IsFinal() })
	for i := 1; i < len(seen); i++ {
		if seen[i].CompletedSteps < seen[i-1].CompletedSteps {
			f.t.Errorf("progress: got %d after %d, want no decrease", seen[i].CompletedSteps, seen[i-1].CompletedSteps)
		}
	}
	return seen[len(seen)-1]
}

// exact checks a completed job of n mappings against the rows.
func (f *fixture) exact(status events.JobStatus, n int64) {
	f.t.Helper()
	if status.Status != schema.StatusCompleted || status.TotalSteps != n || status.Succeeded != n ||
		status.Failed+status.Cancelled+status.Skipped != 0 {
		f.t.Errorf("got final status %s: total %d, succeeded %d, skipped %d, failed %d, cancelled %d (%v)",
			status.Status,
			status.TotalSteps,
			status.Succeeded, status.Skipped, status.Failed, status.Cancelled, errors.New(deref(status.Error)))
	}
	for what, query := range map[string]string{
		"items that succeeded": "select count(*) from job_items where job_id = ? and outcome = 'succeeded' and " +
			"folded_at is not null",
		"history rows":            "select count(*) from classification_history where job_id = ?",
		"mappings with a history": "select count(distinct mapping_id) from classification_history where job_id = ?",
		"mappings saved": `select count(*) from pde_mappings where updated_by = 'job:' || ? and version > 1
			and num_nulls(information_security_classification, criticality, risk_level, regulatory_flag, pii_flag,
				classification_confidence, classification_rationale, confidence_score, mapping_rationale,
				classified_by) = 0`,
	} {
		var got int64
		if err := f.db.NewRaw(query, status.JobID).Scan(f.t.Context(), &got); err != nil {
			f.t.Fatal(err)
		}
		if got != n {
			f.t.Errorf("got %d %s, want %d", got, what, n)
		}
	}
}

// eventually waits until the query returns true.
func (f *fixture) eventually(what, query string) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(f.patience); time.Now().Before(end); <-tick.C {
		var yes bool
		if err := f.db.NewRaw(query).Scan(f.t.Context(), &yes); err != nil {
			f.t.Fatal(err)
		}
		if yes {
			return
		}
	}
	f.t.Fatalf("got no %s within %v, want it", what, f.patience)
}

// hurry makes every item with a failed attempt due at once, whenever an event is published, until stop is called.
func (f *fixture) hurry() (stop func()) {
	f.t.Helper()
	sub, err := f.nats.Conn(f.t).Subscribe(events.TopicJobProgress.Filter(), func(*nats.Msg) {
		const update = "update job_items set due_at = created_at where outcome is null and attempt > 0"
		if _, err := f.db.NewRaw(update).Exec(context.Background()); err != nil {
			_, _ = f.log.Write([]byte("hurry: " + err.Error() + "\n"))
		}
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return func() { _ = sub.Drain() }
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// dataDir returns a directory for data that Postgres's user can enter, so that an embedded database lies in it and is
// removed with it. Root's would otherwise be made in /var/lib/pdeflow and remain there.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}
