package dispatcher

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// heard has the projector's consumer deliver everything that it has, and acknowledges it unless that is left to the caller.
func (k *fixture) heard(acknowledge bool) (messages []jetstream.Msg) {
	k.T.Helper()
	consumer, err := k.JS.Consumer(k.T.Context(), events.StreamEvents, events.Projector().Name)
	if err != nil {
		k.T.Fatal(err)
	}
	batch, err := consumer.FetchNoWait(100)
	if err != nil {
		k.T.Fatal(err)
	}
	for m := range batch.Messages() {
		messages = append(messages, m)
		if acknowledge {
			if err := m.DoubleAck(k.T.Context()); err != nil {
				k.T.Fatal(err)
			}
		}
	}
	return messages
}

// bellRinger looks in every turn and rings again at once.
func (k *fixture) bellRinger() *Dispatcher {
	return k.dispatcher(Options{BellPause: time.Nanosecond})
}

func TestABellRingsAtTheSecondLookForAJobThatStillLags(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	k.turns(k.dispatcher(Options{}))
	k.heard(true)
	d := k.bellRinger()
	k.turn(d)
	if n := k.bells(job); n != 0 {
		t.Errorf("%d bells at the first look", n)
	}
	k.turn(d)
	if n := k.bells(job); n != 1 {
		t.Errorf("%d bells at the second look", n)
	}
}

func TestABellRingsOnlyWhileNothingWaitsForTheProjectorWhateverItHasInHand(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	d := k.bellRinger()
	look := func(why string, want int) {
		t.Helper()
		for range 3 {
			k.turn(d)
		}
		if n := k.bells(job); n != want {
			t.Errorf("%s: %d bells, not %d", why, n, want)
		}
	}
	look("its news is waiting", 0)
	inHand := k.heard(false)
	if len(inHand) == 0 {
		t.Fatal("nothing is heard")
	}
	// A projector that is busy with other jobs is never without something in hand.
	look("its news is in hand", 1)
	k.heard(true)
	look("the bell was heard", 2)
	k.heard(true)
	err := k.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	look("the status is up to its rows", 2)
}

func TestABellIsGivenTimeBeforeItRingsAgain(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	d := k.dispatcher(Options{BellPause: never})
	for range 3 {
		k.turn(d)
		k.heard(true)
	}
	if n := k.bells(job); n != 1 {
		t.Errorf("%d bells", n)
	}
}

func TestLooksAreAnIntervalApartHoweverFastTheTurns(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	k.turns(k.dispatcher(Options{}))
	k.heard(true)
	d := k.dispatcher(Options{Look: never, BellPause: time.Nanosecond})
	for range 5 {
		k.turn(d)
	}
	if n := k.bells(job); n != 0 {
		t.Errorf("%d bells for a job that lagged at one look", n)
	}
}

func TestADeletedConsumerIsDeclaredAndHearsTheBell(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	k.turns(k.dispatcher(Options{}))
	if err := k.JS.DeleteConsumer(t.Context(), events.StreamEvents, events.Projector().Name); err != nil {
		t.Fatal(err)
	}
	d := k.bellRinger()
	for range 4 {
		k.turn(d)
	}
	if n := k.bells(job); n != 1 {
		t.Errorf("%d bells that nobody has heard", n)
	}
	if heard := k.heard(true); len(heard) != 1 || heard[0].Headers().Get("ce-id") != "bell/"+job.ID {
		t.Errorf("the new consumer has %d messages", len(heard))
	}
}

func TestADeletedStreamOfEventsIsDeclaredByTheBell(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	k.turns(k.dispatcher(Options{}))
	if err := k.JS.DeleteStream(t.Context(), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	d := k.bellRinger()
	k.turn(d)
	if _, err := d.turn(t.Context()); err == nil {
		t.Error("nobody has noticed that the stream is gone")
	}
	k.turn(d)
	if n := k.bells(job); n != 1 {
		t.Errorf("%d bells in the new stream", n)
	}
}
