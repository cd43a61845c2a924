package main

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestRebuildMakesEveryStatusAgainFromTheRowsAlone(t *testing.T) {
	t.Parallel()
	s := plainStand(t, apiService, dispatcherService)
	stopProjector := s.run(projectorService)
	schematest.Report(t, s.db, 4)
	cancelled := s.regenerate()
	s.becomes(cancelled, schema.Running)
	s.pdeflow("jobs", "cancel", cancelled).ends(t, exitDone)
	s.finish(cancelled)
	stop := s.run(classifierService)
	completed := s.regenerate()
	s.exact(s.finish(completed), 4)
	stop()
	running := s.regenerate()
	s.becomes(running, schema.Running)
	before := map[string]events.JobStatus{}
	for _, id := range []string{cancelled, completed, running} {
		before[id] = s.status(id, "")
	}
	stopProjector() // which would write the deleted rows again
	s.nats.Stop()
	s.nats.Wipe()
	s.pdeflow("rebuild").ends(t, exitDone,
		"The status of 3 jobs is computed again; 0 of them said something else before.")

	s.change("delete from job_status")
	got := s.pdeflow("rebuild").ends(t, exitDone, "job "+completed+" is completed with 4 succeeded",
		"job "+cancelled+" is cancelled with", "4 cancelled of 4",
		"The status of 3 jobs is computed again; 3 of them said something else before.")
	if want := "rebuilding job status (3)\n"; got.stderr != want {
		t.Errorf("standard error is %q, want %q", got.stderr, want)
	}
	if strings.Contains(got.stdout, "pending") {
		t.Errorf("a job is pending that was not: %s", got.stdout)
	}
	for id, want := range before {
		if diff := cmp.Diff(want, s.status(id, ""), cmpopts.IgnoreFields(events.JobStatus{}, "UpdatedAt")); diff != "" {
			t.Errorf("the status of job %s differs (-before +after):\n%s", id, diff)
		}
	}
	s.change("update job_status set succeeded = 3, failed = 1, status = 'failed' where job_id = '" + completed + "'")
	s.pdeflow("rebuild").ends(t, exitDone, "job "+completed+" is completed with 4 succeeded",
		"1 of them said something else before")
	s.pdeflow("check").ends(t, exitDone)
}

func TestADatabaseIsMigratedAndSaysWhereItStands(t *testing.T) {
	t.Parallel()
	s := &stand{t: t, db: schematest.New(t)}
	where, err := url.Parse(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(where.Path, "/") + "_bare"
	s.change("create database " + name)
	t.Cleanup(func() { // by when the test's own context has ended
		if _, err := s.db.ExecContext(context.WithoutCancel(t.Context()),
			"drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	where.Path = "/" + name
	bare := map[string]string{"DATABASE_URL": where.String()}
	for _, command := range []string{"check", "rebuild", "audit list", "audit verify"} {
		pdeflow(t.Context(), bare, strings.Fields(command)...).ends(t, exitFailed,
			"bring it up to date with: pdeflow migrate up")
	}
	pdeflow(t.Context(), bare, "migrate", "status").ends(t, exitDone, "init", "no")
	pdeflow(t.Context(), map[string]string{
		"DATABASE_URL": where.String(), "NATS_URL": "nats://127.0.0.1:1", "PDEFLOW_DATA_DIR": t.TempDir(),
	}, "serve").
		ends(t, exitFailed, "the database lacks migration 20261127000001", "pdeflow migrate up")
	if tables := tablesOf(t, where.String()); len(tables) > 0 {
		t.Errorf("looking at it left %v", tables)
	}
	pdeflow(t.Context(), bare, "migrate", "up").ends(t, exitDone, "applied 20261127000001_init")
	pdeflow(t.Context(), bare, "migrate").ends(t, exitDone, "nothing to apply")
	status := pdeflow(t.Context(), bare, "migrate", "status").ends(t, exitDone, "yes")
	if strings.Contains(status.stdout, "no\n") {
		t.Errorf("after up it stands at:\n%s", status.stdout)
	}
	pdeflow(t.Context(), bare, "check").ends(t, exitDone, "Nothing is wrong.")
	pdeflow(t.Context(), bare, "audit", "list").ends(t, exitDone)
}

// tablesOf lists the tables of the database.
func tablesOf(t *testing.T, database string) (names []string) {
	t.Helper()
	db, err := schema.Open(t.Context(), database, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.NewRaw("select table_name from information_schema.tables where table_schema = 'public'").Scan(t.Context(), &names); err != nil {
		t.Fatal(err)
	}
	return names
}
