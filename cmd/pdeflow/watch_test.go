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
)

// watching is a run of the program that goes on, and what it has said so far.
type watching struct {
	stdout, stderr logBuffer
	code           chan int
}

// watch follows the job with the program, in the test's process.
func (s *stand) watch(ctx context.Context, args ...string) *watching {
	s.t.Helper()
	return begin(ctx, s.environment(), args...)
}

// begin runs the program in the test's process, with the environment given and nothing else of the machine's, until ctx
// ends at most.
func begin(ctx context.Context, environment map[string]string, args ...string) *watching {
	w := &watching{code: make(chan int, 1)}
	go func() {
		w.code <- run(ctx, append([]string{"pdeflow"}, args...), &w.stdout, &w.stderr,
			func(name string) string { return environment[name] })
	}()
	return w
}

// says waits until standard error has the text.
func (w *watching) says(t *testing.T, text string) {
	t.Helper()
	w.has(t, &w.stderr, text, 1)
}

// shows waits until standard output has the text as often.
func (w *watching) shows(t *testing.T, text string, times int) {
	t.Helper()
	w.has(t, &w.stdout, text, times)
}

func (w *watching) has(t *testing.T, where *logBuffer, text string, times int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-tick.C {
		if strings.Count(where.String(), text) >= times {
			return
		}
	}
	t.Fatalf("%q does not come up:\n%s%s", text, w.stdout.String(), w.stderr.String())
}

func (w *watching) exits(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-w.code:
		if code != want {
			t.Errorf("it exits %d, want %d:\n%s%s", code, want, w.stdout.String(), w.stderr.String())
		}
	case <-time.After(deadline):
		t.Fatalf("it does not end:\n%s%s", w.stdout.String(), w.stderr.String())
	}
}

func TestWatchingOutlivesAServerThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newIdleStand(t, eventstest.Start(t))
	s.run(dispatcherService, projectorService)
	schematest.Report(t, s.db, 5)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + address + "/api/v1"
	start := func() *exec.Cmd {
		return s.startProcess("serve", "--services", "api", "--listen", address, "--auth-secret", string(testSecret))
	}
	server := start()
	job := schematest.Job(t, s.db, 5)
	s.answers()

	w := s.watch(t.Context(), "jobs", "watch", job.ID)
	w.says(t, "is running")
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.says(t, "; trying again")
	start()
	w.says(t, "the server answers again")
	s.run(classifierService)
	w.exits(t, exitDone)
	if !strings.Contains(w.stdout.String(), "5 succeeded") {
		t.Errorf("it says %s", w.stdout.String())
	}
}

// answers waits until the API of a process answers.
func (s *stand) answers() {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-tick.C {
		if s.pdeflow("jobs", "list").code == exitDone {
			return
		}
	}
	s.t.Fatalf("the API does not answer at %s", s.url)
}

func TestWatchingEndsWhenItIsToldToAndTheJobGoesOn(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	schematest.Report(t, s.db, 3)
	ctx, interrupt := context.WithCancel(t.Context())
	server := s.environment()["PDEFLOW_SERVER"]
	w := s.watch(ctx, "regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID, "--watch",
		"--server", server)
	w.says(t, "is running")
	interrupt()
	w.exits(t, exitFailed)
	job := someID.FindString(w.stdout.String())
	if want := "stopped watching, and job " + job + " goes on; follow it again with: pdeflow jobs watch --server " +
		server + " " + job; !strings.Contains(w.stderr.String(), want) {
		t.Errorf("it says %q, want %q", w.stderr.String(), want)
	}
	if status := s.status(job, ""); status.Status != schema.Running {
		t.Errorf("the job is %s", status.Status)
	}
}

func TestRegenerateFollowsTheJobAndExitsByWhatItCameTo(t *testing.T) {
	t.Parallel()
	s := plainStand(t)
	schematest.Report(t, s.db, 5)
	got := s.ask("--watch").ends(t, exitDone, "The job is accepted and works on 5 mappings", "completed",
		"5 of 5 mappings, 100 %", "5 succeeded")
	if !strings.Contains(got.stderr, "is completed: 5 of 5 mappings (100 %)") {
		t.Errorf("no progress is shown: %s", got.stderr)
	}
	final := s.ask("--watch", "--json").ends(t, exitDone)
	if status := from[events.JobStatus](t, final); status.Status != schema.Completed || status.Result == nil ||
		status.Succeeded != 5 {
		t.Errorf("as JSON it came to %+v", status)
	}
}

func TestAJobThatFailsIsToldWithItsErrorAndExitsOne(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	s.engine = nil // which every call on it stumbles over
	s.run(classifierService)
	schematest.Report(t, s.db, 2)
	stop := s.hurry()
	defer stop()
	got := s.ask("--watch")
	if got.code != exitFailed || !strings.Contains(got.stdout, "status        failed") ||
		!strings.Contains(got.stdout, "2 of 2 mappings failed, the rest is saved") {
		t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	if !strings.Contains(got.stderr, "is failed: 2 of 2") {
		t.Errorf("the last line is of %s", got.stderr)
	}
	job := someID.FindString(got.stdout)
	s.pdeflow("jobs", "items", job, "--outcome", "failed").ends(t, exitDone, "panic", "nil pointer")
	s.pdeflow("jobs", "retry", job, "--error-code", "panic", "--dry-run").ends(t, exitDone,
		"The job would work on 2 mappings.")
}
