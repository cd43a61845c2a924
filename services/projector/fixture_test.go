package projector

import (
	"encoding/json"
	"flag"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "25") // a default: the command line is parsed later
	schematest.Main(m)
}

// fixture is a database with a report and a nats-server. A test folds batches itself, or runs projectors.
type fixture struct {
	*eventstest.Fixture
	ids []string
}

func newFixture(t *testing.T, mappings int) *fixture {
	t.Helper()
	f := &fixture{Fixture: eventstest.NewFixture(t)}
	f.ids = schematest.Report(t, f.DB, mappings)
	return f
}

func (f *fixture) projector() *Projector {
	f.T.Helper()
	_, js := f.Connect()
	return New(f.DB, js, eventstest.Topology(), f.Logger())
}

// run runs the projector until the test ends or stop is called, which waits for it.
func (f *fixture) run(p *Projector) (stop func()) {
	f.T.Helper()
	stop = f.Run(p.Run)
	f.Eventually("the consumer is open", func() bool { return p.Ready() == nil })
	return stop
}

// listed inserts a started and listed job for the fixture's report. Its events so far count as published.
func (f *fixture) listed() schema.Job {
	f.T.Helper()
	job := schematest.ListedJob(f.T, f.DB, len(f.ids))
	f.Exec(`update jobs set published_requested = true, published_started = true, published_listed = true
		where id = ?`, job.ID)
	return job
}

// sibling inserts a copy of the job for another report, so that both are active.
func (f *fixture) sibling(job schema.Job) schema.Job {
	f.T.Helper()
	f.Exec(`insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		values (?, 'sibling', '', now(), 'test', now(), 'test')`, schematest.CycleID)
	f.Exec(`insert into jobs select (jsonb_populate_record(j, '{"id": "sibling", "report_id": "sibling"}')).*
		from jobs j where id = ?`, job.ID)
	f.Exec(`insert into job_items select (jsonb_populate_record(i, '{"job_id": "sibling"}')).*
		from job_items i where job_id = ?`, job.ID)
	return f.ReadJob("sibling")
}

// end writes an outcome for the mappings and returns the events that a classifier would publish.
func (f *fixture) end(job schema.Job, ids ...string) (batch []events.Received[events.JobProgress]) {
	f.T.Helper()
	for _, id := range ids {
		saved := schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "broke"}
		if err := schema.FailItem(f.T.Context(), f.DB, job.ID, id, saved); err != nil {
			f.T.Fatal(err)
		}
		batch = append(batch, f.item(job, id))
	}
	return batch
}

// item returns the event for the item's row.
func (f *fixture) item(job schema.Job, id string) events.Received[events.JobProgress] {
	f.T.Helper()
	item, err := schema.GetItem(f.T.Context(), f.DB, job.ID, id)
	if err != nil {
		f.T.Fatal(err)
	}
	return received(events.JobItemOf(item))
}

func received(event events.JobProgress) events.Received[events.JobProgress] {
	return events.Received[events.JobProgress]{Body: event}
}

// fold folds a batch, and fails the test on an error.
func (f *fixture) fold(p *Projector, batch ...events.Received[events.JobProgress]) {
	f.T.Helper()
	if err := p.fold(f.T.Context(), batch); err != nil {
		f.T.Fatal(err)
	}
}

// publish publishes the events of a batch.
func (f *fixture) publish(batch ...events.Received[events.JobProgress]) {
	f.T.Helper()
	publisher := events.NewPublisher(f.JS, "test")
	for _, r := range batch {
		if err := publisher.Publish(f.T.Context(), r.Body); err != nil {
			f.T.Fatal(err)
		}
	}
}

func (f *fixture) status(job schema.Job) schema.JobStatus {
	f.T.Helper()
	status, err := schema.GetStatus(f.T.Context(), f.DB, job)
	if err != nil {
		f.T.Fatal(err)
	}
	return status
}

// lockItems locks the rows of the job's items until release is called.
func (f *fixture) lockItems(job schema.Job) (release func()) {
	f.T.Helper()
	lock, err := f.DB.BeginTx(f.T.Context(), nil)
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(func() { _ = lock.Rollback() }) // it has ended, unless the test has failed
	_, err = lock.NewRaw("select from job_items where job_id = ? for update", job.ID).Exec(f.T.Context())
	if err != nil {
		f.T.Fatal(err)
	}
	return func() {
		f.T.Helper()
		if err := lock.Commit(); err != nil {
			f.T.Fatal(err)
		}
	}
}

// seenStatus is a status with its number of counted items, and the transaction that wrote it.
type seenStatus struct {
	Tx     int64  `bun:"tx"`
	Status string `bun:"status"`
}

// recordStatuses records each version of a row of job_status, and returns a function that lists them.
func (f *fixture) recordStatuses() (seen func() []seenStatus) {
	f.T.Helper()
	f.Exec(`create table seen (at bigserial, tx bigint, status text, completed_steps bigint)`)
	f.Exec(`create function see() returns trigger language plpgsql as $$ begin
		insert into seen (tx, status, completed_steps) values (txid_current(), new.status, new.completed_steps);
		return new;
		end $$`)
	f.Exec("create trigger see after insert or update on job_status for each row execute function see()")
	return func() (all []seenStatus) {
		f.T.Helper()
		err := f.DB.NewRaw("select tx, status || ' ' || completed_steps as status from seen order by at").
			Scan(f.T.Context(), &all)
		if err != nil {
			f.T.Fatal(err)
		}
		return all
	}
}

// published returns the events of a topic and job in the stream, in order.
func (f *fixture) published(topic events.Topic, jobID string) (all []*jetstream.RawStreamMsg) {
	f.T.Helper()
	for _, m := range f.Messages(events.StreamEvents) {
		if m.Subject == string(topic)+"."+jobID {
			all = append(all, m)
		}
	}
	return all
}

// bells counts the bells of the job.
func (f *fixture) bells(jobID string) (n int) {
	f.T.Helper()
	for _, m := range f.published(events.TopicJobProgress, jobID) {
		if strings.HasPrefix(m.Header.Get("ce-id"), "bell/") {
			n++
		}
	}
	return n
}

// settled waits until the projector has acknowledged every event.
func (f *fixture) settled() {
	f.T.Helper()
	f.Eventually("every event is acknowledged", func() bool {
		consumer, err := f.JS.Consumer(f.T.Context(), events.StreamEvents, events.Projector().Name)
		if err != nil {
			return false
		}
		info := consumer.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
