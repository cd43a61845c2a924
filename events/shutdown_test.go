package events_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestRunner_StopsAllGoroutines(t *testing.T) {
	f := newDeclaredFixture(t)
	f.send(t, work("j", "m")) // the publisher has goroutines of its own
	before := goleak.IgnoreCurrent()
	got := make(chan struct{}, 1)
	stop := run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(context.Context, events.Delivery, events.MappingRequested) error {
				got <- struct{}{}
				return nil
			},
			f.options(),
		),
	)
	next(t, got)
	stop()
	goleak.VerifyNone(t, before)
}

func TestRunner_ShutdownFinishesStartedMessagesAndReturnsTheRest(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	const messages = 6
	started, release := make(chan string, messages), make(chan struct{})
	o := f.options()
	o.Workers, o.Prefetch = 1, messages
	first := events.Consume(
		f.js,
		events.ClassifierRules(),
		func(ctx context.Context, _ events.Delivery, w events.MappingRequested) error {
			started <- w.MappingID
			hold(t, release)
			return ctx.Err()
		},
		o,
	)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	for i := range messages {
		f.send(t, work("j", fmt.Sprint("m", i)))
	}
	one := next(t, started)
	eventstest.Eventually(t, "all are fetched", func() bool { return f.pending(t, "classifier-rules") == messages })
	cancel()

	// Another consumer can have the others before AckWait ends, while the first handler still runs.
	others := make(chan string, messages)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
				others <- w.MappingID
				return nil
			},
			f.options(),
		),
	)
	for range messages - 1 {
		if other := next(t, others); other == one {
			t.Errorf("handled messages: got %s again, want each once", other)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("Run: got %v before its handler has returned, want none", err)
	default:
	}
	close(release)
	if err := next(t, ended); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if first.Ready() == nil {
		t.Error("Ready: got nil from a runner that has ended")
	}
	f.workDone(t)
	if len(started) > 0 || len(others) > 0 {
		t.Error("something was handled twice")
	}
}

func TestRunner_CancelsHandlersAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	started := make(chan struct{}, 1)
	o := f.options()
	o.Grace = 50 * time.Millisecond
	stop := run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(ctx context.Context, _ events.Delivery, _ events.MappingRequested) error {
				started <- struct{}{}
				hold(t, ctx.Done())
				return context.Cause(ctx)
			},
			o,
		),
	)
	f.send(t, work("j", "m"))
	next(t, started)
	stop()
	if !f.holds(t, events.StreamWork, "mapping.requested.rules.j.m") {
		t.Error("the message of an aborted handler is gone")
	}
	if !strings.Contains(f.log.String(), "shutting down") {
		t.Error("the log lacks the reason why the handler ended")
	}
}
