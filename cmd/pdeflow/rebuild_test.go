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

func TestRebuildRecomputesEveryStatusFromTheRows(t *testing.T) {
	t.Parallel()
	f := plainFixture(t, schema.ServiceAPI, schema.ServiceDispatcher)
	stopProjector := f.run(schema.ServiceProjector)
	schematest.Report(t, f.db, 4)
	cancelled := f.regenerate()
	f.becomes(cancelled, schema.StatusRunning)
	f.pdeflow("jobs", "cancel", cancelled).ends(t, exitDone)
	f.finish(cancelled)
	stop := f.run(schema.ServiceClassifier)
	completed := f.regenerate()
	f.exact(f.finish(completed), 4)
	stop()
	running := f.regenerate()
	f.becomes(running, schema.StatusRunning)
	before := map[string]events.JobStatus{}
	for _, id := range []string{cancelled, completed, running} {
		before[id] = f.status(id, "")
	}
	stopProjector() // which would write the deleted rows again
	f.nats.Stop()
	f.nats.Wipe()
	f.pdeflow("rebuild").ends(t, exitDone,
		"Rebuilt the status of 3 jobs; 0 of them changed.")

	f.change("delete from job_status")
	got := f.pdeflow("rebuild").ends(t, exitDone, "job "+completed+" is completed with 4 succeeded",
		"job "+cancelled+" is cancelled with", "4 cancelled of 4",
		"Rebuilt the status of 3 jobs; 3 of them changed.")
	if want := "rebuilding job status (3)\n"; got.stderr != want {
		t.Errorf("got standard error %q, want %q", got.stderr, want)
	}
	if strings.Contains(got.stdout, "pending") {
		t.Errorf("got %s, want no pending job", got.stdout)
	}
	for id, want := range before {
		if diff := cmp.Diff(want, f.status(id, ""), cmpopts.IgnoreFields(events.JobStatus{}, "UpdatedAt")); diff != "" {
			t.Errorf("status of job %s (-before +after):\n%s", id, diff)
		}
	}
	f.change("update job_status set succeeded = 3, failed = 1, status = 'failed' where job_id = '" + completed + "'")
	f.pdeflow("rebuild").ends(t, exitDone, "job "+completed+" is completed with 4 succeeded",
		"1 of them changed")
	f.pdeflow("check").ends(t, exitDone)
}

func TestMigrateUpAndStatus(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, db: schematest.New(t)}
	where, err := url.Parse(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(where.Path, "/") + "_bare"
	f.change("create database " + name)
	t.Cleanup(func() { // by when the test's own context has ended
		if _, err := f.db.ExecContext(context.WithoutCancel(t.Context()),
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
		t.Errorf("got tables %v, want none", tables)
	}
	pdeflow(t.Context(), bare, "migrate", "up").ends(t, exitDone, "applied 20261127000001_init")
	pdeflow(t.Context(), bare, "migrate").ends(t, exitDone, "no pending migrations")
	status := pdeflow(t.Context(), bare, "migrate", "status").ends(t, exitDone, "yes")
	if strings.Contains(status.stdout, "no\n") {
		t.Errorf("after up: got\n%s\nwant every migration applied", status.stdout)
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
	const query = "select table_name from information_schema.tables where table_schema = 'public'"
	if err := db.NewRaw(query).Scan(t.Context(), &names); err != nil {
		t.Fatal(err)
	}
	return names
}
