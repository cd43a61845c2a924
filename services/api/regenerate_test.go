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
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestRegenerateAllAcceptsAJobOfAllMappings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(3)

	a := w.post(reportURL("/pde-mappings/regenerate-all"), "")
	got := must[api.Accepted](t, a, http.StatusAccepted)
	if got.MappingCount != 3 || got.Status != schema.Pending || got.Message == "" {
		t.Errorf("answer is %s", a.body)
	}
	if want := jobURL(got.JobID, "/status"); a.header.Get("Location") != want {
		t.Errorf("location is %q, want %q", a.header.Get("Location"), want)
	}
	status := must[events.JobStatus](t, w.get(a.header.Get("Location")), http.StatusOK)
	if status.Status != schema.Pending || status.TotalSteps != 3 || status.Metadata.RequestedBy != "tina" {
		t.Errorf("status is %+v", status)
	}
	job := w.job(got.JobID)
	if job.JobType != schema.PDERegeneration || job.Scope != schema.ScopeAll || job.Classifier != schema.Rules || job.Intent != schema.IntentRun {
		t.Errorf("job is %+v", job)
	}
	if job.CreatedBy != "tina" || job.CreatedAt.IsZero() || job.UpdatedBy == "" || job.UpdatedAt.IsZero() {
		t.Errorf("the job's row is not signed: %+v", job)
	}
	if n := w.count("select count(*) from job_intents where job_id = ? and version = 1 and intent = 'run' and requested_by = 'tina' and created_at = ?",
		job.ID, job.CreatedAt); n != 1 {
		t.Error("the first intent is not there, or was written at another time")
	}
}

func TestAJobThatIsAskedForIsAnnouncedInItsTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
	w := newWorld(t)
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
	w := newWorld(t)
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
	w := newWorld(t)
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

func atOnce(t *testing.T, n int, do func(i int) (answer, error)) []answer {
	t.Helper()
	answers, errs := make([]answer, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i], errs[i] = do(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

func TestAReportIsFreeAgainWhenItsJobHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
	w := newWorld(t)
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
	done := make(chan answer)
	go func() {
		a, err := w.try(call{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester})
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	w.awaitLockWaiter()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	must[api.Accepted](t, <-done, http.StatusAccepted)
}

// awaitLockWaiter returns when some session of the database waits for another.
func (w *world) awaitLockWaiter() {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if w.count("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatal("nobody waits")
		}
	}
}

func TestTheSameKeyGivesTheSameJobAcrossRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(2)
	ask := call{
		method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
		body: `{"force": true}`, header: map[string]string{"Idempotency-Key": "monday"},
	}
	first := w.do(ask)
	id := must[api.Accepted](t, first, http.StatusAccepted).JobID

	verify, err := api.SecretVerifier(secret())
	if err != nil {
		t.Fatal(err)
	}
	w.serve(w.js, api.Options{Verify: verify})
	ask.body = "{ \"force\" :\ttrue }"
	if again := w.do(ask); again.status != first.status || again.body != first.body || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("while the job is active the second answer is %d %s, want %d %s", again.status, again.body, first.status, first.body)
	}
	w.list(id)
	w.succeed(id)
	w.project(id)
	if again := w.do(ask); again.body != first.body {
		t.Errorf("after the job the answer is %s, want %s", again.body, first.body)
	}
	if n := w.count("select count(*) from jobs"); n != 1 {
		t.Errorf("there are %d jobs", n)
	}

	ask.header["Authorization"] = "Bearer " + w.token("someone else", api.Tester)
	if other := must[api.Accepted](t, w.do(ask), http.StatusAccepted).JobID; other == id {
		t.Error("another caller got the job of the key")
	}
}

func TestAKeyIsForOneRequestOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(2)
	ask := call{
		method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
		header: map[string]string{"Idempotency-Key": "monday"},
	}
	must[api.Accepted](t, w.do(ask), http.StatusAccepted)

	otherBody, otherReport, otherRoute := ask, ask, ask
	otherBody.body = `{"force": true}`
	otherReport.path = "/api/v1/planning/cycles/" + cycle + "/reports/other/pde-mappings/regenerate-all"
	otherRoute.path = reportURL("/pde-mappings/auto-map")
	for name, other := range map[string]call{"body": otherBody, "report": otherReport, "route": otherRoute} {
		t.Run(name, func(t *testing.T) {
			p := refused(t, w.do(other), http.StatusUnprocessableEntity, "idempotency-key-reused")
			if len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" {
				t.Errorf("errors are %v", p.Errors)
			}
		})
	}
}

func TestRequestsAtOnceWithTheSameKeyGetTheSameJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(2)
	answers := atOnce(t, 10, func(int) (answer, error) {
		return w.try(call{
			method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
			header: map[string]string{"Idempotency-Key": "monday"},
		})
	})
	for _, a := range answers {
		if a.status != http.StatusAccepted || a.body != answers[0].body {
			t.Errorf("an answer is %d %s, want 202 %s", a.status, a.body, answers[0].body)
		}
	}
}

func TestOfTwoReportsAskedForAtOnceWithOneKeyOneIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(2)
	w.importReport(schema.ReportData{
		CycleID: cycle, ReportID: "second", Author: "test", Attributes: schema.Rows[schema.Attribute]{All: attributes(1)},
	})
	answers := atOnce(t, 8, func(i int) (answer, error) {
		name := []string{report, "second"}[i%2]
		return w.try(call{
			method: http.MethodPost, path: "/api/v1/planning/cycles/" + cycle + "/reports/" + name + "/pde-classifications/suggest-batch", role: api.Tester,
			header: map[string]string{"Idempotency-Key": "monday"},
		})
	})
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.status]++
	}
	if statuses[http.StatusAccepted] != 4 || statuses[http.StatusUnprocessableEntity] != 4 {
		t.Errorf("statuses are %v, want four 202 for one report and four 422 for the other", statuses)
	}
	if n := w.count("select count(*) from jobs"); n != 1 {
		t.Errorf("there are %d jobs", n)
	}
}

func TestADryRunCountsAndStartsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.imported(3)
	for path, want := range map[string]int64{
		"/pde-mappings/regenerate-all": 3, "/pde-mappings/auto-map": 3, "/pde-classifications/suggest-batch": 3,
	} {
		if got := must[api.DryRun](t, w.post(reportURL(path), `{"dry_run": true}`), http.StatusOK); got != (api.DryRun{MappingCount: want}) {
			t.Errorf("%s counts %+v, want %d mappings and nothing else", path, got, want)
		}
	}
	a := w.post(reportURL("/pde-mappings/regenerate-all"), fmt.Sprintf(`{"dry_run": true, "mapping_ids": [%q, %q, %q]}`, ids[0], ids[2], ids[0]))
	if got := must[api.DryRun](t, a, http.StatusOK).MappingCount; got != 2 {
		t.Errorf("of two mappings, one named twice, it counts %d", got)
	}
	if want := `{"mapping_count":2,"would_skip":0,"estimate":{"input_tokens":0,"output_tokens":0,"cost_usd":0}}`; strings.TrimSpace(a.body) != want {
		t.Errorf("body is %s, want %s", a.body, want)
	}
	if n := w.count("select count(*) from jobs"); n != 0 {
		t.Errorf("there are %d jobs", n)
	}
}

func TestNamedMappingsAreTheJobsAndEachOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.imported(4)
	a := w.post(reportURL("/pde-classifications/suggest-batch"), fmt.Sprintf(`{"pde_mapping_ids": [%q, %q, %q]}`, ids[3], ids[1], ids[3]))
	id := must[api.Accepted](t, a, http.StatusAccepted).JobID
	w.list(id)
	var listed []string
	if err := w.db.NewRaw("select mapping_id from job_items where job_id = ? order by mapping_id", id).Scan(t.Context(), &listed); err != nil {
		t.Fatal(err)
	}
	if want := []string{ids[1], ids[3]}; !slices.Equal(listed, want) {
		t.Errorf("the job works on %v, want %v", listed, want)
	}
	if job := w.job(id); job.JobType != schema.PDEClassification || job.Scope != schema.ScopeSelected || job.MappingCount != 2 {
		t.Errorf("job is %+v", job)
	}
}

