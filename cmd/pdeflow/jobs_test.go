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

// plainPolicy has one answer for everything, so that what a job comes to does not hang on the policy that is built in.
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

// plainStand runs the services, and classifiers that judge by the plain policy once they are run.
func plainStand(t *testing.T, services ...service) *stand {
	t.Helper()
	s := newIdleStand(t, eventstest.Start(t))
	plain, err := policy.Parse("plain.policy", []byte(plainPolicy))
	if err != nil {
		t.Fatal(err)
	}
	s.engine = rules.New(plain)
	s.run(services...)
	return s
}

// ask types regenerate for the small report.
func (s *stand) ask(args ...string) said {
	s.t.Helper()
	return s.pdeflow(append([]string{"regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID},
		args...)...)
}

// becomes waits until the job has the status.
func (s *stand) becomes(jobID string, status schema.Status) {
	s.t.Helper()
	s.follow(jobID, func(now events.JobStatus) bool {
		return now.Status == status && !strings.HasPrefix(now.CurrentStep, "Listing")
	})
}

func TestAJobIsAskedForFollowedAndSteered(t *testing.T) {
	t.Parallel()
	s := plainStand(t, apiService, dispatcherService, projectorService)
	ids := schematest.Report(t, s.db, 4)
	session := []said{s.ask("--mapping-id", ids[0], "--mapping-id", ids[1]+","+ids[2], "--force").ends(t, exitDone)}
	typed := func(code int, args ...string) { session = append(session, s.pdeflow(args...).ends(t, code)) }
	job := someID.FindString(session[0].stdout)
	s.becomes(job, schema.Running)
	session = append(session, s.ask().ends(t, exitFailed))
	typed(exitDone, "jobs", "list")
	typed(exitDone, "jobs", "items", job)
	typed(exitDone, "jobs", "pause", job)
	s.becomes(job, schema.Paused)
	typed(exitFailed, "jobs", "pause", job)
	typed(exitDone, "jobs", "status", job)
	typed(exitDone, "jobs", "list", "--active")
	typed(exitDone, "jobs", "resume", job)
	s.becomes(job, schema.Running)
	typed(exitFailed, "jobs", "retry", job)
	typed(exitDone, "jobs", "cancel", job)
	s.finish(job)
	typed(exitFailed, "jobs", "watch", job)
	typed(exitDone, "jobs", "list", "--active")
	typed(exitDone, "jobs", "items", job, "--outcome", "cancelled", "--limit", "2")
	typed(exitDone, "jobs", "items", job, "--outcome", "failed")
	typed(exitFailed, "jobs", "retry", job, "--error-code", "poison")
	typed(exitDone, "jobs", "retry", job, "--dry-run")
	typed(exitDone, "jobs", "retry", job)
	again := someID.FindString(session[len(session)-1].stdout)
	s.run(classifierService)
	s.finish(again)
	typed(exitDone, "jobs", "watch", again)
	typed(exitDone, "jobs", "list", "--status", "completed", "--cycle", schematest.CycleID, "--report",
		schematest.ReportID)
	golden(t, "jobs", transcript(session...))
}

func TestAnswersArePrintedAsTheAPIGivesThem(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	schematest.Report(t, s.db, 3)
	accepted := from[api.Accepted](t, s.ask("--json").ends(t, exitDone))
	if accepted.JobID == "" || accepted.Status != schema.Pending || accepted.MappingCount != 3 {
		t.Errorf("accepted %+v", accepted)
	}
	job := accepted.JobID
	s.becomes(job, schema.Running)
	problem := from[api.Problem](t,
		s.ask("--json", "--watch").ends(t, exitFailed, "The report has an active job", job))
	if problem.JobID != job || problem.Status != 409 {
		t.Errorf("the problem is %+v", problem)
	}
	if status := from[events.JobStatus](t, s.pdeflow("jobs", "status", job, "--json")); status.JobID != job ||
		status.TotalSteps != 3 {
		t.Errorf("the status is %+v", status)
	}
	type listed[T any] struct {
		Items      []T     `json:"items"`
		NextCursor *string `json:"next_cursor"`
	}
	items := from[listed[api.JobItem]](t, s.pdeflow("jobs", "items", job, "--json").ends(t, exitDone))
	if len(items.Items) != 3 || items.Items[0].Outcome != nil || items.NextCursor != nil {
		t.Errorf("the items are %+v", items)
	}
	items = from[listed[api.JobItem]](t, s.pdeflow("jobs", "items", job, "--json", "--limit", "2").ends(t, exitDone))
	if len(items.Items) != 2 || items.NextCursor == nil {
		t.Errorf("two items are %+v", items)
	}
	items = from[listed[api.JobItem]](t,
		s.pdeflow("jobs", "items", job, "--json", "--outcome", "failed").ends(t, exitDone))
	if items.Items == nil || len(items.Items) != 0 {
		t.Errorf("no items are %+v", items)
	}
	if jobs := from[listed[events.JobStatus]](t, s.pdeflow("jobs", "list", "--json")); len(jobs.Items) != 1 ||
		jobs.Items[0].JobID != job {
		t.Errorf("the jobs are %+v", jobs)
	}
	if steered := from[api.IntentAccepted](t,
		s.pdeflow("jobs", "cancel", job, "--json").ends(t, exitDone)); steered.JobID != job || steered.Message == "" {
		t.Errorf("steered %+v", steered)
	}
	s.finish(job)
	final := s.pdeflow("jobs", "watch", job, "--json").ends(t, exitFailed)
	if status := from[events.JobStatus](t, final); status.Status != schema.Cancelled || final.stderr != "" {
		t.Errorf("watching says %+v, and beside it %q", status, final.stderr)
	}
	if counted := from[api.Counted](t,
		s.pdeflow("jobs", "retry", job, "--dry-run", "--watch", "--json").ends(t,
			exitDone)); counted.MappingCount != 3 {
		t.Errorf("a retry would take %+v", counted)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService)
	const many = 2*maxPage + 7
	ids := schematest.Report(t, s.db, many)
	job := schematest.ListedJob(t, s.db, many)
	for limit, want := range map[string]int{"0": many, "3": 3, "500": 500, "501": 501, "5000": many} {
		got := s.pdeflow("jobs", "items", job.ID, "--limit", limit).ends(t, exitDone)
		if lines := strings.Count(got.stdout, "queued"); lines != want {
			t.Errorf("with --limit %s, %d lines are printed, want %d", limit, lines, want)
		}
		if shortened := strings.Contains(got.stderr, "--limit 0 shows all"); shortened != (want < many) {
			t.Errorf("with --limit %s, %q is said", limit, got.stderr)
		}
	}
	all := s.pdeflow("jobs", "items", job.ID, "--json").ends(t, exitDone)
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(all.stdout), &list); err != nil || len(list.Items) != many {
		t.Errorf("%d items as JSON (%v)", len(list.Items), err)
	}
	if !slices.IsSortedFunc(ids, strings.Compare) ||
		strings.Index(all.stdout, ids[0]) > strings.Index(all.stdout, ids[many-1]) {
		t.Error("the items are not in their order")
	}
}
