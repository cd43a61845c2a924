package schema_test

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// mustCheck runs [schema.Check] and expects no findings in the given number of jobs.
func mustCheck(t *testing.T, db *schema.DB, jobs int64, progress schema.Progress) {
	t.Helper()
	report := func(f schema.CheckFinding) { t.Errorf("Check: got %+v, want nothing found", f) }
	checked, err := schema.Check(t.Context(), db, schema.CheckScope{}, report, progress)
	if err != nil {
		t.Fatal(err)
	}
	if checked.Jobs != jobs {
		t.Errorf("jobs: got %d, want %d", checked.Jobs, jobs)
	}
}

func TestCheck_SendsTheSameStatementsForTenTimesTheJobs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	schematest.EndedJobs(t, db, 15)
	few := schematest.CountStatements(t, func(db *schema.DB) { mustCheck(t, db, 15, nil) })
	schematest.EndedJobs(t, db, 135)
	many := schematest.CountStatements(t, func(db *schema.DB) { mustCheck(t, db, 150, nil) })
	if few == 0 || many != few {
		t.Errorf("statements for 150 jobs: got %d, want %d as for 15 jobs", many, few)
	}
}

func TestCheck_KeepsNoSnapshotBetweenPages(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 3)
	schematest.EndedJobs(t, db, 5)
	reports := map[string]int{}
	schematest.CountStatements(t, func(counted *schema.DB) {
		mustCheck(t, counted, 5, func(phase string, done, total int64) {
			reports[phase]++
			if done > total && total > 0 {
				t.Errorf("%s: got %d rows done, want at most %d", phase, done, total)
			}
			if n := schematest.CountSnapshots(t, db); n > 0 {
				t.Errorf("%s: got %d sessions with a snapshot or a transaction, want 0", phase, n)
			}
		})
	})
	for _, phase := range []string{"mappings", "signatures", "jobs"} {
		if reports[phase] == 0 {
			t.Errorf("phase %q: got progress of %v only, want some of each phase", phase, reports)
		}
	}
}
