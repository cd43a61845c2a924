package events_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
)

// fixture is a server with one connection to it.
type fixture struct {
	*eventstest.Server
	nc  *nats.Conn
	js  jetstream.JetStream
	pub *events.Publisher
	log *eventstest.Log
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Server: eventstest.Start(t), log: eventstest.NewLog(t)}
	f.nc = connect(t, f.URL(), f.log.Logger())
	js, err := events.JetStream(f.nc)
	if err != nil {
		t.Fatal(err)
	}
	f.js, f.pub = js, events.NewPublisher(js, "dispatcher")
	return f
}

// newDeclaredFixture returns a fixture with its streams and consumers.
func newDeclaredFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	if err := eventstest.Topology().Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	return f
}

func connect(t *testing.T, url string, log *slog.Logger, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := events.Connect(
		url,
		t.Name(),
		"",
		log,
		append([]nats.Option{nats.ReconnectWait(20 * time.Millisecond)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func work(jobID, mappingID string) events.MappingRequested {
	return events.MappingRequested{Lane: schema.LaneRules, JobID: jobID, MappingID: mappingID}
}

// send publishes work that must be accepted.
func (f *fixture) send(t *testing.T, messages ...events.MappingRequested) {
	t.Helper()
	for i, result := range f.pub.PublishWork(t.Context(), messages) {
		if result.State != events.Published {
			t.Fatalf("%s: got %v, error %v, want it published", messages[i].ID(), result.State, result.Err)
		}
	}
}

// sendUntilAccepted publishes work again and again, as the dispatcher does while the server or its streams are away.
func (f *fixture) sendUntilAccepted(t *testing.T, message events.MappingRequested) {
	t.Helper()
	eventstest.Eventually(t, message.ID()+" is accepted", func() bool {
		return f.pub.PublishWork(t.Context(), []events.MappingRequested{message})[0].State == events.Published
	})
}

// raw publishes bytes to a stream.
func (f *fixture) raw(t *testing.T, subject, data string, header nats.Header) {
	t.Helper()
	if _, err := f.js.PublishMsg(
		t.Context(), &nats.Msg{Subject: subject, Data: []byte(data), Header: header},
	); err != nil {
		t.Fatal(err)
	}
}

// holds reports whether the stream has a message on the subject.
func (f *fixture) holds(t *testing.T, stream, subject string) bool {
	t.Helper()
	s, err := f.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.GetLastMsgForSubject(t.Context(), subject)
	return err == nil
}

func (f *fixture) workDone(t *testing.T) {
	t.Helper()
	eventstest.Eventually(t, "no work is left", func() bool {
		s, err := f.js.Stream(t.Context(), events.StreamWork)
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}

// run runs the runner until the test ends or stop is called, which waits for it.
func run(t *testing.T, r *events.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	eventstest.Eventually(t, "the consumer is open", func() bool { return r.Ready() == nil })
	return stop
}

// options returns options for a runner whose log goes to the test.
func (f *fixture) options() events.Options {
	return events.Options{Log: f.log.Logger(), Topology: eventstest.Topology()}
}

// next waits for a value.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(eventstest.Patience):
		t.Fatalf("got no value within %v, want one", eventstest.Patience)
		panic("unreachable")
	}
}

// hold keeps a handler until the test lets it go, or has failed.
func hold(t *testing.T, release <-chan struct{}) {
	select {
	case <-release:
	case <-t.Context().Done():
	}
}
