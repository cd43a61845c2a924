package api_test

import (
	"net/http"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// meeting makes requests that all look up their key before any of them inserts a job, by means of a table lock.
func (f *fixture) meeting(n int, do func(i int) (answer, error)) []answer {
	f.T.Helper()
	tx, err := f.DB.BeginTx(f.T.Context(), nil)
	if err != nil {
		f.T.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // if the test fails before the rollback
	if _, err := tx.ExecContext(f.T.Context(), "lock table jobs in share mode"); err != nil {
		f.T.Fatal(err)
	}
	answers := begin(f.T, n, do)
	f.WaitForLocks(n)
	if err := tx.Rollback(); err != nil {
		f.T.Fatal(err)
	}
	return answers()
}

func TestTheSameKeyReturnsTheSameJobAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	ask := call{
		method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
		body: `{"force": true}`, header: map[string]string{"Idempotency-Key": "monday"},
	}
	first := f.do(ask)
	id := must[api.Accepted](t, first, http.StatusAccepted).JobID

	f.serve(f.JS, api.Options{Verify: verifier(t)})
	ask.body = "{ \"force\" :\ttrue }"
	if again := f.do(ask); again.status != first.status || again.body != first.body ||
		again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("while the job is active got the second answer %d %s, want %d "+
			"%s", again.status, again.body, first.status, first.body)
	}
	f.list(id)
	f.succeed(id)
	f.project(id)
	if again := f.do(ask); again.body != first.body {
		t.Errorf("after the job, got %s, want %s", again.body, first.body)
	}
	if n := f.Count("select count(*) from jobs"); n != 1 {
		t.Errorf("jobs: got %d, want 1", n)
	}

	ask.header["Authorization"] = "Bearer " + f.token("someone else", api.Tester)
	if other := must[api.Accepted](t, f.do(ask), http.StatusAccepted).JobID; other == id {
		t.Error("another caller got the job of the key")
	}
}

func TestAKeyIsRefusedForAnotherRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	ask := call{
		method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
		header: map[string]string{"Idempotency-Key": "monday"},
	}
	must[api.Accepted](t, f.do(ask), http.StatusAccepted)

	otherBody, otherReport, otherRoute := ask, ask, ask
	otherBody.body = `{"force": true}`
	otherReport.path = "/api/v1/planning/cycles/" + cycle + "/reports/other/pde-mappings/regenerate-all"
	otherRoute.path = reportURL("/pde-mappings/auto-map")
	for name, other := range map[string]call{"body": otherBody, "report": otherReport, "route": otherRoute} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.do(other), http.StatusUnprocessableEntity, "idempotency-key-reused")
			if len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" {
				t.Errorf("got errors %v, want one of the header", p.Errors)
			}
		})
	}
}

func TestConcurrentRequestsWithTheSameKeyGetTheSameJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	answers := f.meeting(10, func(int) (answer, error) {
		return f.try(call{
			method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
			header: map[string]string{"Idempotency-Key": "monday"},
		})
	})
	for _, a := range answers {
		if a.status != http.StatusAccepted || a.body != answers[0].body {
			t.Errorf("got %d %s, want 202 %s", a.status, a.body, answers[0].body)
		}
	}
}

func TestOneKeyForTwoConcurrentBodiesIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	answers := f.meeting(8, func(i int) (answer, error) {
		return f.try(call{
			method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
			body: []string{`{}`, `{"force": true}`}[i%2], header: map[string]string{"Idempotency-Key": "monday"},
		})
	})
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.status]++
	}
	if statuses[http.StatusAccepted] != 4 || statuses[http.StatusUnprocessableEntity] != 4 {
		t.Errorf("got statuses %v, want four 202 for one body and four 422 for the other", statuses)
	}
}

func TestOneKeyForTwoConcurrentReportsIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	f.importReport(schema.ReportData{
		CycleID: cycle, ReportID: "second", Author: "test",
		Attributes: schema.Rows[schema.Attribute]{All: attributes(1)},
	})
	answers := f.meeting(8, func(i int) (answer, error) {
		name := []string{report, "second"}[i%2]
		return f.try(call{
			method: http.MethodPost,
			path:   "/api/v1/planning/cycles/" + cycle + "/reports/" + name + "/pde-classifications/suggest-batch",
			role:   api.Tester,
			header: map[string]string{"Idempotency-Key": "monday"},
		})
	})
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.status]++
	}
	if statuses[http.StatusAccepted] != 4 || statuses[http.StatusUnprocessableEntity] != 4 {
		t.Errorf("got statuses %v, want four 202 for one report and four 422 for the other", statuses)
	}
	if n := f.Count("select count(*) from jobs"); n != 1 {
		t.Errorf("jobs: got %d, want 1", n)
	}
}
