package auditor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/auditor"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// fixture is a real Postgres with a report and a real nats-server, in which a test says what happened.
type fixture struct {
	*eventstest.Fixture
	say *events.Publisher
	ids []string
}

func newFixture(t *testing.T, mappings int) *fixture {
	t.Helper()
	h := &fixture{Fixture: eventstest.NewFixture(t)}
	h.ids = schematest.Report(t, h.DB, mappings)
	h.say = events.NewPublisher(h.JS, "test")
	return h
}

func (h *fixture) declare() {
	h.T.Helper()
	h.Eventually("the streams are there", func() bool { return eventstest.Topology().Declare(h.T.Context(), h.JS) == nil })
}

// eager waits for nothing longer than it must; what no event brings is taken from the rows once the consumer has nothing waiting.
func eager() auditor.Options {
	return auditor.Options{Linger: 5 * time.Millisecond, Interval: 20 * time.Millisecond, Patience: time.Hour}
}

// audit runs an auditor on a connection of its own until the test ends or stop is called, which waits for it.
func (h *fixture) audit(options auditor.Options) (stop func()) {
	h.T.Helper()
	_, js := h.Connect()
	a := auditor.New(h.DB, js, eventstest.Topology(), h.Logger(), options)
	stop = h.Run(a.Run)
	h.Eventually("the consumer is open", func() bool { return a.Ready() == nil })
	return stop
}

// publish says events that the stream must take.
func (h *fixture) publish(said ...events.Event) {
	h.T.Helper()
	for _, event := range said {
		h.Eventually(event.ID()+" is said", func() bool { return h.say.Publish(h.T.Context(), event) == nil })
	}
}

// raw publishes a message as it is.
func (h *fixture) raw(m events.Message) {
	h.T.Helper()
	if _, err := h.JS.PublishMsg(h.T.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}); err != nil {
		h.T.Fatal(err)
	}
}

// finish saves an outcome for each of the mappings, every third of them failed, and returns the events of that.
func (h *fixture) finish(job schema.Job, ids ...string) (said []events.Event) {
	h.T.Helper()
	for i, id := range ids {
		if i%3 == 2 {
			failed := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "it's \"broken\" — \\ and\nmore"}
			if err := schema.FailItem(h.T.Context(), h.DB, job.ID, id, failed); err != nil {
				h.T.Fatal(err)
			}
		} else {
			h.succeed(job, id)
		}
		said = append(said, h.item(job.ID, id))
	}
	return said
}

// succeed saves a judgement of the mapping.
func (h *fixture) succeed(job schema.Job, id string) {
	h.T.Helper()
	work, err := schema.ReadWork(h.T.Context(), h.DB, job.ID, id)
	if err != nil {
		h.T.Fatal(err)
	}
	after := work.Mapping
	after.InformationSecurityClassification, after.ClassifiedBy = schema.Confidential, "rules@1"
	after.ClassificationRationale = "a balance"
	err = h.DB.RunInTx(h.T.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
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
		h.T.Fatal(err)
	}
}

// item is the event of an item that has an outcome.
func (h *fixture) item(jobID, mappingID string) events.Event {
	h.T.Helper()
	item, err := schema.ReadItem(h.T.Context(), h.DB, jobID, mappingID)
	if err != nil {
		h.T.Fatal(err)
	}
	return events.JobItemOf(item)
}

