package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// stuckFinding returns what check reports of the one job, as if nothing had changed for two minutes.
func (f *fixture) stuckFinding() string {
	f.t.Helper()
	const old = "clock_timestamp() - interval '2 minutes'"
	f.change("update job_items set updated_at = "+old, "update job_status set updated_at = "+old,
		"update jobs set updated_at = "+old)
	got := f.pdeflow("check").ends(f.t, exitFailed)
	_, problem, _ := strings.Cut(strings.Join(strings.Fields(got.stdout), " "), "no progress for ")
	return problem
}

// consumer returns a declared consumer from the server.
func (f *fixture) consumer(c events.Consumer) (jetstream.JetStream, jetstream.Consumer) {
	f.t.Helper()
	js, err := events.JetStream(f.nats.Conn(f.t))
	if err != nil {
		f.t.Fatal(err)
	}
	consumer, err := js.Consumer(f.t.Context(), c.Stream, c.Name)
	if err != nil {
		f.t.Fatal(err)
	}
	return js, consumer
}

// mayBeSilent sets the AckWait of the classifier's consumer.
func (f *fixture) mayBeSilent(ackWait time.Duration) jetstream.Consumer {
	f.t.Helper()
	js, consumer := f.consumer(events.ClassifierRules())
	config := consumer.CachedInfo().Config
	config.AckWait = ackWait
	consumer, err := js.UpdateConsumer(f.t.Context(), events.StreamWork, config)
	if err != nil {
		f.t.Fatal(err)
	}
	return consumer
}

func TestCheckExplainsAStuckJob(t *testing.T) {
	t.Parallel()
	t.Run("no dispatcher", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, schema.ServiceAPI, schema.ServiceProjector)
		ids := schematest.Report(t, f.db, 3)
		schematest.ListedJob(t, f.db, 3)
		js, err := events.JetStream(f.nats.Conn(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := (events.Topology{}).Declare(t.Context(), js); err != nil { // the projector may not have yet
			t.Fatal(err)
		}
		f.eventually("the projector has nothing more to write",
			"select exists (select from job_status where status = 'running')")
		if got := f.stuckFinding(); !strings.Contains(got, "3 mappings are due") ||
			!strings.Contains(got, "mapping "+ids[0]+" has no message in PDE_WORK; is a dispatcher running?") {
			t.Errorf("stuck finding: got %q, want three due mappings and the missing message", got)
		}
		f.nats.Stop()
		if got := f.stuckFinding(); !strings.Contains(got, "NATS does not respond at nats://127.0.0.1") {
			t.Errorf("stuck finding without NATS: got %q, want the server that does not respond", got)
		}
	})
	t.Run("no classifier", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
		ids := schematest.Report(t, f.db, 3)
		job := f.regenerate()
		f.becomes(job, schema.StatusRunning)
		if got := f.stuckFinding(); !strings.Contains(got,
			"the message of mapping "+ids[0]+" is in PDE_WORK, and nothing reads from consumer classifier-rules; is a "+
				"classifier running?") {
			t.Errorf("stuck finding: got %q, want the message that nothing reads", got)
		}
	})
	t.Run("no projector", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceClassifier)
		schematest.Report(t, f.db, 3)
		f.regenerate()
		f.eventually("all have an outcome",
			"select count(*) filter (where outcome is null) = 0 and count(*) = 3 from job_items")
		if got := f.stuckFinding(); !strings.Contains(got, "the outcomes of 3 mappings are not counted") ||
			!strings.Contains(got, "nothing reads from consumer projector; is a projector running?") {
			t.Errorf("stuck finding: got %q, want three outcomes that no projector counts", got)
		}
	})
	t.Run("the classifier is dead", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
		schematest.Report(t, f.db, 3)
		// Each save takes a minute, so that the classifier holds messages and makes no progress.
		f.change("create function sleep() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return "+
			"new; end $$",
			"create trigger sleep before update on pde_mappings for each row execute function sleep()")
		victim := f.startProcess("serve", "--services", "classifier")
		f.becomes(f.regenerate(), schema.StatusRunning)
		f.eventually("the classifier saves",
			`select count(*) = 3 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`)
		if got := f.stuckFinding(); !strings.Contains(got, "a classifier reads from consumer classifier-rules") {
			t.Errorf("stuck finding with a live classifier: got %q, want its consumer", got)
		}
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// As if AckWait had passed.
		consumer := f.mayBeSilent(time.Millisecond)
		if out := consumer.CachedInfo().NumAckPending; out != 3 {
			t.Fatalf("got %d pending messages, want the 3 of the dead classifier", out)
		}
		if got := f.stuckFinding(); !strings.Contains(got,
			"nothing reads from consumer classifier-rules; is a classifier running?") {
			t.Errorf("stuck finding with a dead classifier: got %q, want a consumer that nothing reads from", got)
		}
	})
}

func TestCheckDistinguishesAHangingFromAMissingClassifier(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceProjector)
	stop := f.run(schema.ServiceDispatcher)
	schematest.Report(t, f.db, 3)
	f.becomes(f.regenerate(), schema.StatusRunning)
	_, consumer := f.consumer(events.ClassifierRules())
	batch, err := consumer.Fetch(3, jetstream.FetchMaxWait(deadline))
	if err != nil {
		t.Fatal(err)
	}
	var held []jetstream.Msg
	for msg := range batch.Messages() {
		held = append(held, msg)
	}
	if len(held) != 3 || batch.Error() != nil {
		t.Fatalf("got %d messages (%v), want 3", len(held), batch.Error())
	}
	stop() // a dispatcher would set the time right again
	const ackWait = time.Second
	consumer = f.mayBeSilent(ackWait)
	fetched := time.Now()
	alive, cancel := context.WithCancel(t.Context())
	var beats sync.WaitGroup
	beats.Go(func() {
		tick := time.NewTicker(ackWait / 20)
		defer tick.Stop()
		for alive.Err() == nil {
			for _, msg := range held {
				if err := msg.InProgress(); err != nil {
					t.Error(err)
				}
			}
			<-tick.C
		}
	})
	f.until(consumer, func(info *jetstream.ConsumerInfo) bool { return info.TimeStamp.Sub(fetched) > 2*ackWait })
	if got := f.stuckFinding(); !strings.Contains(got, "a classifier reads from consumer classifier-rules") {
		t.Errorf("stuck finding with a hanging reader: got %q, want a classifier that reads", got)
	}
	cancel()
	beats.Wait()
	f.until(consumer, func(info *jetstream.ConsumerInfo) bool {
		return info.TimeStamp.Sub(*info.Delivered.Last) > ackWait
	})
	if got := f.stuckFinding(); !strings.Contains(got,
		"nothing reads from consumer classifier-rules; is a classifier running?") {
		t.Errorf("stuck finding with a silent reader: got %q, want a consumer that nothing reads from", got)
	}
}

// until waits until the consumer has this state.
func (f *fixture) until(consumer jetstream.Consumer, done func(*jetstream.ConsumerInfo) bool) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-tick.C {
		info, err := consumer.Info(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		if done(info) {
			return
		}
	}
	f.t.Fatal("consumer state not reached in time")
}
