package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestConsume_AcknowledgesAHandledMessage(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan events.Delivery, 1)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, w events.MappingRequested) error {
				if w != work("j", "m") {
					t.Errorf("got %+v, want the work of m", w)
				}
				got <- d
				return nil
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))

	d := next(t, got)
	if d.ID != "work/j/m" || d.Source != "/pdeflow/dispatcher" || d.Subject != "mapping.requested.rules.j.m" ||
		d.About != "m" ||
		d.Deliveries != 1 ||
		d.Time.IsZero() {
		t.Errorf("delivery: got %+v, want the first of work/j/m", d)
	}
	f.workDone(t)
	// The subject is free again.
	f.send(t, work("j", "m"))
}

func TestConsume_RedeliversAfterAnError(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan uint64, 3)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, _ events.MappingRequested) error {
				got <- d.Deliveries
				if d.Deliveries < 3 {
					return errors.New("the database is away")
				}
				return nil
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))
	for want := uint64(1); want <= 3; want++ {
		if n := next(t, got); n != want {
			t.Errorf("delivery: got %d, want %d", n, want)
		}
	}
	f.workDone(t)
	if !strings.Contains(f.log.String(), "the database is away") {
		t.Error("the error is not in the log")
	}
}

func TestRetryAfter_RedeliversAfterTheDelayWithoutAWarning(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	const delay = 50 * time.Millisecond
	got := make(chan time.Time, 2)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, _ events.MappingRequested) error {
				got <- time.Now()
				if d.Deliveries == 1 {
					return events.RetryAfter(delay, errors.New("another suspect has its turn"))
				}
				return nil
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))
	if first, second := next(t, got), next(t, got); second.Sub(first) < delay {
		t.Errorf("wait before the redelivery: got %v, want %v", second.Sub(first), delay)
	}
	f.workDone(t)
	if strings.Contains(f.log.String(), "level=WARN") {
		t.Error("a wait is logged as a problem")
	}
}

func TestConsume_LogsASharedErrorOnce(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	const messages = 50
	o := f.options()
	o.Workers = 4
	stop := run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, w events.MappingRequested) error {
				if d.Deliveries < 3 {
					return fmt.Errorf("read mapping %s: %w", w.MappingID, syscall.ECONNREFUSED)
				}
				return nil
			},
			o,
		),
	)
	for i := range messages {
		f.send(t, work("j", fmt.Sprint("m", i)))
	}
	f.workDone(t)
	stop()
	log := f.log.String()
	if n := strings.Count(log, `msg="handler failed, message will be redelivered"`); n != 1 {
		t.Errorf("lines about the failure: got %d, want 1", n)
	}
	if want := fmt.Sprintf("times=%d", 2*messages); !strings.Contains(log, want) {
		t.Errorf("log: got %s, want a text with %s", log, want)
	}
}

func TestConsume_LogsAPanicWithItsStack(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan uint64, 2)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, _ events.MappingRequested) error {
				got <- d.Deliveries
				if d.Deliveries == 1 {
					panic("nil policy")
				}
				return nil
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))
	next(t, got)
	next(t, got)
	f.workDone(t)
	if log := f.log.String(); !strings.Contains(log, "nil policy") || !strings.Contains(log, "consume_test.go") {
		t.Error("the panic and its stack are not in the log")
	}
}

func TestDiscard_TerminatesTheMessage(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	var calls atomic.Int32
	settled, err := f.nc.SubscribeSync("$JS.ACK.PDE_WORK.classifier-rules.>")
	if err != nil {
		t.Fatal(err)
	}
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(context.Context, events.Delivery, events.MappingRequested) error {
				calls.Add(1)
				return events.Discard(errors.New("the job has ended"))
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))
	if m, err := settled.NextMsg(eventstest.Patience); err != nil || string(m.Data) != "+TERM" {
		t.Errorf("settled: got %v, %v, want +TERM", m, err)
	}
	f.workDone(t)
	if calls.Load() != 1 || f.holds(t, events.StreamEvents, "mapping.rejected.*") {
		t.Errorf("calls: got %d, want 1 and no rejection", calls.Load())
	}
}

