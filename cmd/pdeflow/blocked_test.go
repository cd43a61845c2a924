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

// waitsFor follows the job until its waiting_for contains the text.
func (f *fixture) waitsFor(job, text string) {
	f.t.Helper()
	f.follow(job, func(status events.JobStatus) bool {
		if status.Status.IsFinal() {
			f.t.Fatalf("waiting_for: got none with %q and status %s, want it before the end", text, status.Status)
		}
		return strings.Contains(deref(status.WaitingFor), text)
	})
}

// readyz returns the body of /readyz.
func (f *fixture) readyz() string {
	f.t.Helper()
	_, body := (&fixture{t: f.t, url: strings.TrimSuffix(f.url, "/api/v1"), token: f.token}).do(http.MethodGet,
		"/readyz",
		nil)
	return string(body)
}

// lockLastMappings locks the mappings that a job processes last, as a user may, so that it cannot end before the
// classifier stops.
func (f *fixture) lockLastMappings(n int) (release func()) {
	f.t.Helper()
	user, err := f.db.BeginTx(f.t.Context(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	release = func() { _ = user.Rollback() }
	f.t.Cleanup(release)
	if _, err := user.NewRaw(`set local idle_in_transaction_session_timeout = 0;
		select from pde_mappings where id in (select id from pde_mappings order by id desc limit ?) for update`, n).
		Exec(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return release
}

func TestARefusingStreamIsNamedAndTheStatusFollowsTheRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	stopClassifier := f.run(schema.ServiceClassifier)
	job := f.underWay()
	// The classifier saves outcomes although no event is published, so the job would soon end and no longer be blocked.
	// Half of its mappings are more than it can try before the status names the reason.
	release := f.lockLastMappings(enough / 2)
	js, err := events.JetStream(f.nats.Conn(t))
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
	f.waitsFor(job, reason)
	stopClassifier()
	release()
	f.eventually("the status has every outcome of the rows",
		`select s.completed_steps = (select count(*) from job_items where outcome is not null)
		and s.completed_steps > 0 from job_status s`)
	if ready := f.readyz(); strings.Count(ready, reason) < 2 {
		t.Errorf("/readyz: got %s, want the reason of both services", ready)
	}
	if got := strings.Join(strings.Fields(f.pdeflow("check").ends(t, exitFailed).stdout), " "); !strings.Contains(got,
		"blocked for ") ||
		!strings.Contains(got, "streams PDE_EVENTS: "+reason) {
		t.Errorf("check: got %s, want the blocked job and the reason of the stream", got)
	}
	limit(-1, jetstream.DiscardOld)
	f.run(schema.ServiceClassifier)
	end := f.finish(job)
	f.exact(end, enough)
	if end.WaitingFor != nil {
		t.Errorf("got waiting_for %s of a job that has ended, want null", *end.WaitingFor)
	}
}

func TestAJobReportsThatNoClassifierRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	schematest.Report(t, f.db, 50)
	job := f.regenerate()
	const reason = "no classifier takes work from the rules lane"
	f.waitsFor(job, reason)
	if ready := f.readyz(); !strings.Contains(ready, reason) {
		t.Errorf("/readyz: got %s, want %s", ready, reason)
	}
	f.run(schema.ServiceClassifier)
	end := f.finish(job)
	f.exact(end, 50)
	if end.WaitingFor != nil {
		t.Errorf("got waiting_for %s of a job that has ended, want null", *end.WaitingFor)
	}
}

func TestAJobSurvivesAConsumerThatIsResetPastTheEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	f.pdeflow("jobs", "pause", job).ends(t, exitDone)
	f.becomes(job, schema.StatusPaused)
	subject := "$JS.API.CONSUMER.RESET." + events.StreamWork + "." + events.ClassifierRules().Name
	if _, err := f.nats.Conn(t).Request(subject, fmt.Append(nil, `{"seq": 1000000}`), deadline); err != nil {
		t.Fatal(err)
	}
	f.pdeflow("jobs", "resume", job).ends(t, exitDone)
	f.exact(f.finish(job), enough)
}

func TestADeletedStatusIsNeverReadAsPending(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	for range 3 {
		f.change("delete from job_status")
		if status := f.status(job, ""); status.Status == schema.StatusPending || status.CompletedSteps == 0 {
			t.Errorf("without a row: got status %s with %d completed steps, want a running job",
				status.Status, status.CompletedSteps)
		}
	}
	f.exact(f.finish(job), enough)
	f.change("delete from job_status")
	f.exact(f.status(job, ""), enough)
	f.eventually("the row is written again", "select count(*) = 1 from job_status where status = 'completed'")
}
