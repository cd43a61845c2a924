package projector

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestAnEventOfAnUnknownJobIsAcknowledged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	job := f.listed()
	f.run(f.projector())
	f.publish(received(events.JobStarted("no-such-job")), f.end(job, f.ids[0])[0],
		received(events.JobBell("no-such-job")))
	f.settled()
	if n := f.status(job).CompletedSteps; n != 1 {
		t.Errorf("completed steps of the other job: got %d, want 1", n)
	}
}

func TestJobFinishedEqualsTheStatusOverHTTPAndHasTheTraceOfTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	job := f.listed()
	f.fold(f.projector(), f.end(job, f.ids...)...)
	finished := f.published(events.TopicJobFinished, job.ID)
	if len(finished) != 1 {
		t.Fatalf("job.finished events: got %d, want 1", len(finished))
	}
	ended := f.ReadJob(job.ID)
	want, err := json.Marshal(events.StatusOf(ended, f.status(ended)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, finished[0].Data)); diff != "" {
		t.Errorf("job.finished differs from the status over HTTP (-HTTP +event):\n%s", diff)
	}
	if trace := finished[0].Header.Get("traceparent"); trace[:35] != job.Traceparent[:35] {
		t.Errorf("traceparent: got %s, want %s", trace, job.Traceparent)
	}
	if !ended.PublishedFinished {
		t.Error("published_finished: got false, want true")
	}
}

func TestJobFinishedIsPublishedAfterTheCommitAndBeforeTheAcknowledgement(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	job := f.listed()
	f.run(f.projector())
	// The commit of a final status waits for the test.
	f.Exec(`create function wait() returns trigger language plpgsql as $$ begin
		if new.status = 'failed' then perform pg_advisory_xact_lock(42); end if; return null; end $$`)
	f.Exec(`create constraint trigger wait after update on job_status deferrable initially deferred
		for each row execute function wait()`)
	lock, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback() //nolint:errcheck // committed below, unless the test has failed
	if _, err := lock.NewRaw("select pg_advisory_xact_lock(42)").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.publish(f.end(job, f.ids[0])...)
	f.WaitForLocks(1)
	if n := len(f.published(events.TopicJobFinished, job.ID)); n != 0 {
		t.Errorf("job.finished events before the commit: got %d, want 0", n)
	}
	if err := lock.Commit(); err != nil {
		t.Fatal(err)
	}
	f.settled()
	if n := len(f.published(events.TopicJobFinished, job.ID)); n != 1 {
		t.Errorf("job.finished events after the acknowledgement: got %d, want 1", n)
	}
}

func TestJobFinishedIsPublishedAtTheNextBellAfterAnOutage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	job := f.listed()
	p := f.projector()
	f.Bus.Stop()
	if err := p.fold(t.Context(), f.end(job, f.ids[0])); err == nil {
		t.Error("fold without NATS: got nil, want an error")
	}
	ended := f.ReadJob(job.ID)
	if ended.EndedAt.IsZero() || ended.PublishedFinished || f.status(ended).Status != schema.StatusFailed {
		t.Fatalf("job: got ended at %v, announced %v, want ended and not announced", ended.EndedAt,
			ended.PublishedFinished)
	}
	f.Bus.Restart()
	next := f.projector()
	f.Eventually("the bell is folded", func() bool {
		return next.fold(t.Context(), []events.Received[events.JobProgress]{received(events.JobBell(job.ID))}) == nil
	})
	f.Eventually("the test is connected", f.NC.IsConnected)
	f.fold(next, received(events.JobBell(job.ID)))
	if n := len(f.published(events.TopicJobFinished, job.ID)); n != 1 || !f.ReadJob(job.ID).PublishedFinished {
		t.Errorf("job.finished events: got %d, want 1", n)
	}
}

func TestJobFinishedIsTheLastEventOfAJob(t *testing.T) {
	t.Parallel()
	for name, unpublished := range map[string]string{
		"the list":   "update jobs set published_listed = false where id = ?",
		"the intent": "update jobs set intent_version = 2 where id = ?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			job := f.listed()
			f.Exec(unpublished, job.ID)
			p := f.projector()
			f.fold(p, f.end(job, f.ids[0])...)
			if n := len(f.published(events.TopicJobFinished, job.ID)); n != 0 || !f.status(job).Status.IsFinal() {
				t.Errorf("before the last other event: got %d job.finished and status %s, want 0 and a final status", n,
					f.status(job).Status)
			}
			f.Exec("update jobs set published_listed = true, published_intent = intent_version where id = ?", job.ID)
			f.fold(p, received(events.JobBell(job.ID)))
			if n := len(f.published(events.TopicJobFinished, job.ID)); n != 1 {
				t.Errorf("job.finished events after the bell: got %d, want 1", n)
			}
		})
	}
}

func TestTwoProjectorsCountEachItemOnce(t *testing.T) {
	t.Parallel()
	const mappings = 120
	f := newFixture(t, mappings)
	one := f.listed()
	two := f.sibling(one)
	for range 2 {
		f.run(f.projector())
	}
	for _, id := range f.ids {
		f.publish(f.end(one, id)...)
		f.publish(f.end(two, id)...)
	}
	f.settled()
	for _, job := range []schema.Job{one, two} {
		status := f.status(job)
		if status.Status != schema.StatusFailed || status.Failed != mappings || status.TotalSteps != mappings {
			t.Errorf("status: got %s with %d of %d failed, want %d", status.Status, status.Failed, status.TotalSteps,
				mappings)
		}
		for _, m := range f.published(events.TopicJobFinished, job.ID) {
			if id := m.Header.Get("ce-id"); id != "finished/"+job.ID {
				t.Errorf("id of job.finished: got %s, want finished/%s", id, job.ID)
			}
		}
		if !f.ReadJob(job.ID).PublishedFinished {
			t.Error("job.finished was not published")
		}
	}
}

func TestAPauseDuringTheLastFoldIsPublishedBeforeJobFinished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	job := f.listed()
	p := f.projector()
	batch := f.end(job, f.ids[0])
	// The projector has read the job and waits for the item's row, which the test holds.
	release := f.lockItems(job)
	folded := make(chan error, 1)
	go func() { folded <- p.fold(t.Context(), batch) }()
	f.WaitForLocks(1)
	f.Intend(job.ID, schema.IntentPause)
	release()
	if err := <-folded; err != nil {
		t.Fatal(err)
	}
	job = f.ReadJob(job.ID)
	status := f.status(job)
	if status.Status != schema.StatusFailed || status.JobVersion != job.Version || job.EndedAt.IsZero() {
		t.Errorf("status: got %s at version %d of %d, ended at %v, want failed and ended", status.Status,
			status.JobVersion, job.Version, job.EndedAt)
	}
	if n := len(f.published(events.TopicJobFinished, job.ID)); n != 0 {
		t.Errorf("job.finished events before the pause is published: got %d, want 0", n)
	}
}
