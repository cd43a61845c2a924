package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestTheLogRefusesChanges(t *testing.T) {
	t.Parallel()
	f, _ := auditedFixture(t)
	for _, statement := range []string{
		"update audit_log set actor = 'mallory' where seq = 1",
		"update audit_log set actor = 'mallory' where false",
		"delete from audit_log where seq = 1",
		"truncate audit_log",
		"insert into audit_log select * from audit_log where seq = 1 on conflict (seq) do update set actor = 'mallory'",
	} {
		t.Run(statement, func(t *testing.T) {
			if _, err := f.db.ExecContext(t.Context(), statement); err == nil ||
				!strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: got %v, want an error with append-only", statement, err)
			}
		})
	}
	tx, err := f.db.BeginTx(t.Context(), nil)
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
	f.mustBeSound()
}

func TestVerify_ReportsTheChangedRow(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	row := f.itemRow(job, 1)
	f.exec("create table as_it_was as select * from audit_log")
	for column, value := range map[string]string{
		"event_id": "'requested/x'", "recorded_at": "recorded_at - interval '1 microsecond'", "occurred_at": "null",
		"source": "'/x'",
		"type":   "null", "subject": "'x'", "actor": "'mallory'", "cycle_id": "'x'", "report_id": "'x'",
		"job_id": "null", "mapping_id": "'x'",
		"data": "(data::text || ' ')::json", "origin": "'rows'", "verified": "false", "traceparent": "null",
		"prev_hash":  "repeat('0', 64)",
		"created_at": "now()", "created_by": "'mallory'", "updated_at": "now()", "updated_by": "'mallory'",
		"hash": "repeat('f', 64)",
	} {
		t.Run(column, func(t *testing.T) {
			f := f.in(t)
			f.tamper(fmt.Sprintf("update audit_log set %s = %s where seq = ?", column, value), row.Seq)
			findings := f.verify()
			if len(findings) == 0 || findings[0].Seq != row.Seq {
				t.Errorf("Verify after a change of %s: got %s, want row %d", column, describe(findings...), row.Seq)
			}
			if broken := f.brokenBySQL(); len(broken) == 0 || broken[0] != row.Seq {
				t.Errorf("%s: rows of verify.sql: got %v, want %d", column, broken, row.Seq)
			}
			f.tamper("delete from audit_log")
			f.tamper("insert into audit_log select * from as_it_was")
			f.mustBeSound()
		})
	}
	var columns int
	if err := f.db.NewRaw(
		"select count(*) from information_schema.columns where table_name = 'audit_log'",
	).Scan(t.Context(), &columns); err != nil {
		t.Fatal(err)
	}
	if columns != 1+21 {
		t.Errorf("columns: got %d, want the 21 that this test changes and seq", columns)
	}
}

func TestVerify_ReportsARowWhoseHashWasComputedAgain(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	row := f.itemRow(job, 1)
	changed := row
	changed.Actor = "mallory"
	f.tamper("update audit_log set actor = 'mallory', hash = ? where seq = ?", changed.Sum(), row.Seq)
	findings := f.verify()
	if len(findings) == 0 || findings[0].Problem != audit.ProblemUnchained || findings[0].Seq != row.Seq+1 {
		t.Errorf("Verify: got %s, want %s in row %d", describe(findings...), audit.ProblemUnchained, row.Seq+1)
	}
	if broken := f.brokenBySQL(); len(broken) != 1 || broken[0] != row.Seq+1 {
		t.Errorf("rows of verify.sql: got %v, want %d", broken, row.Seq+1)
	}
}

func TestVerify_ReportsWhereARowWasRemoved(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	row := f.itemRow(job, 2)
	f.tamper("delete from audit_log where seq = ?", row.Seq)
	findings := f.verify()
	if len(findings) == 0 || findings[0] != (audit.Finding{Problem: audit.ProblemGap, Seq: row.Seq}) {
		t.Errorf("Verify: got %s, want %s in row %d", describe(findings...), audit.ProblemGap, row.Seq)
	}
	f.mustFind(audit.Finding{Problem: audit.ProblemMissing, EventID: row.EventID, JobID: job.ID})
	if broken := f.brokenBySQL(); len(broken) != 1 || broken[0] != row.Seq+1 {
		t.Errorf("rows of verify.sql: got %v, want %d", broken, row.Seq+1)
	}
	f.tamper("delete from audit_log where seq = 1")
	f.mustFind(audit.Finding{Problem: audit.ProblemGap, Seq: 1})
}

