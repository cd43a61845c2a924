package events_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// echo runs a runner of the rules lane that reports what it handled.
func (f *fixture) echo(t *testing.T) (handled <-chan string, r *events.Runner) {
	t.Helper()
	got := make(chan string, 1000)
	r = events.Consume(
		f.js,
		events.ClassifierRules(),
		func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
			got <- w.MappingID
			return nil
		},
		f.options(),
	)
	run(t, r)
	return got, r
}

func (f *fixture) handles(t *testing.T, handled <-chan string, mappingID string) {
	t.Helper()
	f.sendUntilAccepted(t, work("j", mappingID))
	for next(t, handled) != mappingID {
	}
}

func TestRunner_SurvivesADeletedConsumer(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	handled, r := f.echo(t)
	f.handles(t, handled, "before")
	if err := f.js.DeleteConsumer(t.Context(), events.StreamWork, "classifier-rules"); err != nil {
		t.Fatal(err)
	}
	f.handles(t, handled, "after")
	eventstest.Eventually(t, "the runner is ready", func() bool { return r.Ready() == nil })
	if n := f.log.Count("consumer lost"); n != 1 {
		t.Errorf("lines about the loss: got %d, want 1", n)
	}
}

func TestRunner_SurvivesDeletedStreams(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	handled, _ := f.echo(t)
	f.handles(t, handled, "before")
	for _, stream := range []string{events.StreamWork, events.StreamEvents} {
		if err := f.js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	f.handles(t, handled, "after")
	// The first process that reconnects declares everything, so that the projector misses as little as possible.
	if _, err := f.js.Consumer(t.Context(), events.StreamEvents, "projector"); err != nil {
		t.Errorf("consumer of the projector: got %v, want nil", err)
	}
}

func TestRunner_SurvivesRequestLimitsOfAnOperator(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	handled, r := f.echo(t)
	f.handles(t, handled, "before")
	limit(t, f, func(c *jetstream.ConsumerConfig) { c.MaxRequestBatch = 1 })
	f.handles(t, handled, "after")
	// A limit that cannot be kept is logged once and reported by Ready.
	limit(t, f, func(c *jetstream.ConsumerConfig) { c.MaxRequestExpires = 100 * time.Millisecond })
	eventstest.Eventually(t, "Ready returns the reason", func() bool {
		err := r.Ready()
		return err != nil && strings.Contains(err.Error(), "MaxRequestExpires")
	})
	limit(t, f, func(c *jetstream.ConsumerConfig) { c.MaxRequestExpires = 0 })
	f.handles(t, handled, "last")
	eventstest.Eventually(t, "the runner is ready", func() bool { return r.Ready() == nil })
	if n := f.log.Count("MaxRequestExpires"); n != 1 {
		t.Errorf("lines with the reason: got %d, want 1", n)
	}
}

// limit changes the consumer of the rules lane.
func limit(t *testing.T, f *fixture, change func(*jetstream.ConsumerConfig)) {
	t.Helper()
	consumer, err := f.js.Consumer(t.Context(), events.StreamWork, "classifier-rules")
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	change(&config)
	if _, err := f.js.UpdateConsumer(t.Context(), events.StreamWork, config); err != nil {
		t.Fatal(err)
	}
}

func TestRunner_SurvivesARestartOfTheServer(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	handled, r := f.echo(t)
	f.handles(t, handled, "before")
	f.Stop()
	eventstest.Eventually(
		t,
		"the runner is not ready",
		func() bool { return errors.Is(r.Ready(), events.ErrDisconnected) },
	)
	f.Restart()
	// The consumer is verified or opened again, depending on how fast the server restarts.
	f.handles(t, handled, "after")
}

func TestRunner_SurvivesAWipedStore(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	handled, _ := f.echo(t)
	f.handles(t, handled, "before")
	f.Stop()
	f.Wipe()
	f.Restart()
	f.handles(t, handled, "after")
}

func TestRunner_StartsBeforeTheServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Stop()
	nc := connect(t, f.URL(), f.log.Logger())
	js, err := events.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	r := events.Consume(
		js,
		events.ClassifierRules(),
		func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
			got <- w.MappingID
			return nil
		},
		f.options(),
	)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	f.Restart()
	f.handles(t, got, "m")
	cancel()
	if err := next(t, ended); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func TestRunner_StopsWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	started := make(chan struct{})
	stop := run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(context.Context, events.Delivery, events.MappingRequested) error {
				started <- struct{}{}
				hold(t, started)
				return nil
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))
	next(t, started)
	f.Stop()
	eventstest.Eventually(t, "the loss is noticed", func() bool { return !f.nc.IsConnected() })
	started <- struct{}{}
	stop()
}

