package schema_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// endJobs inserts n jobs of the report that have completed, each with its one item, history row and status, and puts
// all of them into the audit log.
func endJobs(t *testing.T, db *schema.DB, n int) {
	t.Helper()
	const signed = "now(), 'test', now(), 'test'"
	for _, statement := range []string{
		`update pde_mappings set information_security_classification = 'Public', criticality = 'Low', risk_level = 'Low', regulatory_flag = false,
			pii_flag = false, confidence_score = 1, mapping_rationale = 'r', classification_confidence = 1, classification_rationale = 'r',
			classified_by = 'rules@1' where criticality is null`,
		`insert into jobs (id, job_type, cycle_id, report_id, classifier, scope, mapping_count, requested_by, traceparent, intent,
			intent_version, started_at, listed, listed_at, announced_finished, ended_at, audited_at, created_at, created_by, updated_at, updated_by)
			select 'job-' || lpad(i::text, 9, '0'), 'pde_regeneration', '` + schematest.CycleID + `', '` + schematest.ReportID + `', 'rules', 'all', 1,
				'tina', '', 'run', 1, now(), 1, now(), true, now(), now(), ` + signed + `
			from generate_series((select count(*) from jobs) + 1, (select count(*) from jobs) + ?0) i`,
		`insert into job_items (job_id, mapping_id, outcome, attempt, due_at, information_security_classification, ended_at, folded_at,
			created_at, created_by, updated_at, updated_by)
			select j.id, m.id, 'succeeded', 1, now(), 'Public', now(), now(), ` + signed + `
			from (select id, row_number() over (order by id) as n from jobs) j
				join (select id, row_number() over (order by id) - 1 as n, count(*) over () as total from pde_mappings) m
				on m.n = j.n % m.total
			where not exists (select from job_items where job_id = j.id)`,
		`insert into classification_history select 'h-' || job_id, mapping_id, job_id, now(), 'job:' || job_id, '{}', '{}', null, ` + signed + `
			from job_items i where not exists (select from classification_history where job_id = i.job_id)`,
		`insert into job_status (job_id, status, progress_percentage, current_step, total_steps, completed_steps, succeeded, public, message,
			completed_at, job_version, created_at, updated_at, updated_by)
			select id, 'completed', 100, 'done', 1, 1, 1, 1, 'done', now(), 1, now(), now(), 'test' from jobs
			on conflict do nothing`,
	} {
		exec(t, db, statement, n)
	}
	var items []schema.Item
	err := db.NewSelect().Model(&items).Where("not exists (select from audit_log where job_id = i.job_id)").Order("job_id").Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for len(items) > 0 {
		page := items[:min(len(items), 2000)]
		items = items[len(page):]
		var query schema.FactQuery
		for _, item := range page {
			query.Jobs = append(query.Jobs, item.JobID)
			query.Items = append(query.Items, schema.ItemKey{JobID: item.JobID, MappingID: item.MappingID})
		}
		facts, err := schema.ReadFacts(t.Context(), db, query)
		if err != nil {
			t.Fatal(err)
		}
		entries := make([]schema.AuditEntry, 0, len(facts))
		for _, fact := range facts {
			entries = append(entries, schema.AuditEntry{Fact: fact, Origin: schema.FromRows, Verified: true})
		}
		err = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.AppendAudit(ctx, tx, entries)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// statementCounter is a log handler that counts the statements of a database.
type statementCounter struct {
	slog.Handler
	n atomic.Int64
}

func (c *statementCounter) Enabled(context.Context, slog.Level) bool { return true }

func (c *statementCounter) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}

// countStatements opens the test's database a second time and counts the statements that run sends to it.
func countStatements(t *testing.T, run func(*schema.DB)) int64 {
	t.Helper()
	counter := &statementCounter{Handler: slog.DiscardHandler}
	db, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{ApplicationName: "counted", LogSQL: slog.New(counter)})
	if err != nil {
		t.Fatal(err)
	}
	run(db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	return counter.n.Load()
}

// mustCheckAll runs [schema.Check] and [schema.VerifyAudit] and expects them to find nothing.
func mustCheckAll(t *testing.T, db *schema.DB, jobs int, progress schema.Progress) {
	t.Helper()
	checked, err := schema.Check(t.Context(), db, schema.CheckScope{}, func(f schema.CheckFinding) { t.Errorf("Check found %+v", f) }, progress)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := schema.VerifyAudit(t.Context(), db, func(f schema.AuditFinding) { t.Errorf("VerifyAudit found %+v", f) }, progress)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [3]int64{checked.Jobs, verdict.Jobs, verdict.Rows}, [3]int64{int64(jobs), int64(jobs), int64(5 * jobs)}; got != want {
		t.Errorf("checked jobs, verified jobs and log rows are %d, want %d", got, want)
	}
}

func TestCheckAndVerify_SendTheSameStatementsForTenTimesTheJobs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	endJobs(t, db, 15)
	few := countStatements(t, func(db *schema.DB) { mustCheckAll(t, db, 15, nil) })
	endJobs(t, db, 135)
	many := countStatements(t, func(db *schema.DB) { mustCheckAll(t, db, 150, nil) })
	if few == 0 || few != many {
		t.Errorf("150 jobs take %d statements, want the %d of 15 jobs", many, few)
	}
}

