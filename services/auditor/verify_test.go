package auditor_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// told is a fixture with a job that has ended and is audited, and with a claim between its events.
func told(t *testing.T) (*fixture, schema.Job) {
	t.Helper()
	h := newFixture(t, 6)
	h.audit(eager())
	job, said := h.story()
	h.publish(said[:5]...)
	h.publish(events.JobStarted("nobodys"))
	h.publish(said[5:]...)
	h.announced(job)
	h.audited(job)
	h.sound()
	return h, job
}

//go:embed verify.sql
var verifySQL string

// bySQL returns the rows that verify.sql lists.
func (h *fixture) bySQL() (broken []int64) {
	h.T.Helper()
	rows, err := h.DB.DB.DB.QueryContext(h.T.Context(), verifySQL)
	if err != nil {
		h.T.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			seq                          int64
			asWritten, follows, complete bool
		)
		if err := rows.Scan(&seq, &asWritten, &follows, &complete); err != nil {
			h.T.Fatal(err)
		}
		broken = append(broken, seq)
	}
	if err := rows.Err(); err != nil {
		h.T.Fatal(err)
	}
	return broken
}

func TestTheLogRefusesToBeChanged(t *testing.T) {
	t.Parallel()
	h, _ := told(t)
	for _, statement := range []string{
		"update audit_log set actor = 'nobody' where seq = 1",
		"update audit_log set actor = 'nobody' where false",
		"delete from audit_log where seq = 1",
		"truncate audit_log",
		"insert into audit_log select * from audit_log where seq = 1 on conflict (seq) do update set actor = 'nobody'",
	} {
		if _, err := h.DB.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	tx, err := h.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was done in it
	if _, err := tx.ExecContext(t.Context(), "set local session_replication_role = replica"); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "delete from audit_log"); err == nil {
		t.Error("a session that replays changes may delete")
	}
	h.sound()
}

// item is the event of the mapping's item and the row that has it.
func (h *fixture) row(job schema.Job, mapping int) audit.Row {
	h.T.Helper()
	return h.logs("item/" + job.ID + "/" + h.ids[mapping])
}

func TestVerifyNamesTheRowThatWasChanged(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	row := h.row(job, 1)
	h.Exec("create table as_it_was as select * from audit_log")
	for column, value := range map[string]string{
		"event_id": "'requested/x'", "recorded_at": "recorded_at - interval '1 microsecond'", "occurred_at": "null", "source": "'/x'",
		"type": "null", "subject": "'x'", "actor": "'nobody'", "cycle_id": "'x'", "report_id": "'x'", "job_id": "null", "mapping_id": "'x'",
		"data": "(data::text || ' ')::json", "origin": "'rows'", "verified": "false", "traceparent": "null", "prev_hash": "repeat('0', 64)",
		"created_at": "now()", "created_by": "'nobody'", "updated_at": "now()", "updated_by": "'nobody'", "hash": "repeat('f', 64)",
	} {
		h.tamper(fmt.Sprintf("update audit_log set %s = %s where seq = ?", column, value), row.Seq)
		findings := h.verify()
		if len(findings) == 0 || findings[0].Seq != row.Seq {
			t.Errorf("%s: found %s", column, describe(findings...))
		}
		if broken := h.bySQL(); len(broken) == 0 || broken[0] != row.Seq {
			t.Errorf("%s: verify.sql lists rows %v, not %d", column, broken, row.Seq)
		}
		h.tamper("delete from audit_log")
		h.tamper("insert into audit_log select * from as_it_was")
		h.sound()
	}
	var columns int
	if err := h.DB.NewRaw("select count(*) from information_schema.columns where table_name = 'audit_log'").Scan(t.Context(), &columns); err != nil {
		t.Fatal(err)
	}
	if columns != 1+21 {
		t.Errorf("%d columns, and all but seq should be tried", columns)
	}
}

func TestVerifyFindsARowWhoseHashWasComputedAnew(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	row := h.row(job, 1)
	changed := row
	changed.Actor = "nobody"
	h.tamper("update audit_log set actor = 'nobody', hash = ? where seq = ?", changed.Sum(), row.Seq)
	findings := h.verify()
	if len(findings) == 0 || findings[0].Problem != audit.ProblemUnchained || findings[0].Seq != row.Seq+1 {
		t.Errorf("found %s", describe(findings...))
	}
	if broken := h.bySQL(); len(broken) != 1 || broken[0] != row.Seq+1 {
		t.Errorf("verify.sql lists rows %v", broken)
	}
}

