package main

import (
	"net/http"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// control sends a control request for the job and expects 202.
func (f *fixture) control(jobID, what string) {
	f.t.Helper()
	if code, body := f.do(http.MethodPost, "/jobs/"+jobID+"/"+what, nil); code != http.StatusAccepted {
		f.t.Fatalf("%s: got %d, want 202: %s", what, code, body)
	}
}

func TestAPausedAndResumedJobLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	f.control(job, "pause")
	seen := f.follow(job, func(status events.JobStatus) bool { return status.Status == schema.StatusPaused })
	if paused := seen[len(seen)-1]; paused.CompletedSteps == paused.TotalSteps {
		t.Fatal("job ended before it was paused")
	}
	if code, body := f.do(http.MethodPost, "/jobs/"+job+"/pause", nil); code != http.StatusConflict {
		t.Errorf("second pause: got %d, want 409: %s", code, body)
	}
	f.control(job, "resume")
	f.exact(f.finish(job), enough)
}

func TestARetryProcessesTheCancelledMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	f.control(job, "cancel")
	cancelled := f.finish(job)
	if cancelled.Status != schema.StatusCancelled || cancelled.Cancelled == 0 ||
		cancelled.Succeeded+cancelled.Cancelled != enough {
		t.Fatalf(
			"got final status %s with %d succeeded and %d cancelled, want cancelled, with each item in one of them",
			cancelled.Status, cancelled.Succeeded, cancelled.Cancelled,
		)
	}
	retry := f.accepted(f.do(http.MethodPost, "/jobs/"+job+"/retry", nil))
	if again := f.finish(retry); again.Status != schema.StatusCompleted || again.Succeeded != cancelled.Cancelled {
		t.Errorf("got final status %s of the retry with %d succeeded, want completed with %d", again.Status,
			again.Succeeded, cancelled.Cancelled)
	}
	var twice int64
	if err := f.db.NewRaw(`
		select count(*) from (
			select mapping_id from classification_history group by mapping_id having count(*) <> 1
		) t`).
		Scan(t.Context(), &twice); err != nil || twice != 0 {
		t.Errorf("got %d mappings that were not saved exactly once, want 0 (%v)", twice, err)
	}
}
