package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestAReadOnlyDatabaseIsReportedUntilItAcceptsWrites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	schematest.Report(t, f.DB, 3)
	job := schematest.ListedJob(t, f.DB, 3)
	setReadOnly(t, "on", true)

	pause := f.post(jobURL(job.ID, "/pause"), "")
	for strings.Contains(pause.body, "database-unavailable") { // a connection that has just been ended
		pause = f.post(jobURL(job.ID, "/pause"), "")
	}
	p := refused(t, pause, http.StatusServiceUnavailable, "database-read-only")
	if !strings.Contains(p.Detail, "read-only") {
		t.Errorf("detail: got %q, want one that the database is read-only", p.Detail)
	}
	status := must[events.JobStatus](t, f.get(jobURL(job.ID, "/status")), http.StatusOK)
	if status.WaitingFor == nil || !strings.Contains(*status.WaitingFor, "the database is read-only: "+
		"default_transaction_read_only is on") {
		t.Errorf("waiting_for: got %v, want the setting that makes the database read-only", status.WaitingFor)
	}
	ready := must[api.Readiness](t, f.get("/readyz"), http.StatusServiceUnavailable)
	if got := ready.Checks[0]; got.Name != "postgres" || got.State != api.Down ||
		!strings.Contains(got.Reason, "read-only") {
		t.Errorf("readiness: got %+v, want postgres down because it is read-only", ready)
	}

	// The sessions of the pool keep their default; only new ones can write.
	setReadOnly(t, "off", false)
	f.Eventually("a write succeeds", func() bool {
		paused := f.post(jobURL(job.ID, "/pause"), "")
		status := must[events.JobStatus](t, f.get(jobURL(job.ID, "/status")), http.StatusOK)
		return paused.status != http.StatusServiceUnavailable && status.WaitingFor == nil
	})
}

// setReadOnly makes new sessions of the test's database read-only or not, and ends the others if asked to.
func setReadOnly(t *testing.T, value string, end bool) {
	t.Helper()
	where, err := url.Parse(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(where.Path, "/")
	where.Path = "/postgres"
	conn, err := pgx.Connect(t.Context(), where.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	statements := []string{"alter database " + name + " set default_transaction_read_only = " + value}
	if end {
		statements = append(statements, "select pg_terminate_backend(pid) from pg_stat_activity where datname = "+
			"'"+name+"'")
	}
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
