package api_test

import (
	"net/http"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// meeting makes requests that all look up their key before any of them inserts a job: it keeps jobs from being inserted until all wait
// for that.
func (w *fixture) meeting(n int, do func(i int) (answer, error)) []answer {
	w.t.Helper()
	tx, err := w.db.BeginTx(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // where the test fails before it lets go
	if _, err := tx.ExecContext(w.t.Context(), "lock table jobs in share mode"); err != nil {
		w.t.Fatal(err)
	}
	answers := begin(w.t, n, do)
	w.awaitLockWaiters(n)
	if err := tx.Rollback(); err != nil {
		w.t.Fatal(err)
	}
	return answers()
}

func TestTheSameKeyGivesTheSameJobAcrossRestarts(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
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
	w := newFixture(t)
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
	w := newFixture(t)
	w.imported(2)
	answers := w.meeting(10, func(int) (answer, error) {
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

func TestOfTwoBodiesSentAtOnceWithOneKeyOneIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	answers := w.meeting(8, func(i int) (answer, error) {
		return w.try(call{
			method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester,
			body: []string{`{}`, `{"force": true}`}[i%2], header: map[string]string{"Idempotency-Key": "monday"},
		})
	})
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.status]++
	}
	if statuses[http.StatusAccepted] != 4 || statuses[http.StatusUnprocessableEntity] != 4 {
		t.Errorf("statuses are %v, want four 202 for one body and four 422 for the other", statuses)
	}
}

func TestOfTwoReportsAskedForAtOnceWithOneKeyOneIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.imported(2)
	w.importReport(schema.ReportData{
		CycleID: cycle, ReportID: "second", Author: "test", Attributes: schema.Rows[schema.Attribute]{All: attributes(1)},
	})
	answers := w.meeting(8, func(i int) (answer, error) {
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
