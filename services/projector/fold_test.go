package projector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestABatchIsFoldedJobByJob(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 6)
	one := h.listed()
	two := h.beside(one)
	first, second := h.end(one, h.ids[:2]...), h.end(two, h.ids[:3]...)
	h.fold(h.projector(), first[0], second[0], second[1], heard(events.JobStarted(one.ID)), first[1], second[2])
	if a, b := h.status(one).Failed, h.status(two).Failed; a != 2 || b != 3 {
		t.Errorf("%d and %d are counted, not 2 and 3", a, b)
	}
}

func TestAnEventThatComesTwiceLateOrForgedAddsNothing(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 4)
	job := h.listed()
	said := h.end(job, h.ids[:2]...)
	p := h.projector()
	h.fold(p, said...)
	forged := heard(events.JobItem(job.ID, events.Item{MappingID: h.ids[3], Outcome: schema.Succeeded, Attempt: 1}))
	h.fold(p, append(slices.Concat(said, said), forged)...)
	h.fold(h.projector(), said...)
	if status := h.status(job); status.CompletedSteps != 2 || status.Failed != 2 {
		t.Errorf("%d are counted, %d of them failed", status.CompletedSteps, status.Failed)
	}
}

func TestAJobIsSeenRunningBeforeAnythingOfItCounts(t *testing.T) {
	t.Parallel()
	for name, paused := range map[string]bool{"from pending": false, "paused before its start": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t, 2)
			h.Exec(`create table seen (at bigserial, tx bigint, status text, completed_steps bigint)`)
			h.Exec(`create function see() returns trigger language plpgsql as $$ begin
				insert into seen (tx, status, completed_steps) values (txid_current(), new.status, new.completed_steps); return new; end $$`)
			h.Exec(`create trigger see after insert or update on job_status for each row execute function see()`)
			job := schematest.Job(t, h.DB, 2)
			want := []string{"pending 0", "running 0", "failed 2"}
			if paused {
				intent := h.Intend(job.ID, schema.IntentPause)
				h.fold(h.projector(), heard(events.JobIntentOf(intent)))
				h.Intend(job.ID, schema.IntentRun)
				want = []string{"pending 0", "paused 0", "running 0", "failed 2"}
			}
			// Everything happens before the projector looks.
			if err := schema.MarkStarted(t.Context(), h.DB, job.ID); err != nil {
				t.Fatal(err)
			}
			h.Exec(`insert into job_items (job_id, mapping_id, created_at, created_by, updated_at, updated_by)
				select ?, id, now(), 'test', now(), 'test' from pde_mappings`, job.ID)
			h.Exec("update jobs set listed = 2, listed_at = clock_timestamp(), version = version + 1 where id = ?", job.ID)
			h.fold(h.projector(), h.end(job, h.ids...)...)
			var seen []struct {
				Tx   int64  `bun:"tx"`
				Said string `bun:"said"`
			}
			if err := h.DB.NewRaw("select tx, status || ' ' || completed_steps as said from seen order by at").Scan(t.Context(), &seen); err != nil {
				t.Fatal(err)
			}
			var said []string
			for i, row := range seen {
				said = append(said, row.Said)
				if i > 0 && row.Said == "failed 2" && row.Tx == seen[i-1].Tx {
					t.Errorf("%s was committed together with %s", row.Said, seen[i-1].Said)
				}
			}
			if !slices.Equal(said, want) {
				t.Errorf("seen %q, not %q", said, want)
			}
		})
	}
}

func TestASweepCountsAPageAndAsksForTheNextOne(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 5)
	job := h.listed()
	other := h.beside(job)
	h.end(job, h.ids...) // and nobody says so
	p := h.projector()
	p.page = 2
	h.fold(p, heard(events.JobBell(job.ID)), h.end(other, h.ids[0])[0])
	if a, b := h.status(job).CompletedSteps, h.status(other).CompletedSteps; a != 2 || b != 1 {
		t.Errorf("%d of the swept job are counted, not 2, and %d of the other, not 1", a, b)
	}
	if n := h.bells(job.ID); n != 1 {
		t.Errorf("the rest is asked for with %d bells", n)
	}
	h.run(p)
	h.say(heard(events.JobBell(job.ID)))
	h.settled()
	if status := h.status(job); status.Status != schema.Failed || status.Failed != 5 {
		t.Errorf("%s with %d failed after the last page", status.Status, status.Failed)
	}
	if n := len(h.published(events.TopicJobFinished, job.ID)); n == 0 {
		t.Error("the end is not said")
	}
}

