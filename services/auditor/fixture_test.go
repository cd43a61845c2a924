package auditor_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/auditor"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// fixture adds a report, its mappings and a publisher to the common fixture.
type fixture struct {
	*eventstest.Fixture
	publisher *events.Publisher
	ids       []string
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
	f.publisher = events.NewPublisher(f.JS, "test")
	return f
}

func (f *fixture) declare() {
	f.T.Helper()
	f.Eventually(
		"the streams are there",
		func() bool { return eventstest.Topology().Declare(f.T.Context(), f.JS) == nil },
	)
}

// eager returns options with short waits. Missing facts are taken from the rows once the consumer has caught up.
func eager() auditor.Options {
	return auditor.Options{Linger: 5 * time.Millisecond, Interval: 20 * time.Millisecond, Patience: time.Hour}
}

// audit runs an auditor on a connection of its own until the test ends or stop is called, which waits for it.
func (f *fixture) audit(options auditor.Options) (stop func()) {
	f.T.Helper()
	_, js := f.Connect()
	a := auditor.New(f.DB, js, eventstest.Topology(), f.Logger(), options)
	stop = f.Run(a.Run)
	f.Eventually("the consumer is open", func() bool { return a.Ready() == nil })
	return stop
}

// publish publishes events, and tries again until the stream has stored them.
func (f *fixture) publish(published ...events.Event) {
	f.T.Helper()
	for _, event := range published {
		f.Eventually(
			event.ID()+" is published",
			func() bool { return f.publisher.Publish(f.T.Context(), event) == nil },
		)
	}
}

// publishRaw publishes a message as it is.
func (f *fixture) publishRaw(m events.Message) {
	f.T.Helper()
	if _, err := f.JS.PublishMsg(
		f.T.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data},
	); err != nil {
		f.T.Fatal(err)
	}
}

// finish saves an outcome for each of the mappings, every third of them failed, and returns the events.
func (f *fixture) finish(job schema.Job, ids ...string) (all []events.Event) {
	f.T.Helper()
	schematest.FinishItems(f.T, f.DB, job.ID, ids...)
	for _, id := range ids {
		all = append(all, f.item(job.ID, id))
	}
	return all
}

// item returns the event of an item that has an outcome.
func (f *fixture) item(jobID, mappingID string) events.Event {
	f.T.Helper()
	item, err := schema.GetItem(f.T.Context(), f.DB, jobID, mappingID)
	if err != nil {
		f.T.Fatal(err)
	}
	return events.JobItemOf(item)
}

// end ends the job as the projector does, and returns the event.
func (f *fixture) end(job schema.Job) events.Event {
	f.T.Helper()
	status := schematest.EndJob(f.T, f.DB, job.ID)
	return events.JobFinished{JobStatus: events.StatusOf(f.ReadJob(job.ID), status)}
}

// announce records that the event of the job's end is published, after the auditor has recorded everything
// published so far: it takes missing facts from the rows after that.
func (f *fixture) announce(job schema.Job) {
	f.T.Helper()
	f.waitCaughtUp()
	if err := schema.MarkPublished(f.T.Context(), f.DB, job.ID, schema.JobEventFinished, "test"); err != nil {
		f.T.Fatal(err)
	}
}

// endedJob runs a job over all mappings and returns it with its events, in the order in which they are published.
func (f *fixture) endedJob() (schema.Job, []events.Event) {
	f.T.Helper()
	job := schematest.ListedJob(f.T, f.DB, len(f.ids))
	published := []events.Event{
		events.RegenerateRequestedOf(job),
		events.JobStarted(job.ID),
		events.JobListed(job.ID, job.Listed),
	}
	published = append(published, f.finish(job, f.ids...)...)
	return job, append(published, f.end(job))
}

// waitAudited waits until the job is marked as audited.
func (f *fixture) waitAudited(job schema.Job) {
	f.T.Helper()
	f.Eventually("the job is audited", func() bool { return !f.ReadJob(job.ID).AuditedAt.IsZero() })
}

func (f *fixture) log() []audit.Row {
	f.T.Helper()
	rows, err := audit.List(f.T.Context(), f.DB, audit.Filter{}, 0, 100_000)
	if err != nil {
		f.T.Fatal(err)
	}
	return rows
}

// waitRow waits until the log has an event whose id has this prefix, and returns its row.
func (f *fixture) waitRow(id string) (row audit.Row) {
	f.T.Helper()
	f.Eventually("the log has "+id, func() bool {
		for _, r := range f.log() {
			if len(r.EventID) >= len(id) && r.EventID[:len(id)] == id {
				row = r
				return true
			}
		}
		return false
	})
	return row
}

// waitCaughtUp waits until the auditor has acknowledged every message of the stream.
func (f *fixture) waitCaughtUp() {
	f.T.Helper()
	f.Eventually("the auditor has acknowledged every message", func() bool {
		stream, err := f.JS.Stream(f.T.Context(), events.StreamEvents)
		if err != nil {
			return false
		}
		consumer, err := f.JS.Consumer(f.T.Context(), events.StreamEvents, "auditor")
		return err == nil && consumer.CachedInfo().AckFloor.Stream >= stream.CachedInfo().State.LastSeq
	})
}

// verify returns the findings of [audit.Verify].
func (f *fixture) verify() (findings []audit.Finding) {
	f.T.Helper()
	verdict, err := audit.Verify(f.T.Context(), f.DB, func(f audit.Finding) { findings = append(findings, f) }, nil)
	if err != nil {
		f.T.Fatal(err)
	}
	if verdict.Findings != int64(len(findings)) {
		f.T.Errorf(
			"Verify: got the count %d, want %d, the number of reported findings",
			verdict.Findings,
			len(findings),
		)
	}
	return findings
}

// mustBeSound fails the test if [audit.Verify] has findings.
func (f *fixture) mustBeSound() {
	f.T.Helper()
	for _, found := range f.verify() {
		f.T.Errorf("Verify: got row %d, %s: %s, want no finding", found.Seq, found.EventID, found.Problem)
	}
}

// mustHaveOnce fails the test unless the log has exactly these events, each once and verified. It returns their
// origins.
func (f *fixture) mustHaveOnce(want []events.Event) map[string]audit.Origin {
	f.T.Helper()
	origins := map[string]audit.Origin{}
	rows := f.log()
	for _, row := range rows {
		origins[row.EventID] = row.Origin
		if !row.Verified {
			f.T.Errorf("%s: got an unverified row, want a verified one", row.EventID)
		}
	}
	for _, event := range want {
		if _, ok := origins[event.ID()]; !ok {
			f.T.Errorf("log: got no row of %s, want one", event.ID())
		}
	}
	if len(rows) != len(want) {
		f.T.Errorf("rows: got %d, want %d", len(rows), len(want))
	}
	return origins
}

// mustFind fails the test unless this is one of the findings.
func (f *fixture) mustFind(want audit.Finding) {
	f.T.Helper()
	findings := f.verify()
	if !slices.Contains(findings, want) {
		f.T.Errorf("Verify: got %s, want %s", describe(findings...), describe(want))
	}
}

func describe(findings ...audit.Finding) (text string) {
	for _, f := range findings {
		text += fmt.Sprintf("[row %d, %s, job %s: %s]", f.Seq, f.EventID, f.JobID, f.Problem)
	}
	return text
}
