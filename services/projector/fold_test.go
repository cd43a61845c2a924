package projector

import (
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
	f := newFixture(t, 6)
	one := f.listed()
	two := f.sibling(one)
	first, second := f.end(one, f.ids[:2]...), f.end(two, f.ids[:3]...)
	f.fold(f.projector(), first[0], second[0], second[1], received(events.JobStarted(one.ID)), first[1], second[2])
	if a, b := f.status(one).Failed, f.status(two).Failed; a != 2 || b != 3 {
		t.Errorf("failed: got %d and %d, want 2 and 3", a, b)
	}
}

func TestARepeatedLateOrForgedEventAddsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	job := f.listed()
	batch := f.end(job, f.ids[:2]...)
	p := f.projector()
	f.fold(p, batch...)
	forged := received(
		events.JobItem(job.ID, events.Item{MappingID: f.ids[3], Outcome: schema.OutcomeSucceeded, Attempt: 1}),
	)
	f.fold(p, append(slices.Concat(batch, batch), forged)...)
	f.fold(f.projector(), batch...)
	if status := f.status(job); status.CompletedSteps != 2 || status.Failed != 2 {
		t.Errorf("status: got %d completed and %d failed, want 2 and 2", status.CompletedSteps, status.Failed)
	}
}

func TestAJobIsSeenRunningBeforeAnItemIsCounted(t *testing.T) {
	t.Parallel()
	for name, paused := range map[string]bool{"from pending": false, "paused before its start": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 2)
			seen := f.recordStatuses()
			job := schematest.Job(t, f.DB, 2)
			want := []string{"pending 0", "running 0", "failed 2"}
			if paused {
				intent := f.Intend(job.ID, schema.IntentPause)
				f.fold(f.projector(), received(events.JobIntentOf(intent)))
				f.Intend(job.ID, schema.IntentRun)
				want = []string{"pending 0", "paused 0", "running 0", "failed 2"}
			}
			// All of the following happens before the projector folds anything.
			if err := schema.MarkStarted(t.Context(), f.DB, job.ID); err != nil {
				t.Fatal(err)
			}
			f.Exec(`insert into job_items (job_id, mapping_id, created_at, created_by, updated_at, updated_by)
				select ?, id, now(), 'test', now(), 'test' from pde_mappings`, job.ID)
			f.Exec("update jobs set listed = 2, listed_at = clock_timestamp(), version = version + 1 where id = ?",
				job.ID)
			f.fold(f.projector(), f.end(job, f.ids...)...)
			var statuses []string
			rows := seen()
			for i, row := range rows {
				statuses = append(statuses, row.Status)
				if i > 0 && row.Status == "failed 2" && row.Tx == rows[i-1].Tx {
					t.Errorf("transaction of %q: got that of %q, want its own", row.Status, rows[i-1].Status)
				}
			}
			if !slices.Equal(statuses, want) {
				t.Errorf("statuses: got %q, want %q", statuses, want)
			}
		})
	}
}

func TestAJobThatStartsDuringAFoldIsSeenRunningBeforeAnItemIsCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	seen := f.recordStatuses()
	job := schematest.Job(t, f.DB, 1)
	f.Exec(`insert into job_items (job_id, mapping_id, created_at, created_by, updated_at, updated_by)
		values (?, ?, now(), 'test', now(), 'test')`, job.ID, f.ids[0])
	batch := f.end(job, f.ids[0])
	// The projector has read that the job has not started, and waits for the item's row, which the test holds.
	release := f.lockItems(job)
	folded := make(chan error, 1)
	p := f.projector()
	go func() { folded <- p.fold(t.Context(), batch) }()
	f.WaitForLocks(1)
	if err := schema.MarkStarted(t.Context(), f.DB, job.ID); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-folded; err != nil {
		t.Fatal(err)
	}
	var statuses []string
	for _, row := range seen() {
		statuses = append(statuses, row.Status)
	}
	// The transaction that read the job before its start leaves nothing.
	if want := []string{"pending 0", "running 0", "running 1"}; !slices.Equal(statuses, want) {
		t.Errorf("statuses: got %q, want %q", statuses, want)
	}
}

func TestASweepCountsOnePageAndRequestsTheNextOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	job := f.listed()
	other := f.sibling(job)
	f.end(job, f.ids...) // without an event
	p := f.projector()
	p.page = 2
	f.fold(p, received(events.JobBell(job.ID)), f.end(other, f.ids[0])[0])
	if a, b := f.status(job).CompletedSteps, f.status(other).CompletedSteps; a != 2 || b != 1 {
		t.Errorf("completed steps of the swept and the other job: got %d and %d, want 2 and 1", a, b)
	}
	if n := f.bells(job.ID); n != 1 {
		t.Errorf("bells for the next page: got %d, want 1", n)
	}
	f.run(p)
	f.publish(received(events.JobBell(job.ID)))
	f.settled()
	if status := f.status(job); status.Status != schema.StatusFailed || status.Failed != 5 {
		t.Errorf("status after the last page: got %s with %d failed, want failed with 5", status.Status, status.Failed)
	}
	if n := len(f.published(events.TopicJobFinished, job.ID)); n == 0 {
		t.Error("job.finished was not published")
	}
	if p.scan.FoldedUntil(job.ID).IsZero() {
		t.Error("Since after the last page: got the zero time, want that of the sweep")
	}
}

