package events_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestSubscribeAdvisories_ReportsATerminatedMessage(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	got := make(chan events.Advisory, 10)
	watch, err := events.SubscribeAdvisories(f.nc, events.StreamWork, func(a events.Advisory) { got <- a })
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Unsubscribe() //nolint:errcheck // the connection ends with the test
	for _, ignored := range []string{
		"$JS.EVENT.ADVISORY.CONSUMER.CREATED.PDE_WORK.c", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.PDE_WORK.c",
		"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.PDE_EVENTS.c",
	} {
		if err := f.nc.Publish(ignored, []byte("not an advisory")); err != nil {
			t.Fatal(err)
		}
	}
	f.send(t, work("j", "m"))
	consumer, err := f.js.Consumer(t.Context(), events.StreamWork, events.ClassifierRules().Name)
	if err != nil {
		t.Fatal(err)
	}
	message, err := consumer.Next(jetstream.FetchMaxWait(eventstest.Patience))
	if err != nil {
		t.Fatal(err)
	}
	if err := message.TermWithReason("no such mapping"); err != nil {
		t.Fatal(err)
	}
	want := events.Advisory{
		Kind: events.AdvisoryTerminated, Stream: events.StreamWork, Consumer: events.ClassifierRules().Name,
		Sequence: 1, Deliveries: 1, Reason: "no such mapping",
	}
	if a := next(t, got); a != want {
		t.Errorf("advisory: got %+v, want %+v", a, want)
	}
}
