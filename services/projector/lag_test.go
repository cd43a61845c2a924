package projector

import (
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// follow lets the projector look at the rows often, so that a test need not wait.
func (h *fixture) follow(p *Projector) {
	p.lag.every = 10 * time.Millisecond
	h.Run(p.Run)
}

func TestTheStatusFollowsTheRowsWithoutNATS(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 30)
	job := h.listed()
	p := h.projector()
	p.page = 7
	h.Bus.Stop()
	h.follow(p)
	h.end(job, h.ids[:10]...)
	h.Eventually("the ten outcomes count", func() bool { return h.status(job).CompletedSteps == 10 })
	h.end(job, h.ids[10:]...)
	h.Eventually("the job has ended", func() bool { return h.status(job).Status == schema.Failed && !h.ReadJob(job.ID).EndedAt.IsZero() })
	h.Bus.Restart()
	h.Eventually("the end is published", func() bool { return h.ReadJob(job.ID).AnnouncedFinished })
	if n := h.Log.Count("cannot bring every job status up to its rows"); n != 1 {
		t.Errorf("the outage is logged %d times", n)
	}
}

func TestTheReasonOfABlockedJobReachesItsStatusWithoutNATS(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 2)
	job := h.listed()
	h.Bus.Stop()
	h.follow(h.projector())
	for _, reason := range []string{"NATS refuses messages: it is full", ""} {
		if err := schema.SetBlocked(t.Context(), h.DB, job.ID, reason); err != nil {
			t.Fatal(err)
		}
		h.Eventually("the status has the reason "+reason, func() bool { return h.status(job).WaitingFor == reason && h.status(job).Status == schema.Running })
	}
}

func TestADeletedStatusIsWrittenAgain(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	job := h.listed()
	p := h.projector()
	h.fold(p, h.end(job, h.ids[0])...)
	other := h.beside(job)
	h.fold(p, heard(events.JobBell(other.ID)))
	h.fold(p, h.end(job, h.ids[1:]...)...)
	ended, running := h.status(job), h.status(other)
	if !ended.Status.Final() || running.Status != schema.Running || running.CompletedSteps != 1 {
		t.Fatalf("the jobs are %+v and %+v", ended, running)
	}
	h.Exec("delete from job_status")
	// Computed when it is read, before it is written again.
	same := func(when string) {
		t.Helper()
		for _, want := range []schema.JobStatus{ended, running} {
			if got := h.status(h.ReadJob(want.JobID)); !got.Equal(want) {
				t.Errorf("%s the status is %+v, not %+v", when, got, want)
			}
		}
	}
	same("without a row")
	p.lag.rows = 1 // several pages
	h.follow(p)
	h.Eventually("both rows are there", func() bool { return h.Count("select count(*) from job_status") == 2 })
	same("written again")
	if n := h.Count("select count(*) from job_status where updated_by <> 'projector'"); n != 0 {
		t.Errorf("%d rows are not the projector's", n)
	}
}

func TestTheEndOfASmallJobIsPublishedWithTheEventThatItsListIsComplete(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	job := h.listed()
	// The dispatcher has published that the list is complete, and how the job was resumed, and has not marked either in the row yet.
	h.Exec("update jobs set announced_listed = false, intent_version = 3 where id = ?", job.ID)
	batch := append(h.end(job, h.ids[0]), heard(events.JobListed(job.ID, 1)),
		heard(events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: 3, Intent: schema.IntentRun})))
	h.fold(h.projector(), batch...)
	if n := len(h.published(events.TopicJobFinished, job.ID)); n != 1 {
		t.Errorf("the end is published %d times", n)
	}
}
