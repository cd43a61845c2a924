package dispatcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestTheEventsOfAJobArePublishedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 5)
	d := f.dispatcher(Options{Page: 2})
	if n := f.turns(d); n != 3 {
		t.Errorf("turns for a list of three pages: got %d, want 3", n)
	}
	f.turns(d)
	f.turns(f.dispatcher(Options{Page: 2})) // as after a restart
	if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(numbered("cards", 1, 5), f.outstanding(job)); diff != "" {
		t.Errorf("outstanding (-want +got):\n%s", diff)
	}
	for _, stream := range []string{events.StreamEvents, events.StreamWork} {
		for _, m := range f.Messages(stream) {
			if trace := m.Header.Get("traceparent"); trace[:35] != job.Traceparent[:35] {
				t.Errorf("traceparent of %s: got %s, want that of the request, %s", m.Header.Get("ce-id"), trace,
					job.Traceparent)
			}
		}
	}
}

func TestMappingsArePublishedWhileTheListIsIncomplete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 5)
	if more := f.turn(f.dispatcher(Options{Page: 2})); !more {
		t.Error("more after one of three pages: got false, want true")
	}
	if diff := cmp.Diff(numbered("cards", 1, 2), f.outstanding(job)); diff != "" {
		t.Errorf("outstanding (-want +got):\n%s", diff)
	}
}

func TestAnEventPublishedByTheAPIIsNotPublishedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	if err := schema.MarkPublished(t.Context(), f.DB, job.ID, schema.JobEventRequested, "api"); err != nil {
		t.Fatal(err)
	}
	f.turns(f.dispatcher(Options{}))
	if diff := cmp.Diff([]string{"started/JOB", "listed/JOB"}, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAJobPausedBeforeItsStartIsNeitherStartedNorListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	f.Intend(job.ID, schema.IntentPause)
	d := f.dispatcher(Options{})
	f.turns(d)
	if now := f.ReadJob(job.ID); !now.StartedAt.IsZero() || now.Listed != 0 || len(f.outstanding(job)) != 0 {
		t.Errorf("paused job: got started at %v, %d listed, %d outstanding, want none", now.StartedAt, now.Listed,
			len(f.outstanding(job)))
	}
	f.Intend(job.ID, schema.IntentRun)
	f.turns(d)
	want := []string{"requested/JOB", "paused/JOB/2", "resumed/JOB/3", "started/JOB", "listed/JOB"}
	if diff := cmp.Diff(want, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(f.outstanding(job)) != 3 {
		t.Errorf("outstanding: got %v, want 3", f.outstanding(job))
	}
}

func TestLateEventsArePublishedInTheOrderInWhichTheyHappened(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	f.Intend(job.ID, schema.IntentPause, schema.IntentRun) // between two turns
	f.turns(f.dispatcher(Options{}))
	want := []string{"requested/JOB", "paused/JOB/2", "resumed/JOB/3", "started/JOB", "listed/JOB"}
	if diff := cmp.Diff(want, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, m := range f.Messages(events.StreamEvents) {
		id, trace := m.Header.Get("ce-id"), m.Header.Get("traceparent")
		intent := strings.HasPrefix(id, "paused/") || strings.HasPrefix(id, "resumed/")
		if got := strings.Contains(trace, "-0000000000000000000000000000abcd-"); got != intent {
			t.Errorf("traceparent of %s: got %s, want the trace of its request", id, trace)
		}
	}
}

func TestTheUnpublishedEventsOfAnEndedJobArePublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	f.turns(f.dispatcher(Options{}))
	// A dispatcher died after the last page and before its event, and then the job ended.
	f.Exec("update jobs set published_listed = false, ended_at = listed_at where id = ?", job.ID)
	f.lose()
	f.turns(f.dispatcher(Options{}))
	if ids := f.eventIDs(job); len(ids) != 4 || ids[3] != "listed/JOB" {
		t.Errorf("events: got %v, want listed last", ids)
	}
	if sent := f.outstanding(job); len(sent) != 0 {
		t.Errorf("outstanding of the ended job: got %v, want none", sent)
	}
}

func TestAPausedJobPublishesNothingUntilItIsResumed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 4)
	f.job("running", 1) // so that the lane has a window to share
	d := f.dispatcher(Options{})
	f.turns(d)
	f.Intend(job.ID, schema.IntentPause)
	f.lose() // the classifier acknowledges them without doing the work
	f.turns(d)
	f.turns(f.dispatcher(Options{})) // without hints
	if sent := f.outstanding(job); len(sent) != 0 {
		t.Errorf("outstanding while paused: got %v, want none", sent)
	}
	f.Intend(job.ID, schema.IntentRun)
	f.turns(d) // with hints of the old intent version
	if sent := f.outstanding(job); len(sent) != 4 {
		t.Errorf("outstanding after the resumption: got %v, want 4", sent)
	}
}

func TestAPauseStopsTheListAndAResumptionCompletesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 5)
	d := f.dispatcher(Options{Page: 2})
	f.turn(d)
	f.Intend(job.ID, schema.IntentPause)
	f.turns(d)
	if now := f.ReadJob(job.ID); now.Listed != 2 || !now.ListedAt.IsZero() {
		t.Errorf("listed of a paused job: got %d, want 2", now.Listed)
	}
	f.Intend(job.ID, schema.IntentRun)
	f.turns(d)
	if now := f.ReadJob(job.ID); now.Listed != 5 || now.ListedAt.IsZero() {
		t.Errorf("listed after the resumption: got %d, want 5", now.Listed)
	}
}

