package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestMain(m *testing.M) { schematest.Main(m) }

const (
	cycle  = "2026-Q3"
	report = "FR_Y_14M_D1"
	// patience is how long a test waits for what must happen. It is less than the longest wait for a status.
	patience = 45 * time.Second
)

func secret() []byte { return []byte("a secret of the tests that is long enough") }

// fixture is an API on a real database and a real nats-server, asked over real connections.
type fixture struct {
	t      *testing.T
	db     *schema.DB
	nats   *eventstest.Server
	js     jetstream.JetStream
	server *api.Server
	url    string
	log    *logbook
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	w := &fixture{t: t, db: schematest.New(t), nats: eventstest.Start(t), log: &logbook{}}
	nc, err := events.Connect(w.nats.URL(), t.Name(), "", slog.New(slog.DiscardHandler), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if w.js, err = events.JetStream(nc); err != nil {
		t.Fatal(err)
	}
	if err := (events.Topology{}).Declare(t.Context(), w.js); err != nil {
		t.Fatal(err)
	}
	verify, err := api.SecretVerifier(secret())
	if err != nil {
		t.Fatal(err)
	}
	w.serve(w.js, api.Options{Verify: verify})
	return w
}

// serve starts another server on the same database, as a restart does.
func (w *fixture) serve(js jetstream.Publisher, opts api.Options) {
	w.t.Helper()
	opts.Log = slog.New(slog.NewJSONHandler(w.log, nil))
	server, err := api.New(w.db, events.NewPublisher(js, "api"), opts)
	if err != nil {
		w.t.Fatal(err)
	}
	front := httptest.NewServer(server.Handler())
	w.t.Cleanup(front.Close)
	w.server, w.url = server, front.URL
}

// answer is what came back, with the body read.
type answer struct {
	status int
	header http.Header
	body   string
}

// call is a request to be made.
type call struct {
	method, path, body string
	role               api.Role
	header             map[string]string
}

func (w *fixture) do(c call) answer {
	w.t.Helper()
	a, err := w.try(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// try is for goroutines, where a test cannot end.
func (w *fixture) try(c call) (answer, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, c.method, w.url+c.path, strings.NewReader(c.body))
	if err != nil {
		return answer{}, err
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.role != "" {
		r.Header.Set("Authorization", "Bearer "+w.token("tina", c.role))
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(body)}
	w.judge(c.method, c.path, a)
	return a, nil
}

func (w *fixture) token(user string, role api.Role) string {
	w.t.Helper()
	token, err := api.SignToken(secret(), user, role, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *fixture) post(path, body string) answer {
	w.t.Helper()
	return w.do(call{method: http.MethodPost, path: path, body: body, role: api.Tester})
}

func (w *fixture) get(path string) answer {
	w.t.Helper()
	return w.do(call{method: http.MethodGet, path: path, role: api.Viewer})
}

// reportURL is the path of something of the test's report.
func reportURL(path string) string {
	return "/api/v1/planning/cycles/" + cycle + "/reports/" + report + path
}

func jobURL(id, path string) string { return "/api/v1/jobs/" + id + path }

// must fails the test where the answer has another status, and reads the body.
func must[T any](t *testing.T, a answer, status int) (body T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status is %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("body is no JSON of the kind: %v: %s", err, a.body)
	}
	return body
}

// refused fails the test where the answer is not the problem.
func refused(t *testing.T, a answer, status int, kind string) api.Problem {
	t.Helper()
	p := must[api.Problem](t, a, status)
	if p.Type != "urn:pdeflow:problem:"+kind {
		t.Fatalf("problem is %s, want %s: %s", p.Type, kind, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type is %s", got)
	}
	if p.Status != status || p.Title == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("problem is not complete: %s", a.body)
	}
	return p
}

// imported gives the test's report so many mappings, and a data source with one column.
func (w *fixture) imported(mappings int) (ids []string) {
	w.t.Helper()
	w.importReport(schema.ReportData{
		CycleID: cycle, ReportID: report, Author: "test",
		Attributes: schema.Rows[schema.Attribute]{All: attributes(mappings)},
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
			{DataSource: "cards", SchemaName: "core", TableName: "accounts", ColumnName: "acct_nbr"},
		})},
	})
	if err := w.db.NewRaw("select id from pde_mappings where cycle_id = ? and report_id = ? order by id", cycle, report).Scan(w.t.Context(), &ids); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

func (w *fixture) importReport(data schema.ReportData) {
	w.t.Helper()
	nothing := func(func(schema.MappingRow) bool) {}
	if data.Mappings == nil {
		data.Mappings = nothing
	}
	if data.Columns.All == nil {
		data.Columns.All = func(func(schema.ColumnRow) bool) {}
	}
	if data.Attributes.All == nil {
		data.Attributes.All = func(func(schema.Attribute) bool) {}
	}
	w.inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, data)
		return err
	})
}

