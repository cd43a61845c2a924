package dispatcher

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
)

// The checks of the lanes are off, as if other jobs kept the lane busy.
func TestAMessageOverTheDeliveryLimitIsPublishedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 2)
	stop := f.Run(f.dispatcher(Options{Interval: time.Millisecond, Silence: never}).Run)
	defer stop()
	f.Eventually("both messages are published", func() bool { return len(f.outstanding(job)) == 2 })

	consumer, err := f.JS.Consumer(t.Context(), events.StreamWork, events.ClassifierRules().Name)
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.MaxDeliver, config.AckWait = 1, 50*time.Millisecond
	if _, err := f.JS.UpdateConsumer(t.Context(), events.StreamWork, config); err != nil {
		t.Fatal(err)
	}
	subject := events.MappingRequestedSubject(job.Classifier.Lane(), job.ID, "cards-1").String()
	sequence := func() uint64 {
		stream, err := f.JS.Stream(t.Context(), events.StreamWork)
		if err != nil {
			t.Fatal(err)
		}
		message, err := stream.GetLastMsgForSubject(t.Context(), subject)
		if err != nil {
			return 0 // deleted, and not yet published again
		}
		return message.Sequence
	}
	first := sequence()
	f.Eventually("the message is replaced", func() bool {
		// The server notices the limit when it would deliver the message once more.
		if _, err := consumer.Fetch(2, jetstream.FetchMaxWait(100*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		return sequence() > first
	})
	if f.Log.Count("exceeded the delivery limit") == 0 {
		t.Error("log: got no line about the delivery limit, want one")
	}
}
