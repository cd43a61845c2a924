package eventstest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// Patience is the time after which a test fails if the expected condition has not been met.
const Patience = 25 * time.Second

// Topology returns the topology for tests. Its AckWait is longer than [Patience], so that no test passes only
// because the server redelivered a message.
func Topology() events.Topology { return events.Topology{AckWait: 2 * Patience} }

// Fixture is what a test of a service works at: a migrated database, and a server that has the streams and consumers.
type Fixture struct {
	T   *testing.T
	DB  *schema.DB
	Bus *Server
	// NC and JS are the test's own connection.
	NC *nats.Conn
	JS jetstream.JetStream
	// Log has the lines that were logged to [Fixture.Logger].
	Log *Log
}

// NewFixture returns a fixture that is closed when the test ends.
func NewFixture(t *testing.T) *Fixture {
	t.Helper()
	f := &Fixture{T: t, DB: schematest.New(t), Bus: Start(t), Log: NewLog(t)}
	f.NC, f.JS = f.Connect()
	if err := Topology().Declare(t.Context(), f.JS); err != nil {
		t.Fatal(err)
	}
	return f
}

// In returns the fixture for a subtest: errors fail the subtest and not its parent.
func (f *Fixture) In(t *testing.T) *Fixture {
	in := *f
	in.T = t
	return &in
}

// Connect opens a connection as a service does, and closes it when the test ends.
func (f *Fixture) Connect() (*nats.Conn, jetstream.JetStream) {
	f.T.Helper()
	nc, err := events.Connect(
		f.Bus.URL(),
		f.T.Name(),
		"",
		slog.New(slog.DiscardHandler),
		nats.ReconnectWait(20*time.Millisecond),
	)
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		f.T.Fatal(err)
	}
	return nc, js
}

// Logger returns a logger that writes every level to Log.
func (f *Fixture) Logger() *slog.Logger { return f.Log.Logger() }

// Run starts a service and stops it when the test ends. The returned function stops it earlier and waits until it
// has returned.
func (f *Fixture) Run(service func(context.Context) error) (stop func()) {
	f.T.Helper()
	ctx, cancel := context.WithCancel(f.T.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := service(ctx); err != nil {
			f.T.Errorf("run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	f.T.Cleanup(stop)
	return stop
}

// Exec runs a statement and fails the test on an error.
func (f *Fixture) Exec(statement string, args ...any) {
	f.T.Helper()
	if _, err := f.DB.NewRaw(statement, args...).Exec(f.T.Context()); err != nil {
		f.T.Fatal(err)
	}
}

// Count returns the number that a query selects.
func (f *Fixture) Count(query string, args ...any) (n int) {
	f.T.Helper()
	if err := f.DB.NewRaw(query, args...).Scan(f.T.Context(), &n); err != nil {
		f.T.Fatal(err)
	}
	return n
}

// ReadJob returns the row of a job and fails the test if there is none.
func (f *Fixture) ReadJob(id string) schema.Job {
	f.T.Helper()
	job, err := schema.GetJob(f.T.Context(), f.DB, id)
	if err != nil {
		f.T.Fatal(err)
	}
	return job
}

// Intend records the intents for a job in this order, by the user olga and with the trace [IntentTrace], each in
// its own transaction. It returns the last one.
func (f *Fixture) Intend(jobID string, intents ...schema.Intent) (last schema.JobIntent) {
	f.T.Helper()
	for _, intent := range intents {
		err := f.DB.RunInTx(f.T.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			job, err := schema.LockJob(ctx, tx, jobID)
			if err != nil {
				return err
			}
			job, err = schema.InsertIntent(ctx, tx, job, intent, "olga", IntentTrace)
			last = schema.JobIntent{JobID: jobID, Version: job.IntentVersion, Intent: intent}
			return err
		})
		if err != nil {
			f.T.Fatal(err)
		}
	}
	return last
}

// IntentTrace is the traceparent of the intents of [Fixture.Intend].
const IntentTrace = "00-0000000000000000000000000000abcd-00000000000000ff-01"

// Messages returns the messages of a stream in order. Acknowledged messages of a work queue are gone.
func (f *Fixture) Messages(stream string) (all []*jetstream.RawStreamMsg) {
	f.T.Helper()
	// A service's connection may be back before the test's own.
	f.Eventually("the test's connection is back", f.NC.IsConnected)
	s, err := f.JS.Stream(f.T.Context(), stream)
	if err != nil {
		f.T.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; state.Msgs > 0 && seq <= state.LastSeq; seq++ {
		if m, err := s.GetMsg(f.T.Context(), seq); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// Eventually is [Eventually] for the fixture's test.
func (f *Fixture) Eventually(what string, condition func() bool) {
	f.T.Helper()
	Eventually(f.T, what, condition)
}

// WaitForLocks returns once at least n sessions of the database wait for locks.
func (f *Fixture) WaitForLocks(n int) {
	f.T.Helper()
	f.Eventually(fmt.Sprintf("%d sessions wait for locks", n), func() bool {
		return f.Count(
			"select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
		) >= n
	})
}

// Eventually polls until the condition holds, for changes that publish no event. It fails the test after [Patience].
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(Patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}
