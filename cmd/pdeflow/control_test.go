package main

import (
	"net/http"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// steer asks something of the job and wants it to be taken.
func (s *stand) steer(jobID, what string) {
	s.t.Helper()
	if code, body := s.do(http.MethodPost, "/jobs/"+jobID+"/"+what, nil); code != http.StatusAccepted {
		s.t.Fatalf("%s answers %d: %s", what, code, body)
	}
}

func TestAJobIsPausedAndResumedAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	s.steer(job, "pause")
	seen := s.follow(job, func(status events.JobStatus) bool { return status.Status == schema.Paused })
	if paused := seen[len(seen)-1]; paused.CompletedSteps == paused.TotalSteps {
		t.Fatal("the job was over before it was paused")
	}
	if code, body := s.do(http.MethodPost, "/jobs/"+job+"/pause", nil); code != http.StatusConflict {
		t.Errorf("a second pause answers %d: %s", code, body)
	}
	s.steer(job, "resume")
	s.exact(s.finish(job), enough)
}

func TestACancelledJobIsRetriedWithWhatWasLost(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	s.steer(job, "cancel")
	cancelled := s.finish(job)
	if cancelled.Status != schema.Cancelled || cancelled.Cancelled == 0 ||
		cancelled.Succeeded+cancelled.Cancelled != enough {
		t.Fatalf("the job ended %s with %d succeeded and %d cancelled", cancelled.Status, cancelled.Succeeded,
			cancelled.Cancelled)
	}
	retry := s.accepted(s.do(http.MethodPost, "/jobs/"+job+"/retry", nil))
	if again := s.finish(retry); again.Status != schema.Completed || again.Succeeded != cancelled.Cancelled {
		t.Errorf("the retry ended %s with %d succeeded of %d lost", again.Status, again.Succeeded, cancelled.Cancelled)
	}
	var twice int64
	if err := s.db.NewRaw(`select count(*) from (select mapping_id from classification_history group by mapping_id having count(*) <> 1) t`).
		Scan(t.Context(), &twice); err != nil || twice != 0 {
		t.Errorf("%d mappings were not saved exactly once by the two jobs, %v", twice, err)
	}
}
