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
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// asProgram has the test binary be pdeflow itself, so that a test can start it as a process and kill that.
const asProgram = "PDEFLOW_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	schematest.Main(m)
}

// start starts pdeflow as a process of its own, with these arguments, against the stand's servers.
func (s *stand) startProcess(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "DATABASE_URL="+schematest.URL(s.t), "NATS_URL="+s.nats.URL(),
		"PDEFLOW_LOG_FORMAT=json",
		"PDEFLOW_DATA_DIR="+s.t.TempDir())
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

// deadline bounds what a test waits for; it is no measure of speed.
const deadline = 2 * time.Minute

var testSecret = []byte("a secret of the tests, and of nothing else at all")

// stand is a whole pdeflow on a real Postgres and a real nats-server, run in the test's process.
type stand struct {
	t     *testing.T
	db    *schema.DB
	nats  *eventstest.Server
	url   string
	token string
	log   *logBuffer
	// engine is the rules of the classifiers that run starts.
	engine *rules.Engine
	// patience is how long a job may take.
	patience time.Duration
}

// newStand starts the named services, all by default.
func newStand(t *testing.T, services ...service) *stand {
	t.Helper()
	s := newIdleStand(t, eventstest.Start(t))
	s.run(services...)
	return s
}

// newIdleStand runs no service yet.
func newIdleStand(t *testing.T, server *eventstest.Server) *stand {
	t.Helper()
	return &stand{
		t: t, db: schematest.New(t), nats: server, log: &logBuffer{}, engine: rules.New(policy.Default()),
		patience: deadline,
	}
}

// run starts services in the test's process; they end with the test, or when stop is called.
func (s *stand) run(services ...service) (stop func()) {
	s.t.Helper()
	return s.runOn(s.nats.URL(), services...)
}

// runOn is run with a NATS URL of its own.
func (s *stand) runOn(natsURL string, services ...service) (stop func()) {
	s.t.Helper()
	if len(services) == 0 {
		services = []service{apiService, dispatcherService, classifierService, projectorService}
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	verify, err := api.SecretVerifier(testSecret)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.token, err = api.SignToken(testSecret, "tina", api.Manager, time.Hour); err != nil {
		s.t.Fatal(err)
	}
	engine := s.engine
	nc, err := events.Connect(natsURL, "test", "", log)
	if err != nil {
		s.t.Fatal(err)
	}
	js, err := events.JetStream(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		w := deps{db: s.db, apiDB: s.db, nc: nc, js: js, log: log}
		if err := runServices(ctx, services, w,
			settings{listener: listener, verify: verify, engine: engine}); err != nil {
			s.t.Errorf("services ended: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		nc.Close()
	})
	s.t.Cleanup(stop)
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("log:\n%s", s.log.String())
		}
	})
	if slices.Contains(services, apiService) {
		s.url = "http://" + listener.Addr().String() + "/api/v1"
	}
	return stop
}

// do makes a request and returns the answer's code and body.
func (s *stand) do(method, path string, body any) (int, []byte) {
	s.t.Helper()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, sent)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// regenerate asks for a job over the whole of the small report and returns its id.
func (s *stand) regenerate() string {
	s.t.Helper()
	return s.accepted(s.do(http.MethodPost, "/planning/cycles/"+schematest.CycleID+"/reports/"+schematest.ReportID+
		"/pde-mappings/regenerate-all", nil))
}

// accepted wants the answer to be a new job's, and returns its id.
func (s *stand) accepted(code int, body []byte) string {
	s.t.Helper()
	if code != http.StatusAccepted {
		s.t.Fatalf("a job is answered with %d: %s", code, body)
	}
	var accepted struct {
		JobID  string        `json:"job_id"`
		Status schema.Status `json:"status"`
	}
	if err := json.Unmarshal(body, &accepted); err != nil {
		s.t.Fatal(err)
	}
	if accepted.Status != schema.Pending {
		s.t.Errorf("a new job is %s", accepted.Status)
	}
	return accepted.JobID
}

