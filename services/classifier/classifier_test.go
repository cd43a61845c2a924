package classifier

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAMessageThatAsksForNoWorkIsAcknowledgedWithoutAny(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*fixture)
		// events is how many are said of each mapping.
		events int
	}{
		"the job is paused":    {func(b *fixture) { b.Intend(b.job.ID, schema.IntentPause) }, 0},
		"the job is cancelled": {func(b *fixture) { b.Intend(b.job.ID, schema.IntentCancel) }, 0},
		"the items are cancelled": {func(b *fixture) {
			if _, _, err := schema.CancelItems(b.T.Context(), b.DB, b.job.ID, "", 10); err != nil {
				b.T.Fatal(err)
			}
		}, 0},
		"nothing is due": {func(b *fixture) { b.Exec("update job_items set due_at = now() + interval '1 minute'") }, 1}, // a bell
		"all is done": {func(b *fixture) {
			for _, id := range b.ids {
				saved := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "broke"}
				if err := schema.FailItem(b.T.Context(), b.DB, b.job.ID, id, saved); err != nil {
					b.T.Fatal(err)
				}
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 4)
			for _, id := range b.ids {
				b.send(b.message(id)) // which were outstanding when it happened
			}
			test.before(b)
			c, judged := b.classifier(nil)
			b.run(c)
			b.workDone()
			if n := len(b.Messages(events.StreamEvents)); judged.Load() != 0 || n != 4*test.events {
				t.Errorf("judged %d times, %d events", judged.Load(), n)
			}
			for _, id := range b.ids {
				b.untouched(id)
			}
		})
	}
}

func TestAMessageThatNoRowBearsOutIsRejected(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]func(*fixture) events.MappingRequested{
		"no such item": func(b *fixture) events.MappingRequested { return b.message("no-such-mapping") },
		"no such job": func(b *fixture) events.MappingRequested {
			return events.MappingRequested{Lane: schema.RulesLane, JobID: "no-such-job", MappingID: b.ids[0]}
		},
		"another lane": func(b *fixture) events.MappingRequested {
			b.Exec("update jobs set classifier = 'llm'")
			return b.message(b.ids[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 1)
			b.send(message(b))
			c, judged := b.classifier(nil)
			b.run(c)
			b.workDone()
			said := b.Messages(events.StreamEvents)
			if len(said) != 1 || said[0].Subject != "mapping.rejected.unknown" || judged.Load() != 0 {
				t.Errorf("judged %d times, said %d events", judged.Load(), len(said))
			}
			b.untouched(b.ids[0])
		})
	}
}

func TestFiveStartsWithoutAnOutcomeArePoison(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 2)
	c, judged := b.classifier(nil)
	for range maxStarts { // by processes that died of it
		for _, id := range b.ids {
			if _, err := schema.MarkStart(t.Context(), b.DB, b.job.ID, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	suspect := events.Delivery{Deliveries: markedDelivery}
	if err := c.handle(t.Context(), suspect, b.message(b.ids[0])); err != nil {
		t.Fatal(err)
	}
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.ItemFailed || item.ErrorCode != schema.CodePoison || judged.Load() != 0 {
		t.Errorf("%s with code %q, judged %d times", item.Outcome, item.ErrorCode, judged.Load())
	}
	b.untouched(b.ids[0])
	if said := b.Messages(events.StreamEvents); len(said) != 1 {
		t.Errorf("%d events", len(said))
	}
	// The row is the evidence, and not how often its message has been delivered.
	b.handle(c, b.ids[1])
	if item := b.work(b.ids[1]).Item; item.ErrorCode != schema.CodePoison || judged.Load() != 0 {
		t.Errorf("%s with code %q at its first delivery, judged %d times", item.Outcome, item.ErrorCode, judged.Load())
	}
}

func TestAJobThatEndsItsProcessAgainAndAgainFailsWithoutATryForEachItem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		poison int
		before string
		judged int64
	}{
		"poison only":          {schema.PoisonLimit, "", 0},
		"one that succeeded":   {schema.PoisonLimit, "update job_status set succeeded = 1, completed_steps = 1, total_steps = 9", 2},
		"not enough of poison": {schema.PoisonLimit - 1, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, schema.PoisonLimit+2)
			c, judged := b.classifier(nil)
			b.status()
			b.Exec("update job_items set starts = 5 where mapping_id in (?)", bun.List(b.ids[:test.poison]))
			for _, id := range b.ids[:test.poison] {
				b.handle(c, id)
			}
			if test.before != "" {
				b.Exec(test.before)
			}
			for _, id := range b.ids[test.poison:] {
				b.handle(c, id)
			}
			if judged.Load() != test.judged {
				t.Errorf("%d mappings are judged, not %d", judged.Load(), test.judged)
			}
			last := b.work(b.ids[len(b.ids)-1]).Item
			if failed := last.ErrorCode == schema.CodePoison; failed != (test.judged == 0) {
				t.Errorf("the last item is %s with code %q: %s", last.Outcome, last.ErrorCode, last.Error)
			}
		})
	}
}

