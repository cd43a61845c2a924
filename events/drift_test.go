package events_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// inspecting is a runner of the classifiers' consumer that looks at it several times a second.
func (f *fixture) inspecting(t *testing.T) (received chan string) {
	t.Helper()
	received = make(chan string, 100)
	o := f.options()
	o.Topology.AckWait = 600 * time.Millisecond
	run(
		t,
		events.Consume(
			f.js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, work events.MappingRequested) error {
				received <- work.MappingID
				return nil
			},
			o,
		),
	)
	f.send(t, work("j", "first"))
	next(t, received)
	return received
}

func TestRunner_RestoresAnEditedConsumer(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	f.inspecting(t)
	declared := f.consumerConfig(t, events.StreamWork, events.ClassifierRules().Name)
	edited := declared
	edited.MaxAckPending, edited.MaxDeliver = 1, 3
	if _, err := f.js.UpdateConsumer(t.Context(), events.StreamWork, edited); err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(t, "it is changed back", func() bool {
		now := f.consumerConfig(t, events.StreamWork, events.ClassifierRules().Name)
		return now.MaxAckPending == declared.MaxAckPending && now.MaxDeliver == declared.MaxDeliver
	})
	eventstest.Eventually(t, "it is logged", func() bool { return f.log.Count("consumer was edited, restored") == 1 })
	if n := f.log.Count("MaxAckPending"); n != 1 {
		t.Errorf("lines that name what was changed: got %d, want 1", n)
	}
}

func TestRunner_KeepsADeclaredMaxAckPending(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	topology := events.Topology{MaxAckPending: 7}
	if err := topology.Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	for _, c := range []events.Consumer{events.ClassifierRules(), events.Projector()} {
		if now := f.consumerConfig(t, c.Stream, c.Name); now.MaxAckPending != 7 {
			t.Errorf("MaxAckPending of %s: got %d, want 7", c.Name, now.MaxAckPending)
		}
	}
}

func TestRunner_RecreatesAConsumerAheadOfItsStream(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	received := f.inspecting(t)
	name := events.ClassifierRules().Name
	answer, err := f.nc.Request(
		"$JS.API.CONSUMER.RESET."+events.StreamWork+"."+name,
		fmt.Append(nil, `{"seq": 1000000}`),
		eventstest.Patience,
	)
	if err != nil {
		t.Fatal(err)
	}
	f.send(t, work("j", "second"))
	if mapping := next(t, received); mapping != "second" {
		t.Errorf("received mapping: got %s, want second (%s)", mapping, answer.Data)
	}
	consumer, err := f.js.Consumer(t.Context(), events.StreamWork, name)
	if err != nil {
		t.Fatal(err)
	}
	if info := consumer.CachedInfo(); info.Delivered.Stream >= 1000 ||
		info.Config.DeliverPolicy != jetstream.DeliverAllPolicy {
		t.Errorf("consumer position: got %d, want the start of the stream", info.Delivered.Stream)
	}
	if f.log.Count("is ahead of its stream") == 0 {
		t.Error("nothing is logged")
	}
}
