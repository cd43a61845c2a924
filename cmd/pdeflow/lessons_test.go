package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// The tests of this file are the lessons of the failure for which pdeflow exists, one each. Beside each lies a patch in
// testdata/lessons that puts its cause back; .ci/lessons applies it to a copy and wants to see the test fail there.

// lessonPatience is how long a lesson waits before it takes its job for stuck.
const lessonPatience = 45 * time.Second

// Classifications were computed, seemed to be set, and were not in the UPDATE.
func TestLessonClassificationFieldsAreSaved(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.patience = lessonPatience
	schematest.Report(t, s.db, 5)
	job := s.regenerate()
	s.finish(job)
	fresh, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	var mappings []schema.Mapping
	if err := fresh.NewSelect().Model(&mappings).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range mappings {
		if m.InformationSecurityClassification == "" || m.Criticality == "" || m.RiskLevel == "" ||
			m.RegulatoryFlag == nil ||
			m.PIIFlag == nil || m.ClassificationConfidence == nil || m.ClassificationRationale == "" ||
			m.ClassifiedBy == "" {
			t.Errorf("mapping %s is saved without its classification: %+v", m.ID, m.Image())
		}
	}
	if len(mappings) != 5 {
		t.Errorf("%d mappings", len(mappings))
	}
}

// Objects that were read before the job began were written back over what others had done since.
func TestLessonAStaleRowIsNeverWrittenBack(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.patience = lessonPatience
	ids := schematest.Report(t, s.db, 1)
	person, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer person.Rollback() //nolint:errcheck // committed below, unless the test has failed
	if _, err := person.NewRaw(`update pde_mappings set source_field = 'svc.LN_MSTR.VIN', mapping_type = 'direct', mapping_confirmed_by_user = true,
		version = version + 1, updated_at = clock_timestamp(), updated_by = 'olga' where id = ?`,
		ids[0]).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := s.regenerate()
	// The classifier has read the row and waits for its lock: between its read and its write, the person's change is
	// committed.
	s.eventually("the classifier to wait for the row",
		`select exists (select from pg_stat_activity where wait_event_type = 'Lock'
		and datname = current_database() and query like 'with patience as%')`)
	if err := person.Commit(); err != nil {
		t.Fatal(err)
	}
	s.finish(job)
	var m schema.Mapping
	if err := s.db.NewSelect().Model(&m).Where("id = ?", ids[0]).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.SourceField != "svc.LN_MSTR.VIN" || !m.MappingConfirmedByUser {
		t.Errorf("what the person said is gone: %s, confirmed %v", m.SourceField, m.MappingConfirmedByUser)
	}
}

// Jobs stood on pending while they ran.
func TestLessonRunningComesFirst(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, classifierService)
	s.patience = lessonPatience
	schematest.Report(t, s.db, 40)
	if _, err := s.db.ExecContext(t.Context(),
		`create table seen (at bigserial, tx bigint, status text, completed_steps bigint);
		create function see() returns trigger language plpgsql as $$ begin
			insert into seen (tx, status, completed_steps) values (txid_current(), new.status, new.completed_steps); return new; end $$;
		create trigger see after insert or update on job_status for each row execute function see()`); err != nil {
		t.Fatal(err)
	}
	job := s.regenerate()
	// Everything has happened before the projector looks: the start, and all that counts, come in one batch.
	s.eventually("every mapping has its outcome", "select count(*) = 40 from job_items where outcome is not null")
	s.run(projectorService)
	s.finish(job)
	var seen []struct {
		Tx             int64  `bun:"tx"`
		Status         string `bun:"status"`
		CompletedSteps int64  `bun:"completed_steps"`
	}
	if err := s.db.NewRaw("select tx, status, completed_steps from seen order by at").Scan(t.Context(),
		&seen); err != nil {
		t.Fatal(err)
	}
	running := -1
	for i, row := range seen {
		if row.Status == string(schema.Running) {
			running = i
			break
		}
	}
	if running < 1 {
		t.Fatalf("the job was never seen running after pending: %+v", seen)
	}
	if seen[running].CompletedSteps != 0 {
		t.Errorf("%d mappings were done when the job was first seen running", seen[running].CompletedSteps)
	}
	for _, row := range seen[running+1:] {
		if row.Tx == seen[running].Tx {
			t.Errorf("running and %+v were committed together, so nobody could see the first", row)
		}
	}
}

