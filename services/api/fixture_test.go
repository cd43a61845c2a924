package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

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
	// requestTimeout is less than the longest wait for a status.
	requestTimeout = 45 * time.Second
)

func secret() []byte { return []byte("a secret of the tests that is long enough") }

// fixture adds an API to the common fixture, which tests call over HTTP.
type fixture struct {
	*eventstest.Fixture
	server *api.Server
	url    string
}

// in returns the fixture for a subtest: errors fail the subtest and not its parent.
func (f *fixture) in(t *testing.T) *fixture {
	in := *f
	in.Fixture = f.In(t)
	return &in
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Fixture: eventstest.NewFixture(t)}
	f.serve(f.JS, api.Options{Verify: verifier(t), Secret: secret()})
	return f
}

// serve starts another server with the same database, as a restart does.
func (f *fixture) serve(js jetstream.Publisher, opts api.Options) {
	f.T.Helper()
	opts.Log = f.Log.JSONLogger()
	server, err := api.New(f.DB, events.NewPublisher(js, "api"), opts)
	if err != nil {
		f.T.Fatal(err)
	}
	front := httptest.NewServer(server.Handler())
	f.T.Cleanup(front.Close)
	f.server, f.url = server, front.URL
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	body   string
}

// call is a request.
type call struct {
	method, path, body string
	role               api.Role
	// user is the caller; tina if empty.
	user   string
	header map[string]string
}

func (f *fixture) do(c call) answer {
	f.T.Helper()
	a, err := f.try(c)
	if err != nil {
		f.T.Fatal(err)
	}
	return a
}

// try is do for goroutines, which must not fail a test.
func (f *fixture) try(c call) (answer, error) {
	ctx, cancel := context.WithTimeout(f.T.Context(), requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, c.method, f.url+c.path, strings.NewReader(c.body))
	if err != nil {
		return answer{}, err
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.role != "" {
		r.Header.Set("Authorization", "Bearer "+f.token(cmp.Or(c.user, "tina"), c.role))
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
	f.judge(c.method, c.path, a)
	return a, nil
}

func (f *fixture) token(user string, role api.Role) string {
	f.T.Helper()
	token, err := api.SignToken(secret(), user, role, time.Hour)
	if err != nil {
		f.T.Fatal(err)
	}
	return token
}

func (f *fixture) post(path, body string) answer {
	f.T.Helper()
	return f.do(call{method: http.MethodPost, path: path, body: body, role: api.Tester})
}

func (f *fixture) get(path string) answer {
	f.T.Helper()
	return f.do(call{method: http.MethodGet, path: path, role: api.Viewer})
}

// lines returns the lines that were logged for one request.
func (f *fixture) lines(requestID string) (lines []map[string]any) {
	f.T.Helper()
	for _, line := range f.Log.Records() {
		if line["request_id"] == requestID {
			lines = append(lines, line)
		}
	}
	return lines
}

// awaitLines waits until this number of lines are logged for the request.
func (f *fixture) awaitLines(requestID string, n int) (lines []map[string]any) {
	f.T.Helper()
	f.Eventually(fmt.Sprintf("request %s has %d log lines", requestID, n), func() bool {
		lines = f.lines(requestID)
		return len(lines) >= n
	})
	return lines
}

// reportURL returns the path of a resource of the report of the tests.
func reportURL(path string) string {
	return "/api/v1/planning/cycles/" + cycle + "/reports/" + report + path
}

func jobURL(id, path string) string { return "/api/v1/jobs/" + id + path }

// must decodes the body. It fails the test if the answer has another status.
func must[T any](t *testing.T, a answer, status int) (body T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("got status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("body: got error %v of %s, want JSON", err, a.body)
	}
	return body
}

// refused returns the problem. It fails the test if the answer is another one.
func refused(t *testing.T, a answer, status int, kind string) api.Problem {
	t.Helper()
	p := must[api.Problem](t, a, status)
	if p.Type != "urn:pdeflow:problem:"+kind {
		t.Fatalf("got problem %s, want %s: %s", p.Type, kind, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got content type %s, want application/problem+json", got)
	}
	if p.Status != status || p.Title == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("got problem %s, want a status, a title and the request id", a.body)
	}
	return p
}

// imported imports a report with this number of mappings, and a data source with one column.
func (f *fixture) imported(mappings int) (ids []string) {
	f.T.Helper()
	f.importReport(schema.ReportData{
		CycleID: cycle, ReportID: report, Author: "test",
		Attributes: schema.Rows[schema.Attribute]{All: attributes(mappings)},
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
			{DataSource: "cards", SchemaName: "core", TableName: "accounts", ColumnName: "acct_nbr"},
		})},
	})
	if err := f.DB.NewRaw("select id from pde_mappings where cycle_id = ? and report_id = ? order by "+
		"id", cycle, report).Scan(f.T.Context(), &ids); err != nil {
		f.T.Fatal(err)
	}
	return ids
}

func (f *fixture) importReport(data schema.ReportData) {
	f.T.Helper()
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
	f.inTx(func(ctx context.Context, tx bun.Tx) error {
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

func (f *fixture) inTx(do func(context.Context, bun.Tx) error) {
	f.T.Helper()
	if err := f.DB.RunInTx(f.T.Context(), nil, do); err != nil {
		f.T.Fatal(err)
	}
}

// started starts a job and lists its items, as the dispatcher does.
func (f *fixture) started() (jobID string) {
	f.T.Helper()
	jobID = must[api.Accepted](f.T, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	f.list(jobID)
	return jobID
}

func (f *fixture) list(jobID string) {
	f.T.Helper()
	if err := schema.MarkStarted(f.T.Context(), f.DB, jobID); err != nil {
		f.T.Fatal(err)
	}
	f.inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.InsertItems(ctx, tx, jobID, 1000)
		return err
	})
	f.project(jobID)
}

// fail ends items like a classifier after the last attempt.
func (f *fixture) fail(jobID string, code schema.ErrorCode, mappings ...string) {
	f.T.Helper()
	for _, id := range mappings {
		saved := schema.ItemResult{Attempt: 5, Code: code, Error: "does not work"}
		if err := schema.FailItem(f.T.Context(), f.DB, jobID, id, saved); err != nil {
			f.T.Fatal(err)
		}
	}
}

// succeed sets the outcome of all queued items of the job.
func (f *fixture) succeed(jobID string) {
	f.T.Helper()
	f.Exec(
		`update job_items set outcome = 'succeeded', attempt = 1, ended_at = clock_timestamp(),
		updated_at = clock_timestamp()
		where job_id = ? and outcome is null`,
		jobID,
	)
}

// project writes the status of the job from its rows, as the projector does.
func (f *fixture) project(jobID string) {
	f.T.Helper()
	f.inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RebuildStatus(ctx, tx, jobID)
		return err
	})
}

// finished returns a completed job.
func (f *fixture) finished() (jobID string) {
	f.T.Helper()
	jobID = f.started()
	f.succeed(jobID)
	f.project(jobID)
	return jobID
}

// listening returns a listener on a free port.
func listening(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
