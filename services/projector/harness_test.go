package projector

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// fixture is a real Postgres with a report and a real nats-server, in which a test folds batches by hand, or lets projectors run.
type fixture struct {
	*eventstest.Fixture
	ids []string
}

func newFixture(t *testing.T, mappings int) *fixture {
	t.Helper()
	h := &fixture{Fixture: eventstest.NewFixture(t)}
	h.ids = schematest.Report(t, h.DB, mappings)
	return h
}

func (h *fixture) projector() *Projector {
	h.T.Helper()
	_, js := h.Connect()
	return New(h.DB, js, eventstest.Topology(), h.Logger())
}

// run lets the projector run until the test ends or stop is called, which waits for it.
func (h *fixture) run(p *Projector) (stop func()) {
	h.T.Helper()
	stop = h.Run(p.Run)
	h.Eventually("the consumer is open", func() bool { return p.Ready() == nil })
	return stop
}

// listed is a job over the fixture's report that is started, listed and announced so far.
func (h *fixture) listed() schema.Job {
	h.T.Helper()
	job := schematest.ListedJob(h.T, h.DB, len(h.ids))
	h.Exec("update jobs set announced_requested = true, announced_started = true, announced_listed = true where id = ?", job.ID)
	return job
}

// beside is a job like job over a copy of the report, so that both are active.
func (h *fixture) beside(job schema.Job) schema.Job {
	h.T.Helper()
	h.Exec(`insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		values (?, 'beside', '', now(), 'test', now(), 'test')`, schematest.CycleID)
	h.Exec(`insert into jobs select (jsonb_populate_record(j, '{"id": "beside", "report_id": "beside"}')).* from jobs j where id = ?`, job.ID)
	h.Exec(`insert into job_items select (jsonb_populate_record(i, '{"job_id": "beside"}')).* from job_items i where job_id = ?`, job.ID)
	return h.ReadJob("beside")
}

// end gives the mappings an outcome in the rows, and returns the events of that.
func (h *fixture) end(job schema.Job, ids ...string) (said []events.Received[events.JobProgress]) {
	h.T.Helper()
	for _, id := range ids {
		saved := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "broke"}
		if err := schema.FailItem(h.T.Context(), h.DB, job.ID, id, saved); err != nil {
			h.T.Fatal(err)
		}
		said = append(said, h.item(job, id))
	}
	return said
}

// item is the event of the item's row.
func (h *fixture) item(job schema.Job, id string) events.Received[events.JobProgress] {
	h.T.Helper()
	item, err := schema.ReadItem(h.T.Context(), h.DB, job.ID, id)
	if err != nil {
		h.T.Fatal(err)
	}
	return heard(events.JobItemOf(item))
}

func heard(said events.JobProgress) events.Received[events.JobProgress] {
	return events.Received[events.JobProgress]{Body: said}
}

// fold has the projector fold a batch, which must go well.
func (h *fixture) fold(p *Projector, batch ...events.Received[events.JobProgress]) {
	h.T.Helper()
	if err := p.fold(h.T.Context(), batch); err != nil {
		h.T.Fatal(err)
	}
}

// say publishes the events of a batch.
func (h *fixture) say(batch ...events.Received[events.JobProgress]) {
	h.T.Helper()
	publisher := events.NewPublisher(h.JS, "test")
	for _, r := range batch {
		if err := publisher.Publish(h.T.Context(), r.Body); err != nil {
			h.T.Fatal(err)
		}
	}
}

func (h *fixture) status(job schema.Job) schema.JobStatus {
	h.T.Helper()
	status, err := schema.ReadStatus(h.T.Context(), h.DB, job)
	if err != nil {
		h.T.Fatal(err)
	}
	return status
}

// published reads the events of a topic about the job that the stream has, in order.
func (h *fixture) published(topic events.Topic, jobID string) (all []*jetstream.RawStreamMsg) {
	h.T.Helper()
	for _, m := range h.Messages(events.StreamEvents) {
		if m.Subject == string(topic)+"."+jobID {
			all = append(all, m)
		}
	}
	return all
}

// bells counts the bells of the job.
func (h *fixture) bells(jobID string) (n int) {
	h.T.Helper()
	for _, m := range h.published(events.TopicJobProgress, jobID) {
		if strings.HasPrefix(m.Header.Get("ce-id"), "bell/") {
			n++
		}
	}
	return n
}

// settled waits until the projector's consumer has nothing waiting and nothing in hand.
func (h *fixture) settled() {
	h.T.Helper()
	h.Eventually("every event is acknowledged", func() bool {
		consumer, err := h.JS.Consumer(h.T.Context(), events.StreamEvents, events.Projector().Name)
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
