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
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestAJobThatIsAskedForIsAnnouncedInItsTrace(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	const trace = "0af7651916cd43dd8448eb211c80319c"

	id := must[api.Accepted](t, w.do(call{
		method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
		header: map[string]string{"traceparent": "00-" + trace + "-b7ad6b7169203331-01"},
	}), http.StatusAccepted).JobID
	stream, err := w.js.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "regenerate.requested."+id)
	if err != nil {
		t.Fatalf("the job is not announced: %v", err)
	}
	if got := msg.Header["ce-source"]; !slices.Equal(got, []string{"/pdeflow/api"}) {
		t.Errorf("source is %v", got)
	}
	if got := fmt.Sprint(msg.Header["traceparent"]); !strings.Contains(got, trace) {
		t.Errorf("the event is in the trace %s, want %s", got, trace)
	}
	job := w.job(id)
	if !job.AnnouncedRequested {
		t.Error("the job does not remember that it is announced")
	}
	if !strings.Contains(job.Traceparent, trace) {
		t.Errorf("the job is in the trace %s, want %s", job.Traceparent, trace)
	}
}

func TestWithNATSAwayAJobIsAcceptedAndLeftForTheDispatcherToAnnounce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	w.nats.Stop()

	id := must[api.Accepted](t, w.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	if w.job(id).AnnouncedRequested {
		t.Error("the job is taken for announced, and nobody has heard of it")
	}
}

// mute is a JetStream that does not answer before the test ends, as one behind a broken network.
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

func TestAnnouncingIsGivenUpWhereNATSDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	verify, err := api.SecretVerifier(secret())
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	w.serve(mute{end: end}, api.Options{Verify: verify})
	t.Cleanup(func() { close(end) })

	// Without a limit of its own the publish, and the answer behind it, would take until the client gives up.
	id := must[api.Accepted](t, w.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	if w.job(id).AnnouncedRequested {
		t.Error("the job is taken for announced, and nobody has heard of it")
	}
}

func TestTwentyRequestsAtOnceGiveOneJob(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)

	answers := atOnce(t, 20, func(i int) (answer, error) {
		route := []string{"/pde-mappings/regenerate-all", "/pde-mappings/auto-map", "/pde-classifications/suggest-batch"}[i%3]
		return w.try(call{method: http.MethodPost, path: reportURL(route), role: api.Tester})
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
		t.Fatalf("%d were accepted and %d in conflict, want 1 and 19", len(accepted), len(conflicts))
	}
	for _, id := range conflicts {
		if id != accepted[0] {
			t.Errorf("a conflict names job %s, want %s", id, accepted[0])
		}
	}
	if n := w.count("select count(*) from jobs"); n != 1 {
		t.Errorf("there are %d jobs", n)
	}
}

// atOnce makes so many requests and returns their answers.
func atOnce(t *testing.T, n int, do func(i int) (answer, error)) []answer {
	t.Helper()
	return begin(t, n, do)()
}

// begin makes so many requests; what it returns waits for their answers.
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

func TestAReportIsFreeAgainWhenItsJobHasEnded(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	first := w.started()
	refused(t, w.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusConflict, "job-active")
	w.succeed(first)
	w.project(first)
	if second := w.started(); second == first {
		t.Error("the second job is the first")
	}
}

func TestARequestThatWaitsForAnotherGetsTheReportWhenThatFails(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	tx, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, inserted, err := schema.InsertJob(t.Context(), tx, schema.Job{
		ID: "other", JobType: schema.PDERegeneration, CycleID: cycle, ReportID: report, Classifier: schema.Rules, Scope: schema.ScopeAll, RequestedBy: "other",
	}); err != nil || !inserted {
		t.Fatalf("job of the other is inserted: %v, %v", inserted, err)
	}
	done := make(chan answer, 1)
	go func() {
		a, err := w.try(call{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester})
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	w.awaitLockWaiters(1)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	must[api.Accepted](t, <-done, http.StatusAccepted)
}

// awaitLockWaiters returns when so many sessions of the database wait for another.
func (w *fixture) awaitLockWaiters(n int) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if w.count("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") >= n {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("there are never %d that wait", n)
		}
	}
}

func TestWhoIsAlwaysTooLateForAReportIsToldToTryAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	// Each job that is in the way has ended when it is looked for.
	w.exec("create function nothing() returns trigger language plpgsql as 'begin return null; end'")
	w.exec("create trigger nothing before insert on jobs for each row execute function nothing()")
	a := w.post(reportURL("/pde-mappings/regenerate-all"), "")
	if refused(t, a, http.StatusServiceUnavailable, "busy"); a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
}

func TestWhoWaitsForAnImportGivesUpSoon(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	lost := w.started()
	w.fail(lost, schema.CodePanic, must[api.Page[api.JobItem]](t, w.get(jobURL(lost, "/items?limit=1")), http.StatusOK).Items[0].MappingID)
	w.succeed(lost)
	w.project(lost)
	importing, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = importing.Rollback() }() // where the test fails before it lets go
	for _, id := range []string{report, "new"} {
		if _, err := schema.Import(t.Context(), importing, schema.ReportData{CycleID: cycle, ReportID: id, Author: "test"}); err != nil {
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
		return w.try(c)
	})

	for i, a := range answers {
		p := refused(t, a, http.StatusServiceUnavailable, "busy")
		if a.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "is being imported") {
			t.Errorf("%s: it does not say what is in the way and when to try again: %s", calls[i].path, a.body)
		}
	}
	if err := importing.Rollback(); err != nil {
		t.Fatal(err)
	}
	must[api.Accepted](t, w.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted)
}
