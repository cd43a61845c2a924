package eventstest

import (
	"context"
	"log/slog"
	"strings"
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

// Patience is how long a test waits for what must happen. It is no measure of speed.
const Patience = 25 * time.Second

// Topology is the topology for tests. Its AckWait is longer than [Patience], so that nothing passes because a message was delivered again
// by itself.
func Topology() events.Topology { return events.Topology{AckWait: 2 * Patience} }

// Bench is what a test of a service works at: a migrated database, and a server that has the streams and consumers.
type Bench struct {
	T   *testing.T
	DB  *schema.DB
	Bus *Server
	// NC and JS are the test's own connection.
	NC *nats.Conn
	JS jetstream.JetStream
	// Log keeps what is logged to [Bench.Logger]. A test that fails shows it.
	Log *Logbook
}

// NewBench makes a bench that ends with the test.
func NewBench(t *testing.T) *Bench {
	t.Helper()
	b := &Bench{T: t, DB: schematest.New(t), Bus: Start(t), Log: &Logbook{}}
	b.NC, b.JS = b.Connect()
	if err := Topology().Declare(t.Context(), b.JS); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.Log.String())
		}
	})
	return b
}

// Connect opens a connection as a service does, for as long as the test runs.
func (b *Bench) Connect() (*nats.Conn, jetstream.JetStream) {
	b.T.Helper()
	nc, err := events.Connect(b.Bus.URL(), b.T.Name(), "", slog.New(slog.DiscardHandler), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		b.T.Fatal(err)
	}
	b.T.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		b.T.Fatal(err)
	}
	return nc, js
}

// Logger writes everything to the log.
func (b *Bench) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Run lets a service run until the test ends or stop is called, which waits for it.
func (b *Bench) Run(service func(context.Context) error) (stop func()) {
	b.T.Helper()
	ctx, cancel := context.WithCancel(b.T.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := service(ctx); err != nil {
			b.T.Errorf("run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	b.T.Cleanup(stop)
	return stop
}

// Exec runs a statement that must succeed.
func (b *Bench) Exec(statement string, args ...any) {
	b.T.Helper()
	if _, err := b.DB.NewRaw(statement, args...).Exec(b.T.Context()); err != nil {
		b.T.Fatal(err)
	}
}

// Count runs a query that gives a number.
func (b *Bench) Count(query string, args ...any) (n int) {
	b.T.Helper()
	if err := b.DB.NewRaw(query, args...).Scan(b.T.Context(), &n); err != nil {
		b.T.Fatal(err)
	}
	return n
}

// ReadJob reads the row of a job that is there.
func (b *Bench) ReadJob(id string) schema.Job {
	b.T.Helper()
	job, err := schema.ReadJob(b.T.Context(), b.DB, id)
	if err != nil {
		b.T.Fatal(err)
	}
	return job
}

// Intend records what olga wants of a job, one thing after the other, each in a request with the trace of [IntentTrace]. It returns the
// last of them.
func (b *Bench) Intend(jobID string, intents ...schema.Intent) (last schema.JobIntent) {
	b.T.Helper()
	for _, intent := range intents {
		err := b.DB.RunInTx(b.T.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			job, err := schema.LockJob(ctx, tx, jobID)
			if err != nil {
				return err
			}
			job, err = schema.RecordIntent(ctx, tx, job, intent, "olga", IntentTrace)
			last = schema.JobIntent{JobID: jobID, Version: job.IntentVersion, Intent: intent}
			return err
		})
		if err != nil {
			b.T.Fatal(err)
		}
	}
	return last
}

// IntentTrace is the traceparent of what [Bench.Intend] asks for.
const IntentTrace = "00-0000000000000000000000000000abcd-00000000000000ff-01"

// Messages reads a stream from its beginning. What was acknowledged in a work queue is not there any more.
func (b *Bench) Messages(stream string) (all []*jetstream.RawStreamMsg) {
	b.T.Helper()
	// Another connection may be back before the test's own is.
	b.Eventually("the test's connection is back", b.NC.IsConnected)
	s, err := b.JS.Stream(b.T.Context(), stream)
	if err != nil {
		b.T.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; state.Msgs > 0 && seq <= state.LastSeq; seq++ {
		if m, err := s.GetMsg(b.T.Context(), seq); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// Eventually waits until the condition holds, for what announces itself to nobody.
func (b *Bench) Eventually(what string, condition func() bool) {
	b.T.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(Patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			b.T.Fatalf("%v have passed and not yet: %s", Patience, what)
		}
	}
}

// Waiting waits until somebody waits for a lock of the database that the test holds.
func (b *Bench) Waiting() {
	b.T.Helper()
	b.Eventually("somebody waits for the lock", func() bool {
		return b.Count("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0
	})
}

// Logbook keeps what is logged.
type Logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *Logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count is how many times the log says so.
func (l *Logbook) Count(text string) int { return strings.Count(l.String(), text) }
