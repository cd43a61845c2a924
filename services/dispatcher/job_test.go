package dispatcher

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestAJobIsStartedListedAndAnnouncedInOrderAndOnce(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 5)
	d := k.dispatcher(Options{Page: 2})
	if n := k.turns(d); n != 3 {
		t.Errorf("a list of three pages took %d turns", n)
	}
	k.turns(d)
	k.turns(k.dispatcher(Options{Page: 2})) // as after a restart
	if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(numbered("cards", 1, 5), k.outstanding(job)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	for _, stream := range []string{events.StreamEvents, events.StreamWork} {
		for _, m := range k.Messages(stream) {
			if trace := m.Header.Get("traceparent"); trace[:35] != job.Traceparent[:35] {
				t.Errorf("%s is in the trace %s, not in that of the request, %s", m.Header.Get("ce-id"), trace, job.Traceparent)
			}
		}
	}
}

func TestMappingsAreSentWhileTheListIsStillWritten(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 5)
	if more := k.turn(k.dispatcher(Options{Page: 2})); !more {
		t.Error("a list of three pages is written in one turn")
	}
	if diff := cmp.Diff(numbered("cards", 1, 2), k.outstanding(job)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestWhatTheAPIHasSaidIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	if err := schema.MarkAnnounced(t.Context(), k.DB, job.ID, schema.AnnouncedRequested, "api"); err != nil {
		t.Fatal(err)
	}
	k.turns(k.dispatcher(Options{}))
	if diff := cmp.Diff([]string{"started/JOB", "listed/JOB"}, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

func TestAJobThatIsPausedBeforeItsStartIsNeitherStartedNorListed(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	k.Intend(job.ID, schema.IntentPause)
	d := k.dispatcher(Options{})
	k.turns(d)
	if now := k.ReadJob(job.ID); !now.StartedAt.IsZero() || now.Listed != 0 || len(k.outstanding(job)) != 0 {
		t.Errorf("started at %v, %d listed, %d sent", now.StartedAt, now.Listed, len(k.outstanding(job)))
	}
	k.Intend(job.ID, schema.IntentRun)
	k.turns(d)
	want := []string{"requested/JOB", "paused/JOB/2", "resumed/JOB/3", "started/JOB", "listed/JOB"}
	if diff := cmp.Diff(want, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if len(k.outstanding(job)) != 3 {
		t.Errorf("sent %v", k.outstanding(job))
	}
}

func TestWhatIsSaidLateIsSaidInTheOrderInWhichItHappened(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	k.Intend(job.ID, schema.IntentPause, schema.IntentRun) // between two turns
	k.turns(k.dispatcher(Options{}))
	want := []string{"requested/JOB", "paused/JOB/2", "resumed/JOB/3", "started/JOB", "listed/JOB"}
	if diff := cmp.Diff(want, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	for _, m := range k.Messages(events.StreamEvents) {
		asked := strings.HasPrefix(m.Header.Get("ce-id"), "paused/") || strings.HasPrefix(m.Header.Get("ce-id"), "resumed/")
		if own := strings.Contains(m.Header.Get("traceparent"), "-0000000000000000000000000000abcd-"); own != asked {
			t.Errorf("%s is in the trace %s", m.Header.Get("ce-id"), m.Header.Get("traceparent"))
		}
	}
}

func TestWhatAJobThatHasEndedOwesIsSaid(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	k.turns(k.dispatcher(Options{}))
	// A dispatcher died between the last page and its news, and the job ended meanwhile.
	k.Exec("update jobs set announced_listed = false, ended_at = listed_at where id = ?", job.ID)
	k.lose()
	k.turns(k.dispatcher(Options{}))
	if said := k.said(job); len(said) != 4 || said[3] != "listed/JOB" {
		t.Errorf("said %v", said)
	}
	if sent := k.outstanding(job); len(sent) != 0 {
		t.Errorf("the ended job is sent: %v", sent)
	}
}

func TestAPausedJobSendsNothingFromItsNextTurnOnAndAllAgainWhenItIsResumed(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 4)
	k.job("running", 1) // so that the lane has a window to share
	d := k.dispatcher(Options{})
	k.turns(d)
	k.Intend(job.ID, schema.IntentPause)
	k.lose() // the classifier takes them away without working
	k.turns(d)
	k.turns(k.dispatcher(Options{})) // nor does one without hints
	if sent := k.outstanding(job); len(sent) != 0 {
		t.Errorf("sent while paused: %v", sent)
	}
	k.Intend(job.ID, schema.IntentRun)
	k.turns(d) // whose hints are an hour from their end
	if sent := k.outstanding(job); len(sent) != 4 {
		t.Errorf("sent after the resumption: %v", sent)
	}
}

func TestAPauseStopsTheListAndAResumptionCompletesIt(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 5)
	d := k.dispatcher(Options{Page: 2})
	k.turn(d)
	k.Intend(job.ID, schema.IntentPause)
	k.turns(d)
	if now := k.ReadJob(job.ID); now.Listed != 2 || !now.ListedAt.IsZero() {
		t.Errorf("%d are listed of a paused job", now.Listed)
	}
	k.Intend(job.ID, schema.IntentRun)
	k.turns(d)
	if now := k.ReadJob(job.ID); now.Listed != 5 || now.ListedAt.IsZero() {
		t.Errorf("%d are listed after the resumption", now.Listed)
	}
}

func TestACancelledJobHasAllItsRowsCancelledInPages(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"before its start": 0, "during its listing": 2, "after its listing": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFixture(t)
			const mappings, page = 7, 2
			job := k.job("cards", mappings)
			d := k.dispatcher(Options{Page: page, Interval: never})
			for range before {
				k.turn(d)
			}
			done := 0
			if before > 0 {
				done = 1
				k.finish(job, "cards-1")
			}
			k.Intend(job.ID, schema.IntentCancel)
			k.lose()
			turns := k.turns(d)
			cancelled := k.Count("select count(*) from job_items where job_id = ? and outcome = 'cancelled' and ended_at is not null", job.ID)
			if all := k.Count("select count(*) from job_items where job_id = ?", job.ID); all != mappings || cancelled != mappings-done {
				t.Errorf("%d of %d rows are cancelled, %d were done", cancelled, all, done)
			}
			if most := k.Count(`select max(n) from (select count(*) as n from job_items where outcome = 'cancelled'
				group by xmin::text) pages`); most > page {
				t.Errorf("%d rows were marked in one transaction", most)
			}
			// Nobody else tells the projector of them, which may be busy with other jobs.
			if n := k.bells(job); n != turns-1 {
				t.Errorf("%d bells for %d turns of which all but the last had rows to cancel", n, turns)
			}
			if times := k.Count(`select max(n) from (select count(distinct ended_at) as n from job_items where outcome = 'cancelled'
				group by xmin::text) pages`); times != 1 {
				t.Errorf("one transaction has %d times", times)
			}
			now := k.ReadJob(job.ID)
			if now.ListedAt.IsZero() || now.Listed != mappings || now.StartedAt.IsZero() != (before == 0) {
				t.Errorf("started %v, listed %d at %v", now.StartedAt, now.Listed, now.ListedAt)
			}
			if sent := k.outstanding(job); len(sent) != 0 {
				t.Errorf("sent: %v", sent)
			}
			if said := k.said(job); !slices.Contains(said, "cancelled/JOB/2") || !slices.Contains(said, "listed/JOB") {
				t.Errorf("said: %v", said)
			}
		})
	}
}

