package audit_test

import (
	"testing"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// mustVerify runs [audit.Verify] and expects it to find nothing in so many jobs of one item each.
func mustVerify(t *testing.T, db *schema.DB, jobs int64, progress schema.Progress) {
	t.Helper()
	verdict, err := audit.Verify(
		t.Context(),
		db,
		func(f audit.Finding) { t.Errorf("Verify: got the finding %+v, want none", f) },
		progress,
	)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [2]int64{verdict.Jobs, verdict.Rows}, [2]int64{jobs, 5 * jobs}; got != want {
		t.Errorf("jobs and rows: got %d, want %d", got, want)
	}
}

func TestVerify_SendsTheSameStatementsForTenTimesTheJobs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	auditedJobs(t, db, 15)
	few := schematest.CountStatements(t, func(db *schema.DB) { mustVerify(t, db, 15, nil) })
	auditedJobs(t, db, 135)
	many := schematest.CountStatements(t, func(db *schema.DB) { mustVerify(t, db, 150, nil) })
	if few == 0 || many != few {
		t.Errorf("statements for 150 jobs: got %d, want %d as for 15 jobs", many, few)
	}
}

func TestVerify_KeepsNoSnapshotBetweenPages(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	auditedJobs(t, db, 5)
	reports := map[string]int{}
	schematest.CountStatements(t, func(counted *schema.DB) {
		mustVerify(t, counted, 5, func(phase string, done, total int64) {
			reports[phase]++
			if done > total && total > 0 {
				t.Errorf("progress of %s: got %d of %d, want at most all", phase, done, total)
			}
			if n := schematest.CountSnapshots(t, db); n > 0 {
				t.Errorf("sessions with a snapshot during %s: got %d, want none", phase, n)
			}
		})
	})
	for _, phase := range []string{"audit log", "audited jobs", "changes"} {
		if reports[phase] == 0 {
			t.Errorf("progress: got %v, want some of %q", reports, phase)
		}
	}
}

func TestVerify_SeesWhatIsAuditedWhileItRuns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	auditedJobs(t, db, 2)
	// A job that ended two minutes ago is audited after the first rows of the log were read.
	exec(t, db, "alter table audit_log disable trigger all")
	exec(t, db, "update audit_log set recorded_at = clock_timestamp() - interval '2 minutes'")
	exec(
		t,
		db,
		"update jobs set audited_at = clock_timestamp() - interval '2 minutes', updated_at = clock_timestamp() "+
			"- interval '2 minutes'",
	)
	exec(t, db, "update jobs set audited_at = null where id = 'job-000000002'")
	_, err := audit.Verify(t.Context(), db,
		func(f audit.Finding) {
			if f.Problem != audit.ProblemChanged { // by this test
				t.Errorf("finding: got %+v, want a changed row", f)
			}
		},
		func(phase string, done, _ int64) {
			if phase == "audit log" && done == 0 {
				exec(
					t,
					db,
					"update jobs set audited_at = clock_timestamp(), updated_at = clock_timestamp() where "+
						"audited_at is null",
				)
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
		"nothing is appended": {"", []string{"job-000000002", "job-000000003"}},
		"the job is in progress": {
			"update audit_log set recorded_at = clock_timestamp() where job_id = 'job-000000003'",
			[]string{"job-000000002"},
		},
		"a job before it is in progress": {
			"update audit_log set recorded_at = clock_timestamp() where job_id = 'job-000000002'",
			nil,
		},
		"a job before it was audited": {
			"update jobs set audited_at = clock_timestamp() where id = 'job-000000001'",
			nil,
		},
		"a job after it was audited": {
			"update jobs set audited_at = clock_timestamp() where id = 'job-000000004'",
			[]string{"job-000000002", "job-000000003"},
		},
		"a forged event names the job": {
			"update audit_log set recorded_at = clock_timestamp(), verified = false, origin = 'event' where " +
				"job_id in ('job-000000002', 'job-000000003')",
			[]string{"job-000000002", "job-000000003"},
		},
		"the jobs have only just ended": {"update jobs set updated_at = clock_timestamp()", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := schematest.New(t)
			schematest.Report(t, db, 3)
			auditedJobs(t, db, 4)
			exec(t, db, "alter table audit_log disable trigger all")
			exec(t, db, "update audit_log set recorded_at = "+ago)
			exec(t, db, "update jobs set updated_at = "+ago+", audited_at = "+ago)
			exec(t, db, "update jobs set audited_at = null where id in ('job-000000002', 'job-000000003')")
			if tt.change != "" {
				exec(t, db, tt.change)
			}
			var late []string
			_, err := audit.Verify(t.Context(), db, func(f audit.Finding) {
				if f.Problem == audit.ProblemLate {
					late = append(late, f.JobID)
				}
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(late), len(tt.late); got != want {
				t.Fatalf("late jobs: got %q, want %q", late, tt.late)
			}
			for i := range late {
				if late[i] != tt.late[i] {
					t.Errorf("late jobs: got %q, want %q", late, tt.late)
				}
			}
		})
	}
}