func TestListedCancelledAndABellSweepItemsThatNoEventNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 8)
	job := f.listed()
	intent := schema.JobIntent{JobID: job.ID, Version: 1, Intent: schema.IntentCancel}
	counted := 0
	for _, event := range []events.JobProgress{
		events.JobListed(job.ID, 8), events.JobIntentOf(intent), events.JobBell(job.ID), events.JobStarted(job.ID),
	} {
		f.end(job, f.ids[counted])
		f.fold(f.projector(), received(event))
		if event.Kind != events.KindStarted {
			counted++
		}
		if n := f.status(job).CompletedSteps; n != int64(counted) {
			t.Errorf("completed steps after %s: got %d, want %d", event.Kind, n, counted)
		}
	}
}

func TestAnEmptyJobCompletesWhenItIsListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	job := f.listed()
	f.fold(f.projector(), received(events.JobStarted(job.ID)), received(events.JobListed(job.ID, 0)))
	if status := f.status(job); status.Status != schema.StatusCompleted || status.ProgressPercentage != 100 {
		t.Errorf("status: got %s at %d %%, want completed at 100 %%", status.Status, status.ProgressPercentage)
	}
}

func TestADeletedStatusOfAnEmptyJobIsWrittenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	job := f.listed()
	p := f.projector()
	f.fold(p, received(events.JobListed(job.ID, 0)))
	want := f.status(job)
	f.Exec("delete from job_status")
	f.fold(p, received(events.JobBell(job.ID)))
	if got := f.status(job); !got.Equal(want) || f.Count("select count(*) from job_status") != 1 {
		t.Errorf("status: got %+v, want a row with %+v", got, want)
	}
}

func TestTheReasonOfAWaitIsShownUntilTheWaitIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	job := f.listed()
	p := f.projector()
	f.fold(p, f.end(job, f.ids[0])...)
	postponed := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "broke"}
	due, err := schema.PostponeItem(t.Context(), f.DB, job.ID, f.ids[1], postponed, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.fold(p, received(events.JobBell(job.ID)))
	}
	want := "1 mapping that failed before will be tried again, the first at " + due.UTC().Format(time.RFC3339)
	if got := f.status(job).WaitingFor; got != want {
		t.Errorf("waiting_for: got %q, want %q", got, want)
	}
	f.Exec(`update job_items set outcome = 'succeeded', error_code = null, error = null, ended_at = now()
		where mapping_id = ?`, f.ids[1])
	f.fold(p, f.item(job, f.ids[1]))
	if status := f.status(job); status.WaitingFor != "" || !status.Status.IsFinal() {
		t.Errorf("status: got %s, waiting for %q, want a final status", status.Status, status.WaitingFor)
	}
	var waits []events.Waiting
	for _, m := range f.published(events.TopicJobProgress, job.ID) {
		_, event, err := events.DecodeAny(events.Message{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err != nil {
			t.Fatal(err)
		}
		if progress, ok := event.(events.JobProgress); ok && progress.Kind == events.KindWaiting {
			waits = append(waits, *progress.Waiting)
		}
	}
	if len(waits) != 2 || *waits[0].WaitingFor != want || !waits[0].Until.Equal(due) ||
		waits[1].WaitingFor != nil || waits[1].Until != nil {
		t.Errorf("waiting events: got %+v, want %q until %v and the end of the wait", waits, want, due)
	}
}

func TestAWaitIsPublishedAtTheNextBellAfterAnOutage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	job := f.listed()
	p := f.projector()
	f.fold(p, received(events.JobBell(job.ID)))
	postponed := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "broke"}
	if _, err := schema.PostponeItem(t.Context(), f.DB, job.ID, f.ids[0], postponed, time.Hour); err != nil {
		t.Fatal(err)
	}
	f.Bus.Stop()
	if err := p.fold(t.Context(), []events.Received[events.JobProgress]{received(events.JobBell(job.ID))}); err == nil {
		t.Error("fold without NATS: got nil, want an error")
	}
	if lagging, err := new(schema.LagScan).ListJobs(t.Context(), f.DB); err != nil ||
		!slices.Contains(lagging, job.ID) {
		t.Errorf("lagging jobs: got %v, %v, want the job", lagging, err)
	}
	f.Bus.Restart()
	next := f.projector()
	f.Eventually("the bell is folded", func() bool {
		return next.fold(t.Context(), []events.Received[events.JobProgress]{received(events.JobBell(job.ID))}) == nil
	})
	f.fold(next, received(events.JobBell(job.ID)))
	n := 0
	for _, m := range f.published(events.TopicJobProgress, job.ID) {
		if strings.HasPrefix(m.Header.Get("ce-id"), "waiting/") {
			n++
		}
	}
	if lagging, err := new(schema.LagScan).ListJobs(t.Context(), f.DB); err != nil || len(lagging) != 0 || n != 1 {
		t.Errorf("got %d waiting events and lagging jobs %v, %v, want 1 and none", n, lagging, err)
	}
}

