package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// plainPolicy gives every attribute the same answer, so that the results do not depend on the built-in policy.
const plainPolicy = `policy 1
concept loan
  words: loan
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
rule loans
  any: [loan]
  tier: Proprietary
  personal: no
  criticality: Low
  because: it is about a loan
`

// plainFixture runs the services, and classifiers with the plain policy once they are started.
func plainFixture(t *testing.T, services ...schema.Service) *fixture {
	t.Helper()
	f := newIdleFixture(t, eventstest.Start(t))
	plain, err := policy.Parse("plain.policy", []byte(plainPolicy))
	if err != nil {
		t.Fatal(err)
	}
	f.engine = rules.New(plain)
	f.run(services...)
	return f
}

// runRegenerate runs the regenerate command for the small report.
func (f *fixture) runRegenerate(args ...string) result {
	f.t.Helper()
	return f.pdeflow(append([]string{"regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID},
		args...)...)
}

// becomes waits until the job has the status.
func (f *fixture) becomes(jobID string, status schema.Status) {
	f.t.Helper()
	f.follow(jobID, func(now events.JobStatus) bool {
		return now.Status == status && !strings.HasPrefix(now.CurrentStep, "Listing")
	})
}

func TestAJobIsStartedFollowedAndControlled(t *testing.T) {
	t.Parallel()
	f := plainFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	ids := schematest.Report(t, f.db, 4)
	session := []result{
		f.runRegenerate("--mapping-id", ids[0], "--mapping-id", ids[1]+","+ids[2], "--force").ends(t, exitDone),
	}
	typed := func(code int, args ...string) { session = append(session, f.pdeflow(args...).ends(t, code)) }
	job := someID.FindString(session[0].stdout)
	f.becomes(job, schema.StatusRunning)
	session = append(session, f.runRegenerate().ends(t, exitFailed))
	typed(exitDone, "jobs", "list")
	typed(exitDone, "jobs", "items", job)
	typed(exitDone, "jobs", "pause", job)
	f.becomes(job, schema.StatusPaused)
	typed(exitFailed, "jobs", "pause", job)
	typed(exitDone, "jobs", "status", job)
	typed(exitDone, "jobs", "list", "--active")
	typed(exitDone, "jobs", "resume", job)
	f.becomes(job, schema.StatusRunning)
	typed(exitFailed, "jobs", "retry", job)
	typed(exitDone, "jobs", "cancel", job)
	f.finish(job)
	typed(exitFailed, "jobs", "watch", job)
	typed(exitDone, "jobs", "list", "--active")
	typed(exitDone, "jobs", "items", job, "--outcome", "cancelled", "--limit", "2")
	typed(exitDone, "jobs", "items", job, "--outcome", "failed")
	typed(exitFailed, "jobs", "retry", job, "--error-code", "poison")
	typed(exitDone, "jobs", "retry", job, "--dry-run")
	typed(exitDone, "jobs", "retry", job)
	again := someID.FindString(session[len(session)-1].stdout)
	f.run(schema.ServiceClassifier)
	f.finish(again)
	typed(exitDone, "jobs", "watch", again)
	typed(exitDone, "jobs", "list", "--status", "completed", "--cycle", schematest.CycleID, "--report",
		schematest.ReportID)
	golden(t, "jobs", transcript(session...))
}

func TestJSONOutputIsTheResponseOfTheAPI(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	schematest.Report(t, f.db, 3)
	accepted := from[api.Accepted](t, f.runRegenerate("--json").ends(t, exitDone))
	if accepted.JobID == "" || accepted.Status != schema.StatusPending || accepted.MappingCount != 3 {
		t.Errorf("accepted job: got %+v, want 3 mappings, pending", accepted)
	}
	job := accepted.JobID
	f.becomes(job, schema.StatusRunning)
	problem := from[api.Problem](t,
		f.runRegenerate("--json", "--watch").ends(t, exitFailed, "The report has an active job", job))
	if problem.JobID != job || problem.Status != 409 {
		t.Errorf("got problem %+v, want 409 with the active job", problem)
	}
	if status := from[events.JobStatus](t, f.pdeflow("jobs", "status", job, "--json")); status.JobID != job ||
		status.TotalSteps != 3 {
		t.Errorf("got status %+v, want three steps", status)
	}
	type listed[T any] struct {
		Items      []T     `json:"items"`
		NextCursor *string `json:"next_cursor"`
	}
	items := from[listed[api.JobItem]](t, f.pdeflow("jobs", "items", job, "--json").ends(t, exitDone))
	if len(items.Items) != 3 || items.Items[0].Outcome != nil || items.NextCursor != nil {
		t.Errorf("got items %+v, want three queued ones on one page", items)
	}
	items = from[listed[api.JobItem]](t, f.pdeflow("jobs", "items", job, "--json", "--limit", "2").ends(t, exitDone))
	if len(items.Items) != 2 || items.NextCursor == nil {
		t.Errorf("got items %+v, want two", items)
	}
	items = from[listed[api.JobItem]](t,
		f.pdeflow("jobs", "items", job, "--json", "--outcome", "failed").ends(t, exitDone))
	if items.Items == nil || len(items.Items) != 0 {
		t.Errorf("got items %+v, want none", items)
	}
	if jobs := from[listed[events.JobStatus]](t, f.pdeflow("jobs", "list", "--json")); len(jobs.Items) != 1 ||
		jobs.Items[0].JobID != job {
		t.Errorf("got jobs %+v, want the job", jobs)
	}
	if steered := from[api.IntentAccepted](t,
		f.pdeflow("jobs", "cancel", job, "--json").ends(t, exitDone)); steered.JobID != job || steered.Message == "" {
		t.Errorf("cancel: got %+v, want the job and a message", steered)
	}
	f.finish(job)
	final := f.pdeflow("jobs", "watch", job, "--json").ends(t, exitFailed)
	if status := from[events.JobStatus](t, final); status.Status != schema.StatusCancelled || final.stderr != "" {
		t.Errorf("got %+v and standard error %q, want cancelled and none", status, final.stderr)
	}
	if counted := from[api.Counted](t,
		f.pdeflow("jobs", "retry", job, "--dry-run", "--watch", "--json").ends(t,
			exitDone)); counted.MappingCount != 3 {
		t.Errorf("dry run of the retry: got %+v, want 3 mappings", counted)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	const many = 2*maxPage + 7
	ids := schematest.Report(t, f.db, many)
	job := schematest.ListedJob(t, f.db, many)
	for limit, want := range map[string]int{"0": many, "3": 3, "500": 500, "501": 501, "5000": many} {
		t.Run("limit "+limit, func(t *testing.T) {
			got := f.pdeflow("jobs", "items", job.ID, "--limit", limit).ends(t, exitDone)
			if lines := strings.Count(got.stdout, "queued"); lines != want {
				t.Errorf("--limit %s: got %d lines, want %d", limit, lines, want)
			}
			if shortened := strings.Contains(got.stderr, "--limit 0 shows all"); shortened != (want < many) {
				t.Errorf("--limit %s: got standard error %q, want the hint for a shortened list only",
					limit, got.stderr)
			}
		})
	}
	all := f.pdeflow("jobs", "items", job.ID, "--json").ends(t, exitDone)
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(all.stdout), &list); err != nil || len(list.Items) != many {
		t.Errorf("items as JSON: got %d (%v), want %d", len(list.Items), err, many)
	}
	if !slices.IsSortedFunc(ids, strings.Compare) ||
		strings.Index(all.stdout, ids[0]) > strings.Index(all.stdout, ids[many-1]) {
		t.Error("got items in the wrong order")
	}
}
