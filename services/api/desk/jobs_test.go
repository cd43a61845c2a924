package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// jobStatus returns the status of a job with outcomes of each kind.
func jobStatus(status schema.Status) events.JobStatus {
	return events.JobStatus{
		JobID: "j1", JobType: schema.JobTypePDERegeneration, Status: status, ProgressPercentage: 61, TotalSteps: 2486,
		CompletedSteps: 1517, Succeeded: 1402, Skipped: 96, Failed: 19,
		Metadata: events.JobMetadata{CycleID: "2026 Q3", ReportID: "FR/Y", Classifier: schema.ClassifierHybrid},
	}
}

func TestJob_OffersWhatItsStatusAllows(t *testing.T) {
	t.Parallel()
	for status, want := range map[schema.Status]string{
		schema.StatusPending:   "Pause, Cancel 969…",
		schema.StatusRunning:   "Pause, Cancel 969…",
		schema.StatusPaused:    "Resume 969, Cancel 969…",
		schema.StatusCompleted: "",
		schema.StatusFailed:    "Retry all 19…, Retry 11…",
		schema.StatusCancelled: "Retry all 19…, Retry 11…",
	} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			for role, caller := range roles() {
				v := desk.Job{Caller: caller, JobRow: desk.JobRow{JobStatus: jobStatus(status)}}
				v.Failures = []schema.FailureCount{{ErrorCode: schema.ErrorCodePanic, Items: 11, Error: "boom"}}
				page := render(t, desk.Frame{Caller: caller}, v).byID("main")
				enabled := page.all(func(e *element) bool { return e.name == "button" && !e.has("aria-disabled") })
				expected := want
				if !caller.CanEdit {
					expected = ""
				}
				if got := strings.Join(texts(enabled), ", "); got != expected {
					t.Errorf("%s: got %s, want %s", role, got, expected)
				}
				disabled := page.all(func(e *element) bool { return e.name == "button" && e.has("aria-disabled") })
				if closed := caller.CanEdit && !v.CanRetry(); (len(disabled) == 2) != closed {
					t.Errorf("%s: got the disabled buttons %v", role, texts(disabled))
				}
			}
		})
	}
}

// A retry contains what is shown: the form has the number and the error.
func TestJob_RetriesExactlyWhatItShows(t *testing.T) {
	t.Parallel()
	v := desk.Job{Caller: roles()["tester"], JobRow: desk.JobRow{JobStatus: jobStatus(schema.StatusFailed)}}
	v.Cancelled = 4
	v.Failures = []schema.FailureCount{{ErrorCode: schema.ErrorCodePanic, Items: 1234}}
	var forms []string
	for _, form := range render(t, desk.Frame{Caller: v.Caller}, v).byID("failed").named("form") {
		text := form.attrs["action"]
		for _, input := range form.named("input") {
			text += " " + input.attrs["name"] + "=" + input.attrs["value"]
		}
		forms = append(forms, text+" "+form.text)
	}
	want := []string{
		"/jobs/j1/retry expected=23 Retry all 23…", "/jobs/j1/retry error_code=panic expected=1234 Retry 1,234…",
	}
	if !slices.Equal(forms, want) {
		t.Errorf("got %q, want %q", forms, want)
	}
}

