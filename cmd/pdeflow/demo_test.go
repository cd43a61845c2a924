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

// beginDemo starts a demo on the directory, at free ports.
func beginDemo(ctx context.Context, dir string, args ...string) *watching {
	return begin(ctx, demoEnvironment(),
		append([]string{"demo", "--data-dir", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"},
			args...)...)
}

// demoEnvironment has the path of PostgreSQL, and settings that a demo must ignore.
func demoEnvironment() map[string]string {
	return map[string]string{
		"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://nobody@nowhere/nothing", "NATS_URL": "nats://nowhere",
	}
}

// runningDemo is a demo in the middle of a long job, until interrupt is called or the test ends.
func runningDemo(t *testing.T) (demo *watching, dir, job string, interrupt context.CancelFunc) {
	t.Helper()
	dir = dataDir(t)
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	demo = beginDemo(ctx, dir, "--mappings", "2000")
	demo.prints(t, "is running")
	// Other lines may contain ids of their own.
	found := regexp.MustCompile(`job (\S+) is running`).FindStringSubmatch(demo.stderr.String())
	if found == nil {
		t.Fatalf("got no running job, want one in:\n%s", demo.stderr.String())
	}
	return demo, dir, found[1], interrupt
}

func TestDemoOnceJSONPrintsOneObject(t *testing.T) {
	t.Parallel()
	environment := demoEnvironment()
	environment["PDEFLOW_LOG_SQL"] = "1"
	got := pdeflow(t.Context(), environment, "demo", "--once", "--json", "--listen", "127.0.0.1:0", "--nats-listen",
		"127.0.0.1:0")
	if got.code != exitDone {
		t.Fatalf("got exit code %d, want 0: %s", got.code, got.stderr)
	}
	var result demoResult
	decoder := json.NewDecoder(strings.NewReader(got.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&result); err != nil || decoder.More() {
		t.Fatalf("standard output: got %v, want one object:\n%s", err, got.stdout)
	}
	c := result.Classifications
	if result.Job.Status != schema.StatusCompleted || result.Job.Succeeded != 118 ||
		c.HRCI+c.Confidential+c.Proprietary+c.Public != 118 {
		t.Errorf("got job %+v, classifications %+v, want 118 mappings completed", result.Job, c)
	}
	if min(c.HRCI, c.Confidential, c.Proprietary, c.Public) == 0 {
		t.Errorf("got %+v, want every tier", c)
	}
	for _, step := range []string{
		"starting PostgreSQL, NATS and the services\n", "importing 118 attributes and 460 columns\n",
		"is completed: 118 of 118 mappings",
	} {
		if !strings.Contains(got.stderr, step) {
			t.Errorf("progress: got no %q, want it in:\n%s", step, got.stderr)
		}
	}
	u, err := url.Parse(result.URLs["nats"])
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); password == "" || strings.Contains(got.stderr, password) {
		t.Errorf("NATS URL: got %s, want one with a password that no log line has", u.Redacted())
	}
	if !strings.Contains(got.stderr, `"msg":"sql"`) {
		t.Error("got no logged statements")
	}
}

func TestADemoPrintsItsResultsAndKeepsServing(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	demo := beginDemo(ctx, dir)
	demo.shows(t, "The demo keeps serving until you press Ctrl-C.", 1)
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
			t.Errorf("got output without %q, want it", text)
		}
	}
	if n := strings.Count(shown, " <- "); n != 3 {
		t.Errorf("explained mappings: got %d, want 3", n)
	}
	demoConnects(t, shown)
	_, token, _ := strings.Cut(shown, "The token   ")
	token, _, _ = strings.Cut(token, "\n")
	_, server, _ := strings.Cut(shown, "The API     ")
	server, _, _ = strings.Cut(server, "/api/v1")
	list := pdeflow(t.Context(), nil, "mappings", "list", "--cycle", "2026-Q3", "--report", "fr-y-14m-d1", "--limit",
		"3", "--server", server, "--token", token)
	if list.ends(t, exitDone); strings.Count(list.stdout, "\n") != 4 {
		t.Errorf("mappings with the printed token: got\n%s\nwant 4 lines", list.stdout)
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

func TestADemoWithAFailedJobKeepsServingAndExitsOne(t *testing.T) {
	t.Parallel()
	demo, dir, job, interrupt := runningDemo(t)
	pdeflow(t.Context(), nil, "jobs", "cancel", job, "--data-dir", dir).ends(t, exitDone)
	demo.shows(t, "the job is cancelled after", 1)
	demo.shows(t, "The demo keeps serving until you press Ctrl-C.", 1)
	pdeflow(t.Context(), nil, "jobs", "status", job, "--data-dir", dir).ends(t, exitDone, "cancelled")
	interrupt()
	demo.exits(t, exitFailed)
	if result := demo.stderr.String(); !strings.Contains(result, "pdeflow: the job is cancelled: ") {
		t.Errorf("got:\n%s\nwant the cancelled job", result)
	}
}

func TestAnInterruptedDemoContinuesItsJob(t *testing.T) {
	t.Parallel()
	first, dir, job, interrupt := runningDemo(t)
	interrupt()
	first.exits(t, exitFailed)
	result := first.stderr.String()
	again := printedCommand(t, result, "the demo was interrupted before its job ended; continue with: pdeflow ")
	if strings.Contains(result, "jobs watch") {
		t.Errorf("got:\n%s\nwant no hint to watch the job", result)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	second := begin(ctx, demoEnvironment(), again...)
	second.shows(t, "(generated, 2000 mappings), cycle 2026-Q3: the job is completed", 1)
	pdeflow(t.Context(), nil, "jobs", "status", job, "--data-dir", dir).ends(t, exitDone, "completed",
		"2000 of 2000 mappings")
	second.shows(t, "/jobs/"+job+"/status", 1)
	interrupt()
	second.exits(t, exitDone)
}

// printedCommand returns the words of the printed command that begins with prefix, as a shell splits them.
func printedCommand(t *testing.T, result, begin string) []string {
	t.Helper()
	_, command, found := strings.Cut(result, begin)
	if !found {
		t.Fatalf("got output without %q, want it in:\n%s", begin, result)
	}
	command, _, _ = strings.Cut(command, "\n")
	return strings.Fields(command)
}

func TestADemoInterruptedAtStartReportsThatItsDataIsRemoved(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	demo := begin(ctx, demoEnvironment(), "demo", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	demo.prints(t, "starting PostgreSQL")
	interrupt()
	demo.exits(t, exitFailed)
	result := demo.stderr.String()
	if !strings.Contains(result, "pdeflow: the demo was interrupted before its job ended; its data was removed\n") ||
		strings.Contains(result, "initdb") {
		t.Errorf("got:\n%s\nwant that the data was removed", result)
	}
}

func TestADemoOnAPausedJobExplainsHowToResumeIt(t *testing.T) {
	t.Parallel()
	first, dir, job, interrupt := runningDemo(t)
	pdeflow(t.Context(), nil, "jobs", "pause", job, "--data-dir", dir).ends(t, exitDone)
	first.prints(t, "is paused")
	interrupt()
	first.exits(t, exitFailed)

	second := beginDemo(t.Context(), dir, "--once")
	second.exits(t, exitFailed)
	result := second.stderr.String()
	start, _, _ := strings.Cut(strings.Join(printedCommand(t, result,
		"job "+job+" of the report is paused; start pdeflow "), " "), ",")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	environment := map[string]string{"PATH": "/usr/bin:/bin"}
	serve := begin(ctx, environment, strings.Fields(start)...)
	serve.prints(t, "pdeflow started")
	pdeflow(t.Context(), environment, printedCommand(t, result, "and resume it with: pdeflow ")...).ends(t, exitDone)
	pdeflow(t.Context(), environment, "jobs", "watch", job, "--data-dir", dir).ends(t, exitDone,
		"2000 of 2000 mappings")
	interrupt()
	serve.exits(t, exitDone)
}

func TestADemoRunsItsJobAfterAJobOnAPartOfTheReport(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	d := demo{app: &app{stdout: f.log, stderr: f.log, getenv: func(string) string { return "" }}, json: true}
	if err := d.load(t.Context(), f.db); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := f.db.NewRaw("select min(id) from pde_mappings").Scan(t.Context(), &id); err != nil {
		t.Fatal(err)
	}
	part := f.accepted(f.do(http.MethodPost, mappingsPath(sample.CycleID, sample.ReportID, "/regenerate-all"),
		map[string][]string{"mapping_ids": {id}}))
	f.run(schema.ServiceDispatcher, schema.ServiceClassifier, schema.ServiceProjector)
	status, err := d.job(t.Context(), address{
		Run: datadir.Run{HTTP: strings.TrimSuffix(f.url, "/api/v1")}, token: f.token, db: f.db,
	})
	if err != nil || status.JobID == part || status.TotalSteps != 118 || status.Status != schema.StatusCompleted {
		t.Errorf("after job %s of one mapping: got %+v (%v), want another job, completed with 118 steps",
			part, status, err)
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/srv/pde-flow_1.2": "/srv/pde-flow_1.2", "/srv/o'my data": `'/srv/o'\''my data'`, "": "''", "~/x": "'~/x'",
	} {
		t.Run(path, func(t *testing.T) {
			if got := shellQuote(path); got != want {
				t.Errorf("%s: got %s, want %s", path, got, want)
			}
		})
	}
}
