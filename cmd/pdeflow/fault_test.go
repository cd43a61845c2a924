package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// enough is how many mappings keep a job busy while a test breaks it.
const enough = 2000

// underWay starts a job over enough mappings and returns when some are done and most are not.
func (s *stand) underWay() (jobID string) {
	s.t.Helper()
	schematest.Report(s.t, s.db, enough)
	jobID = s.regenerate()
	seen := s.follow(jobID, func(status events.JobStatus) bool { return status.CompletedSteps > 0 })
	if now := seen[len(seen)-1]; now.Status.Final() {
		s.t.Fatalf("the job is %s before it could be broken", now.Status)
	}
	return jobID
}

func TestAJobOutlivesItsJetStreamStore(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	s.nats.Stop()
	s.nats.Wipe()
	s.nats.Restart()
	s.exact(s.finish(job), enough)
}

func TestAJobOutlivesItsStreams(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	js, err := events.JetStream(s.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{events.StreamWork, events.StreamEvents} {
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	s.exact(s.finish(job), enough)
}

func TestAJobOutlivesTheConsumersOfProjectorAndClassifier(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	js, err := events.JetStream(s.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, consumer := range []events.Consumer{events.Projector(), events.ClassifierRules()} {
		if err := js.DeleteConsumer(t.Context(), consumer.Stream, consumer.Name); err != nil {
			t.Fatal(err)
		}
	}
	s.exact(s.finish(job), enough)
}

func TestForgedAndGarbledEventsCountNothing(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	job := s.underWay()
	nc := s.nats.Conn(t)
	js, err := events.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	var queued []string
	if err := s.db.NewRaw("select mapping_id from job_items where job_id = ? and outcome is null order by "+
		"mapping_id desc limit 50", job).
		Scan(t.Context(), &queued); err != nil {
		t.Fatal(err)
	}
	if len(queued) == 0 {
		t.Fatal("nothing is queued any more")
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
	s.exact(s.finish(job), enough)
}

func TestAJobIsAcceptedWhileNATSIsAwayAndRunsWhenItIsBack(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	schematest.Report(t, s.db, 100)
	s.nats.Stop()
	asked := time.Now()
	job := s.regenerate()
	if took := time.Since(asked); took > time.Second {
		t.Errorf("the answer took %v; the contract says a second", took)
	}
	if code, body := s.do(http.MethodGet, "/jobs/"+job+"/status", nil); code != http.StatusOK {
		t.Errorf("status while NATS is away answers %d: %s", code, body)
	}
	s.nats.Restart()
	s.exact(s.finish(job), 100)
}

// Work resumes within 8 seconds; the rest of the limit is for a busy machine. A message of the killed process that
// waited 30 seconds, as it once did, breaks it.
func TestTheLastMessagesOfAKilledClassifierAreTakenOverSoon(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	victim := s.startProcess("serve", "--services", "classifier")
	job := s.underWay()
	s.run(classifierService)
	s.follow(job, func(status events.JobStatus) bool { return status.CompletedSteps > enough*3/4 })
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = victim.Wait() // it was killed
	s.exact(s.finish(job), enough)
	if took := time.Since(killed); took > 25*time.Second {
		t.Errorf("the job ended %v after the classifier was killed", took)
	}
}

func TestAJobOutlivesAClassifierThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	victim := s.startProcess("serve", "--services", "classifier")
	job := s.underWay()
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := victim.Wait(); err == nil {
		t.Fatal("the classifier ended by itself, not by the signal")
	}
	s.startProcess("serve", "--services", "classifier")
	s.exact(s.finish(job), enough)
}

// More rows are locked than a classifier has workers, in the report of one job. The job of the other report completes,
// and the status of the first names the lock.
func TestRowsLockedByAUserHoldUpNoOtherReport(t *testing.T) {
	t.Parallel()
	const locked, mappings = 30, 100
	s := newStand(t)
	ids := schematest.Report(t, s.db, mappings)
	s.copyReport("beside")
	user, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer user.Rollback() //nolint:errcheck // done below, unless the test has failed
	job := s.regenerate()
	s.eventually("the job is listed", "select exists (select from jobs where listed_at is not null)")
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
		t.Fatalf("%d rows are locked, %v", n, err)
	}
	other := s.accepted(s.do(http.MethodPost, "/planning/cycles/"+schematest.CycleID+
		"/reports/beside/pde-mappings/regenerate-all", nil))
	s.exact(s.finish(other), mappings)
	s.follow(job, func(status events.JobStatus) bool {
		return status.WaitingFor != nil && strings.Contains(*status.WaitingFor, "waits for a lock on mapping ") &&
			strings.Contains(*status.WaitingFor, "held by ")
	})
	if err := user.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.exact(s.finish(job), mappings)
}

// copyReport makes a report with copies of the mappings of the small one.
func (s *stand) copyReport(id string) {
	s.t.Helper()
	for _, statement := range []string{
		"insert into reports select (jsonb_populate_record(r, jsonb_build_object('report_id', ?::text))).* from " +
			"reports r",
		"insert into attributes select (jsonb_populate_record(a, jsonb_build_object('report_id', ?0::text, 'id', ?0 " +
			"|| a.id))).* from attributes a",
		`insert into pde_mappings select (jsonb_populate_record(m, jsonb_build_object('report_id', ?0::text, 'id', ?0 || m.id,
			'attribute_id', ?0 || m.attribute_id))).* from pde_mappings m`,
		"insert into data_sources select (jsonb_populate_record(d, jsonb_build_object('report_id', ?0::text, 'id', " +
			"?0 || d.id))).* from data_sources d",
		`insert into source_columns select (jsonb_populate_record(c, jsonb_build_object('id', ?0 || c.id, 'data_source_id', ?0 || c.data_source_id))).*
			from source_columns c`,
	} {
		if _, err := s.db.NewRaw(statement, id).Exec(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}
