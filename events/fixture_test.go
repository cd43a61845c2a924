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

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// patient is a topology whose AckWait is longer than patience, so that nothing passes because a message was
// delivered again by itself.
func patient() events.Topology { return events.Topology{AckWait: 2 * patience} }

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
	b := &fixture{Server: eventstest.Start(t), log: eventstest.NewLog(t)}
	b.nc = connect(t, b.URL(), b.log.Logger())
	js, err := events.JetStream(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	b.js, b.pub = js, events.NewPublisher(js, "dispatcher")
	return b
}

// newDeclaredFixture is a bus with its streams and consumers.
func newDeclaredFixture(t *testing.T) *fixture {
	t.Helper()
	b := newFixture(t)
	if err := patient().Declare(t.Context(), b.js); err != nil {
		t.Fatal(err)
	}
	return b
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
func (b *fixture) send(t *testing.T, messages ...events.MappingRequested) {
	t.Helper()
	for i, result := range b.pub.PublishWork(t.Context(), messages) {
		if result.State != events.Published {
			t.Fatalf("%s: answer %v, error %v", messages[i].ID(), result.State, result.Err)
		}
	}
}

// sendUntilAccepted publishes work again and again, as the dispatcher does while the server or its streams are away.
func (b *fixture) sendUntilAccepted(t *testing.T, message events.MappingRequested) {
	t.Helper()
	eventually(t, message.ID()+" is accepted", func() bool {
		return b.pub.PublishWork(t.Context(), []events.MappingRequested{message})[0].State == events.Published
	})
}

// raw publishes bytes to a stream.
func (b *fixture) raw(t *testing.T, subject, data string, header nats.Header) {
	t.Helper()
	if _, err := b.js.PublishMsg(
		t.Context(), &nats.Msg{Subject: subject, Data: []byte(data), Header: header},
	); err != nil {
		t.Fatal(err)
	}
}

// holds reports whether the stream has a message on the subject.
func (b *fixture) holds(t *testing.T, stream, subject string) bool {
	t.Helper()
	s, err := b.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.GetLastMsgForSubject(t.Context(), subject)
	return err == nil
}

func (b *fixture) workDone(t *testing.T) {
	t.Helper()
	eventually(t, "no work is left", func() bool {
		s, err := b.js.Stream(t.Context(), events.StreamWork)
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
	eventually(t, "the consumer is open", func() bool { return r.Ready() == nil })
	return stop
}

// options for a runner whose log goes to the test.
func (b *fixture) options() events.Options {
	return events.Options{Log: b.log.Logger(), Topology: patient()}
}

// next waits for a value.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no value within %v", patience)
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

// eventually polls until the condition holds, for changes that publish no event.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