func TestCheckAndVerify_KeepNoSnapshotBetweenPages(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	endJobs(t, db, 5)
	reports := map[string]int{}
	countStatements(t, func(counted *schema.DB) {
		mustCheckAll(t, counted, 5, func(phase string, done, total int64) {
			reports[phase]++
			if done > total && total > 0 {
				t.Errorf("%s: %d of %d", phase, done, total)
			}
			var open int
			err := db.NewRaw(`select count(*) from pg_stat_activity
				where application_name = 'counted' and (backend_xmin is not null or state like 'idle in transaction%')`).Scan(t.Context(), &open)
			if err != nil || open > 0 {
				t.Errorf("%s: %d sessions hold a snapshot or a transaction (%v)", phase, open, err)
			}
		})
	})
	for _, phase := range []string{"mappings", "signatures", "jobs", "audit log", "audited jobs", "changes"} {
		if reports[phase] == 0 {
			t.Errorf("phase %q reported no progress, only %v", phase, reports)
		}
	}
}

func TestVerify_SeesWhatIsAuditedWhileItRuns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	endJobs(t, db, 2)
	// A job that ended two minutes ago is audited after the first rows of the log were read.
	exec(t, db, "alter table audit_log disable trigger all")
	exec(t, db, "update audit_log set recorded_at = clock_timestamp() - interval '2 minutes'")
	exec(t, db, "update jobs set audited_at = clock_timestamp() - interval '2 minutes', updated_at = clock_timestamp() - interval '2 minutes'")
	exec(t, db, "update jobs set audited_at = null where id = 'job-000000002'")
	_, err := schema.VerifyAudit(t.Context(), db,
		func(f schema.AuditFinding) {
			if f.Problem != schema.AuditChanged { // by this test
				t.Errorf("found %+v", f)
			}
		},
		func(phase string, done, _ int64) {
			if phase == "audit log" && done == 0 {
				exec(t, db, "update jobs set audited_at = clock_timestamp(), updated_at = clock_timestamp() where audited_at is null")
			}
		})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerify_AJobIsNotLateWhileTheAuditorGetsOnWithItOrWithOneBeforeIt(t *testing.T) {
	t.Parallel()
	const ago = "clock_timestamp() - interval '2 minutes'"
	tests := map[string]struct {
		change string
		late   []string
	}{
		"nothing is appended":            {"", []string{"job-000000002", "job-000000003"}},
		"the job is in progress":         {"update audit_log set recorded_at = clock_timestamp() where job_id = 'job-000000003'", []string{"job-000000002"}},
		"a job before it is in progress": {"update audit_log set recorded_at = clock_timestamp() where job_id = 'job-000000002'", nil},
		"a job before it was audited":    {"update jobs set audited_at = clock_timestamp() where id = 'job-000000001'", nil},
		"a job after it was audited":     {"update jobs set audited_at = clock_timestamp() where id = 'job-000000004'", []string{"job-000000002", "job-000000003"}},
		"a forged event names the job": {
			"update audit_log set recorded_at = clock_timestamp(), verified = false, origin = 'event' where job_id in ('job-000000002', 'job-000000003')",
			[]string{"job-000000002", "job-000000003"},
		},
		"the jobs have only just ended": {"update jobs set updated_at = clock_timestamp()", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := schematest.New(t)
			schematest.Report(t, db, 3)
			endJobs(t, db, 4)
			exec(t, db, "alter table audit_log disable trigger all")
			exec(t, db, "update audit_log set recorded_at = "+ago)
			exec(t, db, "update jobs set updated_at = "+ago+", audited_at = "+ago)
			exec(t, db, "update jobs set audited_at = null where id in ('job-000000002', 'job-000000003')")
			if tt.change != "" {
				exec(t, db, tt.change)
			}
			var late []string
			_, err := schema.VerifyAudit(t.Context(), db, func(f schema.AuditFinding) {
				if f.Problem == schema.AuditLate {
					late = append(late, f.JobID)
				}
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(late), len(tt.late); got != want {
				t.Fatalf("late jobs are %q, want %q", late, tt.late)
			}
			for i := range late {
				if late[i] != tt.late[i] {
					t.Errorf("late jobs are %q, want %q", late, tt.late)
				}
			}
		})
	}
}