func TestACancelledJobHasAllItsItemsCancelledInPages(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"before its start": 0, "during its listing": 2, "after its listing": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			const mappings, page = 7, 2
			job := f.job("cards", mappings)
			d := f.dispatcher(Options{Page: page, Interval: never})
			for range before {
				f.turn(d)
			}
			done := 0
			if before > 0 {
				done = 1
				f.finish(job, "cards-1")
			}
			f.Intend(job.ID, schema.IntentCancel)
			f.lose()
			turns := f.turns(d)
			cancelled := f.Count("select count(*) from job_items where job_id = ? and outcome = 'cancelled'", job.ID)
			all := f.Count("select count(*) from job_items where job_id = ?", job.ID)
			if all != mappings || cancelled != mappings-done {
				t.Errorf("cancelled items: got %d of %d, want %d of %d", cancelled, all, mappings-done, mappings)
			}
			if most := f.Count(`select max(n) from (select count(*) as n from job_items where outcome = 'cancelled'
				group by xmin::text) pages`); most > page {
				t.Errorf("items cancelled in one transaction: got %d, want at most %d", most, page)
			}
			// A cancelled item has no event of its own.
			if n := f.bells(job); n != turns-1 {
				t.Errorf("bells of %d turns: got %d, want one for each but the last", turns, n)
			}
			times := f.Count(`select max(n) from (select count(distinct ended_at) as n from job_items
				where outcome = 'cancelled' group by xmin::text) pages`)
			if times != 1 {
				t.Errorf("times of one transaction: got %d, want 1", times)
			}
			now := f.ReadJob(job.ID)
			if now.ListedAt.IsZero() || now.Listed != mappings || now.StartedAt.IsZero() != (before == 0) {
				t.Errorf("job: got started at %v, listed %d at %v, want listed %d", now.StartedAt, now.Listed,
					now.ListedAt, mappings)
			}
			if sent := f.outstanding(job); len(sent) != 0 {
				t.Errorf("outstanding: got %v, want none", sent)
			}
			ids := f.eventIDs(job)
			if !slices.Contains(ids, "cancelled/JOB/2") || !slices.Contains(ids, "listed/JOB") {
				t.Errorf("events: got %v, want cancelled and listed", ids)
			}
		})
	}
}

func TestACancellationIsPublishedInItsFirstTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 50)
	f.Intend(job.ID, schema.IntentCancel)
	if more := f.turn(f.dispatcher(Options{Page: 2})); !more {
		t.Error("more after one of 25 pages: got false, want true")
	}
	if diff := cmp.Diff([]string{"requested/JOB", "cancelled/JOB/2"}, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestARetryListsAndPublishesTheFailedAndCancelledItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.job("cards", 6)
	d := f.dispatcher(Options{})
	f.turns(d)
	f.finish(first, "cards-2", "cards-4")
	f.Exec("update job_items set outcome = 'succeeded', error_code = null, ended_at = now() where mapping_id in (?)",
		bun.List([]string{"cards-1", "cards-3"}))
	f.Intend(first.ID, schema.IntentCancel) // cancels 5 and 6
	f.turns(d)
	f.Exec("update jobs set ended_at = listed_at, published_finished = true where id = ?", first.ID)
	for code, want := range map[schema.ErrorCode][]string{
		"":                    {"cards-2", "cards-4", "cards-5", "cards-6"},
		schema.ErrorCodePanic: {"cards-2", "cards-4"},
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			f := f.in(t)
			again := f.jobOf("cards", len(want))
			f.Exec("update jobs set scope = 'retry', retry_of = ?, retry_error_code = ? where id = ?", first.ID, code,
				again.ID)
			f.turns(d)
			if diff := cmp.Diff(want, f.outstanding(again)); diff != "" {
				t.Errorf("retry of %q (-want +got):\n%s", code, diff)
			}
			f.Exec("update jobs set ended_at = listed_at, published_finished = true where id = ?", again.ID)
		})
	}
}

func TestAnEmptyJobIsListedInOneTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 0)
	if n := f.turns(f.dispatcher(Options{})); n != 1 {
		t.Errorf("turns: got %d, want 1", n)
	}
	if now := f.ReadJob(job.ID); now.ListedAt.IsZero() || now.StartedAt.IsZero() {
		t.Errorf("job: got started at %v, listed at %v, want both", now.StartedAt, now.ListedAt)
	}
	if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A resume after a pause that came before the start may be read by a turn that has not started the job.
func TestList_ListsNothingBeforeTheStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.ReadJob(f.job("cards", 3).ID)
	if !job.StartedAt.IsZero() || job.Intent != schema.IntentRun {
		t.Fatalf("job: got %+v, want one that is to run and has not started", job)
	}
	if _, more, err := f.dispatcher(Options{}).list(t.Context(), job); err != nil || more {
		t.Errorf("list: got more %t, %v, want nothing to do", more, err)
	}
	if n := f.Count("select count(*) from job_items"); n != 0 {
		t.Errorf("items: got %d, want none", n)
	}
}
