package auditor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	"github.com/pdeflow/pdeflow/services/auditor"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// patience is how long a test waits for what must happen. It is shorter than AckWait, so that nothing passes because a message came
// again by itself.
const patience = 25 * time.Second

// hall is a real Postgres with a report and a real nats-server, in which a test says what happened.
type hall struct {
	t   *testing.T
	db  *schema.DB
	bus *eventstest.Server
	js  jetstream.JetStream
	say *events.Publisher
	ids []string
}

func newHall(t *testing.T, mappings int) *hall {
	t.Helper()
	h := &hall{t: t, db: schematest.New(t), bus: eventstest.Start(t)}
	h.ids = schematest.Report(t, h.db, mappings)
	h.js = h.connect()
	h.say = events.NewPublisher(h.js, "test")
	h.declare()
	return h
}

func (h *hall) connect() jetstream.JetStream {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.t.Output(), nil))
	nc, err := events.Connect(h.bus.URL(), h.t.Name(), "", log, nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		h.t.Fatal(err)
	}
	return js
}

func (h *hall) declare() {
	h.t.Helper()
	h.eventually("the streams are there", func() bool { return (events.Topology{}).Declare(h.t.Context(), h.js) == nil })
}

// eager waits for nothing longer than it must; what no event brings is taken from the rows once the consumer has nothing waiting.
func eager() auditor.Options {
	return auditor.Options{Linger: 5 * time.Millisecond, Interval: 20 * time.Millisecond, Patience: time.Hour}
}

// audit runs an auditor on a connection of its own until the test ends or stop is called, which waits for it.
func (h *hall) audit(options auditor.Options) (stop func()) {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	a := auditor.New(h.db, h.connect(), events.Topology{}, log, options)
	ctx, cancel := context.WithCancel(h.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			h.t.Errorf("run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	h.t.Cleanup(stop)
	h.eventually("the consumer is open", func() bool { return a.Ready() == nil })
	return stop
}

// publish says events that the stream must take.
func (h *hall) publish(said ...events.Event) {
	h.t.Helper()
	for _, event := range said {
		h.eventually(event.ID()+" is said", func() bool { return h.say.Publish(h.t.Context(), event) == nil })
	}
}

// raw publishes a message as it is.
func (h *hall) raw(m events.Message) {
	h.t.Helper()
	if _, err := h.js.PublishMsg(h.t.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}); err != nil {
		h.t.Fatal(err)
	}
}

// finish saves an outcome for each of the mappings, every third of them failed, and returns the events of that.
func (h *hall) finish(job schema.Job, ids ...string) (said []events.Event) {
	h.t.Helper()
	for i, id := range ids {
		if i%3 == 2 {
			failed := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "it's \"broken\" — \\ and\nmore"}
			if err := schema.FailItem(h.t.Context(), h.db, job.ID, id, failed); err != nil {
				h.t.Fatal(err)
			}
		} else {
			h.succeed(job, id)
		}
		said = append(said, h.item(job.ID, id))
	}
	return said
}