func TestVerifyNamesWhereARowWasRemoved(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	row := h.row(job, 2)
	h.tamper("delete from audit_log where seq = ?", row.Seq)
	findings := h.verify()
	if len(findings) == 0 || findings[0] != (audit.Finding{Problem: audit.ProblemGap, Seq: row.Seq}) {
		t.Errorf("found %s", describe(findings...))
	}
	h.found(audit.Finding{Problem: audit.ProblemMissing, EventID: row.EventID, JobID: job.ID})
	if broken := h.bySQL(); len(broken) != 1 || broken[0] != row.Seq+1 {
		t.Errorf("verify.sql lists rows %v", broken)
	}
	h.tamper("delete from audit_log where seq = 1")
	h.found(audit.Finding{Problem: audit.ProblemGap, Seq: 1})
}

func TestVerifyFindsATailThatWasCutOff(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	last := h.log()[len(h.log())-1]
	h.tamper("delete from audit_log where seq = ?", last.Seq)
	if broken := h.bySQL(); len(broken) > 0 {
		t.Errorf("a chain cannot show that its tail was cut off, and verify.sql lists %v", broken)
	}
	want := audit.Finding{Problem: audit.ProblemMissing, EventID: last.EventID, JobID: job.ID}
	if findings := h.verify(); len(findings) != 1 || findings[0] != want {
		t.Errorf("found %s", describe(findings...))
	}
	h.tamper("delete from audit_log")
	if n := len(h.verify()); n != 3+6+1 {
		t.Errorf("%d findings for an empty log", n)
	}
}

func TestVerifyFindsAChainThatWasComputedAnew(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	removed, changed := h.row(job, 1), h.row(job, 4)
	h.tamper("delete from audit_log where seq = ?", removed.Seq)
	h.tamper("update audit_log set actor = 'nobody' where seq = ?", changed.Seq)
	h.tamper("insert into audit_log select seq + 100, 'item/' || job_id || '/x', recorded_at, occurred_at, source, type, subject, actor, cycle_id, " +
		"report_id, job_id, 'x', data, origin, verified, traceparent, prev_hash, hash, created_at, created_by, updated_at, updated_by " +
		"from audit_log where event_id like 'item/%' limit 1")
	h.rechain()
	if broken := h.bySQL(); len(broken) > 0 {
		t.Fatalf("the chain is not whole at %v", broken)
	}
	if n := len(h.verify()); n != 3 {
		t.Errorf("%d findings", n)
	}
	h.found(audit.Finding{Problem: audit.ProblemMissing, EventID: removed.EventID, JobID: job.ID})
	h.found(audit.Finding{Problem: audit.ProblemDiffers, Seq: changed.Seq - 1, EventID: changed.EventID, JobID: job.ID})
	h.found(audit.Finding{Problem: audit.ProblemUnfounded, Seq: int64(len(h.log())), EventID: "item/" + job.ID + "/x", JobID: job.ID})
}

func TestVerifyFindsRowsThatWereChangedUnderTheLog(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	differs := func(id string) audit.Finding {
		return audit.Finding{Problem: audit.ProblemDiffers, Seq: h.logs(id).Seq, EventID: id, JobID: job.ID}
	}
	h.Exec("update jobs set requested_by = 'nobody', started_at = started_at - interval '1 hour' where id = ?", job.ID)
	h.found(differs("requested/" + job.ID))
	h.found(differs("started/" + job.ID))
	h.Exec("update job_items set outcome = 'succeeded', error = null where job_id = ? and mapping_id = ?", job.ID, h.ids[2])
	h.found(differs("item/" + job.ID + "/" + h.ids[2]))
	h.found(differs("finished/" + job.ID))
	h.Exec("update classification_history set after = after || '{\"criticality\": \"Low\"}' where mapping_id = ?", h.ids[0])
	h.found(differs("item/" + job.ID + "/" + h.ids[0]))
	h.Exec("delete from classification_history where mapping_id = ?", h.ids[1])
	h.found(differs("item/" + job.ID + "/" + h.ids[1]))
	h.Exec("delete from classification_history where mapping_id = ?; delete from job_items where mapping_id = ?", h.ids[3], h.ids[3])
	id := "item/" + job.ID + "/" + h.ids[3]
	h.found(audit.Finding{Problem: audit.ProblemUnfounded, Seq: h.logs(id).Seq, EventID: id, JobID: job.ID})
}

func TestVerifyFindsAJobThatIsGone(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	for _, table := range []string{"classification_history", "job_status", "job_items", "job_intents"} {
		h.Exec("delete from " + table)
	}
	h.Exec("delete from jobs")
	findings := h.verify()
	if len(findings) != 1 || findings[0].Problem != audit.ProblemUnfounded || findings[0].JobID != job.ID || findings[0].Seq != 1 {
		t.Errorf("found %s", describe(findings...))
	}
}

