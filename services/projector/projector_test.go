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
	h := newFixture(t, 2)
	job := h.listed()
	h.run(h.projector())
	h.say(heard(events.JobStarted("no-such-job")), h.end(job, h.ids[0])[0], heard(events.JobBell("no-such-job")))
	h.settled()
	if n := h.status(job).CompletedSteps; n != 1 {
		t.Errorf("%d are counted of the job beside it", n)
	}
}

func TestTheEndIsSaidAsOverHTTPInTheTraceOfTheRequest(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	job := h.listed()
	h.fold(h.projector(), h.end(job, h.ids...)...)
	finished := h.published(events.TopicJobFinished, job.ID)
	if len(finished) != 1 {
		t.Fatalf("the end is said %d times", len(finished))
	}
	ended := h.ReadJob(job.ID)
	want, err := json.Marshal(events.StatusOf(ended, h.status(ended)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, finished[0].Data)); diff != "" {
		t.Errorf("said otherwise than over HTTP (-HTTP +event):\n%s", diff)
	}
	if trace := finished[0].Header.Get("traceparent"); trace[:35] != job.Traceparent[:35] {
		t.Errorf("in the trace %s, not in %s", trace, job.Traceparent)
	}
	if !ended.AnnouncedFinished {
		t.Error("it is not remembered that it was said")
	}
}

func TestTheEndIsSaidBehindItsCommitAndAcknowledgedBehindThat(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	job := h.listed()
	h.run(h.projector())
	// The commit of a final status waits for the test.
	h.Exec(`create function wait() returns trigger language plpgsql as $$ begin
		if new.status = 'failed' then perform pg_advisory_xact_lock(42); end if; return null; end $$`)
	h.Exec("create constraint trigger wait after update on job_status deferrable initially deferred for each row execute function wait()")
	lock, err := h.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback() //nolint:errcheck // committed below, unless the test has failed
	if _, err := lock.NewRaw("select pg_advisory_xact_lock(42)").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.say(h.end(job, h.ids[0])...)
	h.Waiting()
	if n := len(h.published(events.TopicJobFinished, job.ID)); n != 0 {
		t.Error("the end is said before it is committed")
	}
	if err := lock.Commit(); err != nil {
		t.Fatal(err)
	}
	h.settled()
	if n := len(h.published(events.TopicJobFinished, job.ID)); n != 1 {
		t.Errorf("the end is said %d times when its event is acknowledged", n)
	}
}

func TestAnEndThatCouldNotBeSaidIsSaidAtTheBell(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	job := h.listed()
	p := h.projector()
	h.Bus.Stop()
	if err := p.fold(t.Context(), h.end(job, h.ids[0])); err == nil {
		t.Error("the event would be acknowledged")
	}
	if ended := h.ReadJob(job.ID); ended.EndedAt.IsZero() || ended.AnnouncedFinished || h.status(ended).Status != schema.Failed {
		t.Fatalf("ended at %v, announced %v", ended.EndedAt, ended.AnnouncedFinished)
	}
	h.Bus.Restart()
	next := h.projector()
	h.Eventually("the end is said", func() bool {
		return next.fold(t.Context(), []events.Received[events.JobProgress]{heard(events.JobBell(job.ID))}) == nil
	})
	h.Eventually("the test is connected", h.NC.IsConnected)
	h.fold(next, heard(events.JobBell(job.ID)))
	if n := len(h.published(events.TopicJobFinished, job.ID)); n != 1 || !h.ReadJob(job.ID).AnnouncedFinished {
		t.Errorf("the end is said %d times", n)
	}
}

func TestTheEndIsTheLastThatIsSaid(t *testing.T) {
	t.Parallel()
	for name, owed := range map[string]string{
		"the list":   "update jobs set announced_listed = false where id = ?",
		"the intent": "update jobs set intent_version = 2 where id = ?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t, 1)
			job := h.listed()
			h.Exec(owed, job.ID)
			p := h.projector()
			h.fold(p, h.end(job, h.ids[0])...)
			if n := len(h.published(events.TopicJobFinished, job.ID)); n != 0 || !h.status(job).Status.Final() {
				t.Errorf("the end is said %d times, the status is %s", n, h.status(job).Status)
			}
			h.Exec("update jobs set announced_listed = true, announced_intent = intent_version where id = ?", job.ID)
			h.fold(p, heard(events.JobBell(job.ID)))
			if n := len(h.published(events.TopicJobFinished, job.ID)); n != 1 {
				t.Errorf("the end is said %d times at the bell", n)
			}
		})
	}
}

func TestTwoProjectorsCountEachItemOnce(t *testing.T) {
	t.Parallel()
	const mappings = 120
	h := newFixture(t, mappings)
	one := h.listed()
	two := h.beside(one)
	for range 2 {
		h.run(h.projector())
	}
	for _, id := range h.ids {
		h.say(h.end(one, id)...)
		h.say(h.end(two, id)...)
	}
	h.settled()
	for _, job := range []schema.Job{one, two} {
		if status := h.status(job); status.Status != schema.Failed || status.Failed != mappings || status.TotalSteps != mappings {
			t.Errorf("%s with %d of %d failed", status.Status, status.Failed, status.TotalSteps)
		}
		for _, m := range h.published(events.TopicJobFinished, job.ID) {
			if id := m.Header.Get("ce-id"); id != "finished/"+job.ID {
				t.Errorf("the end is said as %s", id)
			}
		}
		if !h.ReadJob(job.ID).AnnouncedFinished {
			t.Error("the end is not said")
		}
	}
}

func TestAPauseThatComesWhileTheLastItemIsCountedIsSaidBeforeTheEnd(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	job := h.listed()
	p := h.projector()
	said := h.end(job, h.ids[0])
	// The projector has read the job and waits for the item's row, which the test holds.
	lock, err := h.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback() //nolint:errcheck // committed below, unless the test has failed
	if _, err := lock.NewRaw("select from job_items where job_id = ? for update", job.ID).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	folded := make(chan error, 1)
	go func() { folded <- p.fold(t.Context(), said) }()
	h.Waiting()
	h.Intend(job.ID, schema.IntentPause)
	if err := lock.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-folded; err != nil {
		t.Fatal(err)
	}
	job = h.ReadJob(job.ID)
	status := h.status(job)
	if status.Status != schema.Failed || status.JobVersion != job.Version || job.EndedAt.IsZero() {
		t.Errorf("%s, at version %d of %d, ended at %v", status.Status, status.JobVersion, job.Version, job.EndedAt)
	}
	if n := len(h.published(events.TopicJobFinished, job.ID)); n != 0 {
		t.Error("the end is said before the pause")
	}
}