func TestListedCancelledAndABellSweepWhatNoEventNamed(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 8)
	job := h.listed()
	intent := schema.JobIntent{JobID: job.ID, Version: 1, Intent: schema.IntentCancel}
	counted := 0
	for _, said := range []events.JobProgress{
		events.JobListed(job.ID, 8), events.JobIntentOf(intent), events.JobBell(job.ID), events.JobStarted(job.ID),
	} {
		h.end(job, h.ids[counted])
		h.fold(h.projector(), heard(said))
		if said.Kind != events.KindStarted {
			counted++
		}
		if n := h.status(job).CompletedSteps; n != int64(counted) {
			t.Errorf("%s: %d counted, not %d", said.Kind, n, counted)
		}
	}
}

func TestAJobWithNothingToDoCompletesWhenItIsListed(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 0)
	job := h.listed()
	h.fold(h.projector(), heard(events.JobStarted(job.ID)), heard(events.JobListed(job.ID, 0)))
	if status := h.status(job); status.Status != schema.Completed || status.ProgressPercentage != 100 {
		t.Errorf("%s at %d %%", status.Status, status.ProgressPercentage)
	}
}

func TestWhatAJobWaitsForIsShownUntilItIsOver(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 2)
	job := h.listed()
	p := h.projector()
	h.fold(p, h.end(job, h.ids[0])...)
	postponed := schema.Saved{Attempt: 1, Code: schema.CodePanic, Error: "broke"}
	due, err := schema.PostponeItem(t.Context(), h.DB, job.ID, h.ids[1], postponed, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.fold(p, heard(events.JobBell(job.ID)))
	}
	want := fmt.Sprintf("1 mapping that failed before will be tried again, the first at %s", due.UTC().Format(time.RFC3339))
	if got := h.status(job).WaitingFor; got != want {
		t.Errorf("waits for %q, not %q", got, want)
	}
	h.Exec("update job_items set outcome = 'succeeded', error_code = null, error = null, ended_at = now() where mapping_id = ?", h.ids[1])
	h.fold(p, h.item(job, h.ids[1]))
	if status := h.status(job); status.WaitingFor != "" || !status.Status.Final() {
		t.Errorf("%s, waits for %q", status.Status, status.WaitingFor)
	}
	var said []events.Waiting
	for _, m := range h.published(events.TopicJobProgress, job.ID) {
		_, event, err := events.DecodeAny(events.Message{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err != nil {
			t.Fatal(err)
		}
		if progress, ok := event.(events.JobProgress); ok && progress.Kind == events.KindWaiting {
			said = append(said, *progress.Waiting)
		}
	}
	if len(said) != 2 || *said[0].WaitingFor != want || !said[0].Until.Equal(due) || said[1].WaitingFor != nil || said[1].Until != nil {
		t.Errorf("said of the wait: %+v", said)
	}
}

func TestAWaitThatCouldNotBeSaidIsSaidAtTheBell(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	job := h.listed()
	p := h.projector()
	h.fold(p, heard(events.JobBell(job.ID)))
	if _, err := schema.PostponeItem(t.Context(), h.DB, job.ID, h.ids[0], schema.Saved{Attempt: 1, Code: schema.CodePanic, Error: "broke"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	h.Bus.Stop()
	if err := p.fold(t.Context(), []events.Received[events.JobProgress]{heard(events.JobBell(job.ID))}); err == nil {
		t.Error("the bell would be acknowledged")
	}
	if lagging, err := new(schema.LagScan).Jobs(t.Context(), h.DB); err != nil || !slices.Contains(lagging, job.ID) {
		t.Errorf("no bell would follow: %v, %v", lagging, err)
	}
	h.Bus.Restart()
	next := h.projector()
	h.Eventually("it is said", func() bool {
		return next.fold(t.Context(), []events.Received[events.JobProgress]{heard(events.JobBell(job.ID))}) == nil
	})
	h.fold(next, heard(events.JobBell(job.ID)))
	n := 0
	for _, m := range h.published(events.TopicJobProgress, job.ID) {
		if strings.HasPrefix(m.Header.Get("ce-id"), "waiting/") {
			n++
		}
	}
	if lagging, err := new(schema.LagScan).Jobs(t.Context(), h.DB); err != nil || len(lagging) != 0 || n != 1 {
		t.Errorf("it is said %d times, and %v lag, %v", n, lagging, err)
	}
}

func TestAJobWhoseStatusCannotBeWrittenKeepsNoOtherFromItsFold(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	bad := h.listed()
	good := h.beside(bad)
	h.Exec(`create function refuse() returns trigger language plpgsql as $$ begin
		if new.completed_steps = 1 then raise exception 'no' using errcode = 'check_violation'; end if; return new; end $$`)
	h.Exec("create trigger refuse before insert or update on job_status for each row when (new.job_id <> 'beside') execute function refuse()")
	p := h.projector()
	first := h.end(bad, h.ids[0])
	h.fold(p, append(first, h.end(good, h.ids[:2]...)...)...)
	h.fold(p, append(first, heard(events.JobBell(bad.ID)))...)
	if n := h.status(good).CompletedSteps; n != 2 {
		t.Errorf("%d of the good job are counted", n)
	}
	if n := h.Log.Count("cannot be written"); n != 1 {
		t.Errorf("the trouble is logged %d times", n)
	}
	// When what was wrong is over, a bell brings all of it.
	h.end(bad, h.ids[1])
	h.fold(p, heard(events.JobBell(bad.ID)))
	if n := h.status(bad).CompletedSteps; n != 2 {
		t.Errorf("%d of the other job are counted after its trouble", n)
	}
}

// The database is out of order for one job only, with an error that says nothing about the job.
func TestAnErrorThatKeepsComingBackBelongsToItsJobAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3*maxRetried)
	bad := h.listed()
	good := h.beside(bad)
	h.Exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$`)
	h.Exec("create trigger refuse before insert or update on job_status for each row when (new.job_id <> 'beside') execute function refuse()")
	p := h.projector()
	batch := append(h.end(bad, h.ids...), h.end(good, h.ids[:2]...)...)
	for try := 1; try < ownAfter; try++ {
		verdicts, ok := p.fold(t.Context(), batch).(events.Verdicts) //nolint:errorlint // the runner wants it unwrapped too
		if !ok {
			t.Fatalf("try %d: the events of both jobs get the same verdict", try)
		}
		retried := 0
		for i, verdict := range verdicts {
			if verdict == nil {
				continue
			}
			if retried++; batch[i].Body.JobID != bad.ID {
				t.Errorf("try %d: an event of the good job would be delivered again", try)
			}
		}
		if retried != maxRetried {
			t.Errorf("try %d: %d events would be delivered again, not %d", try, retried, maxRetried)
		}
	}
	h.fold(p, batch...)
	h.fold(p, heard(events.JobBell(bad.ID)))
	if n := h.Log.Count("cannot be written"); n != 1 || h.status(good).CompletedSteps != 2 {
		t.Errorf("logged %d times, and %d of the good job are counted", n, h.status(good).CompletedSteps)
	}
	// The first event after that brings the rest, although it names no item.
	h.Exec("drop trigger refuse on job_status")
	h.fold(p, heard(events.JobStarted(bad.ID)))
	if n := h.status(bad).CompletedSteps; n != int64(len(h.ids)) {
		t.Errorf("%d are counted when it is over", n)
	}
}

func TestAStatusThatAUserLocksHoldsUpNoOtherForLong(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 2)
	bad := h.listed()
	good := h.beside(bad)
	p := h.projector()
	h.fold(p, heard(events.JobStarted(bad.ID)), heard(events.JobStarted(good.ID)))
	user, err := h.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer user.Rollback() //nolint:errcheck // done below, unless the test has failed
	if _, err := user.NewRaw("select from job_status where job_id = ? for update", bad.ID).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.fold(p, append(h.end(bad, h.ids...), h.end(good, h.ids...)...)...)
	if n := h.status(good).CompletedSteps; n != 2 {
		t.Errorf("%d of the other job are counted", n)
	}
	if err := user.Rollback(); err != nil {
		t.Fatalf("the lock was gone before the other job was counted: %v", err)
	}
	h.fold(p, heard(events.JobBell(bad.ID)))
	if n := h.status(bad).CompletedSteps; n != 2 {
		t.Errorf("%d are counted when the lock is gone", n)
	}
}

func TestTheEndOfAJobIsPublishedWhateverItsErrorsHold(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 2)
	job := h.listed()
	said := h.end(job, h.ids...)
	h.Exec("update job_items set error = repeat(chr(1) || 'x', 1000000)")
	h.fold(h.projector(), said...)
	if n := len(h.published(events.TopicJobFinished, job.ID)); n != 1 {
		t.Errorf("the end is published %d times", n)
	}
}

func TestABatchComesAgainWhenTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	job := h.listed()
	said := h.end(job, h.ids[0])
	away, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := h.projector()
	p.db = away
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.fold(t.Context(), said); err == nil {
		t.Error("the batch would be acknowledged")
	}
}
