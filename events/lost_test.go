package events_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestRunner_KeepsHandledAndQueuedMessagesInProgress(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got, release := make(chan events.Delivery, 10), make(chan struct{})
	o := f.options()
	o.Workers, o.Topology = 1, short()
	signs, err := f.nc.SubscribeSync("$JS.ACK.PDE_WORK.classifier-rules.>")
	if err != nil {
		t.Fatal(err)
	}
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, _ events.MappingRequested) error {
				got <- d
				hold(t, release)
				return nil
			},
			o,
		),
	)
	f.send(t, work("j", "worked-on"), work("j", "waiting"))
	// Three signs are one AckWait: after seven for each message both would have come again.
	seen := map[string]int{}
	for len(seen) < 2 || min(seen["1"], seen["2"]) < 7 {
		sign, err := signs.NextMsg(eventstest.Patience)
		if err != nil {
			t.Fatalf("%v after %v", err, seen)
		}
		if string(sign.Data) != "+WPI" {
			t.Fatalf("%s: got %s, want +WPI", sign.Subject, sign.Data)
		}
		seen[strings.Split(sign.Subject, ".")[5]]++
	}
	close(release)
	f.workDone(t)
	for range 2 {
		if d := next(t, got); d.Deliveries != 1 {
			t.Errorf("deliveries of %s: got %d, want 1", d.ID, d.Deliveries)
		}
	}
	if len(got) > 0 {
		t.Error("a message came again")
	}
}

func TestRunner_CancelsHandlersOfADeletedConsumer(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	causes := make(chan error, 10)
	started := make(chan string, 10)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(ctx context.Context, _ events.Delivery, w events.MappingRequested) error {
				if started <- w.MappingID; len(started) == 1 {
					hold(t, ctx.Done())
					causes <- context.Cause(ctx)
				}
				return ctx.Err()
			},
			f.options(),
		),
	)
	f.send(t, work("j", "worked-on"))
	eventstest.Eventually(t, "it is worked on", func() bool { return len(started) == 1 })
	if err := f.js.DeleteConsumer(t.Context(), events.StreamWork, "classifier-rules"); err != nil {
		t.Fatal(err)
	}
	if err := next(t, causes); !errors.Is(err, events.ErrLost) {
		t.Errorf("cause: got %v, want %v", err, events.ErrLost)
	}
	f.workDone(t)
}

func TestRunner_CancelsHandlersOfLostMessages(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	causes := make(chan error, 10)
	started := make(chan string, 10)
	o := f.options()
	o.Workers, o.Topology = 1, short()
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(ctx context.Context, d events.Delivery, w events.MappingRequested) error {
				if d.Deliveries > 1 {
					return nil
				}
				started <- w.MappingID
				hold(t, ctx.Done())
				causes <- context.Cause(ctx)
				return ctx.Err()
			},
			o,
		),
	)
	f.send(t, work("j", "worked-on"), work("j", "waiting"))
	next(t, started)
	eventstest.Eventually(t, "both are fetched", func() bool { return f.pending(t, "classifier-rules") == 2 })
	f.Stop()
	if err := next(t, causes); !errors.Is(err, events.ErrLost) {
		t.Errorf("cause: got %v, want %v", err, events.ErrLost)
	}
	f.Restart()
	f.workDone(t)
	if len(started) > 0 {
		t.Errorf("got %s started although it was lost, want it left", <-started)
	}
}
