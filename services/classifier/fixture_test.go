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

// fixture is a real Postgres with a report and a listed job, and a real nats-server. A test passes single messages to
// a classifier, or runs it.
type fixture struct {
	*eventstest.Fixture
	job schema.Job
	ids []string
}

// in returns the fixture for a subtest: errors fail the subtest and not its parent.
func (f *fixture) in(t *testing.T) *fixture {
	in := *f
	in.Fixture = f.In(t)
	return &in
}

func newFixture(t *testing.T, mappings int) *fixture {
	t.Helper()
	f := &fixture{Fixture: eventstest.NewFixture(t)}
	f.ids = schematest.Report(t, f.DB, mappings)
	f.job = schematest.ListedJob(t, f.DB, mappings)
	return f
}

// classifier returns a classifier that calls during, which may be nil, in each judgement, and the number of
// judgements.
func (f *fixture) classifier(during func(schema.Work)) (c *Classifier, judged *atomic.Int64) {
	f.T.Helper()
	_, js := f.Connect()
	c = New(f.DB, js, eventstest.Topology(), defaultEngine(), f.Logger(), Options{})
	judge, judged := c.evaluate, &atomic.Int64{}
	c.evaluate = func(from *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
		judged.Add(1)
		if during != nil {
			during(work)
		}
		return judge(from, work)
	}
	return c, judged
}

// run runs the classifier until the test ends or stop is called, which waits for it.
func (f *fixture) run(c *Classifier) (stop func()) {
	f.T.Helper()
	stop = f.Run(c.Run)
	f.Eventually("the consumer is open", func() bool { return c.Ready() == nil })
	return stop
}

func (f *fixture) message(id string) events.MappingRequested {
	return events.MappingRequested{Lane: schema.LaneRules, JobID: f.job.ID, MappingID: id}
}

// handle passes the first delivery of the mapping's message to the classifier, which must acknowledge it.
func (f *fixture) handle(c *Classifier, id string) {
	f.T.Helper()
	if err := f.handleDelivery(c, 1, id); err != nil {
		f.T.Fatalf("handle: got %v, want nil", err)
	}
}

// handleDelivery passes a delivery of the mapping's message to the classifier and returns the result.
func (f *fixture) handleDelivery(c *Classifier, delivery uint64, id string) error {
	return c.handle(f.T.Context(), events.Delivery{Deliveries: delivery}, f.message(id))
}

// send publishes work messages.
func (f *fixture) send(work ...events.MappingRequested) {
	f.T.Helper()
	for _, result := range events.NewPublisher(f.JS, "dispatcher").PublishWork(f.T.Context(), work) {
		if result.State != events.Published {
			f.T.Fatalf("PublishWork: got %v, %v, want it accepted", result.State, result.Err)
		}
	}
}

// workDone waits until the work stream is empty.
func (f *fixture) workDone() {
	f.T.Helper()
	f.Eventually("the work stream is empty", func() bool {
		s, err := f.JS.Stream(f.T.Context(), events.StreamWork)
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}

// work reads the rows of the mapping.
func (f *fixture) work(id string) schema.Work {
	f.T.Helper()
	work, err := schema.GetWork(f.T.Context(), f.DB, f.job.ID, id)
	if err != nil {
		f.T.Fatal(err)
	}
	return work
}

// item reads the item of the mapping.
func (f *fixture) item(id string) schema.Item {
	f.T.Helper()
	return f.work(id).Item
}

// outcome is the part of an item that most tests compare.
type outcome struct {
	Outcome schema.Outcome
	Attempt int
	Code    schema.ErrorCode
	Starts  int
}

// wantItem compares the item of the mapping.
func (f *fixture) wantItem(id string, want outcome) {
	f.T.Helper()
	item := f.item(id)
	if got := (outcome{item.Outcome, item.Attempt, item.ErrorCode, item.Starts}); got != want {
		f.T.Errorf("item of mapping %s: got %+v, want %+v (error %q)", id, got, want, item.Error)
	}
}

// wantUnchanged checks that nothing was written for the mapping.
func (f *fixture) wantUnchanged(id string) {
	f.T.Helper()
	m := f.work(id).Mapping
	histories := f.Count("select count(*) from classification_history where mapping_id = ?", id)
	if m.Version != 1 || m.ClassifiedBy != "" || histories != 0 {
		f.T.Errorf("mapping %s: got version %d, classified by %q, %d history rows, want version 1 and none",
			id, m.Version, m.ClassifiedBy, histories)
	}
}

// wantJudged checks the number of judgements.
func (f *fixture) wantJudged(judged *atomic.Int64, want int64) {
	f.T.Helper()
	if got := judged.Load(); got != want {
		f.T.Errorf("judgements: got %d, want %d", got, want)
	}
}

// status computes the status of the job from its rows, writes it and returns it.
func (f *fixture) status() (status schema.JobStatus) {
	f.T.Helper()
	err := f.DB.RunInTx(f.T.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, f.job.ID)
		return err
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return status
}

// lock runs a statement that locks rows. The locks are held until release is called or the test ends.
func (f *fixture) lock(statement string, args ...any) (release func()) {
	f.T.Helper()
	tx, err := f.DB.BeginTx(f.T.Context(), nil)
	if err != nil {
		f.T.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback() })
	f.T.Cleanup(release)
	if _, err := tx.NewRaw(statement, args...).Exec(f.T.Context()); err != nil {
		f.T.Fatal(err)
	}
	return release
}

// makeDue makes every queued item due.
func (f *fixture) makeDue() {
	f.T.Helper()
	f.Exec("update job_items set due_at = created_at where outcome is null")
}

// disconnected returns a database handle and a function that closes it. Statements after that fail as if the database
// were unreachable.
func (f *fixture) disconnected() (db *schema.DB, disconnect func()) {
	f.T.Helper()
	db, err := schema.Open(f.T.Context(), schematest.URL(f.T), schema.Options{})
	if err != nil {
		f.T.Fatal(err)
	}
	return db, func() { _ = db.Close() }
}

// receive waits for a value.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(eventstest.Patience):
		t.Fatalf("nothing received in %v", eventstest.Patience)
		panic("unreachable")
	}
}

// block blocks a judgement until release is closed or the test ends.
func block(t *testing.T, release <-chan struct{}) {
	select {
	case <-release:
	case <-t.Context().Done():
	}
}
