package events_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestConsumeBatches_OneResultSettlesTheBatch(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	batches := make(chan []events.Received[events.JobProgress], 100)
	o := f.options()
	o.Batch, o.Linger = 10, eventstest.Patience
	fail := true
	run(
		t,
		events.ConsumeBatches(
			f.js,
			events.Projector(),
			func(_ context.Context, batch []events.Received[events.JobProgress]) error {
				batches <- batch
				if fail {
					fail = false
					return errors.New("the database is away")
				}
				return nil
			},
			o,
		),
	)
	for i := range 9 {
		if err := f.pub.Publish(t.Context(), events.JobListed("j", int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	// A message that cannot be decoded is terminated and does not delay the others.
	f.raw(t, "job.progress.j", "garbled", nil)

	for _, want := range []uint64{1, 2} {
		batch := next(t, batches)
		steps := map[int64]bool{}
		for _, received := range batch {
			steps[received.Body.Listed.TotalSteps] = true
			if received.Deliveries != want || received.ID != "listed/j" || received.Traceparent.IsZero() {
				t.Errorf("got %+v, want delivery %d of listed/j with a trace", received.Delivery, want)
			}
		}
		if len(batch) != 9 || len(steps) != 9 {
			t.Errorf("got %d messages, %d different, want 9", len(batch), len(steps))
		}
		if want == 1 {
			// With one more to end, the nine that come back make a full batch again.
			f.raw(t, "job.progress.j", "garbled", nil)
		}
	}
	eventstest.Eventually(t, "all are acknowledged", func() bool {
		c, err := f.js.Consumer(t.Context(), events.StreamEvents, "projector")
		return err == nil && c.CachedInfo().NumAckPending == 0 && c.CachedInfo().NumPending == 0
	})
	if f.holds(t, events.StreamEvents, "mapping.rejected.*") {
		t.Error("an event was rejected as if it were work")
	}
	if !strings.Contains(f.log.String(), "header ce-id is missing") {
		t.Error("the log lacks the reason of the terminated event")
	}
}

func TestConsumeBatches_VerdictsSettleEachMessage(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan []events.Received[events.JobProgress], 10)
	o := f.options()
	o.Batch, o.Linger = 3, eventstest.Patience
	run(
		t,
		events.ConsumeBatches(
			f.js,
			events.Projector(),
			func(_ context.Context, batch []events.Received[events.JobProgress]) error {
				got <- batch
				verdicts := make(events.Verdicts, len(batch))
				if len(got) == 1 {
					verdicts[1] = errors.New("not now")
				}
				return verdicts
			},
			o,
		),
	)
	for i := range 3 {
		if err := f.pub.Publish(t.Context(), events.JobListed("j", int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.pub.Publish(t.Context(), events.JobListed("j", 3)); err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(t, "all but the failed one are acknowledged", func() bool {
		c, err := f.js.Consumer(t.Context(), events.StreamEvents, "projector")
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 2
	})
	f.raw(
		t,
		"job.progress.j",
		"garbled",
		nil,
	) // completes the batch of the message that failed and the one that came last
	next(t, got)
	again := next(t, got)
	if len(again) != 2 || again[0].Body.Listed.TotalSteps+again[1].Body.Listed.TotalSteps != 1+3 {
		t.Errorf("the second batch: got %+v, want the events with 1 and 3 steps", again)
	}
}

func TestConsumeBatches_DeliversUndecodedMessages(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan events.Received[events.Message], 10)
	auditor := events.Auditor(func(context.Context) (time.Time, error) { return time.Time{}, nil })
	run(t, events.ConsumeBatches(f.js, auditor, func(_ context.Context, batch []events.Received[events.Message]) error {
		for _, received := range batch {
			got <- received
		}
		return nil
	}, f.options()))
	f.raw(t, "job.progress.j", "garbled", nats.Header{"ce-id": {"forged"}})
	if err := f.pub.Publish(t.Context(), events.JobStarted("j")); err != nil {
		t.Fatal(err)
	}
	forged, started := next(t, got), next(t, got)
	if string(forged.Body.Data) != "garbled" || forged.ID != "forged" || forged.Body.Subject != "job.progress.j" {
		t.Errorf("got %+v, want the forged message as it is", forged)
	}
	if _, _, err := events.DecodeAny(forged.Body); err == nil {
		t.Error("the garbled event is understood")
	}
	envelope, event, err := events.DecodeAny(started.Body)
	if err != nil || envelope.ID != "started/j" || fmt.Sprint(event) != fmt.Sprint(events.JobStarted("j")) {
		t.Errorf("got %+v %+v, error %v, want the started event of j", envelope, event, err)
	}
}
