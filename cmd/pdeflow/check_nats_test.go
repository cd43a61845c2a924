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

// stands is what check says of the one job, as if nothing had changed for two minutes.
func (s *stand) stands() string {
	s.t.Helper()
	const old = "clock_timestamp() - interval '2 minutes'"
	s.change("update job_items set updated_at = "+old, "update job_status set updated_at = "+old,
		"update jobs set updated_at = "+old)
	got := s.pdeflow("check").ends(s.t, exitFailed)
	_, problem, _ := strings.Cut(strings.Join(strings.Fields(got.stdout), " "), "nothing has changed for ")
	return problem
}

// consumer is one of the declared consumers as the server has it.
func (s *stand) consumer(c events.Consumer) (jetstream.JetStream, jetstream.Consumer) {
	s.t.Helper()
	js, err := events.JetStream(s.nats.Conn(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	consumer, err := js.Consumer(s.t.Context(), c.Stream, c.Name)
	if err != nil {
		s.t.Fatal(err)
	}
	return js, consumer
}

// mayBeSilent sets for how long a message that a classifier holds may be silent.
func (s *stand) mayBeSilent(ackWait time.Duration) jetstream.Consumer {
	s.t.Helper()
	js, consumer := s.consumer(events.ClassifierRules())
	config := consumer.CachedInfo().Config
	config.AckWait = ackWait
	consumer, err := js.UpdateConsumer(s.t.Context(), events.StreamWork, config)
	if err != nil {
		s.t.Fatal(err)
	}
	return consumer
}

func TestCheckSaysWhyAJobDoesNotMove(t *testing.T) {
	t.Parallel()
	t.Run("nobody dispatches", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, projectorService)
		ids := schematest.Report(t, s.db, 3)
		schematest.ListedJob(t, s.db, 3)
		if got := s.stands(); !strings.Contains(got, "3 mappings are due") ||
			!strings.Contains(got, "mapping "+ids[0]+" has no message in PDE_WORK: no dispatcher sends it") {
			t.Errorf("it says %q", got)
		}
		s.nats.Stop()
		if got := s.stands(); !strings.Contains(got, "NATS does not answer at nats://127.0.0.1") {
			t.Errorf("without NATS it says %q", got)
		}
	})
	t.Run("nobody classifies", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, dispatcherService, projectorService)
		ids := schematest.Report(t, s.db, 3)
		job := s.regenerate()
		s.becomes(job, schema.Running)
		if got := s.stands(); !strings.Contains(got,
			"the message of mapping "+ids[0]+" is in PDE_WORK, and nobody reads its consumer classifier-rules: no "+
				"classifier runs") {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("nobody counts", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, dispatcherService, classifierService)
		schematest.Report(t, s.db, 3)
		s.regenerate()
		s.eventually("all have an outcome",
			"select count(*) filter (where outcome is null) = 0 and count(*) = 3 from job_items")
		if got := s.stands(); !strings.Contains(got, "3 mappings have an outcome that its status lacks") ||
			!strings.Contains(got, "nobody reads its consumer projector: no projector runs") {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("the classifier is dead", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, dispatcherService, projectorService)
		schematest.Report(t, s.db, 3)
		// Each save takes a minute, so that the classifier has taken the messages and does not get on.
		s.change("create function sleep() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return "+
			"new; end $$",
			"create trigger sleep before update on pde_mappings for each row execute function sleep()")
		victim := s.startProcess("serve", "--services", "classifier")
		s.becomes(s.regenerate(), schema.Running)
		s.eventually("the classifier saves",
			`select count(*) = 3 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`)
		if got := s.stands(); !strings.Contains(got, "a classifier reads its consumer classifier-rules") {
			t.Errorf("while it lives it says %q", got)
		}
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// As if AckWait were over.
		consumer := s.mayBeSilent(time.Millisecond)
		if out := consumer.CachedInfo().NumAckPending; out != 3 {
			t.Fatalf("%d messages are out, not the three that the dead one held", out)
		}
		if got := s.stands(); !strings.Contains(got, "nobody reads its consumer classifier-rules: no classifier runs") {
			t.Errorf("when it is dead it says %q", got)
		}
	})
}

func TestCheckDoesNotTakeAClassifierThatHangsForOneThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, projectorService)
	stop := s.run(dispatcherService)
	schematest.Report(t, s.db, 3)
	s.becomes(s.regenerate(), schema.Running)
	_, consumer := s.consumer(events.ClassifierRules())
	batch, err := consumer.Fetch(3, jetstream.FetchMaxWait(deadline))
	if err != nil {
		t.Fatal(err)
	}
	var held []jetstream.Msg
	for msg := range batch.Messages() {
		held = append(held, msg)
	}
	if len(held) != 3 || batch.Error() != nil {
		t.Fatalf("%d messages are fetched (%v)", len(held), batch.Error())
	}
	stop() // a dispatcher would set the time right again
	const ackWait = time.Second
	consumer = s.mayBeSilent(ackWait)
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
	s.until(consumer, func(info *jetstream.ConsumerInfo) bool { return info.TimeStamp.Sub(fetched) > 2*ackWait })
	if got := s.stands(); !strings.Contains(got, "a classifier reads its consumer classifier-rules") {
		t.Errorf("of one that keeps what it holds alive, and does no more, it says %q", got)
	}
	cancel()
	beats.Wait()
	s.until(consumer, func(info *jetstream.ConsumerInfo) bool {
		return info.TimeStamp.Sub(*info.Delivered.Last) > ackWait
	})
	if got := s.stands(); !strings.Contains(got, "nobody reads its consumer classifier-rules: no classifier runs") {
		t.Errorf("of one that has fallen silent it says %q", got)
	}
}

// until waits until NATS tells this of the consumer.
func (s *stand) until(consumer jetstream.Consumer, done func(*jetstream.ConsumerInfo) bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-tick.C {
		info, err := consumer.Info(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if done(info) {
			return
		}
	}
	s.t.Fatal("NATS does not tell it in time")
}
