package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// waitsFor follows the job until its status gives a reason that has the text.
func (s *stand) waitsFor(job, text string) {
	s.t.Helper()
	s.follow(job, func(status events.JobStatus) bool {
		if status.Status.Final() {
			s.t.Fatalf("the job is %s, and does not wait for %s", status.Status, text)
		}
		return strings.Contains(deref(status.WaitingFor), text)
	})
}

// readyz is what the process reports at /readyz.
func (s *stand) readyz() string {
	s.t.Helper()
	_, body := (&stand{t: s.t, url: strings.TrimSuffix(s.url, "/api/v1"), token: s.token}).do(http.MethodGet, "/readyz",
		nil)
	return string(body)
}

func TestAStreamThatRefusesIsNamedAndTheStatusFollowsTheRows(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	js, err := events.JetStream(s.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	limit := func(messages int64, discard jetstream.DiscardPolicy) {
		t.Helper()
		stream, err := js.Stream(t.Context(), events.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		config := stream.CachedInfo().Config
		config.MaxMsgs, config.Discard = messages, discard
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	limit(1, jetstream.DiscardNew)
	const reason = "NATS refuses messages for PDE_EVENTS: maximum messages exceeded"
	s.waitsFor(job, reason)
	s.eventually("the status has every outcome of the rows",
		`select s.completed_steps = (select count(*) from job_items where outcome is not null)
		and s.completed_steps > 0 from job_status s`)
	if ready := s.readyz(); strings.Count(ready, reason) < 2 {
		t.Errorf("/readyz answers %s", ready)
	}
	if got := strings.Join(strings.Fields(s.pdeflow("check").ends(t, exitFailed).stdout), " "); !strings.Contains(got,
		"it cannot move since") ||
		!strings.Contains(got, "streams PDE_EVENTS: "+reason) {
		t.Errorf("check reports %s", got)
	}
	limit(-1, jetstream.DiscardOld)
	end := s.finish(job)
	s.exact(end, enough)
	if end.WaitingFor != nil {
		t.Errorf("the job that has ended waits for %s", *end.WaitingFor)
	}
}

func TestAJobReportsThatNoClassifierTakesItsWork(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	schematest.Report(t, s.db, 50)
	job := s.regenerate()
	const reason = "no classifier takes work from the rules lane"
	s.waitsFor(job, reason)
	if ready := s.readyz(); !strings.Contains(ready, reason) {
		t.Errorf("/readyz answers %s", ready)
	}
	s.run(classifierService)
	end := s.finish(job)
	s.exact(end, 50)
	if end.WaitingFor != nil {
		t.Errorf("the job that has ended waits for %s", *end.WaitingFor)
	}
}

func TestAJobOutlivesAConsumerThatIsResetPastTheEnd(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	s.pdeflow("jobs", "pause", job).ends(t, exitDone)
	s.becomes(job, schema.Paused)
	subject := "$JS.API.CONSUMER.RESET." + events.StreamWork + "." + events.ClassifierRules().Name
	if _, err := s.nats.Conn(t).Request(subject, fmt.Append(nil, `{"seq": 1000000}`), deadline); err != nil {
		t.Fatal(err)
	}
	s.pdeflow("jobs", "resume", job).ends(t, exitDone)
	s.exact(s.finish(job), enough)
}

func TestADeletedStatusIsNeverReadAsPending(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	for range 3 {
		s.change("delete from job_status")
		if status := s.status(job, ""); status.Status == schema.Pending || status.CompletedSteps == 0 {
			t.Errorf("without a row the job is %s with %d steps completed", status.Status, status.CompletedSteps)
		}
	}
	s.exact(s.finish(job), enough)
	s.change("delete from job_status")
	s.exact(s.status(job, ""), enough)
	s.eventually("the row is written again", "select count(*) = 1 from job_status where status = 'completed'")
}