func (s *stand) status(jobID, query string) events.JobStatus {
	s.t.Helper()
	code, body := s.do(http.MethodGet, "/jobs/"+jobID+"/status"+query, nil)
	if code != http.StatusOK {
		s.t.Fatalf("status of %s answers %d: %s", jobID, code, body)
	}
	var status events.JobStatus
	if err := json.Unmarshal(body, &status); err != nil {
		s.t.Fatal(err)
	}
	return status
}

// follow polls the job until done says so, and returns every status that was seen.
func (s *stand) follow(jobID string, done func(events.JobStatus) bool) []events.JobStatus {
	s.t.Helper()
	var seen []events.JobStatus
	for end := time.Now().Add(s.patience); time.Now().Before(end); {
		status := s.status(jobID, "")
		if len(seen) == 0 || seen[len(seen)-1] != status {
			seen = append(seen, status)
		}
		if done(status) {
			return seen
		}
		if again := s.status(jobID, "?wait=1s"); done(again) {
			return append(seen, again)
		}
	}
	s.t.Fatalf("job %s is not there after %v: %+v", jobID, s.patience, seen[len(seen)-1])
	return nil
}

// finish follows the job to its end.
func (s *stand) finish(jobID string) events.JobStatus {
	s.t.Helper()
	seen := s.follow(jobID, func(status events.JobStatus) bool { return status.Status.Final() })
	for i := 1; i < len(seen); i++ {
		if seen[i].CompletedSteps < seen[i-1].CompletedSteps {
			s.t.Errorf("progress went back from %d to %d", seen[i-1].CompletedSteps, seen[i].CompletedSteps)
		}
	}
	return seen[len(seen)-1]
}

// exact checks a completed job of n mappings against the rows, read through the test's own connection.
func (s *stand) exact(status events.JobStatus, n int64) {
	s.t.Helper()
	if status.Status != schema.Completed || status.TotalSteps != n || status.Succeeded != n ||
		status.Failed+status.Cancelled+status.Skipped != 0 {
		s.t.Errorf("job ended %s: total %d, succeeded %d, skipped %d, failed %d, cancelled %d (%v)", status.Status,
			status.TotalSteps,
			status.Succeeded, status.Skipped, status.Failed, status.Cancelled, errors.New(deref(status.Error)))
	}
	for what, query := range map[string]string{
		"items that succeeded": "select count(*) from job_items where job_id = ? and outcome = 'succeeded' and " +
			"folded_at is not null",
		"history rows":            "select count(*) from classification_history where job_id = ?",
		"mappings with a history": "select count(distinct mapping_id) from classification_history where job_id = ?",
		"mappings saved": `select count(*) from pde_mappings where updated_by = 'job:' || ? and information_security_classification is not null
			and criticality is not null and risk_level is not null and regulatory_flag is not null and pii_flag is not null
			and classification_confidence is not null and classification_rationale is not null and confidence_score is not null
			and mapping_rationale is not null and classified_by is not null and version > 1`,
	} {
		var got int64
		if err := s.db.NewRaw(query, status.JobID).Scan(s.t.Context(), &got); err != nil {
			s.t.Fatal(err)
		}
		if got != n {
			s.t.Errorf("%d %s, not %d", got, what, n)
		}
	}
}

// eventually waits until the query answers true.
func (s *stand) eventually(what, query string) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(s.patience); time.Now().Before(end); <-tick.C {
		var yes bool
		if err := s.db.NewRaw(query).Scan(s.t.Context(), &yes); err != nil {
			s.t.Fatal(err)
		}
		if yes {
			return
		}
	}
	s.t.Fatalf("waited %v for %s", s.patience, what)
}

// hurry makes every item that is to be tried again due at once, as often as one is said to wait, until stop is called.
func (s *stand) hurry() (stop func()) {
	s.t.Helper()
	sub, err := s.nats.Conn(s.t).Subscribe(events.TopicJobProgress.Filter(), func(*nats.Msg) {
		if _, err := s.db.NewRaw("update job_items set due_at = created_at where outcome is null and attempt > 0").Exec(context.Background()); err != nil {
			_, _ = s.log.Write([]byte("hurry: " + err.Error() + "\n"))
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return func() { _ = sub.Drain() }
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// logBuffer keeps what the services log.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
