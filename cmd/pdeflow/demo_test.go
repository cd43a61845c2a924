package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
)

// beginDemo begins a demo on the directory, at free ports.
func beginDemo(ctx context.Context, dir string, args ...string) *watching {
	return begin(ctx, demoEnvironment(),
		append([]string{"demo", "--data-dir", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"},
			args...)...)
}

// demoEnvironment leads a demo to PostgreSQL and, if it heeded it, astray.
func demoEnvironment() map[string]string {
	return map[string]string{
		"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://nobody@nowhere/nothing", "NATS_URL": "nats://nowhere",
	}
}

// runningDemo is a demo in the middle of a long job, until interrupt is called or the test ends.
func runningDemo(t *testing.T) (demo *watching, dir, job string, interrupt context.CancelFunc) {
	t.Helper()
	dir = t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	demo = beginDemo(ctx, dir, "--mappings", "5000")
	demo.says(t, "is running")
	// Other lines may have ids of their own.
	found := regexp.MustCompile(`job (\S+) is running`).FindStringSubmatch(demo.stderr.String())
	if found == nil {
		t.Fatalf("no job is said to run in:\n%s", demo.stderr.String())
	}
	return demo, dir, found[1], interrupt
}

func TestDemoDoesTheWholeJobAndPrintsOneObject(t *testing.T) {
	t.Parallel()
	environment := demoEnvironment()
	environment["PDEFLOW_LOG_SQL"] = "1"
	got := pdeflow(t.Context(), environment, "demo", "--once", "--json", "--listen", "127.0.0.1:0", "--nats-listen",
		"127.0.0.1:0")
	if got.code != exitDone {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	var result demoResult
	decoder := json.NewDecoder(strings.NewReader(got.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&result); err != nil || decoder.More() {
		t.Fatalf("standard output is not one object: %v\n%s", err, got.stdout)
	}
	c := result.Classifications
	if result.Job.Status != schema.Completed || result.Job.Succeeded != 118 ||
		c.HRCI+c.Confidential+c.Proprietary+c.Public != 118 {
		t.Errorf("job %+v, classifications %+v", result.Job, c)
	}
	if min(c.HRCI, c.Confidential, c.Proprietary, c.Public) == 0 {
		t.Errorf("a tier is empty: %+v", c)
	}
	for _, step := range []string{
		"starting PostgreSQL, NATS and the services\n", "importing 118 attributes and 460 columns\n",
		"is completed: 118 of 118 mappings",
	} {
		if !strings.Contains(got.stderr, step) {
			t.Errorf("the progress does not show %q:\n%s", step, got.stderr)
		}
	}
	u, err := url.Parse(result.URLs["nats"])
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password == "" || strings.Contains(got.stderr, password) {
		t.Errorf("the URL of NATS has no password, or a log line has it: %s", u.Redacted())
	}
	if !strings.Contains(got.stderr, `"msg":"sql"`) {
		t.Error("statements were to be logged and are not")
	}
}

func TestADemoShowsWhatItDidAndGoesOnServing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	demo := beginDemo(ctx, dir)
	demo.shows(t, "The demo goes on serving until you press Ctrl-C.", 1)
	shown := demo.stdout.String()
	for _, text := range []string{
		"the job is completed after", "TIER          MAPPINGS  WHAT IT IS", "HRCI  ", "Confidential  ", "Proprietary  ",
		"Public  ",
		"Some of them, and why:", " <- nothing fits", "    column (", "    class (",
		"/api/v1   (described at http://127.0.0.1:", "NATS        nats://",
		"pdeflow mappings list --cycle 2026-Q3 --report fr-y-14m-d1 --data-dir " + dir,
		"pdeflow check --data-dir " + dir,
		"pdeflow audit verify --data-dir " + dir, "--watch --data-dir " + dir,
	} {
		if !strings.Contains(shown, text) {
			t.Errorf("it does not show %q", text)
		}
	}
	if n := strings.Count(shown, " <- "); n != 3 {
		t.Errorf("%d mappings are explained", n)
	}
	demoConnects(t, shown)
	_, token, _ := strings.Cut(shown, "The token   ")
	token, _, _ = strings.Cut(token, "\n")
	_, server, _ := strings.Cut(shown, "The API     ")
	server, _, _ = strings.Cut(server, "/api/v1")
	list := pdeflow(t.Context(), nil, "mappings", "list", "--cycle", "2026-Q3", "--report", "fr-y-14m-d1", "--limit",
		"3", "--server", server, "--token", token)
	if list.ends(t, exitDone); strings.Count(list.stdout, "\n") != 4 {
		t.Errorf("with the token that it shows, its mappings are:\n%s", list.stdout)
	}
	pdeflow(t.Context(), nil, "check", "--data-dir", dir).ends(t, exitDone, "Finished jobs have touched 118 mappings.")
	if t.Failed() {
		t.Logf("it shows:\n%s", shown)
	}
	interrupt()
	demo.exits(t, exitDone)
	pdeflow(t.Context(), nil, "check", "--data-dir", dir).ends(t, exitUsage,
		"no pdeflow is running on data directory "+dir)
}

func TestADemoWhoseJobDoesNotCompleteServesAllTheSameAndFailsAtItsEnd(t *testing.T) {
	t.Parallel()
	demo, dir, job, interrupt := runningDemo(t)
	pdeflow(t.Context(), nil, "jobs", "cancel", job, "--data-dir", dir).ends(t, exitDone)
	demo.shows(t, "the job is cancelled after", 1)
	demo.shows(t, "The demo goes on serving until you press Ctrl-C.", 1)
	pdeflow(t.Context(), nil, "jobs", "status", job, "--data-dir", dir).ends(t, exitDone, "cancelled")
	interrupt()
	demo.exits(t, exitFailed)
	if said := demo.stderr.String(); !strings.Contains(said, "pdeflow: the job is cancelled: ") {
		t.Errorf("it says:\n%s", said)
	}
}

func TestADemoThatWasInterruptedGoesOnWithItsJob(t *testing.T) {
	t.Parallel()
	first, dir, job, interrupt := runningDemo(t)
	interrupt()
	first.exits(t, exitFailed)
	said := first.stderr.String()
	again := printedCommand(t, said, "the demo stops before its job has ended; go on with it with: pdeflow ")
	if strings.Contains(said, "jobs watch") {
		t.Errorf("it says:\n%s", said)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	second := begin(ctx, demoEnvironment(), again...)
	second.shows(t, "(generated, 5000 mappings), cycle 2026-Q3: the job is completed", 1)
	pdeflow(t.Context(), nil, "jobs", "status", job, "--data-dir", dir).ends(t, exitDone, "completed",
		"5000 of 5000 mappings")
	second.shows(t, "/jobs/"+job+"/status", 1)
	interrupt()
	second.exits(t, exitDone)
}

// printedCommand is the rest of the line that begins so, as what a shell makes of it.
func printedCommand(t *testing.T, said, begin string) []string {
	t.Helper()
	_, command, found := strings.Cut(said, begin)
	if !found {
		t.Fatalf("%q is not said in:\n%s", begin, said)
	}
	command, _, _ = strings.Cut(command, "\n")
	return strings.Fields(command)
}

func TestADemoThatIsInterruptedWhileItStartsTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	demo := begin(ctx, demoEnvironment(), "demo", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	demo.says(t, "starting PostgreSQL")
	interrupt()
	demo.exits(t, exitFailed)
	said := demo.stderr.String()
	if !strings.Contains(said, "pdeflow: the demo stops before its job has ended, and nothing of it is left\n") ||
		strings.Contains(said, "initdb") {
		t.Errorf("it prints:\n%s", said)
	}
}

func TestADemoOnAPausedJobSaysHowToLetItGoOn(t *testing.T) {
	t.Parallel()
	first, dir, job, interrupt := runningDemo(t)
	pdeflow(t.Context(), nil, "jobs", "pause", job, "--data-dir", dir).ends(t, exitDone)
	first.says(t, "is paused")
	interrupt()
	first.exits(t, exitFailed)

	second := beginDemo(t.Context(), dir, "--once")
	second.exits(t, exitFailed)
	said := second.stderr.String()
	start, _, _ := strings.Cut(strings.Join(printedCommand(t, said,
		"job "+job+" of the report is paused; start pdeflow "), " "), ",")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	environment := map[string]string{"PATH": "/usr/bin:/bin"}
	serve := begin(ctx, environment, strings.Fields(start)...)
	serve.says(t, "pdeflow runs")
	pdeflow(t.Context(), environment, printedCommand(t, said, "and let it go on with: pdeflow ")...).ends(t, exitDone)
	pdeflow(t.Context(), environment, "jobs", "watch", job, "--data-dir", dir).ends(t, exitDone,
		"5000 of 5000 mappings")
	interrupt()
	serve.exits(t, exitDone)
}

func TestADemoDoesTheWholeReportAfterAJobOnAPartOfIt(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService)
	d := demo{app: &app{stdout: s.log, stderr: s.log, getenv: func(string) string { return "" }}, json: true}
	if err := d.load(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := s.db.NewRaw("select min(id) from pde_mappings").Scan(t.Context(), &id); err != nil {
		t.Fatal(err)
	}
	part := s.accepted(s.do(http.MethodPost, mappingsPath(sample.CycleID, sample.ReportID, "/regenerate-all"),
		map[string][]string{"mapping_ids": {id}}))
	s.run(dispatcherService, classifierService, projectorService)
	status, err := d.job(t.Context(), address{
		Run: datadir.Run{HTTP: strings.TrimSuffix(s.url, "/api/v1")}, token: s.token, db: s.db,
	})
	if err != nil || status.JobID == part || status.TotalSteps != 118 || status.Status != schema.Completed {
		t.Errorf("after job %s of one mapping it comes to %+v (%v)", part, status, err)
	}
}

func TestAPathIsOneWordToAShell(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/srv/pde-flow_1.2": "/srv/pde-flow_1.2", "/srv/o'my data": `'/srv/o'\''my data'`, "": "''", "~/x": "'~/x'",
	} {
		if got := shellQuote(path); got != want {
			t.Errorf("%s becomes %s, not %s", path, got, want)
		}
	}
}
