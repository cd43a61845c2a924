package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// enough mappings keep a job busy while a test breaks something.
const enough = 2000

// underWay starts a job over enough mappings and returns when some are done and most are not.
func (f *fixture) underWay() (jobID string) {
	f.t.Helper()
	schematest.Report(f.t, f.db, enough)
	jobID = f.regenerate()
	seen := f.follow(jobID, func(status events.JobStatus) bool { return status.CompletedSteps > 0 })
	if now := seen[len(seen)-1]; now.Status.IsFinal() {
		f.t.Fatalf("job: got %s, want it to run on", now.Status)
	}
	return jobID
}

func TestAJobSurvivesTheLossOfTheJetStreamStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	f.nats.Stop()
	f.nats.Wipe()
	f.nats.Restart()
	f.exact(f.finish(job), enough)
}

func TestAJobSurvivesTheDeletionOfItsStreams(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	js, err := events.JetStream(f.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{events.StreamWork, events.StreamEvents} {
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	f.exact(f.finish(job), enough)
}

func TestAJobSurvivesTheDeletionOfItsConsumers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	js, err := events.JetStream(f.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, consumer := range []events.Consumer{events.Projector(), events.ClassifierRules()} {
		if err := js.DeleteConsumer(t.Context(), consumer.Stream, consumer.Name); err != nil {
			t.Fatal(err)
		}
	}
	f.exact(f.finish(job), enough)
}

func TestForgedAndInvalidEventsCountNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.underWay()
	nc := f.nats.Conn(t)
	js, err := events.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	var queued []string
	if err := f.db.NewRaw("select mapping_id from job_items where job_id = ? and outcome is null order by "+
		"mapping_id desc limit 50", job).
		Scan(t.Context(), &queued); err != nil {
		t.Fatal(err)
	}
	if len(queued) == 0 {
		t.Fatal("got no queued items, want some")
	}
	forger := events.NewPublisher(js, "classifier")
	for _, mapping := range queued {
		if err := forger.Publish(t.Context(),
			events.JobItem(job, events.Item{MappingID: mapping, Outcome: "failed", Attempt: 5})); err != nil {
			t.Fatal(err)
		}
	}
	for _, forged := range []events.Event{
		events.JobListed(job, 3),
		events.JobIntentOf(schema.JobIntent{JobID: job, Version: 9, Intent: schema.IntentCancel}),
		events.JobStarted("no-such-job"),
	} {
		if err := forger.Publish(t.Context(), forged); err != nil {
			t.Fatal(err)
		}
	}
	for _, garbled := range []*nats.Msg{
		{Subject: "job.progress." + job, Data: []byte(`{"job_id":`)},
		{Subject: "job.finished." + job, Data: []byte(`null`), Header: nats.Header{"ce-id": {"finished/" + job}}},
		{Subject: "mapping.requested.rules." + job + ".no-such-mapping", Data: []byte("not JSON at all")},
		{Subject: "mapping.requested.llm." + job + "." + queued[0], Data: []byte(`{}`)},
	} {
		if _, err := js.PublishMsg(t.Context(), garbled); err != nil {
			t.Fatal(err)
		}
	}
	f.exact(f.finish(job), enough)
}

func TestAJobIsAcceptedWithoutNATSAndRunsWhenItIsBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	schematest.Report(t, f.db, 100)
	f.nats.Stop()
	asked := time.Now()
	job := f.regenerate()
	// A request that published would wait five seconds for the acknowledgement.
	if took := time.Since(asked); took > 4*time.Second {
		t.Errorf("got a response after %v, want it without waiting for NATS", took)
	}
	if code, body := f.do(http.MethodGet, "/jobs/"+job+"/status", nil); code != http.StatusOK {
		t.Errorf("status without NATS: got %d, want 200: %s", code, body)
	}
	f.nats.Restart()
	f.exact(f.finish(job), 100)
}