func TestTheStartOfASuspectIsMarkedBeforeTheWork(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	starts := 0
	c, _ := b.classifier(func(work schema.Work) { starts = b.work(work.Item.MappingID).Item.Starts })
	for deliveries, want := range map[uint64]int{markedDelivery - 1: 0, markedDelivery: 1} {
		b.Exec("delete from classification_history")
		b.Exec("update job_items set outcome = null, ended_at = null, starts = 0")
		if err := c.handle(t.Context(), events.Delivery{Deliveries: deliveries}, b.message(b.ids[0])); err != nil {
			t.Fatal(err)
		}
		if starts != want {
			t.Errorf("delivery %d: %d starts are marked during the work, not %d", deliveries, starts, want)
		}
	}
}

func TestAStartThatTheProcessOutlivesIsNotHeldAgainstTheItem(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]func(*fixture, context.CancelFunc){
		"a shutdown that does not wait": func(_ *fixture, cancel context.CancelFunc) { cancel() },
		"a row that changes, of a job that is paused": func(b *fixture, _ context.CancelFunc) {
			b.Exec("update pde_mappings set version = version + 1")
			b.Intend(b.job.ID, schema.IntentPause)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, judged := b.classifier(func(schema.Work) { during(b, cancel) })
			_ = c.handle(ctx, events.Delivery{Deliveries: markedDelivery}, b.message(b.ids[0])) // comes again in one case
			if item := b.work(b.ids[0]).Item; item.Outcome != "" || item.Starts != 0 || judged.Load() != 1 {
				t.Errorf("item %q with %d starts, judged %d times", item.Outcome, item.Starts, judged.Load())
			}
		})
	}
}

func TestOneSuspectIsJudgedAtATimeAndTheOthersTakeNoWorkersPlace(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 3)
	first, second, innocent := b.ids[0], b.ids[1], b.ids[2]
	b.Exec("update job_items set starts = 1 where mapping_id <> ?", innocent)
	started, release, done := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
	c, judged := b.classifier(func(work schema.Work) {
		if work.Item.MappingID == first {
			started <- struct{}{}
			hold(t, release)
		}
	})
	go func() { done <- c.handle(t.Context(), events.Delivery{Deliveries: 4}, b.message(first)) }()
	next(t, started)
	if err := c.handle(t.Context(), events.Delivery{Deliveries: 4}, b.message(second)); err == nil || judged.Load() != 1 {
		t.Errorf("the second suspect: error %v, %d judged", err, judged.Load())
	}
	b.handle(c, innocent)
	close(release)
	if err := next(t, done); err != nil {
		t.Error(err)
	}
	b.handle(c, second)
	for _, id := range b.ids {
		if item := b.work(id).Item; item.Outcome != schema.Succeeded || item.Starts != 0 {
			t.Errorf("item %s is %q with %d starts", id, item.Outcome, item.Starts)
		}
	}
}

// After an outage the whole window has been delivered many times.
func TestItemsThatWereDeliveredManyTimesAreJudgedAtOnce(t *testing.T) {
	t.Parallel()
	const items = 4
	b := newFixture(t, items)
	together, done := make(chan struct{}), make(chan error, items)
	var judging atomic.Int64
	c, _ := b.classifier(func(schema.Work) {
		if judging.Add(1) == items {
			close(together)
		}
		hold(t, together)
	})
	for _, id := range b.ids {
		go func() { done <- c.handle(t.Context(), events.Delivery{Deliveries: 20}, b.message(id)) }()
	}
	for range b.ids {
		if err := next(t, done); err != nil {
			t.Error(err)
		}
	}
}

func TestNoStartIsMarkedWhileTheResultIsSaved(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	b.Exec(`create function no_start() returns trigger language plpgsql as $$ begin
		if exists (select from job_items where starts > 0) then raise exception 'a start is marked'; end if; return new; end $$`)
	b.Exec("create trigger no_start before update on pde_mappings for each row execute function no_start()")
	c, _ := b.classifier(func(schema.Work) {
		if n := b.Count("select starts from job_items"); n != 1 {
			t.Errorf("%d starts are marked during the judgement", n)
		}
	})
	if err := c.handle(t.Context(), events.Delivery{Deliveries: markedDelivery}, b.message(b.ids[0])); err != nil {
		t.Fatal(err)
	}
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.Succeeded {
		t.Errorf("item %q: %s", item.Outcome, item.Error)
	}
}

func TestAStartThatCouldNotBeClearedIsClearedWhenTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	away, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := b.classifier(func(schema.Work) { _ = away.Close() })
	c.db = away
	if err := c.handle(t.Context(), events.Delivery{Deliveries: markedDelivery}, b.message(b.ids[0])); err == nil {
		t.Error("the message is acknowledged")
	}
	if item := b.work(b.ids[0]).Item; item.Starts != 1 {
		t.Fatalf("%d starts, the database was there for one", item.Starts)
	}
	c.db = b.DB
	b.run(c)
	b.Eventually("the start is cleared", func() bool { return b.work(b.ids[0]).Item.Starts == 0 })
}

func TestAShutdownFinishesWhatIsJudged(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	started, release := make(chan struct{}, 1), make(chan struct{})
	c, _ := b.classifier(func(schema.Work) {
		started <- struct{}{}
		hold(t, release)
	})
	stop := b.run(c)
	b.send(b.message(b.ids[0]))
	next(t, started)
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	close(release)
	next(t, stopped)
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.Succeeded {
		t.Errorf("item %q", item.Outcome)
	}
	b.workDone()
}
