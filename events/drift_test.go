package events_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
)

// inspecting is a runner of the classifiers' consumer that looks at it several times a second.
func (b *fixture) inspecting(t *testing.T) (received chan string) {
	t.Helper()
	received = make(chan string, 100)
	o := b.options()
	o.Topology.AckWait = 600 * time.Millisecond
	run(
		t,
		events.Consume(
			b.js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, work events.MappingRequested) error {
				received <- work.MappingID
				return nil
			},
			o,
		),
	)
	b.send(t, work("j", "first"))
	next(t, received)
	return received
}

func TestRunner_RestoresAnEditedConsumer(t *testing.T) {
	t.Parallel()
	b := newDeclaredFixture(t)
	b.inspecting(t)
	declared := b.consumerConfig(t, events.StreamWork, events.ClassifierRules().Name)
	edited := declared
	edited.MaxAckPending, edited.MaxDeliver = 1, 3
	if _, err := b.js.UpdateConsumer(t.Context(), events.StreamWork, edited); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is changed back", func() bool {
		now := b.consumerConfig(t, events.StreamWork, events.ClassifierRules().Name)
		return now.MaxAckPending == declared.MaxAckPending && now.MaxDeliver == declared.MaxDeliver
	})
	eventually(t, "it is logged", func() bool { return b.log.Count("consumer was edited, restored") == 1 })
	if n := b.log.Count("MaxAckPending"); n != 1 {
		t.Errorf("lines that name what was changed: got %d, want 1", n)
	}
}

func TestRunner_KeepsADeclaredMaxAckPending(t *testing.T) {
	t.Parallel()
	b := newDeclaredFixture(t)
	topology := events.Topology{MaxAckPending: 7}
	if err := topology.Declare(t.Context(), b.js); err != nil {
		t.Fatal(err)
	}
	for _, c := range []events.Consumer{events.ClassifierRules(), events.Projector()} {
		if now := b.consumerConfig(t, c.Stream, c.Name); now.MaxAckPending != 7 {
			t.Errorf("MaxAckPending of %s: got %d, want 7", c.Name, now.MaxAckPending)
		}
	}
}

func TestRunner_RecreatesAConsumerAheadOfItsStream(t *testing.T) {
	t.Parallel()
	b := newDeclaredFixture(t)
	received := b.inspecting(t)
	name := events.ClassifierRules().Name
	answer, err := b.nc.Request(
		"$JS.API.CONSUMER.RESET."+events.StreamWork+"."+name,
		fmt.Append(nil, `{"seq": 1000000}`),
		patience,
	)
	if err != nil {
		t.Fatal(err)
	}
	b.send(t, work("j", "second"))
	if mapping := next(t, received); mapping != "second" {
		t.Errorf("received mapping: got %s, want second (%s)", mapping, answer.Data)
	}
	consumer, err := b.js.Consumer(t.Context(), events.StreamWork, name)
	if err != nil {
		t.Fatal(err)
	}
	if info := consumer.CachedInfo(); info.Delivered.Stream >= 1000 ||
		info.Config.DeliverPolicy != jetstream.DeliverAllPolicy {
		t.Errorf("consumer position: got %d", info.Delivered.Stream)
	}
	if b.log.Count("is ahead of its stream") == 0 {
		t.Error("nothing is logged")
	}
}
