package classifier

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// fixture is a real Postgres with a report and a listed job, and a real nats-server, at which a test has a classifier handle single
// messages, or lets it run.
type fixture struct {
	*eventstest.Fixture
	job schema.Job
	ids []string
}

func newFixture(t *testing.T, mappings int) *fixture {
	t.Helper()
	b := &fixture{Fixture: eventstest.NewFixture(t)}
	b.ids = schematest.Report(t, b.DB, mappings)
	b.job = schematest.ListedJob(t, b.DB, mappings)
	return b
}

// classifier is one that calls during, which may be nil, while it judges. It counts how often it judges.
func (b *fixture) classifier(during func(schema.Work)) (*Classifier, *atomic.Int64) {
	b.T.Helper()
	_, js := b.Connect()
	c := New(b.DB, js, eventstest.Topology(), policy(b.T), b.Logger(), Options{})
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
func (b *fixture) run(c *Classifier) (stop func()) {
	b.T.Helper()
	stop = b.Run(c.Run)
	b.Eventually("the consumer is open", func() bool { return c.Ready() == nil })
	return stop
}

func (b *fixture) message(id string) events.MappingRequested {
	return events.MappingRequested{Lane: schema.RulesLane, JobID: b.job.ID, MappingID: id}
}

// handle has the classifier handle the first delivery of the mapping's message, after which it must be acknowledged.
func (b *fixture) handle(c *Classifier, id string) {
	b.T.Helper()
	if err := c.handle(b.T.Context(), events.Delivery{Deliveries: 1}, b.message(id)); err != nil {
		b.T.Fatalf("the message comes again: %v", err)
	}
}

// send publishes work messages.
func (b *fixture) send(work ...events.MappingRequested) {
	b.T.Helper()
	for _, result := range events.NewPublisher(b.JS, "dispatcher").PublishWork(b.T.Context(), work) {
		if result.State != events.Published {
			b.T.Fatalf("answer %v, %v", result.State, result.Err)
		}
	}
}

// workDone waits until no message is left.
func (b *fixture) workDone() {
	b.T.Helper()
	b.Eventually("no message is left", func() bool {
		s, err := b.JS.Stream(b.T.Context(), events.StreamWork)
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}

// work reads the rows of the mapping.
func (b *fixture) work(id string) schema.Work {
	b.T.Helper()
	work, err := schema.ReadWork(b.T.Context(), b.DB, b.job.ID, id)
	if err != nil {
		b.T.Fatal(err)
	}
	return work
}

// untouched checks that nothing was written for the mapping.
func (b *fixture) untouched(id string) {
	b.T.Helper()
	work := b.work(id)
	histories := b.Count("select count(*) from classification_history where mapping_id = ?", id)
	if work.Mapping.Version != 1 || work.Mapping.ClassifiedBy != "" || histories != 0 {
		b.T.Errorf("version %d, classified by %q, %d history rows", work.Mapping.Version, work.Mapping.ClassifiedBy, histories)
	}
}

// status computes the status of the job from its rows, and writes it.
func (b *fixture) status() (status schema.JobStatus) {
	b.T.Helper()
	err := b.DB.RunInTx(b.T.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, b.job.ID)
		return err
	})
	if err != nil {
		b.T.Fatal(err)
	}
	return status
}

// lock runs a statement that locks rows, and returns what releases them.
func (b *fixture) lock(statement string, args ...any) (release func()) {
	b.T.Helper()
	tx, err := b.DB.BeginTx(b.T.Context(), nil)
	if err != nil {
		b.T.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback() })
	b.T.Cleanup(release)
	if _, err := tx.NewRaw(statement, args...).Exec(b.T.Context()); err != nil {
		b.T.Fatal(err)
	}
	return release
}

// dueNow makes what waits due.
func (b *fixture) dueNow() {
	b.T.Helper()
	b.Exec("update job_items set due_at = created_at where outcome is null")
}

// next waits for a value.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(eventstest.Patience):
		t.Fatalf("nothing has come in %v", eventstest.Patience)
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