func TestJob_ShowsWhatItWaitsForAndHowFarItIs(t *testing.T) {
	t.Parallel()
	reason, left := "the provider's limit <until 14:31>", int64(231)
	v := desk.Job{JobRow: desk.JobRow{JobStatus: jobStatus(schema.StatusRunning)}, Seen: "e1"}
	v.WaitingFor, v.ETASeconds = &reason, &left
	started := time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
	v.StartedAt, v.Now = &started, started.Add(100*time.Second)
	page := render(t, desk.Frame{}, v)
	for _, want := range []string{
		"61%", "1,517 of 2,486 mappings", reason, "about 3 min 51 s left", "15.2 mappings a second",
		"Regenerate FR/Y", "none, no model was called",
	} {
		if !strings.Contains(strings.Join(strings.Fields(page.text), " "), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	main := page.byID("main")
	if main.attrs["data-events"] != "/api/v1/jobs/j1/events" || main.attrs["data-seen"] != "e1" {
		t.Errorf("the page does not follow the job: %v", main.attrs)
	}
	bar := page.all(func(e *element) bool { return e.attrs["role"] == "progressbar" })
	if len(bar) != 1 || bar[0].attrs["aria-valuenow"] != "1517" || bar[0].attrs["aria-valuemax"] != "2486" {
		t.Errorf("got the progress bars %v", bar)
	}
	v.Status = schema.StatusCompleted
	if main := render(t, desk.Frame{}, v).byID("main"); main.has("data-events") {
		t.Error("the page of a job that has ended follows it")
	}
}

func TestJobRow_IsNamedAfterItsTypeAndReport(t *testing.T) {
	t.Parallel()
	first := "j0"
	for _, tt := range []struct {
		jobType schema.JobType
		retryOf *string
		want    string
	}{
		{schema.JobTypePDERegeneration, nil, "Regenerate FR/Y"},
		{schema.JobTypePDEClassification, nil, "Classify FR/Y"},
		{schema.JobTypePDEAutoMapping, nil, "Auto-map FR/Y"},
		{schema.JobTypePDEAutoMapping, &first, "Retry FR/Y"},
	} {
		row := desk.JobRow{JobStatus: jobStatus(schema.StatusRunning)}
		row.JobType, row.Metadata.RetryOf = tt.jobType, tt.retryOf
		if got := row.Name(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		if got, want := row.ReportURL(), "/cycles/2026%20Q3/reports/FR%2FY"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestJob_TookCountsFromTheStart(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
	end := start.Add(4 * time.Second)
	v := desk.Job{Now: start.Add(10 * time.Second)}
	v.CompletedSteps = 20
	if got := v.Took(); got != 0 || v.Rate() != 0 {
		t.Errorf("before the start: got %v, want 0", got)
	}
	v.StartedAt = &start
	if got := v.Took(); got != 10*time.Second || v.Rate() != 2 {
		t.Errorf("while it runs: got %v and %v a second, want 10 s and 2", got, v.Rate())
	}
	v.CompletedAt = &end
	if got := v.Took(); got != 4*time.Second || v.Rate() != 5 {
		t.Errorf("after its end: got %v and %v a second, want 4 s and 5", got, v.Rate())
	}
	v.Now, v.CompletedAt = start.Add(-time.Second), nil // another clock
	if got := v.Took(); got != 0 {
		t.Errorf("by a slow clock: got %v, want 0", got)
	}
}

func TestJobs_AreEmptyForAReason(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{"": "No job yet", "failed": "No job is failed"} {
		page := render(t, desk.Frame{}, desk.Jobs{State: state})
		if got := texts(page.named("h2")); !slices.Equal(got, []string{want}) {
			t.Errorf("%q: got %v, want %s", state, got, want)
		}
	}
	v := desk.Jobs{
		State: "active", Seen: "s", More: "/jobs?cursor=c",
		Rows: []desk.JobRow{{JobStatus: jobStatus(schema.StatusRunning)}},
	}
	page := render(t, desk.Frame{}, v)
	if got := page.byID("main").attrs["data-events"]; got != "/jobs/events?state=active" {
		t.Errorf("events: got %s", got)
	}
	current := page.all(func(e *element) bool { return e.name == "a" && e.has("aria-current") && e.in("main") })
	if got := texts(current); !slices.Equal(got, []string{"Active"}) {
		t.Errorf("the current filter: got %v", got)
	}
}

func TestFrame_ShowsTheActiveJobAndTheSection(t *testing.T) {
	t.Parallel()
	active := jobStatus(schema.StatusRunning)
	page := render(t, desk.Frame{Caller: roles()["viewer"], Active: &active}, desk.Jobs{})
	top := page.named("header")[0]
	if got := strings.Join(strings.Fields(top.text), " "); !strings.Contains(got, "FR/Y61%") ||
		!strings.Contains(got, "vera viewer") || strings.Contains(got, "Import") {
		t.Errorf("top: got %s", got)
	}
	current := top.all(func(e *element) bool { return e.attrs["aria-current"] == "page" })
	if got := texts(current); !slices.Equal(got, []string{"Jobs"}) {
		t.Errorf("section: got %v, want Jobs", got)
	}
	if out := render(t, desk.Frame{}, desk.SignIn{Next: "/jobs"}); len(out.named("nav")) != 0 ||
		strings.Contains(out.text, "Sign out") {
		t.Error("the page for signing in has the navigation of a user")
	}
}