func TestAJobWhoseStatusCannotBeWrittenHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	bad := f.listed()
	good := f.sibling(bad)
	f.Exec(`create function refuse() returns trigger language plpgsql as $$ begin
		if new.completed_steps = 1 then raise exception 'no' using errcode = 'check_violation'; end if;
		return new;
		end $$`)
	f.Exec(`create trigger refuse before insert or update on job_status for each row
		when (new.job_id <> 'sibling') execute function refuse()`)
	p := f.projector()
	first := f.end(bad, f.ids[0])
	f.fold(p, append(first, f.end(good, f.ids[:2]...)...)...)
	f.fold(p, append(first, received(events.JobBell(bad.ID)))...)
	if n := f.status(good).CompletedSteps; n != 2 {
		t.Errorf("completed steps of the good job: got %d, want 2", n)
	}
	if n := f.Log.Count("cannot write the status of a job"); n != 1 {
		t.Errorf("log lines: got %d, want 1", n)
	}
	// Once the row can be written, a bell counts all items.
	f.end(bad, f.ids[1])
	f.fold(p, received(events.JobBell(bad.ID)))
	if n := f.status(bad).CompletedSteps; n != 2 {
		t.Errorf("completed steps of the bad job: got %d, want 2", n)
	}
}

// The database fails for one job only, with an error that does not name the job.
func TestARepeatedErrorIsAbsorbedAndHoldsUpNoOtherJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3*maxRetried)
	bad := f.listed()
	good := f.sibling(bad)
	f.Exec(`create function refuse() returns trigger language plpgsql as $$ begin
		raise exception 'no space' using errcode = 'disk_full'; end $$`)
	f.Exec(`create trigger refuse before insert or update on job_status for each row
		when (new.job_id <> 'sibling') execute function refuse()`)
	p := f.projector()
	batch := append(f.end(bad, f.ids...), f.end(good, f.ids[:2]...)...)
	for try := 1; try < absorbAfter; try++ {
		//nolint:errorlint // the runner expects it unwrapped too
		verdicts, ok := p.fold(t.Context(), batch).(events.Verdicts)
		if !ok {
			t.Fatalf("try %d: got one verdict for the events of both jobs, want two", try)
		}
		retried := 0
		for i, verdict := range verdicts {
			if verdict == nil {
				continue
			}
			if retried++; batch[i].Body.JobID != bad.ID {
				t.Errorf("retried event of try %d: got one of job %s, want one of job %s",
					try, batch[i].Body.JobID, bad.ID)
			}
		}
		if retried != maxRetried {
			t.Errorf("try %d: got %d retried events, want %d", try, retried, maxRetried)
		}
	}
	f.fold(p, batch...)
	f.fold(p, received(events.JobBell(bad.ID)))
	if n := f.Log.Count("cannot write the status of a job"); n != 1 || f.status(good).CompletedSteps != 2 {
		t.Errorf("got %d log lines and %d completed steps of the good job, want 1 and 2", n,
			f.status(good).CompletedSteps)
	}
	// The next event sweeps all items, although it names none.
	f.Exec("drop trigger refuse on job_status")
	f.fold(p, received(events.JobStarted(bad.ID)))
	if n := f.status(bad).CompletedSteps; n != int64(len(f.ids)) {
		t.Errorf("completed steps after the error: got %d, want %d", n, len(f.ids))
	}
}

func TestAStatusThatAUserHasLockedHoldsUpNoOtherJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	bad := f.listed()
	good := f.sibling(bad)
	p := f.projector()
	f.fold(p, received(events.JobStarted(bad.ID)), received(events.JobStarted(good.ID)))
	user, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer user.Rollback() //nolint:errcheck // done below, unless the test has failed
	_, err = user.NewRaw("select from job_status where job_id = ? for update", bad.ID).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.fold(p, append(f.end(bad, f.ids...), f.end(good, f.ids...)...)...)
	if n := f.status(good).CompletedSteps; n != 2 {
		t.Errorf("completed steps of the other job: got %d, want 2", n)
	}
	if err := user.Rollback(); err != nil {
		t.Fatalf("got the lock ended before the other job was counted (%v), want it after that", err)
	}
	f.fold(p, received(events.JobBell(bad.ID)))
	if n := f.status(bad).CompletedSteps; n != 2 {
		t.Errorf("completed steps after the lock: got %d, want 2", n)
	}
}

func TestJobFinishedIsPublishedWithLongAndUnprintableErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	job := f.listed()
	batch := f.end(job, f.ids...)
	f.Exec("update job_items set error = repeat(chr(1) || 'x', 1000000)")
	f.fold(f.projector(), batch...)
	if n := len(f.published(events.TopicJobFinished, job.ID)); n != 1 {
		t.Errorf("job.finished events: got %d, want 1", n)
	}
}

func TestABatchIsRetriedWhileTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	job := f.listed()
	batch := f.end(job, f.ids[0])
	closed, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := f.projector()
	p.db = closed
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.fold(t.Context(), batch); err == nil {
		t.Error("fold without the database: got nil, want an error")
	}
}