// The limit is for the first message that the killed process held, and not for the end of the job, which depends on the
// machine. A consumer of the test receives it, because a classifier would first be busy with the other messages.
func TestTheMessagesOfAKilledClassifierAreRedeliveredWithin8s(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	victim := f.startProcess("serve", "--services", "classifier")
	job := f.underWay()
	js, err := events.JetStream(f.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	redelivered := make(chan time.Time, 1)
	receive := func(_ context.Context, d events.Delivery, work events.MappingRequested) error {
		mu.Lock()
		defer mu.Unlock()
		if d.Deliveries > 1 && !seen[work.MappingID] {
			select {
			case redelivered <- time.Now():
			default:
			}
		}
		seen[work.MappingID] = true
		return nil // the dispatcher publishes the message again, because the item has no outcome
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = victim.Wait() // it was killed
	var running sync.WaitGroup
	running.Go(func() {
		if err := events.Consume(js, events.ClassifierRules(), receive, events.Options{}).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case at := <-redelivered:
		if took := at.Sub(killed); took > 8*time.Second {
			t.Errorf("first redelivery: got %v after the kill, want at most 8s", took)
		}
	case <-time.After(deadline):
		t.Errorf("first redelivery: got none within %v", deadline)
	}
	stop()
	running.Wait()
	f.run(schema.ServiceClassifier)
	f.exact(f.finish(job), enough)
}

func TestAJobSurvivesAKilledClassifier(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	victim := f.startProcess("serve", "--services", "classifier")
	job := f.underWay()
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := victim.Wait(); err == nil {
		t.Fatal("classifier exited before the signal")
	}
	f.startProcess("serve", "--services", "classifier")
	f.exact(f.finish(job), enough)
}

// More rows are locked than a classifier has workers, all in the report of one job. The job of the other report
// completes, and the status of the first names the lock.
func TestLockedRowsDelayNoOtherReport(t *testing.T) {
	t.Parallel()
	const locked, mappings = 30, 100
	f := newFixture(t)
	ids := schematest.Report(t, f.db, mappings)
	f.copyReport("other")
	user, err := f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer user.Rollback() //nolint:errcheck // done below, unless the test has failed
	job := f.regenerate()
	f.eventually("the job is listed", "select exists (select from jobs where listed_at is not null)")
	if _, err := user.NewRaw("set local idle_in_transaction_session_timeout = 0").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := user.NewRaw(`select id from pde_mappings m where id in (?)
		and exists (select from job_items i where i.mapping_id = m.id and i.outcome is null) for update`,
		bun.List(ids[mappings-locked:])).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := rows.RowsAffected(); err != nil || n < locked/2 {
		t.Fatalf("locked rows: got %d (%v), want at least %d", n, err, locked/2)
	}
	other := f.accepted(f.do(http.MethodPost, "/planning/cycles/"+schematest.CycleID+
		"/reports/other/pde-mappings/regenerate-all", nil))
	f.exact(f.finish(other), mappings)
	f.follow(job, func(status events.JobStatus) bool {
		return status.WaitingFor != nil && strings.Contains(*status.WaitingFor, "waits for a lock on mapping ") &&
			strings.Contains(*status.WaitingFor, "held by ")
	})
	if err := user.Rollback(); err != nil {
		t.Fatal(err)
	}
	f.exact(f.finish(job), mappings)
}

// copyReport creates a report with copies of the mappings of the small one.
func (f *fixture) copyReport(id string) {
	f.t.Helper()
	for _, statement := range []string{
		"insert into reports select (jsonb_populate_record(r, jsonb_build_object('report_id', ?::text))).* from " +
			"reports r",
		"insert into attributes select (jsonb_populate_record(a, jsonb_build_object('report_id', ?0::text, 'id', ?0 " +
			"|| a.id))).* from attributes a",
		`insert into pde_mappings select (jsonb_populate_record(m,
			jsonb_build_object('report_id', ?0::text, 'id', ?0 || m.id,
			'attribute_id', ?0 || m.attribute_id))).* from pde_mappings m`,
		"insert into data_sources select (jsonb_populate_record(d, jsonb_build_object('report_id', ?0::text, 'id', " +
			"?0 || d.id))).* from data_sources d",
		`insert into source_columns select (jsonb_populate_record(c,
			jsonb_build_object('id', ?0 || c.id, 'data_source_id', ?0 || c.data_source_id))).*
			from source_columns c`,
	} {
		if _, err := f.db.NewRaw(statement, id).Exec(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
}