func TestReject_PublishesAnUndecodableWorkMessage(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	rejected := make(chan events.MappingRejected, 10)
	auditor := events.Consumer{
		Name:          "spy",
		Stream:        events.StreamEvents,
		Filter:        "mapping.rejected.*",
		MaxAckPending: 10,
	}
	run(t, events.Consume(f.js, auditor, func(_ context.Context, d events.Delivery, e events.MappingRejected) error {
		if d.Source != "/pdeflow/classifier" {
			t.Errorf("source: got %s, want /pdeflow/classifier", d.Source)
		}
		rejected <- e
		return nil
	}, f.options()))
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
				if w.MappingID == "gone" {
					return events.Reject(events.ReasonUnknown, errors.New("no such mapping"))
				}
				t.Errorf("handled: got %+v, want nothing", w)
				return nil
			},
			f.options(),
		),
	)

	good := nats.Header{
		"ce-specversion": {
			"1.0",
		}, "ce-id": {"work/j/m"}, "ce-source": {"/x"}, "ce-type": {"io.pdeflow.mapping.requested.v1"}, "X": {"1", "2"},
	}
	for _, c := range []struct {
		subject, data string
		header        nats.Header
		reason        events.Reason
	}{
		{"mapping.requested.rules.j.m", "\xff not json", good, events.ReasonBody},
		{"mapping.requested.rules.j.m", `{"job_id":"other","mapping_id":"m"}`, good, events.ReasonBody},
		{"mapping.requested.rules.j.m", `{"job_id":"j","mapping_id":"m"}`, nil, events.ReasonEnvelope},
		{"mapping.requested.rules.j/j.m", `{"job_id":"j/j","mapping_id":"m"}`, good, events.ReasonSubject},
	} {
		t.Run(c.subject, func(t *testing.T) {
			f.raw(t, c.subject, c.data, c.header)
			e := next(t, rejected)
			if e.RejectedSubject != c.subject || string(e.Data) != c.data || e.Reason != c.reason || e.Error == "" {
				t.Errorf("%s %s: got %+v, want a rejection of it for %s", c.subject, c.data, e, c.reason)
			}
			if c.header != nil && !slices.Equal(e.Headers["X"], []string{"1", "2"}) {
				t.Errorf("headers: got %v, want two of X", e.Headers)
			}
			f.workDone(t)
		})
	}
	f.send(t, work("j", "gone"))
	if e := next(t, rejected); e.Reason != events.ReasonUnknown || e.Error != "no such mapping" {
		t.Errorf("rejection: got %+v, want %s", e, events.ReasonUnknown)
	}
	f.workDone(t)
}

func TestTheTraceContinuesFromPublisherToHandler(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan events.Traceparent, 1)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(ctx context.Context, d events.Delivery, _ events.MappingRequested) error {
				if events.TraceparentFrom(ctx) != d.Traceparent {
					t.Error("the context is not in the trace of the message")
				}
				got <- d.Traceparent
				return nil
			},
			f.options(),
		),
	)
	post := events.NewTraceparent()
	f.pub.PublishWork(events.WithTraceparent(t.Context(), post), []events.MappingRequested{work("j", "m")})
	if hop := next(t, got); hop.TraceID() != post.TraceID() || hop == post {
		t.Errorf("trace: got %s, want another span of %s", hop, post)
	}
	f.send(t, work("j", "n"))
	if hop := next(t, got); hop.IsZero() || hop.TraceID() == post.TraceID() {
		t.Errorf("trace of the handler: got %s, want another one than the publisher's", hop)
	}
}

func TestConsume_RunsAsManyHandlersAsWorkers(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	const workers = 3
	started, release := make(chan string, 2*workers), make(chan struct{})
	o := f.options()
	o.Workers = workers
	stop := run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
				started <- w.MappingID
				hold(t, release)
				return nil
			},
			o,
		),
	)
	for i := range 2 * workers {
		f.send(t, work("j", fmt.Sprint("m", i)))
	}
	for range workers {
		next(t, started)
	}
	eventstest.Eventually(t, "all are fetched", func() bool { return f.pending(t, "classifier-rules") == 2*workers })
	if len(started) > 0 {
		t.Error("more handlers than workers")
	}
	close(release)
	f.workDone(t)
	stop()
}

func (f *fixture) pending(t *testing.T, consumer string) int {
	t.Helper()
	c, err := f.js.Consumer(t.Context(), events.StreamWork, consumer)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo().NumAckPending
}