func TestACancellationIsSaidInItsFirstTurnAtAnySize(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 50)
	k.Intend(job.ID, schema.IntentCancel)
	if more := k.turn(k.dispatcher(Options{Page: 2})); !more {
		t.Error("fifty rows were marked in one turn")
	}
	if diff := cmp.Diff([]string{"requested/JOB", "cancelled/JOB/2"}, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

func TestARetryListsAndSendsWhatWasLost(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	first := k.job("cards", 6)
	d := k.dispatcher(Options{})
	k.turns(d)
	k.finish(first, "cards-2", "cards-4")
	k.Exec("update job_items set outcome = 'succeeded', error_code = null, ended_at = now() where mapping_id in (?)",
		bun.List([]string{"cards-1", "cards-3"}))
	k.Intend(first.ID, schema.IntentCancel) // loses 5 and 6
	k.turns(d)
	k.Exec("update jobs set ended_at = listed_at, announced_finished = true where id = ?", first.ID)
	for code, want := range map[schema.ErrorCode][]string{"": {"cards-2", "cards-4", "cards-5", "cards-6"}, schema.CodePanic: {"cards-2", "cards-4"}} {
		again := k.jobOf("cards", len(want))
		k.Exec("update jobs set scope = 'retry', retry_of = ?, retry_error_code = ? where id = ?", first.ID, code, again.ID)
		k.turns(d)
		if diff := cmp.Diff(want, k.outstanding(again)); diff != "" {
			t.Errorf("of %q (-want +got):\n%s", code, diff)
		}
		k.Exec("update jobs set ended_at = listed_at, announced_finished = true where id = ?", again.ID)
	}
}

func TestAJobWithNothingToDoIsListedAtOnce(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 0)
	if n := k.turns(k.dispatcher(Options{})); n != 1 {
		t.Errorf("it took %d turns", n)
	}
	if now := k.ReadJob(job.ID); now.ListedAt.IsZero() || now.StartedAt.IsZero() {
		t.Errorf("started %v, listed %v", now.StartedAt, now.ListedAt)
	}
	if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}
