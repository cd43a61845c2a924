package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// change runs statements on the stand's database.
func (s *stand) change(statements ...string) {
	s.t.Helper()
	for _, statement := range statements {
		if _, err := s.db.ExecContext(s.t.Context(), statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// auditedJob is a job of so many mappings that has completed and is in the audit log.
func auditedJob(t *testing.T, mappings int) (s *stand, jobID string, ids []string) {
	t.Helper()
	s = plainStand(t, allServices()...)
	ids = schematest.Report(t, s.db, mappings)
	jobID = s.regenerate()
	s.exact(s.finish(jobID), int64(mappings))
	s.eventually("the job is audited", "select audited_at is not null from jobs")
	return s, jobID, ids
}

func TestCheckFindsWhatIsWrongAndNamesTheRows(t *testing.T) {
	t.Parallel()
	s, jobID, ids := auditedJob(t, 5)
	of := []string{"--cycle", schematest.CycleID, "--report", schematest.ReportID}
	session := []said{s.pdeflow("check").ends(t, exitDone), s.pdeflow(append([]string{"check"}, of...)...).ends(t, exitDone)}
	s.change(
		"update pde_mappings set criticality = null, pii_flag = null where id = '"+ids[0]+"'",
		"update pde_mappings set updated_by = '' where id = '"+ids[1]+"'",
		"update job_status set succeeded = 4, failed = 1",
		"alter table audit_log disable trigger all", "update audit_log set actor = 'nobody' where event_id = 'requested/"+jobID+"'",
	)
	session = append(session, s.pdeflow("check").ends(t, exitFailed))
	golden(t, "check", transcript(session...))

	s.change("delete from classification_history where mapping_id = '" + ids[2] + "'")
	result := from[checkResult](t, s.pdeflow(append([]string{"check", "--json"}, of...)...).ends(t, exitFailed))
	kinds := map[schema.CheckKind]int{}
	for _, f := range result.Findings {
		kinds[f.Kind]++
	}
	if result.OK || result.FindingCount != int64(len(result.Findings)) || result.Rows != 5 || result.Jobs != 1 || len(result.Fields) != 12 ||
		kinds[schema.CheckUnset] != 2 || kinds[schema.CheckUnsigned] != 1 || kinds[schema.CheckCounts] != 2 || kinds[schema.CheckHistory] != 1 || kinds[checkAudit] == 0 {
		t.Errorf("as JSON it is %+v", result)
	}
	s.pdeflow("check", "--cycle", "none", "--report", "none").ends(t, exitFailed, "there is no report none in cycle none")
}

func TestCheckOfADatabaseThatIsWholeIsContentAsJSONToo(t *testing.T) {
	t.Parallel()
	s := &stand{t: t, db: schematest.New(t), nats: eventstest.Start(t), log: &logBuffer{}}
	result := from[checkResult](t, s.pdeflow("check", "--json").ends(t, exitDone))
	if !result.OK || result.FindingCount != 0 || result.Findings == nil || len(result.Fields) != 12 {
		t.Errorf("of an empty database is said %+v", result)
	}
}

func TestCheckNamesAHundredOfAKindAndCountsTheRest(t *testing.T) {
	t.Parallel()
	const many = 250
	s := plainStand(t)
	schematest.Report(t, s.db, many)
	s.exact(s.finish(s.regenerate()), many)
	s.change("update pde_mappings set criticality = null", "update attributes set updated_by = ''")
	got := s.pdeflow("check").ends(t, exitFailed)
	if !strings.Contains(got.stdout, "Wrong in 500 places:") || !strings.Contains(got.stdout, "and 300 more of the same kinds") ||
		strings.Count(got.stdout, "  pde_mappings ") != namedRows || strings.Count(got.stdout, "  attributes ") != namedRows {
		t.Errorf("it says:\n%s", got.stdout)
	}
}

func TestCheckSaysWhyAJobDoesNotMove(t *testing.T) {
	t.Parallel()
	const old = "clock_timestamp() - interval '2 minutes'"
	stands := func(s *stand) string {
		s.t.Helper()
		s.change("update job_items set updated_at = "+old, "update job_status set updated_at = "+old, "update jobs set updated_at = "+old)
		got := s.pdeflow("check").ends(s.t, exitFailed)
		_, problem, _ := strings.Cut(strings.Join(strings.Fields(got.stdout), " "), "nothing has changed for ")
		return problem
	}
	t.Run("nobody dispatches", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, projectorService)
		ids := schematest.Report(t, s.db, 3)
		schematest.ListedJob(t, s.db, 3)
		if got := stands(s); !strings.Contains(got, "3 mappings are due") || !strings.Contains(got, "mapping "+ids[0]+" has no message in PDE_WORK: no dispatcher sends it") {
			t.Errorf("it says %q", got)
		}
		s.nats.Stop()
		if got := stands(s); !strings.Contains(got, "NATS does not answer at nats://127.0.0.1") {
			t.Errorf("without NATS it says %q", got)
		}
	})
	t.Run("nobody classifies", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, dispatcherService, projectorService)
		ids := schematest.Report(t, s.db, 3)
		job := s.regenerate()
		s.becomes(job, schema.Running)
		if got := stands(s); !strings.Contains(got, "the message of mapping "+ids[0]+" is in PDE_WORK, and nobody reads its consumer classifier-rules: no classifier runs") {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("nobody counts", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, dispatcherService, classifierService)
		schematest.Report(t, s.db, 3)
		s.regenerate()
		s.eventually("all have an outcome", "select count(*) filter (where outcome is null) = 0 and count(*) = 3 from job_items")
		if got := stands(s); !strings.Contains(got, "3 mappings have an outcome that its status lacks") ||
			!strings.Contains(got, "nobody reads its consumer projector: no projector runs") {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("the classifier is dead", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, apiService, dispatcherService, projectorService)
		schematest.Report(t, s.db, 3)
		// Their rows are locked, so that the classifier has taken the messages and does not get on.
		locks, err := s.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer locks.Rollback() //nolint:errcheck // done below, unless the test has failed
		if _, err := locks.NewRaw("select from pde_mappings for no key update").Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		victim := s.start("serve", "--services", "classifier")
		s.becomes(s.regenerate(), schema.Running)
		s.eventually("the classifier waits for the rows", `select count(*) = 3 from pg_stat_activity where wait_event_type = 'Lock'
			and datname = current_database() and query like 'with locked as%'`)
		if got := stands(s); !strings.Contains(got, "a classifier reads its consumer classifier-rules") {
			t.Errorf("while it lives it says %q", got)
		}
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := locks.Rollback(); err != nil {
			t.Fatal(err)
		}
		js, err := events.JetStream(s.nats.Conn(t))
		if err != nil {
			t.Fatal(err)
		}
		// As if the thirty seconds of silence were over that its messages are left to it.
		consumer, err := js.Consumer(t.Context(), events.StreamWork, events.ClassifierRules().Name)
		if err != nil {
			t.Fatal(err)
		}
		config := consumer.CachedInfo().Config
		config.AckWait = time.Millisecond
		if consumer, err = js.UpdateConsumer(t.Context(), events.StreamWork, config); err != nil {
			t.Fatal(err)
		}
		if out := consumer.CachedInfo().NumAckPending; out != 3 {
			t.Fatalf("%d messages are out, not the three that the dead one held", out)
		}
		if got := stands(s); !strings.Contains(got, "nobody reads its consumer classifier-rules: no classifier runs") {
			t.Errorf("when it is dead it says %q", got)
		}
	})
}
