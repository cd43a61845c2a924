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
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// Each test of this file is a lesson from the failure of the previous system. A patch in testdata/lessons restores the
// cause; .ci/lessons applies it to a copy and expects the test to fail there.

// lessonPatience is how long a lesson waits before it considers its job stuck.
const lessonPatience = 45 * time.Second

// Classifications were computed but missing in the UPDATE.
func TestLessonClassificationFieldsAreSaved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.patience = lessonPatience
	schematest.Report(t, f.db, 5)
	job := f.regenerate()
	f.finish(job)
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
			t.Errorf("mapping %s: got %+v, want every classification field", m.ID, m.Image())
		}
	}
	if len(mappings) != 5 {
		t.Errorf("mappings: got %d, want 5", len(mappings))
	}
}

// Rows that were read before the job began overwrote later changes.
func TestLessonAStaleRowIsNeverWrittenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.patience = lessonPatience
	ids := schematest.Report(t, f.db, 1)
	person, err := f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer person.Rollback() //nolint:errcheck // committed below, unless the test has failed
	if _, err := person.NewRaw(`update pde_mappings
		set source_field = 'svc.LN_MSTR.VIN', mapping_type = 'direct', mapping_confirmed_by_user = true,
		version = version + 1, updated_at = clock_timestamp(), updated_by = 'olga' where id = ?`,
		ids[0]).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := f.regenerate()
	// The classifier has read the row and waits for its lock. The person's change is committed between its read and its
	// write.
	f.eventually("the classifier to wait for the row",
		`select exists (select from pg_stat_activity where wait_event_type = 'Lock'
		and datname = current_database() and query like 'with lock_timeout as%')`)
	if err := person.Commit(); err != nil {
		t.Fatal(err)
	}
	f.finish(job)
	var m schema.Mapping
	if err := f.db.NewSelect().Model(&m).Where("id = ?", ids[0]).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.SourceField != "svc.LN_MSTR.VIN" || !m.MappingConfirmedByUser {
		t.Errorf("got %s, confirmed %v; want the person's change", m.SourceField, m.MappingConfirmedByUser)
	}
}

// Jobs stayed pending while they ran.
func TestLessonRunningComesFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceClassifier)
	f.patience = lessonPatience
	schematest.Report(t, f.db, 40)
	if _, err := f.db.ExecContext(t.Context(),
		`create table seen (at bigserial, tx bigint, status text, completed_steps bigint);
		create function see() returns trigger language plpgsql as $$ begin
			insert into seen (tx, status, completed_steps) values (txid_current(), new.status, new.completed_steps);
			return new; end $$;
		create trigger see after insert or update on job_status for each row execute function see()`); err != nil {
		t.Fatal(err)
	}
	job := f.regenerate()
	// Everything has happened before the projector starts: the start event and all outcomes arrive in one batch.
	f.eventually("every mapping has its outcome", "select count(*) = 40 from job_items where outcome is not null")
	f.run(schema.ServiceProjector)
	f.finish(job)
	var seen []struct {
		Tx             int64  `bun:"tx"`
		Status         string `bun:"status"`
		CompletedSteps int64  `bun:"completed_steps"`
	}
	if err := f.db.NewRaw("select tx, status, completed_steps from seen order by at").Scan(t.Context(),
		&seen); err != nil {
		t.Fatal(err)
	}
	running := -1
	for i, row := range seen {
		if row.Status == string(schema.StatusRunning) {
			running = i
			break
		}
	}
	if running < 1 {
		t.Fatalf("got statuses %+v, want running after pending", seen)
	}
	if seen[running].CompletedSteps != 0 {
		t.Errorf("got %d completed steps with the first running status, want 0", seen[running].CompletedSteps)
	}
	for _, row := range seen[running+1:] {
		if row.Tx == seen[running].Tx {
			t.Errorf("got running and %+v in one commit, want two", row)
		}
	}
}