func TestVerifyFindsAnOutcomeWithoutHistory(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 2)
	job, said := h.story()
	h.Exec("delete from classification_history where mapping_id = ?", h.ids[0])
	h.audit(eager())
	h.publish(said...)
	h.announced(job)
	h.audited(job)
	id := said[3].ID()
	want := audit.Finding{Problem: audit.ProblemNoHistory, Seq: h.logs(id).Seq, EventID: id, JobID: job.ID}
	if findings := h.verify(); len(findings) != 1 || findings[0] != want {
		t.Errorf("found %s", describe(findings...))
	}
}

func TestVerifyFindsAJobThatIsNotAuditedInTime(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	running := schematest.ListedJob(t, h.DB, 1)
	h.sound()
	h.finish(running, h.ids...)
	h.end(running)
	h.sound() // it has just ended
	h.Exec("update jobs set updated_at = updated_at - interval '61 seconds'")
	if findings := h.verify(); len(findings) != 1 || findings[0] != (audit.Finding{Problem: audit.ProblemLate, JobID: running.ID}) {
		t.Errorf("found %s", describe(findings...))
	}
}

func TestAReaderOfTheLogGetsWhatItAsksForInOrder(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	all := h.log()
	seqs := func(rows []audit.Row, err error) (text string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			text += fmt.Sprint(row.Seq, " ")
		}
		return text
	}
	ask := func(filter audit.Filter, after int64, limit int) string {
		t.Helper()
		return seqs(audit.List(t.Context(), h.DB, filter, after, limit))
	}
	n := len(all)
	if got, want := ask(audit.Filter{}, 3, 2), "4 5 "; got != want {
		t.Errorf("page: %s, not %s", got, want)
	}
	last := seqs(audit.ListLast(t.Context(), h.DB, audit.Filter{}, 2))
	if want := fmt.Sprint(n-1, " ", n, " "); last != want {
		t.Errorf("last: %s, not %s", last, want)
	}
	if got, want := ask(audit.Filter{Unverified: true}, 0, 10), fmt.Sprint(h.logs("unverified/").Seq, " "); got != want {
		t.Errorf("unverified: %s, not %s", got, want)
	}
	if got, want := ask(audit.Filter{JobID: job.ID, MappingID: h.ids[1]}, 0, 10), fmt.Sprint(h.row(job, 1).Seq, " "); got != want {
		t.Errorf("mapping: %s, not %s", got, want)
	}
	if got := ask(audit.Filter{Actor: "tina", Origin: audit.OriginEvent, CycleID: schematest.CycleID, ReportID: schematest.ReportID}, 0, 10); got != "1 " {
		t.Errorf("by tina: %s", got)
	}
	if got := ask(audit.Filter{Origin: audit.OriginRows}, 0, 10); got != "" {
		t.Errorf("from the rows: %s", got)
	}
	head, err := audit.GetHead(t.Context(), h.DB)
	if err != nil || head.Seq != int64(n) || head.Hash != all[n-1].Hash {
		t.Errorf("head %+v, %v", head, err)
	}
}

func TestEveryOriginIsOneThatTheTableTakes(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 0)
	var check string
	err := h.DB.NewRaw(`select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'audit_log'::regclass and conname = 'audit_log_origin_check'`).
		Scan(t.Context(), &check)
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range audit.Origins() {
		check = strings.Replace(check, "'"+string(origin)+"'::text", "", 1)
	}
	if strings.Contains(check, "'") || len(audit.Origins()) != 2 {
		t.Errorf("left over: %s", check)
	}
}

func TestEveryWriteOfTheAuditorIsSigned(t *testing.T) {
	t.Parallel()
	h, job := told(t)
	for _, row := range h.log() {
		if row.CreatedBy != "auditor" || row.UpdatedBy != "auditor" || !row.CreatedAt.Equal(row.RecordedAt) || !row.UpdatedAt.Equal(row.RecordedAt) {
			t.Errorf("row %d: %s at %v, %s at %v", row.Seq, row.CreatedBy, row.CreatedAt, row.UpdatedBy, row.UpdatedAt)
		}
		if row.RecordedAt.Before(row.OccurredAt) || time.Since(row.RecordedAt) > eventstest.Patience {
			t.Errorf("row %d of %v is recorded at %v", row.Seq, row.OccurredAt, row.RecordedAt)
		}
	}
	// Again, so that nobody writes the job after the auditor.
	h.Exec("update jobs set audited_at = null, updated_by = 'test'")
	h.audited(job)
	if audited := h.ReadJob(job.ID); audited.UpdatedBy != "auditor" || !audited.UpdatedAt.Equal(audited.AuditedAt) {
		t.Errorf("job updated by %s at %v, audited at %v", audited.UpdatedBy, audited.UpdatedAt, audited.AuditedAt)
	}
}
