package classifier

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// patience is how long a test waits for what must happen; it is no measure of speed, and below AckWait, so that nothing passes because a
// message came again by itself.
const patience = 25 * time.Second

// bench is a real Postgres with a report and a listed job, and a real nats-server, at which a test has a classifier handle single
// messages, or lets it run.
type bench struct {
	t   *testing.T
	db  *schema.DB
	bus *eventstest.Server
	nc  *nats.Conn
	js  jetstream.JetStream
	log *logbook
	job schema.Job
	ids []string
}

func newBench(t *testing.T, mappings int) *bench {
	t.Helper()
	b := &bench{t: t, db: schematest.New(t), bus: eventstest.Start(t), log: &logbook{}}
	b.ids = schematest.Report(t, b.db, mappings)
	b.job = schematest.ListedJob(t, b.db, mappings)
	b.nc, b.js = b.connect()
	if err := (events.Topology{}).Declare(t.Context(), b.js); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

func (b *bench) connect() (*nats.Conn, jetstream.JetStream) {
	b.t.Helper()
	nc, err := events.Connect(b.bus.URL(), b.t.Name(), "", slog.New(slog.DiscardHandler), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	return nc, js
}

// classifier is one that calls during, which may be nil, while it judges. It counts how often it judges.
func (b *bench) classifier(during func(schema.Work)) (*Classifier, *atomic.Int64) {
	b.t.Helper()
	_, js := b.connect()
	c := New(b.db, js, events.Topology{}, policy(b.t), slog.New(slog.NewTextHandler(b.log, nil)), Options{})
	judge, judged := c.evaluate, &atomic.Int64{}
	c.evaluate = func(from *candidates, work schema.Work) (schema.Mapping, schema.Saved) {
		judged.Add(1)
		if during != nil {
			during(work)
		}
		return judge(from, work)
	}
	return c, judged
}

// run lets the classifier run until the test ends or stop is called, which waits for it.
func (b *bench) run(c *Classifier) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	b.t.Cleanup(stop)
	b.eventually("the consumer is open", func() bool { return c.Ready() == nil })
	return stop
}

func (b *bench) message(id string) events.MappingRequested {
	return events.MappingRequested{Lane: schema.RulesLane, JobID: b.job.ID, MappingID: id}
}

// handle has the classifier handle the first delivery of the mapping's message, after which it must be acknowledged.
func (b *bench) handle(c *Classifier, id string) {
	b.t.Helper()
	if err := c.handle(b.t.Context(), events.Delivery{Deliveries: 1}, b.message(id)); err != nil {
		b.t.Fatalf("the message comes again: %v", err)
	}
}

// send publishes work messages.
func (b *bench) send(work ...events.MappingRequested) {
	b.t.Helper()
	for _, result := range events.NewPublisher(b.js, "dispatcher").PublishWork(b.t.Context(), work) {
		if result.Answer != events.Accepted {
			b.t.Fatalf("answer %v, %v", result.Answer, result.Err)
		}
	}
}

// workDone waits until no message is left.
func (b *bench) workDone() {
	b.t.Helper()
	b.eventually("no message is left", func() bool {
		s, err := b.js.Stream(b.t.Context(), events.StreamWork)
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}

// said lists what was said, in order.
func (b *bench) said() (all []*jetstream.RawStreamMsg) {
	b.t.Helper()
	s, err := b.js.Stream(b.t.Context(), events.StreamEvents)
	if err != nil {
		b.t.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; state.Msgs > 0 && seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(b.t.Context(), seq)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// work reads the rows of the mapping.
func (b *bench) work(id string) schema.Work {
	b.t.Helper()
	work, err := schema.ReadWork(b.t.Context(), b.db, b.job.ID, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return work
}

// untouched checks that nothing was written for the mapping.
func (b *bench) untouched(id string) {
	b.t.Helper()
	work := b.work(id)
	histories := b.count("select count(*) from classification_history where mapping_id = ?", id)
	if work.Mapping.Version != 1 || work.Mapping.ClassifiedBy != "" || histories != 0 {
		b.t.Errorf("version %d, classified by %q, %d history rows", work.Mapping.Version, work.Mapping.ClassifiedBy, histories)
	}
}

// intend records what somebody wants of the job.
func (b *bench) intend(intents ...schema.Intent) {
	b.t.Helper()
	for _, intent := range intents {
		err := b.db.RunInTx(b.t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			job, err := schema.LockJob(ctx, tx, b.job.ID)
			if err != nil {
				return err
			}
			_, err = schema.RecordIntent(ctx, tx, job, intent, "olga", job.Traceparent)
			return err
		})
		if err != nil {
			b.t.Error(err)
		}
	}
}

// dueNow makes what waits due.
func (b *bench) dueNow() {
	b.t.Helper()
	b.exec("update job_items set due_at = created_at where outcome is null")
}

func (b *bench) exec(query string, args ...any) {
	b.t.Helper()
	if _, err := b.db.NewRaw(query, args...).Exec(b.t.Context()); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) count(query string, args ...any) (n int) {
	b.t.Helper()
	if err := b.db.NewRaw(query, args...).Scan(b.t.Context(), &n); err != nil {
		b.t.Error(err)
	}
	return n
}

// eventually waits until the condition holds, for what announces itself to nobody.
func (b *bench) eventually(what string, condition func() bool) {
	b.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			b.t.Fatalf("%v have passed and not yet: %s", patience, what)
		}
	}
}

// next waits for a value.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("nothing has come in %v", patience)
		panic("unreachable")
	}
}

// hold keeps a judgement until the test lets it go, or has failed.
func hold(t *testing.T, release <-chan struct{}) {
	select {
	case <-release:
	case <-t.Context().Done():
	}
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
