package main

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// watching is a run of the program that has not ended, and its output so far.
type watching struct {
	stdout, stderr eventstest.Log
	code           chan int
}

// watch runs jobs watch for the job in the test's process.
func (f *fixture) watch(ctx context.Context, args ...string) *watching {
	f.t.Helper()
	return begin(ctx, f.environment(), args...)
}

// begin runs the program in the test's process, with only the given environment, at most until ctx ends.
func begin(ctx context.Context, environment map[string]string, args ...string) *watching {
	w := &watching{code: make(chan int, 1)}
	go func() {
		w.code <- run(ctx, append([]string{"pdeflow"}, args...), &w.stdout, &w.stderr,
			func(name string) string { return environment[name] })
	}()
	return w
}

// prints waits until standard error contains the text.
func (w *watching) prints(t *testing.T, text string) {
	t.Helper()
	w.has(t, &w.stderr, text, 1)
}

// shows waits until standard output contains the text this many times.
func (w *watching) shows(t *testing.T, text string, times int) {
	t.Helper()
	w.has(t, &w.stdout, text, times)
}

func (w *watching) has(t *testing.T, where *eventstest.Log, text string, times int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-tick.C {
		if strings.Count(where.String(), text) >= times {
			return
		}
	}
	t.Fatalf("got output without %q, want it:\n%s%s", text, w.stdout.String(), w.stderr.String())
}

func (w *watching) exits(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-w.code:
		if code != want {
			t.Errorf("got exit code %d, want %d:\n%s%s", code, want, w.stdout.String(), w.stderr.String())
		}
	case <-time.After(deadline):
		t.Fatalf("got a program that runs on, want it ended:\n%s%s", w.stdout.String(), w.stderr.String())
	}
}

func TestWatchingSurvivesAKilledServer(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	f.run(schema.ServiceDispatcher, schema.ServiceProjector)
	schematest.Report(t, f.db, 5)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + address + "/api/v1"
	start := func() *exec.Cmd {
		return f.startProcess("serve", "--services", "api", "--listen", address, "--auth-secret", string(testSecret))
	}
	server := start()
	job := schematest.Job(t, f.db, 5)
	f.responds()

	w := f.watch(t.Context(), "jobs", "watch", job.ID)
	w.prints(t, "is running")
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.prints(t, "; trying again")
	start()
	w.prints(t, "the server responds again")
	f.run(schema.ServiceClassifier)
	w.exits(t, exitDone)
	if !strings.Contains(w.stdout.String(), "5 succeeded") {
		t.Errorf("got %s, want 5 succeeded", w.stdout.String())
	}
}

// responds waits until the API of a process responds.
func (f *fixture) responds() {
	f.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-tick.C {
		if f.pdeflow("jobs", "list").code == exitDone {
			return
		}
	}
	f.t.Fatalf("API at %s: got no response, want one", f.url)
}

func TestInterruptedWatchingLeavesTheJobRunning(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	schematest.Report(t, f.db, 3)
	ctx, interrupt := context.WithCancel(t.Context())
	server := f.environment()["PDEFLOW_SERVER"]
	w := f.watch(ctx, "regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID, "--watch",
		"--server", server)
	w.prints(t, "is running")
	interrupt()
	w.exits(t, exitFailed)
	job := someID.FindString(w.stdout.String())
	if want := "stopped watching; job " + job + " continues; follow it again with: pdeflow jobs watch --server " +
		server + " " + job; !strings.Contains(w.stderr.String(), want) {
		t.Errorf("got %q, want %q", w.stderr.String(), want)
	}
	if status := f.status(job, ""); status.Status != schema.StatusRunning {
		t.Errorf("status: got %s, want running", status.Status)
	}
}

func TestRegenerateWatchExitsByTheOutcomeOfTheJob(t *testing.T) {
	t.Parallel()
	f := plainFixture(t)
	schematest.Report(t, f.db, 5)
	got := f.runRegenerate("--watch").ends(t, exitDone, "The job is accepted and works on 5 mappings", "completed",
		"5 of 5 mappings, 100 %", "5 succeeded")
	if !strings.Contains(got.stderr, "is completed: 5 of 5 mappings (100 %)") {
		t.Errorf("progress: got %s, want 5 of 5 mappings", got.stderr)
	}
	f.runRegenerate("--watch").ends(t, exitDone, "completed", "0 succeeded, 5 skipped")
	f.runRegenerate("--dry-run").ends(t, exitDone, "would skip 5 that have not changed")
	final := f.runRegenerate("--watch", "--json", "--force").ends(t, exitDone)
	if status := from[events.JobStatus](t, final); status.Status != schema.StatusCompleted || status.Result == nil ||
		status.Succeeded != 5 {
		t.Errorf("got %+v, want completed, with 5 successes", status)
	}
}

func TestWatchingAFailedJobPrintsItsErrorAndExitsOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	f.engine = new(rules.Engine) // every classification by it panics
	f.run(schema.ServiceClassifier)
	schematest.Report(t, f.db, 2)
	stop := f.hurry()
	defer stop()
	got := f.runRegenerate("--watch")
	if got.code != exitFailed || !strings.Contains(got.stdout, "status        failed") ||
		!strings.Contains(got.stdout, "2 of 2 mappings failed, the rest is saved") {
		t.Errorf("got exit code %d, want 1 and 2 failed mappings:\n%s%s", got.code, got.stdout, got.stderr)
	}
	if !strings.Contains(got.stderr, "is failed: 2 of 2") {
		t.Errorf("last line: got %s, want 2 of 2 failed", got.stderr)
	}
	job := someID.FindString(got.stdout)
	f.pdeflow("jobs", "items", job, "--outcome", "failed").ends(t, exitDone, "panic", "nil pointer")
	f.pdeflow("jobs", "retry", job, "--error-code", "panic", "--dry-run").ends(t, exitDone,
		"The job would work on 2 mappings.")
}
