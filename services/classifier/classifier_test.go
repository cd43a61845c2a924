package classifier

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestAMessageThatAsksForNoWorkIsAcknowledgedWithoutAny(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*bench)
		// events is how many are said of each mapping.
		events int
	}{
		"the job is paused":    {func(b *bench) { b.Intend(b.job.ID, schema.IntentPause) }, 0},
		"the job is cancelled": {func(b *bench) { b.Intend(b.job.ID, schema.IntentCancel) }, 0},
		"the items are cancelled": {func(b *bench) {
			if _, _, err := schema.CancelItems(b.T.Context(), b.DB, b.job.ID, "", 10); err != nil {
				b.T.Fatal(err)
			}
		}, 0},
		"nothing is due": {func(b *bench) { b.Exec("update job_items set due_at = now() + interval '1 minute'") }, 0},
		"all is done": {func(b *bench) {
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
			b := newBench(t, 4)
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
	for name, message := range map[string]func(*bench) events.MappingRequested{
		"no such item": func(b *bench) events.MappingRequested { return b.message("no-such-mapping") },
		"no such job": func(b *bench) events.MappingRequested {
			return events.MappingRequested{Lane: schema.RulesLane, JobID: "no-such-job", MappingID: b.ids[0]}
		},
		"another lane": func(b *bench) events.MappingRequested {
			b.Exec("update jobs set classifier = 'llm'")
			return b.message(b.ids[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
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
	b := newBench(t, 2)
	c, judged := b.classifier(nil)
	for range maxStarts { // by processes that died of it
		for _, id := range b.ids {
			if _, err := schema.MarkStart(t.Context(), b.DB, b.job.ID, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	suspect := events.Delivery{Deliveries: suspectDelivery}
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
	// Redelivery alone is no suspicion, and a message that comes for the first time is none at all.
	b.handle(c, b.ids[1])
	if item := b.work(b.ids[1]).Item; item.Outcome != schema.Succeeded {
		t.Errorf("%s at its first delivery", item.Outcome)
	}
}

func TestTheStartOfASuspectIsMarkedBeforeTheWork(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	starts := 0
	c, _ := b.classifier(func(work schema.Work) { starts = b.work(work.Item.MappingID).Item.Starts })
	for deliveries, want := range map[uint64]int{suspectDelivery - 1: 0, suspectDelivery: 1} {
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
	for name, during := range map[string]func(*bench, context.CancelFunc){
		"a shutdown that does not wait": func(_ *bench, cancel context.CancelFunc) { cancel() },
		"a row that changes, of a job that is paused": func(b *bench, _ context.CancelFunc) {
			b.Exec("update pde_mappings set version = version + 1")
			b.Intend(b.job.ID, schema.IntentPause)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, judged := b.classifier(func(schema.Work) { during(b, cancel) })
			_ = c.handle(ctx, events.Delivery{Deliveries: suspectDelivery}, b.message(b.ids[0])) // comes again in one case
			if item := b.work(b.ids[0]).Item; item.Outcome != "" || item.Starts != 0 || judged.Load() != 1 {
				t.Errorf("item %q with %d starts, judged %d times", item.Outcome, item.Starts, judged.Load())
			}
		})
	}
}

func TestSuspectsAreWorkedOnOneAtATimeAndOthersBesideThem(t *testing.T) {
	t.Parallel()
	const suspects, innocents = 4, 4
	b := newBench(t, suspects+innocents)
	var (
		now, most        atomic.Int64
		started, release = make(chan struct{}, suspects), make(chan struct{})
		done, beside     = make(chan error, suspects), make(chan error, innocents)
	)
	c, _ := b.classifier(func(work schema.Work) {
		if slices.Contains(b.ids[suspects:], work.Item.MappingID) {
			return
		}
		if n := now.Add(1); n > 1 {
			most.Store(n)
		}
		started <- struct{}{}
		hold(t, release)
		now.Add(-1)
	})
	for _, id := range b.ids[:suspects] {
		go func() { done <- c.handle(t.Context(), events.Delivery{Deliveries: suspectDelivery}, b.message(id)) }()
	}
	next(t, started)
	for _, id := range b.ids[suspects:] {
		go func() {
			var err error
			for range 20 { // time enough for the other suspects to begin, if they could
				err = cmp.Or(err, c.handle(t.Context(), events.Delivery{Deliveries: 1}, b.message(id)))
			}
			beside <- err
		}()
	}
	for range innocents {
		if err := next(t, beside); err != nil {
			t.Error(err)
		}
	}
	for _, id := range b.ids[suspects:] {
		if item := b.work(id).Item; item.Outcome != schema.Succeeded {
			t.Errorf("an item beside the suspects is %q", item.Outcome)
		}
	}
	close(release)
	for range suspects {
		if err := next(t, done); err != nil {
			t.Error(err)
		}
	}
	if n := most.Load(); n != 0 {
		t.Errorf("%d suspects were worked on at once", n)
	}
}

func TestASuspectThatWaitsForItsTurnGoesWhenItIsNoLongerOurs(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	started, release, first := make(chan struct{}, 2), make(chan struct{}), make(chan error, 1)
	c, judged := b.classifier(func(schema.Work) {
		started <- struct{}{}
		hold(t, release)
	})
	go func() {
		first <- c.handle(t.Context(), events.Delivery{Deliveries: suspectDelivery}, b.message(b.ids[0]))
	}()
	next(t, started)
	ctx, cancel := context.WithCancelCause(t.Context())
	second := make(chan error, 1)
	go func() { second <- c.handle(ctx, events.Delivery{Deliveries: suspectDelivery}, b.message(b.ids[1])) }()
	lost := errors.New("lost")
	cancel(lost)
	if err := next(t, second); !errors.Is(err, lost) {
		t.Errorf("it goes with %v", err)
	}
	close(release)
	if err := next(t, first); err != nil || judged.Load() != 1 {
		t.Errorf("judged %d times, %v", judged.Load(), err)
	}
}

func TestAShutdownFinishesWhatIsJudged(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
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
