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

// fetch fetches all messages of the projector's consumer, and acknowledges them on request.
func (f *fixture) fetch(acknowledge bool) (messages []jetstream.Msg) {
	f.T.Helper()
	consumer, err := f.JS.Consumer(f.T.Context(), events.StreamEvents, events.Projector().Name)
	if err != nil {
		f.T.Fatal(err)
	}
	batch, err := consumer.FetchNoWait(100)
	if err != nil {
		f.T.Fatal(err)
	}
	for m := range batch.Messages() {
		messages = append(messages, m)
		if acknowledge {
			if err := m.DoubleAck(f.T.Context()); err != nil {
				f.T.Fatal(err)
			}
		}
	}
	return messages
}

// eager returns a dispatcher that checks in every turn and publishes a bell at every check.
func (f *fixture) eager() *Dispatcher {
	return f.dispatcher(Options{BellPause: time.Nanosecond})
}

func TestABellIsPublishedAtTheSecondCheckOfALaggingJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	f.turns(f.dispatcher(Options{}))
	f.fetch(true)
	d := f.eager()
	f.turn(d)
	if n := f.bells(job); n != 0 {
		t.Errorf("bells after the first check: got %d, want 0", n)
	}
	f.turn(d)
	if n := f.bells(job); n != 1 {
		t.Errorf("bells after the second check: got %d, want 1", n)
	}
}

func TestABellIsPublishedOnlyIfNoEventWaitsForTheProjector(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	d := f.eager()
	check := func(when string, want int) {
		t.Helper()
		for range 3 {
			f.turn(d)
		}
		if n := f.bells(job); n != want {
			t.Errorf("bells %s: got %d, want %d", when, n, want)
		}
	}
	check("while events wait", 0)
	if fetched := f.fetch(false); len(fetched) == 0 {
		t.Fatal("the projector's consumer has no messages")
	}
	// A projector that is busy with other jobs always has unacknowledged events.
	check("while events are unacknowledged", 1)
	f.fetch(true)
	check("after the first bell", 2)
	f.fetch(true)
	err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	check("after the status is rebuilt", 2)
}

func TestBellsOfAJobAreAPauseApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	d := f.dispatcher(Options{BellPause: never})
	for range 3 {
		f.turn(d)
		f.fetch(true)
	}
	if n := f.bells(job); n != 1 {
		t.Errorf("bells: got %d, want 1", n)
	}
}

func TestChecksAreAnIntervalApartHoweverFastTheTurns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	f.turns(f.dispatcher(Options{}))
	f.fetch(true)
	d := f.dispatcher(Options{BellCheck: never, BellPause: time.Nanosecond})
	for range 5 {
		f.turn(d)
	}
	if n := f.bells(job); n != 0 {
		t.Errorf("bells after one check: got %d, want 0", n)
	}
}

func TestADeletedConsumerIsDeclaredAndReceivesTheBell(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	f.turns(f.dispatcher(Options{}))
	if err := f.JS.DeleteConsumer(t.Context(), events.StreamEvents, events.Projector().Name); err != nil {
		t.Fatal(err)
	}
	d := f.eager()
	for range 4 {
		f.turn(d)
	}
	if n := f.bells(job); n != 1 {
		t.Errorf("bells: got %d, want 1", n)
	}
	if fetched := f.fetch(true); len(fetched) != 1 || fetched[0].Headers().Get("ce-id") != "bell/"+job.ID {
		t.Errorf("messages of the new consumer: got %d, want the bell", len(fetched))
	}
}

func TestADeletedEventsStreamIsDeclaredWhenABellIsDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	f.turns(f.dispatcher(Options{}))
	if err := f.JS.DeleteStream(t.Context(), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	d := f.eager()
	f.turn(d)
	if _, err := d.turn(t.Context()); err == nil {
		t.Error("turn without the stream: got nil, want an error")
	}
	f.turn(d)
	if n := f.bells(job); n != 1 {
		t.Errorf("bells in the new stream: got %d, want 1", n)
	}
}

func TestAWaitForAProviderThatIsOverIsRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	over, renewed := f.job("cards", 1), f.job("loans", 1)
	for job, until := range map[string]string{over.ID: "-20", renewed.ID: "60"} {
		f.Exec(`update jobs set provider_wait = 'the provider is down',
			provider_wait_until = now() + ?::int * interval '1 second' where id = ?`, until, job)
	}
	version := f.Count("select version from jobs where id = ?", over.ID)
	f.turn(f.dispatcher(Options{}))
	if n := f.Count("select count(*) from jobs where provider_wait is not null"); n != 1 {
		t.Errorf("jobs that wait: got %d, want the one whose wait is not over", n)
	}
	if n := f.Count("select version from jobs where id = ? and provider_wait is null and provider_wait_until is null",
		over.ID); n <= version {
		t.Errorf("version: got %d, want more than %d, so that the status is computed again", n, version)
	}
}