// A wrong method name ended every job at once, and what they were doing was never told.
func TestLessonAJobWhoseWorkPanicsEndsFailedWithTheError(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService, dispatcherService, projectorService)
	s.patience = lessonPatience
	s.engine = nil // which every call on it stumbles over
	s.run(classifierService)
	schematest.Report(t, s.db, 3)
	stop := s.hurry()
	defer stop()
	status := s.finish(s.regenerate())
	if status.Status != schema.Failed || status.Failed != 3 ||
		!strings.Contains(deref(status.Error), string(schema.CodePanic)) {
		t.Errorf("the job is %s with %d failed: %s", status.Status, status.Failed, deref(status.Error))
	}
}

// Rows changed and their updated_at did not.
func TestLessonUpdatedAtMovesOnEveryWrite(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.patience = lessonPatience
	schematest.Report(t, s.db, 5)
	s.finish(s.regenerate())
	type written struct {
		ID        string    `bun:"id"`
		Version   int64     `bun:"version"`
		UpdatedAt time.Time `bun:"updated_at"`
		UpdatedBy string    `bun:"updated_by"`
	}
	rows := func() (all []written) {
		if err := s.db.NewRaw("select id, version, updated_at, updated_by from pde_mappings order by id").Scan(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := rows()
	job := s.regenerate()
	s.finish(job)
	for i, second := range rows() {
		if second.Version <= first[i].Version || !second.UpdatedAt.After(first[i].UpdatedAt) ||
			second.UpdatedBy != "job:"+job {
			t.Errorf("mapping %s was written again: %+v, then %+v", second.ID, first[i], second)
		}
	}
	var unmoved int64
	if err := s.db.NewRaw("select count(*) from job_items where updated_at < ended_at or updated_at <= created_at").Scan(t.Context(), &unmoved); err != nil {
		t.Fatal(err)
	}
	if unmoved != 0 {
		t.Errorf("%d items were written and their updated_at has not moved", unmoved)
	}
}

// The endpoint failed before it logged, so nobody could see that it was called.
func TestLessonTheEndpointLogsBeforeItFails(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService)
	const path = "/planning/cycles/2026-Q3/reports/no-such-report/pde-mappings/regenerate-all"
	if code, body := s.do(http.MethodPost, path,
		map[string]any{"no_such_field": 1}); code != http.StatusUnprocessableEntity {
		t.Errorf("answers %d: %s", code, body)
	}
	var lines []string
	for line := range strings.Lines(s.log.String()) {
		var entry struct {
			Msg       string `json:"msg"`
			Path      string `json:"path"`
			Method    string `json:"method"`
			RequestID string `json:"request_id"`
			ReportID  string `json:"report_id"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err == nil && strings.HasSuffix(entry.Path, path) {
			if entry.Method != http.MethodPost || entry.RequestID == "" || entry.ReportID != "no-such-report" {
				t.Errorf("the line does not say what was asked: %s", line)
			}
			lines = append(lines, entry.Msg)
		}
	}
	if len(lines) < 2 || lines[0] != "request" || lines[len(lines)-1] != "response" {
		t.Errorf("logged %v, not the request first and the answer last", lines)
	}
}

// Nobody had tested the whole way from the request to the database.
func TestLessonTheWholeFlowFromPostToDatabase(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.patience = lessonPatience
	schematest.Report(t, s.db, 20)
	job := s.regenerate()
	seen := s.follow(job, func(status events.JobStatus) bool { return status.Status.Final() })
	s.exact(seen[len(seen)-1], 20)
	// The projector finds the outcomes in the rows too, only later; a status that follows at once takes the events.
	_, projector := s.consumer(events.Projector())
	if projector.CachedInfo().Delivered.Consumer == 0 {
		t.Error("the projector has received no event")
	}
}