// A wrong method name ended every job at once, without an error in its status.
func TestLessonAJobWhoseWorkPanicsEndsFailedWithTheError(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	f.patience = lessonPatience
	f.engine = new(rules.Engine) // every classification by it panics
	f.run(schema.ServiceClassifier)
	schematest.Report(t, f.db, 3)
	stop := f.hurry()
	defer stop()
	status := f.finish(f.regenerate())
	if status.Status != schema.StatusFailed || status.Failed != 3 ||
		!strings.Contains(deref(status.Error), string(schema.ErrorCodePanic)) {
		t.Errorf("got status %s with %d failed (%s), want 3 failed by a panic",
			status.Status, status.Failed, deref(status.Error))
	}
}

// Rows changed and their updated_at did not.
func TestLessonUpdatedAtMovesOnEveryWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.patience = lessonPatience
	schematest.Report(t, f.db, 5)
	f.finish(f.regenerate())
	type written struct {
		ID        string    `bun:"id"`
		Version   int64     `bun:"version"`
		UpdatedAt time.Time `bun:"updated_at"`
		UpdatedBy string    `bun:"updated_by"`
	}
	rows := func() (all []written) {
		const query = "select id, version, updated_at, updated_by from pde_mappings order by id"
		if err := f.db.NewRaw(query).Scan(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := rows()
	job := f.accepted(f.do(http.MethodPost, mappingsPath(schematest.CycleID, schematest.ReportID, "/regenerate-all"),
		map[string]any{"force": true})) // without force, nothing would be written
	f.finish(job)
	for i, second := range rows() {
		if second.Version <= first[i].Version || !second.UpdatedAt.After(first[i].UpdatedAt) ||
			second.UpdatedBy != "job:"+job {
			t.Errorf("mapping %s: got %+v, then %+v; want one write", second.ID, first[i], second)
		}
	}
	var unmoved int64
	const query = "select count(*) from job_items where updated_at < ended_at or updated_at <= created_at"
	if err := f.db.NewRaw(query).Scan(t.Context(), &unmoved); err != nil {
		t.Fatal(err)
	}
	if unmoved != 0 {
		t.Errorf("got %d items with an old updated_at, want 0", unmoved)
	}
}

// The endpoint failed before it logged, so there was no trace of the call.
func TestLessonTheEndpointLogsBeforeItFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	const path = "/planning/cycles/2026-Q3/reports/no-such-report/pde-mappings/regenerate-all"
	if code, body := f.do(http.MethodPost, path,
		map[string]any{"no_such_field": 1}); code != http.StatusUnprocessableEntity {
		t.Errorf("got %d, want 422: %s", code, body)
	}
	var lines []string
	for line := range strings.Lines(f.log.String()) {
		var entry struct {
			Msg       string `json:"msg"`
			Path      string `json:"path"`
			Method    string `json:"method"`
			RequestID string `json:"request_id"`
			ReportID  string `json:"report_id"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err == nil && strings.HasSuffix(entry.Path, path) {
			if entry.Method != http.MethodPost || entry.RequestID == "" || entry.ReportID != "no-such-report" {
				t.Errorf("log line: got %s, want the request and the report", line)
			}
			lines = append(lines, entry.Msg)
		}
	}
	if len(lines) < 2 || lines[0] != "request" || lines[len(lines)-1] != "response" {
		t.Errorf("got log lines %v, want the request first and the response last", lines)
	}
}

// The whole path from the request to the database was untested.
func TestLessonTheWholeFlowFromPostToDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.patience = lessonPatience
	schematest.Report(t, f.db, 20)
	job := f.regenerate()
	seen := f.follow(job, func(status events.JobStatus) bool { return status.Status.IsFinal() })
	f.exact(seen[len(seen)-1], 20)
	// The projector also finds the outcomes in the rows, but later; a status that follows at once comes from the
	// events.
	_, projector := f.consumer(events.Projector())
	if projector.CachedInfo().Delivered.Consumer == 0 {
		t.Error("projector received no event")
	}
}