func TestVerify_ReportsARemovedEnd(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	last := f.log()[len(f.log())-1]
	f.tamper("delete from audit_log where seq = ?", last.Seq)
	if broken := f.brokenBySQL(); len(broken) > 0 {
		t.Errorf(
			"rows of verify.sql: got %v, want none, because a chain does not show that its tail is missing",
			broken,
		)
	}
	want := audit.Finding{Problem: audit.ProblemMissing, EventID: last.EventID, JobID: job.ID}
	if findings := f.verify(); len(findings) != 1 || findings[0] != want {
		t.Errorf("Verify: got %s, want %s", describe(findings...), describe(want))
	}
	f.tamper("delete from audit_log")
	if n := len(f.verify()); n != 3+6+1 {
		t.Errorf("findings for an empty log: got %d, want %d", n, 3+6+1)
	}
}

func TestVerify_ReportsAChainThatWasComputedAgain(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	removed, changed := f.itemRow(job, 1), f.itemRow(job, 4)
	f.tamper("delete from audit_log where seq = ?", removed.Seq)
	f.tamper("update audit_log set actor = 'mallory' where seq = ?", changed.Seq)
	f.tamper(
		"insert into audit_log select seq + 100, 'item/' || job_id || '/x', recorded_at, occurred_at, source, " +
			"type, subject, actor, cycle_id, " +
			"report_id, job_id, 'x', data, origin, verified, traceparent, prev_hash, hash, created_at, " +
			"created_by, updated_at, updated_by " +
			"from audit_log where event_id like 'item/%' limit 1",
	)
	f.rechain()
	if broken := f.brokenBySQL(); len(broken) > 0 {
		t.Fatalf("rows of verify.sql: got %v, want none", broken)
	}
	if n := len(f.verify()); n != 3 {
		t.Errorf("findings: got %d, want 3", n)
	}
	f.mustFind(audit.Finding{Problem: audit.ProblemMissing, EventID: removed.EventID, JobID: job.ID})
	f.mustFind(
		audit.Finding{Problem: audit.ProblemDiffers, Seq: changed.Seq - 1, EventID: changed.EventID, JobID: job.ID},
	)
	f.mustFind(
		audit.Finding{
			Problem: audit.ProblemUnfounded,
			Seq:     int64(len(f.log())),
			EventID: "item/" + job.ID + "/x",
			JobID:   job.ID,
		},
	)
}

func TestVerify_ReportsChangedRowsOfTheDatabase(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	differs := func(id string) audit.Finding {
		return audit.Finding{Problem: audit.ProblemDiffers, Seq: f.row(id).Seq, EventID: id, JobID: job.ID}
	}
	f.exec("update jobs set requested_by = 'mallory', started_at = started_at - interval '1 hour' where id = ?", job.ID)
	f.mustFind(differs("requested/" + job.ID))
	f.mustFind(differs("started/" + job.ID))
	f.exec(
		"update job_items set outcome = 'succeeded', error = null where job_id = ? and mapping_id = ?",
		job.ID,
		f.ids[2],
	)
	f.mustFind(differs("item/" + job.ID + "/" + f.ids[2]))
	f.mustFind(differs("finished/" + job.ID))
	f.exec(
		`update classification_history set after = (after::jsonb || '{"criticality": "Low"}')::json
			where mapping_id = ?`,
		f.ids[0],
	)
	f.mustFind(differs("item/" + job.ID + "/" + f.ids[0]))
	f.exec("delete from classification_history where mapping_id = ?", f.ids[1])
	f.mustFind(differs("item/" + job.ID + "/" + f.ids[1]))
	f.exec(
		"delete from classification_history where mapping_id = ?; delete from job_items where mapping_id = ?",
		f.ids[3],
		f.ids[3],
	)
	id := "item/" + job.ID + "/" + f.ids[3]
	f.mustFind(audit.Finding{Problem: audit.ProblemUnfounded, Seq: f.row(id).Seq, EventID: id, JobID: job.ID})
}

func TestVerify_ReportsARemovedJobOnce(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	for _, table := range []string{"classification_history", "job_status", "job_items", "job_intents"} {
		f.exec("delete from " + table)
	}
	f.exec("delete from jobs")
	findings := f.verify()
	if len(findings) != 1 || findings[0].Problem != audit.ProblemUnfounded || findings[0].JobID != job.ID ||
		findings[0].Seq != 1 {
		t.Errorf("Verify: got %s, want one finding %s in row 1", describe(findings...), audit.ProblemUnfounded)
	}
}

func TestVerify_ReportsAnOutcomeWithoutHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	job, published := f.endedJob()
	f.exec("delete from classification_history where mapping_id = ?", f.ids[0])
	f.auditJob(job.ID)
	id := published[3].ID()
	want := audit.Finding{Problem: audit.ProblemNoHistory, Seq: f.row(id).Seq, EventID: id, JobID: job.ID}
	if findings := f.verify(); len(findings) != 1 || findings[0] != want {
		t.Errorf("Verify: got %s, want %s", describe(findings...), describe(want))
	}
}

