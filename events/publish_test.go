package events_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
)

func TestPublishWork_OutstandingMessage(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := f.pub.PublishWork(t.Context(), []events.MappingRequested{
		work(
			"j",
			"a",
		), work("j", "b"), work("j", "a"), work("k", "a"), {
			Lane: schema.LaneLLM, JobID: "j", MappingID: "a",
		}, work("no.job", "a"),
	})
	want := []events.PublishState{
		events.Published,
		events.Published,
		events.Outstanding,
		events.Published,
		events.Published,
		events.NotPublished,
	}
	for i, result := range got {
		if result.State != want[i] || (result.Err != nil) != (want[i] == events.NotPublished) {
			t.Errorf("message %d: got %d, %v, want %d", i, result.State, result.Err, want[i])
		}
	}
	if _, ok := errors.AsType[*events.SubjectError](got[5].Err); !ok {
		t.Errorf("message 5: got %v, want a SubjectError", got[5].Err)
	}
	// It is refused while it is worked on, too.
	release, started := make(chan struct{}), make(chan struct{}, 10)
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(context.Context, events.Delivery, events.MappingRequested) error {
				started <- struct{}{}
				hold(t, release)
				return nil
			},
			f.options(),
		),
	)
	next(t, started)
	if again := f.pub.PublishWork(
		t.Context(), []events.MappingRequested{work("j", "a")},
	)[0]; again.State != events.Outstanding {
		t.Errorf("again: got %d, %v, want %d", again.State, again.Err, events.Outstanding)
	}
	if err := f.pub.Publish(t.Context(), work("j", "b")); !errors.Is(err, events.ErrOutstanding) {
		t.Errorf("Publish: got %v, want %v", err, events.ErrOutstanding)
	}
	close(release)
}

func TestPublishWork_OtherLimitsAreErrors(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	config := f.streamConfig(t, events.StreamWork)
	config.MaxMsgs = 1
	if _, err := f.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	got := f.pub.PublishWork(t.Context(), []events.MappingRequested{work("j", "a"), work("j", "b")})
	if got[0].State != events.Published || got[1].State != events.NotPublished || got[1].Err == nil {
		t.Errorf("results: got %+v, want one published and one not", got)
	}
}

func TestPublishWork_ReturnsResultsInOrder(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	var messages []events.MappingRequested
	for i := range 1000 {
		messages = append(messages, work("j", fmt.Sprint("m", i)))
		if i%3 == 0 {
			messages = append(messages, messages[len(messages)-1])
		}
	}
	seen := map[string]bool{}
	for i, result := range f.pub.PublishWork(t.Context(), messages) {
		want := events.Published
		if seen[messages[i].MappingID] {
			want = events.Outstanding
		}
		seen[messages[i].MappingID] = true
		if result.State != want {
			t.Fatalf("message %d: got state %d, error %v, want %d", i, result.State, result.Err, want)
		}
	}
}

func TestPublish_SetsNoMessageID(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	for range 2 {
		if err := f.pub.Publish(t.Context(), events.JobStarted("j")); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := f.js.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("messages in the stream: got %d, want 2", n)
	}
	last, err := stream.GetLastMsgForSubject(t.Context(), "job.progress.j")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := last.Header[jetstream.MsgIDHeader]; ok {
		t.Error("the message carries an id for deduplication")
	}
}

func TestPublish_RefusesInvalidEvents(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	for _, e := range []events.Event{
		events.JobStarted(""), events.JobStarted("a.b"), events.JobStarted("*"), events.JobStarted("a b"),
		events.JobProgress{JobID: "j", Kind: "dancing"},
		events.JobProgress{JobID: "j", Kind: events.KindListed},
		events.JobItem("j", events.Item{MappingID: "m", Outcome: schema.OutcomeCancelled}),
		events.JobFinished{},
		events.MappingChanged{MappingID: "m"},
		events.MappingRejected{},
		events.RegenerateRequested{JobID: "j"},
	} {
		t.Run(fmt.Sprint(e), func(t *testing.T) {
			if err := f.pub.Publish(t.Context(), e); err == nil {
				t.Errorf("Publish(%+v): got no error, want one", e)
			}
		})
	}
}