// end does what the projector does when everything is accounted for, and returns the event of that.
func (h *fixture) end(job schema.Job) events.Event {
	h.T.Helper()
	var status schema.JobStatus
	err := h.DB.RunInTx(h.T.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil {
		h.T.Fatal(err)
	}
	if !status.Status.Final() {
		h.T.Fatalf("the job is %s", status.Status)
	}
	return events.JobFinished{JobStatus: events.StatusOf(h.ReadJob(job.ID), status)}
}

// announced records that the job's end was said. It waits until the auditor has heard what was said before, because what it takes from
// the rows after this is part of what the tests are about.
func (h *fixture) announced(job schema.Job) {
	h.T.Helper()
	h.drained()
	if err := schema.MarkAnnounced(h.T.Context(), h.DB, job.ID, schema.AnnouncedFinished, "test"); err != nil {
		h.T.Fatal(err)
	}
}

// story is a job from its request to its end, all of it in the rows, and its events in the order in which they are said.
func (h *fixture) story() (schema.Job, []events.Event) {
	h.T.Helper()
	job := schematest.ListedJob(h.T, h.DB, len(h.ids))
	said := []events.Event{events.RegenerateRequestedOf(job), events.JobStarted(job.ID), events.JobListed(job.ID, job.Listed)}
	said = append(said, h.finish(job, h.ids...)...)
	return job, append(said, h.end(job))
}

// audited waits until the job is marked as audited.
func (h *fixture) audited(job schema.Job) {
	h.T.Helper()
	h.Eventually("the job is audited", func() bool { return !h.ReadJob(job.ID).AuditedAt.IsZero() })
}

// log is the audit log.
func (h *fixture) log() []audit.Row {
	h.T.Helper()
	rows, err := audit.List(h.T.Context(), h.DB, audit.Filter{}, 0, 100_000)
	if err != nil {
		h.T.Fatal(err)
	}
	return rows
}

// logs waits until the log has an event with this id, or with this beginning of an id, and returns its row.
func (h *fixture) logs(id string) (row audit.Row) {
	h.T.Helper()
	h.Eventually("the log has "+id, func() bool {
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
func (h *fixture) drained() {
	h.T.Helper()
	h.Eventually("the auditor has settled everything", func() bool {
		stream, err := h.JS.Stream(h.T.Context(), events.StreamEvents)
		if err != nil {
			return false
		}
		consumer, err := h.JS.Consumer(h.T.Context(), events.StreamEvents, "auditor")
		return err == nil && consumer.CachedInfo().AckFloor.Stream >= stream.CachedInfo().State.LastSeq
	})
}

// verify returns what is wrong with the log.
func (h *fixture) verify() (findings []audit.Finding) {
	h.T.Helper()
	verdict, err := audit.Verify(h.T.Context(), h.DB, func(f audit.Finding) { findings = append(findings, f) }, nil)
	if err != nil {
		h.T.Fatal(err)
	}
	if verdict.Findings != int64(len(findings)) {
		h.T.Errorf("%d findings counted, %d reported", verdict.Findings, len(findings))
	}
	return findings
}

// sound demands that nothing is wrong with the log.
func (h *fixture) sound() {
	h.T.Helper()
	for _, f := range h.verify() {
		h.T.Errorf("row %d, %s: %s", f.Seq, f.EventID, f.Problem)
	}
}

// once demands that the log holds exactly these events, each once and verified, and returns their origins.
func (h *fixture) once(want []events.Event) map[string]audit.Origin {
	h.T.Helper()
	origins := map[string]audit.Origin{}
	rows := h.log()
	for _, row := range rows {
		origins[row.EventID] = row.Origin
		if !row.Verified {
			h.T.Errorf("%s is not verified", row.EventID)
		}
	}
	for _, event := range want {
		if _, ok := origins[event.ID()]; !ok {
			h.T.Errorf("the log lacks %s", event.ID())
		}
	}
	if len(rows) != len(want) {
		h.T.Errorf("%d rows for %d events", len(rows), len(want))
	}
	return origins
}

// tamper changes the log as somebody who owns the table can.
func (h *fixture) tamper(statement string, args ...any) {
	h.T.Helper()
	for _, s := range []string{"alter table audit_log disable trigger all", statement, "alter table audit_log enable always trigger audit_log_append_only"} {
		query := h.DB.NewRaw(s)
		if s == statement {
			query = h.DB.NewRaw(s, args...)
		}
		if _, err := query.Exec(h.T.Context()); err != nil {
			h.T.Fatal(err)
		}
	}
}

// rechain does what a forger does who computes everything anew.
func (h *fixture) rechain() {
	h.T.Helper()
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
func (h *fixture) found(want audit.Finding) {
	h.T.Helper()
	findings := h.verify()
	if !slices.Contains(findings, want) {
		h.T.Errorf("found %s, not %s", describe(findings...), describe(want))
	}
}

func describe(findings ...audit.Finding) (text string) {
	for _, f := range findings {
		text += fmt.Sprintf("[row %d, %s, job %s: %s]", f.Seq, f.EventID, f.JobID, f.Problem)
	}
	return text
}