// succeed saves a judgement of the mapping.
func (h *hall) succeed(job schema.Job, id string) {
	h.t.Helper()
	work, err := schema.ReadWork(h.t.Context(), h.db, job.ID, id)
	if err != nil {
		h.t.Fatal(err)
	}
	after := work.Mapping
	after.InformationSecurityClassification, after.ClassifiedBy = schema.Confidential, "rules@1"
	after.ClassificationRationale = "a balance"
	err = h.db.RunInTx(h.t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		saved, err := schema.SaveWork(ctx, tx, job.ID, work.Mapping, after, schema.Saved{
			Outcome: schema.Succeeded, Attempt: 1, Classifier: "rules@1", Duration: 3 * time.Millisecond,
			Usage: schema.Usage{InputTokens: 900, OutputTokens: 60, CostUSD: 0.0036},
		})
		if err == nil && !saved {
			return errors.New("not saved")
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// item is the event of an item that has an outcome.
func (h *hall) item(jobID, mappingID string) events.Event {
	h.t.Helper()
	item, err := schema.ReadItem(h.t.Context(), h.db, jobID, mappingID)
	if err != nil {
		h.t.Fatal(err)
	}
	return events.JobItemOf(item)
}

// end does what the projector does when everything is accounted for, and returns the event of that.
func (h *hall) end(job schema.Job) events.Event {
	h.t.Helper()
	var status schema.JobStatus
	err := h.db.RunInTx(h.t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if !status.Status.Final() {
		h.t.Fatalf("the job is %s", status.Status)
	}
	return events.JobFinished{JobStatus: events.StatusOf(h.job(job.ID), status)}
}

// announced records that the job's end was said. It waits until the auditor has heard what was said before, because what it takes from
// the rows after this is part of what the tests are about.
func (h *hall) announced(job schema.Job) {
	h.t.Helper()
	h.drained()
	if err := schema.MarkAnnounced(h.t.Context(), h.db, job.ID, schema.AnnouncedFinished, "test"); err != nil {
		h.t.Fatal(err)
	}
}

// story is a job from its request to its end, all of it in the rows, and its events in the order in which they are said.
func (h *hall) story() (schema.Job, []events.Event) {
	h.t.Helper()
	job := schematest.ListedJob(h.t, h.db, len(h.ids))
	said := []events.Event{events.RequestOf(job), events.JobStarted(job.ID), events.JobListed(job.ID, job.Listed)}
	said = append(said, h.finish(job, h.ids...)...)
	return job, append(said, h.end(job))
}

func (h *hall) job(id string) schema.Job {
	h.t.Helper()
	job, err := schema.ReadJob(h.t.Context(), h.db, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return job
}

// audited waits until the job is marked as audited.
func (h *hall) audited(job schema.Job) {
	h.t.Helper()
	h.eventually("the job is audited", func() bool { return !h.job(job.ID).AuditedAt.IsZero() })
}

// log is the audit log.
func (h *hall) log() []schema.AuditRow {
	h.t.Helper()
	rows, err := schema.AuditRows(h.t.Context(), h.db, schema.AuditFilter{}, 0, 100_000)
	if err != nil {
		h.t.Fatal(err)
	}
	return rows
}

// logs waits until the log has an event with this id, or with this beginning of an id, and returns its row.
func (h *hall) logs(id string) (row schema.AuditRow) {
	h.t.Helper()
	h.eventually("the log has "+id, func() bool {
		for _, r := range h.log() {
			if len(r.EventID) >= len(id) && r.EventID[:len(id)] == id {
				row = r
				return true
			}
		}
		return false
	})
	return row
}

// drained waits until the auditor has settled all that the stream has.
func (h *hall) drained() {
	h.t.Helper()
	h.eventually("the auditor has settled everything", func() bool {
		stream, err := h.js.Stream(h.t.Context(), events.StreamEvents)
		if err != nil {
			return false
		}
		consumer, err := h.js.Consumer(h.t.Context(), events.StreamEvents, "auditor")
		return err == nil && consumer.CachedInfo().AckFloor.Stream >= stream.CachedInfo().State.LastSeq
	})
}

// verify returns what is wrong with the log.
func (h *hall) verify() (findings []schema.AuditFinding) {
	h.t.Helper()
	verdict, err := schema.VerifyAudit(h.t.Context(), h.db, func(f schema.AuditFinding) { findings = append(findings, f) })
	if err != nil {
		h.t.Fatal(err)
	}
	if verdict.Findings != int64(len(findings)) {
		h.t.Errorf("%d findings counted, %d reported", verdict.Findings, len(findings))
	}
	return findings
}

// sound demands that nothing is wrong with the log.
func (h *hall) sound() {
	h.t.Helper()
	for _, f := range h.verify() {
		h.t.Errorf("row %d, %s: %s", f.Seq, f.EventID, f.Problem)
	}
}

// once demands that the log holds exactly these events, each once and verified, and returns their origins.
func (h *hall) once(want []events.Event) map[string]schema.AuditOrigin {
	h.t.Helper()
	origins := map[string]schema.AuditOrigin{}
	rows := h.log()
	for _, row := range rows {
		origins[row.EventID] = row.Origin
		if !row.Verified {
			h.t.Errorf("%s is not verified", row.EventID)
		}
	}
	for _, event := range want {
		if _, ok := origins[event.ID()]; !ok {
			h.t.Errorf("the log lacks %s", event.ID())
		}
	}
	if len(rows) != len(want) {
		h.t.Errorf("%d rows for %d events", len(rows), len(want))
	}
	return origins
}

// tamper changes the log as somebody who owns the table can.
func (h *hall) tamper(statement string, args ...any) {
	h.t.Helper()
	for _, s := range []string{"alter table audit_log disable trigger all", statement, "alter table audit_log enable always trigger audit_log_append_only"} {
		query := h.db.NewRaw(s)
		if s == statement {
			query = h.db.NewRaw(s, args...)
		}
		if _, err := query.Exec(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	}
}

// exec runs a statement that must succeed.
func (h *hall) exec(statement string, args ...any) {
	h.t.Helper()
	if _, err := h.db.NewRaw(statement, args...).Exec(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// rechain does what a forger does who computes everything anew.
func (h *hall) rechain() {
	h.t.Helper()
	prev := ""
	for i, row := range h.log() {
		seq := int64(i + 1)
		old := row.Seq
		row.Seq = seq
		if prev == "" {
			prev = row.PrevHash
		}
		row.PrevHash = prev
		row.Hash = row.Sum()
		prev = row.Hash
		h.tamper("update audit_log set seq = ?, prev_hash = ?, hash = ? where seq = ?", row.Seq, row.PrevHash, row.Hash, old)
	}
}

// found demands this one finding among all.
func (h *hall) found(want schema.AuditFinding) {
	h.t.Helper()
	findings := h.verify()
	if !slices.Contains(findings, want) {
		h.t.Errorf("found %s, not %s", describe(findings...), describe(want))
	}
}

func describe(findings ...schema.AuditFinding) (text string) {
	for _, f := range findings {
		text += fmt.Sprintf("[row %d, %s, job %s: %s]", f.Seq, f.EventID, f.JobID, f.Problem)
	}
	return text
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