func TestRunner_ReturnsAnErrorForAClosedConnection(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	ended := make(chan error, 1)
	r := events.Consume(
		f.js,
		events.ClassifierRules(),
		func(context.Context, events.Delivery, events.MappingRequested) error {
			return nil
		},
		f.options(),
	)
	go func() { ended <- r.Run(t.Context()) }()
	eventstest.Eventually(t, "the consumer is open", func() bool { return r.Ready() == nil })
	f.nc.Close()
	if err := next(t, ended); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("Run: got %v, want %v", err, nats.ErrConnectionClosed)
	}
}

// An acknowledgement names a stream position, and after a wiped store another message has that position.
func TestAnOldAcknowledgementRemovesNoMessageOfANewStream(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	gate := &gate{}
	js, err := events.JetStream(connect(t, f.URL(), f.log.Logger(), nats.SetCustomDialer(gate)))
	if err != nil {
		t.Fatal(err)
	}
	started, release := make(chan string, 10), make(chan struct{})
	o := f.options()
	o.Workers, o.Prefetch = 1, 1
	run(
		t,
		events.Consume(
			js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
				started <- w.MappingID
				hold(t, release)
				return nil
			},
			o,
		),
	)
	// With two messages the runner is full and requests none, so no failing request reveals the stop of the server.
	f.send(t, work("j", "old"), work("j", "old-too"))
	next(t, started)
	eventstest.Eventually(t, "both are fetched", func() bool { return f.pending(t, "classifier-rules") == 2 })

	// While the runner is disconnected the store is wiped, and another consumer handles the first new message.
	open := gate.shut()
	f.Stop()
	f.Wipe()
	f.Restart()
	eventstest.Eventually(
		t,
		"the streams are there",
		func() bool { return eventstest.Topology().Declare(t.Context(), f.js) == nil },
	)
	f.send(t, work("j", "new"))
	somebody, err := f.js.Consumer(t.Context(), events.StreamWork, "classifier-rules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := somebody.Next(); err != nil {
		t.Fatal(err)
	}
	close(release)
	open()

	// The worker is free for this one only after it has settled the old one.
	f.send(t, work("j", "later"))
	for next(t, started) != "later" {
	}
	eventstest.Eventually(t, "the later message is acknowledged", func() bool {
		return !f.holds(t, events.StreamWork, "mapping.requested.rules.j.later")
	})
	if !f.holds(t, events.StreamWork, "mapping.requested.rules.j.new") {
		t.Error("the new message is gone while it is being handled")
	}
}

// gate is a dialer that waits while it is shut.
type gate struct{ sync.RWMutex }

func (g *gate) Dial(network, address string) (net.Conn, error) {
	g.RLock()
	defer g.RUnlock()
	return net.Dial(network, address) //nolint:noctx // nats.go gives none
}

func (g *gate) shut() (open func()) {
	g.Lock()
	return g.Unlock
}

func TestRunner_AcknowledgesAfterAReconnect(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	started, release := make(chan uint64, 10), make(chan struct{})
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, d events.Delivery, _ events.MappingRequested) error {
				started <- d.Deliveries
				hold(t, release)
				return nil
			},
			f.options(),
		),
	)
	f.send(t, work("j", "m"))
	next(t, started)
	f.Stop()
	eventstest.Eventually(t, "the loss is noticed", func() bool { return !f.nc.IsConnected() })
	close(release)
	f.Restart()
	// AckWait is longer than the test waits, so only the acknowledgement can take the message away.
	f.workDone(t)
	if len(started) > 0 {
		t.Error("the message came again")
	}
}

// short is a topology with which messages come again soon.
func short() events.Topology { return events.Topology{AckWait: 400 * time.Millisecond} }