func TestVerify_ReportsALateJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	running := schematest.ListedJob(t, f.db, 1)
	f.mustBeSound()
	schematest.FinishItems(t, f.db, running.ID, f.ids...)
	schematest.EndJob(t, f.db, running.ID)
	f.mustBeSound() // it has just ended
	f.exec("update jobs set updated_at = updated_at - interval '61 seconds'")
	if findings := f.verify(); len(findings) != 1 ||
		findings[0] != (audit.Finding{Problem: audit.ProblemLate, JobID: running.ID}) {
		t.Errorf("Verify: got %s, want one finding %s of job %s", describe(findings...), audit.ProblemLate, running.ID)
	}
}

func TestList_FiltersAndPages(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	all := f.log()
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
		return seqs(audit.List(t.Context(), f.db, filter, after, limit))
	}
	n := len(all)
	if got, want := ask(audit.Filter{}, 3, 2), "4 5 "; got != want {
		t.Errorf("page: got %s, want %s", got, want)
	}
	last := seqs(audit.ListLast(t.Context(), f.db, audit.Filter{}, 2))
	if want := fmt.Sprint(n-1, " ", n, " "); last != want {
		t.Errorf("last: got %s, want %s", last, want)
	}
	if got, want := ask(audit.Filter{Unverified: true}, 0, 10), fmt.Sprint(f.row("unverified/").Seq, " "); got != want {
		t.Errorf("unverified: got %s, want %s", got, want)
	}
	if got, want := ask(
		audit.Filter{JobID: job.ID, MappingID: f.ids[1]}, 0, 10,
	), fmt.Sprint(f.itemRow(job, 1).Seq, " "); got != want {
		t.Errorf("mapping: got %s, want %s", got, want)
	}
	if got := ask(
		audit.Filter{
			Actor: "tina", Origin: audit.OriginEvent, CycleID: schematest.CycleID, ReportID: schematest.ReportID,
		},
		0,
		10,
	); got != "1 " {
		t.Errorf("rows by tina: got %q, want %q", got, "1 ")
	}
	before := seqs(audit.ListBefore(t.Context(), f.db, audit.Filter{}, 4, 2))
	if before != "3 2 " {
		t.Errorf("before 4: got %s, want 3 2", before)
	}
	finished := fmt.Sprint(f.row("finished/"+job.ID).Seq, " ")
	if got, want := ask(audit.Filter{Actions: true, JobID: job.ID}, 0, 100), "1 2 3 "+finished; got != want {
		t.Errorf("the job without its items: got %s, want %s", got, want)
	}
	if got := ask(audit.Filter{Types: []string{events.TopicJobFinished.Type()}}, 0, 100); got != finished {
		t.Errorf("ends of jobs: got %s, want %s", got, finished)
	}
	if got := ask(audit.Filter{Origin: audit.OriginRows}, 0, 10); got != "" {
		t.Errorf("rows from the rows: got %q, want none", got)
	}
	head, err := audit.GetHead(t.Context(), f.db)
	if err != nil || head.Seq != int64(n) || head.Hash != all[n-1].Hash {
		t.Errorf("GetHead: got %+v, %v, want row %d", head, err, n)
	}
}

func TestOrigins_AreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	var check string
	err := f.db.NewRaw(`select pg_get_constraintdef(oid) from pg_constraint
		where conrelid = 'audit_log'::regclass and conname = 'audit_log_origin_check'`).
		Scan(t.Context(), &check)
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range audit.Origins() {
		check = strings.Replace(check, "'"+string(origin)+"'::text", "", 1)
	}
	if strings.Contains(check, "'") || len(audit.Origins()) != 2 {
		t.Errorf("constraint without the origins: got %s, want no other value", check)
	}
}

func TestEveryWriteIsSignedByTheAuditor(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	for _, row := range f.log() {
		if row.CreatedBy != "auditor" || row.UpdatedBy != "auditor" || !row.CreatedAt.Equal(row.RecordedAt) ||
			!row.UpdatedAt.Equal(row.RecordedAt) {
			t.Errorf(
				"row %d: got %s at %v, %s at %v, want auditor at %v",
				row.Seq,
				row.CreatedBy,
				row.CreatedAt,
				row.UpdatedBy,
				row.UpdatedAt,
				row.RecordedAt,
			)
		}
		if row.RecordedAt.Before(row.OccurredAt) || time.Since(row.RecordedAt).Abs() > time.Minute {
			t.Errorf("time of row %d: got %v, want now and not before %v", row.Seq, row.RecordedAt, row.OccurredAt)
		}
	}
	audited, err := schema.GetJob(t.Context(), f.db, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if audited.UpdatedBy != "auditor" || !audited.UpdatedAt.Equal(audited.AuditedAt) {
		t.Errorf(
			"job: got updated by %s at %v, want auditor at %v",
			audited.UpdatedBy,
			audited.UpdatedAt,
			audited.AuditedAt,
		)
	}
}
