package projector

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
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

// hall is a real Postgres with a report and a real nats-server, in which a test folds batches by hand, or lets projectors run.
type hall struct {
	t   *testing.T
	db  *schema.DB
	bus *eventstest.Server
	nc  *nats.Conn
	js  jetstream.JetStream
	log *logbook
	ids []string
}

func newHall(t *testing.T, mappings int) *hall {
	t.Helper()
	h := &hall{t: t, db: schematest.New(t), bus: eventstest.Start(t), log: &logbook{}}
	h.ids = schematest.Report(t, h.db, mappings)
	h.nc, h.js = h.connect()
	if err := (events.Topology{}).Declare(t.Context(), h.js); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func (h *hall) connect() (*nats.Conn, jetstream.JetStream) {
	h.t.Helper()
	nc, err := events.Connect(h.bus.URL(), h.t.Name(), "", slog.New(slog.DiscardHandler), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		h.t.Fatal(err)
	}
	return nc, js
}

func (h *hall) projector() *Projector {
	h.t.Helper()
	_, js := h.connect()
	return New(h.db, js, events.Topology{}, slog.New(slog.NewTextHandler(h.log, nil)))
}

// run lets the projector run until the test ends or stop is called, which waits for it.
func (h *hall) run(p *Projector) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			h.t.Errorf("run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	h.t.Cleanup(stop)
	h.eventually("the consumer is open", func() bool { return p.Ready() == nil })
	return stop
}

// listed is a job over the hall's report that is started, listed and announced so far.
func (h *hall) listed() schema.Job {
	h.t.Helper()
	job := schematest.ListedJob(h.t, h.db, len(h.ids))
	h.exec("update jobs set announced_requested = true, announced_started = true, announced_listed = true where id = ?", job.ID)
	return job
}

// beside is a job like job over a copy of the report, so that both are active.
func (h *hall) beside(job schema.Job) schema.Job {
	h.t.Helper()
	h.exec(`insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		values (?, 'beside', '', now(), 'test', now(), 'test')`, schematest.CycleID)
	h.exec(`insert into jobs select (jsonb_populate_record(j, '{"id": "beside", "report_id": "beside"}')).* from jobs j where id = ?`, job.ID)
	h.exec(`insert into job_items select (jsonb_populate_record(i, '{"job_id": "beside"}')).* from job_items i where job_id = ?`, job.ID)
	return h.read("beside")
}

// end gives the mappings an outcome in the rows, and returns the events of that.
func (h *hall) end(job schema.Job, ids ...string) (said []events.Received[events.JobProgress]) {
	h.t.Helper()
	for _, id := range ids {
		saved := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "broke"}
		if err := schema.FailItem(h.t.Context(), h.db, job.ID, id, saved); err != nil {
			h.t.Fatal(err)
		}
		said = append(said, h.item(job, id))
	}
	return said
}

// item is the event of the item's row.
func (h *hall) item(job schema.Job, id string) events.Received[events.JobProgress] {
	h.t.Helper()
	item, err := schema.ReadItem(h.t.Context(), h.db, job.ID, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return heard(events.JobItemOf(item))
}

func heard(said events.JobProgress) events.Received[events.JobProgress] {
	return events.Received[events.JobProgress]{Body: said}
}

// fold has the projector fold a batch, which must go well.
func (h *hall) fold(p *Projector, batch ...events.Received[events.JobProgress]) {
	h.t.Helper()
	if err := p.fold(h.t.Context(), batch); err != nil {
		h.t.Fatal(err)
	}
}

// say publishes the events of a batch.
func (h *hall) say(batch ...events.Received[events.JobProgress]) {
	h.t.Helper()
	publisher := events.NewPublisher(h.js, "test")
	for _, r := range batch {
		if err := publisher.Publish(h.t.Context(), r.Body); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *hall) read(jobID string) schema.Job {
	h.t.Helper()
	job, err := schema.ReadJob(h.t.Context(), h.db, jobID)
	if err != nil {
		h.t.Fatal(err)
	}
	return job
}

func (h *hall) status(job schema.Job) schema.JobStatus {
	h.t.Helper()
	status, err := schema.ReadStatus(h.t.Context(), h.db, job)
	if err != nil {
		h.t.Fatal(err)
	}
	return status
}

// intend records what somebody wants of the job.
func (h *hall) intend(jobID string, intent schema.Intent) schema.JobIntent {
	h.t.Helper()
	err := h.db.RunInTx(h.t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		job, err := schema.LockJob(ctx, tx, jobID)
		if err != nil {
			return err
		}
		_, err = schema.RecordIntent(ctx, tx, job, intent, "olga", job.Traceparent)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return schema.JobIntent{JobID: jobID, Version: h.read(jobID).IntentVersion, Intent: intent}
}

func (h *hall) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.db.NewRaw(query, args...).Exec(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// published reads the events of a topic about the job that the stream has, in order.
func (h *hall) published(topic events.Topic, jobID string) (all []*jetstream.RawStreamMsg) {
	h.t.Helper()
	s, err := h.js.Stream(h.t.Context(), events.StreamEvents)
	if err != nil {
		h.t.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; state.Msgs > 0 && seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(h.t.Context(), seq)
		if err != nil {
			h.t.Fatal(err)
		}
		if m.Subject == string(topic)+"."+jobID {
			all = append(all, m)
		}
	}
	return all
}

// bells counts the bells of the job.
func (h *hall) bells(jobID string) (n int) {
	h.t.Helper()
	for _, m := range h.published(events.TopicJobProgress, jobID) {
		if strings.HasPrefix(m.Header.Get("ce-id"), "bell/") {
			n++
		}
	}
	return n
}

// settled waits until the projector's consumer has nothing waiting and nothing in hand.
func (h *hall) settled() {
	h.t.Helper()
	h.eventually("every event is acknowledged", func() bool {
		consumer, err := h.js.Consumer(h.t.Context(), events.StreamEvents, events.Projector().Name)
		if err != nil {
			return false
		}
		info := consumer.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

// eventually waits until the condition holds, for what announces itself to nobody.
func (h *hall) eventually(what string, condition func() bool) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			h.t.Fatalf("%v have passed and not yet: %s", patience, what)
		}
	}
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
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

// count is how many lines say so.
func (l *logbook) count(text string) int { return strings.Count(l.String(), text) }