func TestMappingsThatTheReportDoesNotHaveAreNamedByPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.imported(2)
	p := refused(t, w.post(reportURL("/pde-mappings/regenerate-all"), fmt.Sprintf(`{"mapping_ids": [%q, "123-45-6789", %q, "x' or 1=1"]}`, ids[0], ids[1])),
		http.StatusUnprocessableEntity, "invalid")
	var places []string
	for _, e := range p.Errors {
		places = append(places, e.Location)
	}
	if want := []string{"body.mapping_ids[1]", "body.mapping_ids[3]"}; !slices.Equal(places, want) {
		t.Errorf("it names %v, want %v", places, want)
	}
	if n := w.count("select count(*) from jobs"); n != 0 {
		t.Errorf("there are %d jobs", n)
	}
}

func TestAutoMapWithNothingLeftIsAcceptedAndCompletesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(2)
	w.exec("update pde_mappings set source_field = 'core.accounts.acct_nbr'")
	got := must[api.Accepted](t, w.post(reportURL("/pde-mappings/auto-map"), ""), http.StatusAccepted)
	if got.MappingCount != 0 {
		t.Errorf("it counts %d mappings", got.MappingCount)
	}
	w.list(got.JobID)
	if status := must[events.JobStatus](t, w.get(jobURL(got.JobID, "/status")), http.StatusOK); status.Status != schema.Completed || status.ProgressPercentage != 100 {
		t.Errorf("status is %+v", status)
	}
}

func TestAutoMapCountsWhatHasNoColumn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.imported(3)
	w.exec("update pde_mappings set source_field = 'core.accounts.acct_nbr' where id = ?", ids[1])
	if got := must[api.Accepted](t, w.post(reportURL("/pde-mappings/auto-map"), ""), http.StatusAccepted); got.MappingCount != 2 {
		t.Errorf("it counts %d mappings, want 2", got.MappingCount)
	}
}

func TestWhatTheReportLacksIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	regenerate := reportURL("/pde-mappings/regenerate-all")
	refused(t, w.post(regenerate, ""), http.StatusNotFound, "report-not-found")

	w.importReport(schema.ReportData{CycleID: cycle, ReportID: report, Author: "test"})
	refused(t, w.post(regenerate, ""), http.StatusNotFound, "no-mappings")

	w.importReport(schema.ReportData{CycleID: cycle, ReportID: report, Author: "test", Attributes: schema.Rows[schema.Attribute]{All: attributes(1)}})
	refused(t, w.post(regenerate, ""), http.StatusUnprocessableEntity, "no-data-sources")
	refused(t, w.post(reportURL("/pde-mappings/auto-map"), ""), http.StatusUnprocessableEntity, "no-data-sources")
	must[api.Accepted](t, w.post(reportURL("/pde-classifications/suggest-batch"), ""), http.StatusAccepted)

	other := "/api/v1/planning/cycles/unknown/reports/" + report + "/pde-mappings/regenerate-all"
	refused(t, w.post(other, ""), http.StatusNotFound, "report-not-found")
}

func TestAnImportAndAJobExcludeEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.imported(1)
	tx, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Import(t.Context(), tx, schema.ReportData{
		CycleID: cycle, ReportID: report, Author: "test", Attributes: schema.Rows[schema.Attribute]{All: attributes(5)},
		Columns: schema.Rows[schema.ColumnRow]{All: func(func(schema.ColumnRow) bool) {}}, Mappings: func(func(schema.MappingRow) bool) {},
	}); err != nil {
		t.Fatal(err)
	}
	done := make(chan answer)
	go func() {
		a, err := w.try(call{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester})
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	w.awaitLockWaiter()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := must[api.Accepted](t, <-done, http.StatusAccepted); got.MappingCount != 5 {
		t.Errorf("the job counts %d mappings, want the 5 that the import left", got.MappingCount)
	}
	err = w.db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, schema.ReportData{CycleID: cycle, ReportID: report, Author: "test"})
		return err
	})
	if err == nil {
		t.Error("an import is not refused while a job is active")
	}
}