func attributes(n int) iter.Seq[schema.Attribute] {
	return func(yield func(schema.Attribute) bool) {
		for i := range n {
			if !yield(schema.Attribute{AttributeName: fmt.Sprintf("Attribute %d", i), LineItemNumber: fmt.Sprint(i)}) {
				return
			}
		}
	}
}

func (w *fixture) inTx(do func(context.Context, bun.Tx) error) {
	w.t.Helper()
	if err := w.db.RunInTx(w.t.Context(), nil, do); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.ExecContext(w.t.Context(), query, args...); err != nil {
		w.t.Fatal(err)
	}
}

// started asks for a job and does what the dispatcher does with it until all of it is listed.
func (w *fixture) started() (jobID string) {
	w.t.Helper()
	jobID = must[api.Accepted](w.t, w.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	w.list(jobID)
	return jobID
}

func (w *fixture) list(jobID string) {
	w.t.Helper()
	if err := schema.MarkStarted(w.t.Context(), w.db, jobID); err != nil {
		w.t.Fatal(err)
	}
	w.inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.ListItems(ctx, tx, jobID, 1000)
		return err
	})
	w.project(jobID)
}

// fail ends items as the classifier does when it gives up on them.
func (w *fixture) fail(jobID string, code schema.ErrorCode, mappings ...string) {
	w.t.Helper()
	for _, id := range mappings {
		saved := schema.Saved{Attempt: 5, Code: code, Error: "it does not work"}
		if err := schema.FailItem(w.t.Context(), w.db, jobID, id, saved); err != nil {
			w.t.Fatal(err)
		}
	}
}

// succeed gives the rest of the job's items their outcome.
func (w *fixture) succeed(jobID string) {
	w.t.Helper()
	w.exec(`update job_items set outcome = 'succeeded', attempt = 1, ended_at = clock_timestamp(), updated_at = clock_timestamp()
		where job_id = ? and outcome is null`, jobID)
}

// project brings the job's status up to its rows, as the projector does.
func (w *fixture) project(jobID string) {
	w.t.Helper()
	w.inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RebuildStatus(ctx, tx, jobID)
		return err
	})
}

// finished is a job that has completed.
func (w *fixture) finished() (jobID string) {
	w.t.Helper()
	jobID = w.started()
	w.succeed(jobID)
	w.project(jobID)
	return jobID
}

func (w *fixture) job(id string) schema.Job {
	w.t.Helper()
	job, err := schema.ReadJob(w.t.Context(), w.db, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return job
}

func (w *fixture) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.NewRaw(query, args...).Scan(w.t.Context(), &n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// logbook keeps the log's lines.
type logbook struct {
	mu    sync.Mutex
	lines []map[string]any
	grown chan struct{}
}

func (l *logbook) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(text) {
		var attrs map[string]any
		if err := json.Unmarshal(line, &attrs); err != nil {
			return 0, err
		}
		l.lines = append(l.lines, attrs)
	}
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return len(text), nil
}

// of returns the lines about one request.
func (l *logbook) of(requestID string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for _, line := range l.lines {
		if line["request_id"] == requestID {
			lines = append(lines, line)
		}
	}
	return lines
}

// await returns when the request has written so many lines.
func (l *logbook) await(t *testing.T, requestID string, n int) []map[string]any {
	t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		if l.grown == nil {
			l.grown = make(chan struct{})
		}
		grown := l.grown
		l.mu.Unlock()
		if lines := l.of(requestID); len(lines) >= n {
			return lines
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("request %s has not written %d lines: %v", requestID, n, l.of(requestID))
		}
	}
}

func (l *logbook) all() []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// listening is a port of this machine's that is free.
func listening(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