func TestPublish_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	log := eventstest.NewLog(t).Logger()
	for name, f := range map[string]struct{ setUp func(t *testing.T) *nats.Conn }{
		"the server has gone": {func(t *testing.T) *nats.Conn {
			f := newDeclaredFixture(t)
			f.Stop()
			return f.nc
		}},
		"the server was never there": {func(t *testing.T) *nats.Conn {
			s := eventstest.Start(t)
			s.Stop()
			return connect(t, s.URL(), log)
		}},
		"a server that never answers": {func(t *testing.T) *nats.Conn {
			return connect(t, "nats://"+silent.Addr().String(), log, nats.Timeout(100*time.Millisecond))
		}},
		"no stream takes it": {func(t *testing.T) *nats.Conn { return newFixture(t).nc }},
		"no server": {func(t *testing.T) *nats.Conn {
			f := newFixture(t)
			if _, err := f.nc.SubscribeSync("job.progress.*"); err != nil {
				t.Fatal(err)
			}
			return f.nc
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, err := events.JetStream(f.setUp(t))
			if err != nil {
				t.Fatal(err)
			}
			pub := events.NewPublisher(js, "api")
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := pub.Publish(ctx, events.JobStarted("j")); err == nil {
				t.Error("no error")
			}
			// Not a question of speed: without the context it would be five seconds.
			if late := time.Now(); deadline(ctx).Add(3 * time.Second).Before(late) {
				t.Errorf("end of the publish after its context: got %v, want at most 3s", late.Sub(deadline(ctx)))
			}
			results := pub.PublishWork(ctx, []events.MappingRequested{work("j", "a"), work("j", "b")})
			for _, result := range results {
				if result.State != events.NotPublished || result.Err == nil {
					t.Errorf("result %+v, want it not published, with an error", result)
				}
			}
		})
	}
}

func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}

func TestPublish_NamesItsErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.pub.Publish(t.Context(), events.JobStarted("j")); !errors.Is(err, events.ErrNoStream) {
		t.Errorf("Publish without a stream: got %v, want %v", err, events.ErrNoStream)
	}
	if got := f.pub.PublishWork(t.Context(), []events.MappingRequested{work("j", "m")}); !errors.Is(
		got[0].Err,
		events.ErrNoStream,
	) {
		t.Errorf("without a stream: got %v, want %v", got[0].Err, events.ErrNoStream)
	}
	f.Stop()
	eventstest.Eventually(t, "the loss is noticed", func() bool { return !f.nc.IsConnected() })
	if err := f.pub.Publish(t.Context(), events.JobStarted("j")); !errors.Is(err, events.ErrDisconnected) {
		t.Errorf("Publish without a connection: got %v, want %v", err, events.ErrDisconnected)
	}
	if got := f.pub.PublishWork(t.Context(), []events.MappingRequested{work("j", "m")}); !errors.Is(
		got[0].Err,
		events.ErrDisconnected,
	) {
		t.Errorf("without a connection: got %v, want %v", got[0].Err, events.ErrDisconnected)
	}
}

func TestRefusal_NamesTheRemedy(t *testing.T) {
	t.Parallel()
	const restart = "free disk space or raise max_file_store, and restart nats-server"
	for name, tc := range map[string]struct {
		refusal events.RefusedError
		want    string
	}{
		"a full disk":   {events.RefusedError{Code: 10077, Reason: "write: no space left on device"}, restart},
		"a full server": {events.RefusedError{Code: 10023, Reason: "insufficient resources"}, restart},
		"a full store": {
			events.RefusedError{Code: 10047, Reason: "insufficient storage resources available"}, restart,
		},
		"a full account": {
			events.RefusedError{Code: 10002, Reason: "resource limits exceeded"}, "limits of the account",
		},
		"a full stream": {events.RefusedError{Code: 10077, Reason: "maximum bytes exceeded"}, "limits of the stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.refusal.Stream = events.StreamEvents
			got := events.BlockedReason(fmt.Errorf("publish: %w", &tc.refusal))
			want := "NATS refuses messages for PDE_EVENTS: " + tc.refusal.Reason
			if !strings.HasPrefix(got, want) || !strings.Contains(got, tc.want) {
				t.Errorf("BlockedReason: got %q, want %q with %q", got, want, tc.want)
			}
		})
	}
}

func TestPublishWork_CountsUnacknowledgedMessagesAsNotPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// A stream that never acknowledges.
	heard, err := f.nc.SubscribeSync("mapping.requested.>")
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan []events.WorkResult, 1)
	go func() {
		results <- f.pub.PublishWork(t.Context(), []events.MappingRequested{work("j", "a"), work("j", "b")})
	}()
	for range 2 {
		if _, err := heard.NextMsg(eventstest.Patience); err != nil {
			t.Fatal(err)
		}
	}
	f.Stop()
	for _, result := range next(t, results) {
		if result.State != events.NotPublished || !errors.Is(result.Err, events.ErrDisconnected) {
			t.Errorf("result %+v, want it not published, with ErrDisconnected", result)
		}
	}
}

func TestPublish_SendsNothingAfterAReconnect(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	f.Stop()
	eventstest.Eventually(t, "the loss is noticed", func() bool { return !f.nc.IsConnected() })
	if err := f.pub.Publish(t.Context(), events.JobStarted("stale")); err == nil {
		t.Fatal("no error")
	}
	f.Restart()
	eventstest.Eventually(
		t,
		"the next event is published",
		func() bool { return f.pub.Publish(t.Context(), events.JobStarted("fresh")) == nil },
	)
	if f.holds(t, events.StreamEvents, "job.progress.stale") {
		t.Error("an event published while disconnected arrived later")
	}
}
