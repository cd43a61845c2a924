package projector

import (
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// watchLag runs the projector with a short interval between its searches for lagging jobs.
func (f *fixture) watchLag(p *Projector) {
	p.lag.every = 10 * time.Millisecond
	f.Run(p.Run)
}

func TestTheStatusFollowsTheRowsWithoutNATS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 30)
	job := f.listed()
	p := f.projector()
	p.page = 7
	f.Bus.Stop()
	f.watchLag(p)
	f.end(job, f.ids[:10]...)
	f.Eventually("ten items are counted", func() bool { return f.status(job).CompletedSteps == 10 })
	f.end(job, f.ids[10:]...)
	f.Eventually("the job has ended", func() bool {
		return f.status(job).Status == schema.StatusFailed && !f.ReadJob(job.ID).EndedAt.IsZero()
	})
	f.Bus.Restart()
	f.Eventually("job.finished is published", func() bool { return f.ReadJob(job.ID).PublishedFinished })
	if n := f.Log.Count("cannot update lagging job statuses"); n != 1 {
		t.Errorf("log lines about the outage: got %d, want 1", n)
	}
}

func TestTheReasonOfABlockedJobReachesItsStatusWithoutNATS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	job := f.listed()
	f.Bus.Stop()
	f.watchLag(f.projector())
	for _, reason := range []string{"NATS refuses messages: it is full", ""} {
		if err := schema.UpdateBlockedBy(t.Context(), f.DB, job.ID, reason); err != nil {
			t.Fatal(err)
		}
		f.Eventually("the status has the reason "+reason, func() bool {
			status := f.status(job)
			return status.WaitingFor == reason && status.Status == schema.StatusRunning
		})
	}
}

func TestADeletedStatusIsWrittenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	job := f.listed()
	p := f.projector()
	f.fold(p, f.end(job, f.ids[0])...)
	other := f.sibling(job)
	f.fold(p, received(events.JobBell(other.ID)))
	f.fold(p, f.end(job, f.ids[1:]...)...)
	ended, running := f.status(job), f.status(other)
	if !ended.Status.IsFinal() || running.Status != schema.StatusRunning || running.CompletedSteps != 1 {
		t.Fatalf("statuses: got %+v and %+v, want one ended and one running", ended, running)
	}
	f.Exec("delete from job_status")
	// While the row is missing, the status is computed when it is read.
	same := func(when string) {
		t.Helper()
		for _, want := range []schema.JobStatus{ended, running} {
			if got := f.status(f.ReadJob(want.JobID)); !got.Equal(want) {
				t.Errorf("status %s: got %+v, want %+v", when, got, want)
			}
		}
	}
	same("without a row")
	f.watchLag(p)
	f.Eventually("both rows are written again", func() bool { return f.Count("select count(*) from job_status") == 2 })
	same("written again")
	if n := f.Count("select count(*) from job_status where updated_by <> 'projector'"); n != 0 {
		t.Errorf("rows with another updated_by: got %d, want 0", n)
	}
}

func TestJobFinishedFollowsListedInTheSameBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	job := f.listed()
	// The dispatcher has published listed and resumed, and has not recorded either in the row yet.
	f.Exec("update jobs set published_listed = false, intent_version = 3 where id = ?", job.ID)
	batch := append(f.end(job, f.ids[0]), received(events.JobListed(job.ID, 1)),
		received(events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: 3, Intent: schema.IntentRun})))
	f.fold(f.projector(), batch...)
	if n := len(f.published(events.TopicJobFinished, job.ID)); n != 1 {
		t.Errorf("job.finished events: got %d, want 1", n)
	}
}
