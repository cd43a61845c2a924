package classifier

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestAnItemWithFiveStartsIsPoison(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	c, judged := f.classifier(nil)
	for range maxStarts { // by processes that crashed
		for _, id := range f.ids {
			if _, err := schema.MarkStart(t.Context(), f.DB, f.job.ID, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The marks are the evidence, not the number of deliveries.
	for i, delivery := range []uint64{markedDelivery, 1} {
		if err := f.handleDelivery(c, delivery, f.ids[i]); err != nil {
			t.Fatal(err)
		}
		item := f.item(f.ids[i])
		if item.Outcome != schema.OutcomeFailed || item.ErrorCode != schema.ErrorCodePoison {
			t.Errorf("item at delivery %d: got %s with code %q, want failed with poison",
				delivery, item.Outcome, item.ErrorCode)
		}
		f.wantUnchanged(f.ids[i])
	}
	f.wantJudged(judged, 0)
	if got := len(f.Messages(events.StreamEvents)); got != 2 {
		t.Errorf("events: got %d, want 2", got)
	}
}

func TestThePoisonLimitFailsTheOtherItemsOfTheJob(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		poison int
		before string
		judged int64
	}{
		"only poison": {schema.PoisonLimit, "", 0},
		"one success": {
			schema.PoisonLimit, "update job_status set succeeded = 1, completed_steps = 1, total_steps = 9", 2,
		},
		"below the limit": {schema.PoisonLimit - 1, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, schema.PoisonLimit+2)
			c, judged := f.classifier(nil)
			f.status()
			f.Exec("update job_items set starts = 5 where mapping_id in (?)", bun.List(f.ids[:test.poison]))
			for _, id := range f.ids[:test.poison] {
				f.handle(c, id)
			}
			if test.before != "" {
				f.Exec(test.before)
			}
			for _, id := range f.ids[test.poison:] {
				f.handle(c, id)
			}
			f.wantJudged(judged, test.judged)
			last := f.item(f.ids[len(f.ids)-1])
			if got, want := last.ErrorCode == schema.ErrorCodePoison, test.judged == 0; got != want {
				t.Errorf("the last item is poison: got %t, want %t (%s)", got, want, last.Error)
			}
		})
	}
}

func TestAStartIsMarkedFromTheThirdDelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	starts := 0
	c, _ := f.classifier(func(work schema.Work) { starts = f.item(work.Item.MappingID).Starts })
	for delivery, want := range map[uint64]int{markedDelivery - 1: 0, markedDelivery: 1} {
		t.Run(fmt.Sprint(delivery), func(t *testing.T) {
			f := f.in(t)
			f.Exec("delete from classification_history")
			f.Exec("update job_items set outcome = null, ended_at = null, starts = 0")
			starts = -1 // the judgement sets it
			if err := f.handleDelivery(c, delivery, f.ids[0]); err != nil {
				t.Fatal(err)
			}
			if starts != want {
				t.Errorf("starts during the judgement of delivery %d: got %d, want %d", delivery, starts, want)
			}
		})
	}
}

func TestAStartIsClearedIfTheProcessSurvives(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]func(*fixture, context.CancelFunc){
		"after a shutdown": func(_ *fixture, cancel context.CancelFunc) { cancel() },
		"after a change of the row": func(f *fixture, _ context.CancelFunc) {
			f.Exec("update pde_mappings set version = version + 1")
			f.Intend(f.job.ID, schema.IntentPause)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, judged := f.classifier(func(work schema.Work) {
				if got := f.item(work.Item.MappingID).Starts; got != 1 {
					t.Errorf("starts during the judgement: got %d, want 1", got)
				}
				during(f, cancel)
			})
			// The shutdown yields an error, the change none.
			_ = c.handle(ctx, events.Delivery{Deliveries: markedDelivery}, f.message(f.ids[0]))
			f.wantJudged(judged, 1)
			f.wantItem(f.ids[0], outcome{})
		})
	}
}

func TestOneSuspectIsJudgedAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	first, second, innocent := f.ids[0], f.ids[1], f.ids[2]
	f.Exec("update job_items set starts = 1 where mapping_id <> ?", innocent)
	started, release, done := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
	c, judged := f.classifier(func(work schema.Work) {
		if work.Item.MappingID == first {
			started <- struct{}{}
			block(t, release)
		}
	})
	go func() { done <- f.handleDelivery(c, 4, first) }()
	receive(t, started)
	if err := f.handleDelivery(c, 4, second); err == nil {
		t.Error("handle of the second suspect: got nil, want an error that asks for redelivery")
	}
	f.wantJudged(judged, 1)
	f.handle(c, innocent)
	close(release)
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
	f.handle(c, second)
	for _, id := range f.ids {
		f.wantItem(id, outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
	}
}

// An outage redelivers the whole window many times.
func TestRedeliveredItemsAreJudgedConcurrently(t *testing.T) {
	t.Parallel()
	const items = 4
	f := newFixture(t, items)
	together, done := make(chan struct{}), make(chan error, items)
	var judging atomic.Int64
	c, _ := f.classifier(func(schema.Work) {
		if judging.Add(1) == items {
			close(together)
		}
		block(t, together)
	})
	for _, id := range f.ids {
		go func() { done <- f.handleDelivery(c, 20, id) }()
	}
	for range f.ids {
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
	}
}

func TestNoStartIsMarkedDuringTheSave(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.Exec(`create function no_start() returns trigger language plpgsql as $$ begin
		if exists (select from job_items where starts > 0) then raise exception 'a start is marked'; end if;
		return new; end $$`)
	f.Exec("create trigger no_start before update on pde_mappings for each row execute function no_start()")
	c, _ := f.classifier(func(schema.Work) {
		if n := f.Count("select starts from job_items"); n != 1 {
			t.Errorf("starts during the judgement: got %d, want 1", n)
		}
	})
	if err := f.handleDelivery(c, markedDelivery, f.ids[0]); err != nil {
		t.Fatal(err)
	}
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
}

func TestAStartIsClearedOnceTheDatabaseIsReachableAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	db, disconnect := f.disconnected()
	c, _ := f.classifier(func(schema.Work) { disconnect() })
	c.db = db
	if err := f.handleDelivery(c, markedDelivery, f.ids[0]); err == nil {
		t.Error("handle: got nil, want an error")
	}
	f.wantItem(f.ids[0], outcome{Starts: 1})
	c.db = f.DB
	f.run(c)
	f.Eventually("the start is cleared", func() bool { return f.item(f.ids[0]).Starts == 0 })
}
