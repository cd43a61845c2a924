package projector

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// Each check is a job whose items end while events of it arrive in any order, repeatedly, forged or not at all. Run
// more of them with -rapid.checks=1000.
func TestTheStatusFollowsTheRowsForAnyOrderOfEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	p := f.projector()
	rapid.Check(t, func(rt *rapid.T) {
		f.Exec("truncate jobs, job_status cascade") // a failed check leaves its job active
		job := f.listed()
		total := int64(len(f.ids))
		forged := events.Item{MappingID: "no such mapping", Outcome: schema.OutcomeFailed, Attempt: 1}
		pool := []events.JobProgress{
			events.JobStarted(job.ID), events.JobListed(job.ID, total), events.JobBell(job.ID),
			events.JobItem(job.ID, events.Item{MappingID: f.ids[3], Outcome: schema.OutcomeSucceeded, Attempt: 1}),
			events.JobItem(job.ID, forged),
		}
		ended, completed := int64(0), int64(0)
		observe := func() schema.JobStatus {
			status := f.status(job)
			if status.CompletedSteps < completed || status.CompletedSteps > ended || status.TotalSteps != total {
				rt.Fatalf("status: got %d of %d completed, want at least %d, at most %d of %d",
					status.CompletedSteps, status.TotalSteps, completed, ended, total)
			}
			if done := status.Status == schema.StatusFailed; done != (status.CompletedSteps == total) {
				rt.Fatalf("status: got %s with %d of %d completed", status.Status, status.CompletedSteps, total)
			}
			completed = status.CompletedSteps
			return status
		}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			if ended < total && rapid.Bool().Draw(rt, "an item ends") {
				pool = append(pool, f.end(job, f.ids[ended])[0].Body)
				ended++
			}
			var batch []events.Received[events.JobProgress]
			for _, event := range rapid.SliceOfN(rapid.SampledFrom(pool), 0, 4).Draw(rt, "batch") {
				batch = append(batch, received(event))
			}
			f.fold(p, batch...)
			observe()
		}
		f.end(job, f.ids[ended:]...) // their events are lost
		ended = total
		f.fold(p, received(events.JobBell(job.ID)))
		if status := observe(); status.Status != schema.StatusFailed {
			rt.Fatalf("status after a bell: got %s, want %s", status.Status, schema.StatusFailed)
		}
	})
}
