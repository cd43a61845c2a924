package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestARequestedJobIsPublishedWithItsTrace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	const trace = "0af7651916cd43dd8448eb211c80319c"

	id := must[api.Accepted](t, f.do(call{
		method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
		header: map[string]string{"traceparent": "00-" + trace + "-b7ad6b7169203331-01"},
	}), http.StatusAccepted).JobID
	stream, err := f.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "regenerate.requested."+id)
	if err != nil {
		t.Fatalf("regenerate.requested: got error %v, want a message", err)
	}
	if got := msg.Header["ce-source"]; !slices.Equal(got, []string{"/pdeflow/api"}) {
		t.Errorf("source: got %v, want /pdeflow/api", got)
	}
	if got := fmt.Sprint(msg.Header["traceparent"]); !strings.Contains(got, trace) {
		t.Errorf("trace of the event: got %s, want %s", got, trace)
	}
	job := f.ReadJob(id)
	if !job.PublishedRequested {
		t.Error("the row does not record that the event is published")
	}
	if !strings.Contains(job.Traceparent, trace) {
		t.Errorf("trace of the job: got %s, want %s", job.Traceparent, trace)
	}
}

func TestWithoutNATSAJobIsAcceptedAndLeftToTheDispatcher(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	f.Bus.Stop()

	id := must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	if f.ReadJob(id).PublishedRequested {
		t.Error("the row records a publish that has failed")
	}
}

// mute is a JetStream that does not respond before the test ends.
type mute struct {
	jetstream.Publisher
	end <-chan struct{}
}

func (m mute) PublishMsg(ctx context.Context, _ *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	select {
	case <-ctx.Done():
	case <-m.end:
	}
	return nil, errors.New("no answer")
}

func TestThePublishOfAJobTimesOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	end := make(chan struct{})
	f.serve(mute{end: end}, api.Options{Verify: verifier(t)})
	t.Cleanup(func() { close(end) })

	// Without a timeout, the publish would last until the client closes the request.
	id := must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	if f.ReadJob(id).PublishedRequested {
		t.Error("the row records a publish that has failed")
	}
}

func TestTwentyConcurrentRequestsStartOneJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)

	answers := atOnce(t, 20, func(i int) (answer, error) {
		route := []string{
			"/pde-mappings/regenerate-all", "/pde-mappings/auto-map", "/pde-classifications/suggest-batch",
		}[i%3]
		return f.try(call{method: http.MethodPost, path: reportURL(route), role: api.Tester})
	})
	var accepted, conflicts []string
	for _, a := range answers {
		switch a.status {
		case http.StatusAccepted:
			accepted = append(accepted, must[api.Accepted](t, a, http.StatusAccepted).JobID)
		default:
			conflicts = append(conflicts, refused(t, a, http.StatusConflict, "job-active").JobID)
		}
	}
	if len(accepted) != 1 || len(conflicts) != 19 {
		t.Fatalf("accepted and in conflict: got %d and %d, want 1 and 19", len(accepted), len(conflicts))
	}
	for _, id := range conflicts {
		if id != accepted[0] {
			t.Errorf("job of a conflict: got %s, want %s", id, accepted[0])
		}
	}
	if n := f.Count("select count(*) from jobs"); n != 1 {
		t.Errorf("jobs: got %d, want 1", n)
	}
}

// atOnce makes concurrent requests and returns their answers.
func atOnce(t *testing.T, n int, do func(i int) (answer, error)) []answer {
	t.Helper()
	return begin(t, n, do)()
}

// begin makes concurrent requests and returns a function that waits for their answers.
func begin(t *testing.T, n int, do func(i int) (answer, error)) (wait func() []answer) {
	t.Helper()
	answers, errs := make([]answer, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i], errs[i] = do(i) })
	}
	return func() []answer {
		t.Helper()
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		return answers
	}
}

func TestAReportAcceptsAJobAfterTheLastOneHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	first := f.started()
	refused(t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusConflict, "job-active")
	f.succeed(first)
	f.project(first)
	if second := f.started(); second == first {
		t.Error("the second job is the first")
	}
}

func TestARequestStartsItsJobWhenAConcurrentOneFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	tx, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, inserted, err := schema.InsertJob(t.Context(), tx, schema.Job{
		ID: "other", JobType: schema.JobTypePDERegeneration, CycleID: cycle, ReportID: report,
		Classifier: schema.ClassifierRules, Scope: schema.ScopeAll, RequestedBy: "other",
	}); err != nil || !inserted {
		t.Fatalf("InsertJob: got %v, %v, want true", inserted, err)
	}
	done := make(chan answer, 1)
	go func() {
		a, err := f.try(
			call{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester},
		)
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	f.WaitForLocks(1)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	must[api.Accepted](t, <-done, http.StatusAccepted)
}

func TestARequestThatAlwaysConflictsIsBusy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	// The insert is suppressed, so no conflicting job is found.
	f.Exec("create function nothing() returns trigger language plpgsql as 'begin return null; end'")
	f.Exec("create trigger nothing before insert on jobs for each row execute function nothing()")
	a := f.post(reportURL("/pde-mappings/regenerate-all"), "")
	if refused(t, a, http.StatusServiceUnavailable, "busy"); a.header.Get("Retry-After") == "" {
		t.Error("the response has no Retry-After")
	}
}

func TestARequestDoesNotWaitLongForAnImport(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	lost := f.started()
	f.fail(
		lost,
		schema.ErrorCodePanic,
		must[api.Page[api.JobItem]](t, f.get(jobURL(lost, "/items?limit=1")), http.StatusOK).Items[0].MappingID,
	)
	f.succeed(lost)
	f.project(lost)
	importing, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = importing.Rollback() }() // if the test fails before the rollback
	for _, id := range []string{report, "new"} {
		data := schema.ReportData{CycleID: cycle, ReportID: id, Author: "test"}
		if _, err := schema.Import(t.Context(), importing, data); err != nil {
			t.Fatal(err)
		}
	}
	contentType, body := form(t, piece{"attributes", "a.csv", someAttributes})
	file := map[string]string{"Content-Type": contentType}
	calls := []call{
		{path: reportURL("/pde-mappings/regenerate-all")},
		{path: jobURL(lost, "/retry")},
		{path: reportURL("/attributes"), body: `{"attribute_name": "New"}`},
		{path: reportURL("/data-sources"), body: `{"name": "New"}`},
		{path: reportURL("/import"), body: body, header: file},
		{path: "/api/v1/planning/cycles/" + cycle + "/reports/new/import", body: body, header: file},
	}

	answers := atOnce(t, len(calls), func(i int) (answer, error) {
		c := calls[i]
		c.method, c.role = http.MethodPost, api.Tester
		return f.try(c)
	})

	for i, a := range answers {
		p := refused(t, a, http.StatusServiceUnavailable, "busy")
		if a.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "is being imported") {
			t.Errorf("%s: got %s, want the import as the reason, and Retry-After", calls[i].path, a.body)
		}
	}
	if err := importing.Rollback(); err != nil {
		t.Fatal(err)
	}
	must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted)
}
