package schema_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// finished is a database with a job of so many mappings that has completed.
func finished(t *testing.T, mappings int) (db *schema.DB, jobID string, ids []string) {
	t.Helper()
	db = schematest.New(t)
	ids = schematest.Report(t, db, mappings)
	jobID = schematest.ListedJob(t, db, mappings).ID
	succeed(t, db, jobID, ids...)
	if status := mustFold(t, db, jobID, ids...); status.Status != schema.StatusCompleted {
		t.Fatalf("the job is %s", status.Status)
	}
	return db, jobID, ids
}

// check returns what is found, as kind table row: problem.
func check(t *testing.T, db *schema.DB, scope schema.CheckScope) (schema.CheckResult, []string) {
	t.Helper()
	var found []string
	checked, err := schema.Check(t.Context(), db, scope, func(f schema.CheckFinding) {
		found = append(found, fmt.Sprintf("%s %s %s: %s", f.Kind, f.Table, f.Row, f.Problem))
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if checked.Findings != int64(len(found)) {
		t.Errorf("%d findings are counted and %d reported", checked.Findings, len(found))
	}
	return checked, found
}

func TestNothingIsFoundWhereAJobIsReallySaved(t *testing.T) {
	t.Parallel()
	db, _, _ := finished(t, 5)
	for _, scope := range []schema.CheckScope{{}, {CycleID: schematest.CycleID, ReportID: schematest.ReportID}} {
		checked, found := check(t, db, scope)
		if len(found) > 0 {
			t.Errorf("of a job that is whole is said: %q", found)
		}
		if checked.Rows != 5 || checked.Jobs != 1 || len(checked.Fields) != len(schema.SavedFields()) {
			t.Errorf("looked at %+v", checked)
		}
		for _, field := range checked.Fields {
			if field.Set != 5 || field.Unset != 0 {
				t.Errorf("%s is set in %d and not in %d of 5 rows", field.Field, field.Set, field.Unset)
			}
		}
	}
}

func TestEveryFieldThatAJobSavesIsMissed(t *testing.T) {
	t.Parallel()
	db, _, ids := finished(t, 3)
	exec(t, db, "alter table pde_mappings alter updated_at drop not null, alter updated_by drop not null")
	for _, field := range schema.SavedFields() {
		exec(t, db, "create table kept as select id, "+field+" as value from pde_mappings")
		exec(t, db, "update pde_mappings set "+field+" = null where id = ?", ids[1])
		checked, found := check(t, db, schema.CheckScope{})
		want := "unset pde_mappings " + ids[1] + ": not set, though a finished job has touched the row: " + field
		if !slices.Contains(found, want) || len(found) > 2 {
			t.Errorf("without %s is found: %q, want %q", field, found, want)
		}
		at := slices.IndexFunc(checked.Fields, func(c schema.FieldCount) bool { return c.Field == field })
		if at < 0 || checked.Fields[at].Set != 2 || checked.Fields[at].Unset != 1 {
			t.Errorf("without one %s is counted: %+v", field, checked.Fields)
		}
		exec(t, db, "update pde_mappings m set "+field+" = k.value from kept k where k.id = m.id")
		exec(t, db, "drop table kept")
	}
	exec(t, db, "update pde_mappings set classified_by = ' ', criticality = null where id = ?", ids[0])
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 1 || !strings.HasSuffix(found[0], "row: criticality, classified_by") {
		t.Errorf("of two fields in one row is said: %q", found)
	}
}

func TestARowIsNotMissedThatNoFinishedJobHasWritten(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	succeed(t, db, job.ID, ids[0])
	mustFold(t, db, job.ID, ids[0])
	exec(t, db, "update pde_mappings set criticality = null where id = ?", ids[0])
	if checked, found := check(t, db, schema.CheckScope{}); len(found) > 0 || checked.Rows != 0 {
		t.Errorf("while the job runs, %d rows are looked at and %q is found", checked.Rows, found)
	}
	for _, id := range ids[1:] {
		if err := schema.FailItem(t.Context(), db, job.ID, id, schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "no"}); err != nil {
			t.Fatal(err)
		}
	}
	if status := mustFold(t, db, job.ID, ids...); status.Status != schema.StatusFailed {
		t.Fatalf("the job is %s", status.Status)
	}
	checked, found := check(t, db, schema.CheckScope{})
	if checked.Rows != 1 || len(found) != 1 || !strings.Contains(found[0], ids[0]) {
		t.Errorf("of a failed job %d rows are looked at and %q is found, want the one that was written", checked.Rows, found)
	}
}

func TestARowWithoutWhenOrByWhomIsFoundInEveryTable(t *testing.T) {
	t.Parallel()
	db, jobID, _ := finished(t, 1)
	exec(t, db, `insert into idempotency_keys values ('tina', 'k', 'h', ?, now(), 'tina', now(), 'tina')`, jobID)
	exec(t, db, `insert into removed_mappings values ('m', ?, ?, 'a', 'Balance', now(), 'tina', now(), 'tina')`, schematest.CycleID, schematest.ReportID)
	exec(t, db, `insert into planning_changes values ('p', ?, ?, 'imported', 'report', null, 'Auto loans', '{}', now(), 'tina', now(), true,
		now(), 'tina', now(), 'tina')`, schematest.CycleID, schematest.ReportID)
	exec(t, db, `insert into audit_log values (1, 'requested/x', now(), now(), 's', 't', 'u', 'tina', ?, ?, ?, null, '{}', 'rows', true, null,
		repeat('0', 64), repeat('1', 64), now(), 'auditor', now(), 'auditor')`, schematest.CycleID, schematest.ReportID, jobID)
	exec(t, db, "alter table audit_log disable trigger all")
	var tables []string
	if err := db.NewRaw(`select table_name from information_schema.columns where table_schema = 'public' and column_name = 'updated_by' order by 1`).
		Scan(t.Context(), &tables); err != nil {
		t.Fatal(err)
	}
	if len(tables) < 12 {
		t.Fatalf("only the tables %q", tables)
	}
	for _, table := range tables {
		exec(t, db, "alter table "+table+" alter updated_at drop not null, alter updated_by drop not null")
		for set, problem := range map[string]string{
			"updated_by = ''":                      "updated_by is not set",
			"updated_at = null":                    "updated_at is not set",
			"updated_at = null, updated_by = null": "updated_at and updated_by are not set",
		} {
			exec(t, db, "update "+table+" set "+set)
			for _, scope := range []schema.CheckScope{{}, {CycleID: schematest.CycleID, ReportID: schematest.ReportID}} {
				_, found := check(t, db, scope)
				if !slices.ContainsFunc(found, func(f string) bool {
					return strings.HasPrefix(f, "unsigned "+table+" ") && strings.HasSuffix(f, ": "+problem)
				}) {
					t.Errorf("of %s with %s is found within %v: %q", table, set, scope, found)
				}
			}
			exec(t, db, "update "+table+" set updated_at = now(), updated_by = 'somebody'")
		}
	}
}

func TestCountsThatDisagreeWithTheItemsAreFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		breaks string
		finds  []string
	}{
		"a count that is too high": {
			"update job_status set succeeded = 4, skipped = 1, hrci = 2",
			[]string{"succeeded is 4, and the items say 5", "skipped is 1, and the items say 0", "hrci is 2, and the items say 0"},
		},
		"a total of another length": {"update job_status set total_steps = 7", []string{"total_steps is 7, and the items say 5"}},
		"a status that does not follow": {
			"update job_status set status = 'failed'", []string{"status is failed, and the items say completed"},
		},
		"an item that has lost its outcome": {
			"update job_items set outcome = null, ended_at = null, folded_at = null where mapping_id = (select min(mapping_id) from job_items)",
			[]string{"the job has ended, and 1 mapping of it are still queued", "succeeded is 5, and the items say 4"},
		},
		"an outcome that is not counted": {
			"update job_items set folded_at = null where mapping_id = (select min(mapping_id) from job_items)",
			[]string{"the job has ended, and 1 mapping of it are not counted"},
		},
		"a list of another length": {"update jobs set listed = 6", []string{"listed is 6, and the job has 5 items"}},
		"a cancelled item that does not exist": {
			"update jobs set cancelled = 1, cancelled_at = now()", []string{"cancelled is 1, and the job has 0 cancelled items"},
		},
		"no status at all": {"delete from job_status", []string{"the job has ended and has no status"}},
		"an end that is not written": {
			"update jobs set ended_at = null", []string{"status is completed, and the job has not ended"},
		},
		"tokens": {"update job_status set input_tokens = 3", []string{"input_tokens is 3, and the items say 0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, jobID, _ := finished(t, 5)
			exec(t, db, tt.breaks)
			_, found := check(t, db, schema.CheckScope{})
			if len(tt.finds) == 1 && len(found) > 1 {
				t.Errorf("of one thing that is wrong is said: %q", found)
			}
			for _, want := range tt.finds {
				if !slices.ContainsFunc(found, func(f string) bool {
					return strings.HasPrefix(f, "counts job") && strings.Contains(f, " "+jobID+": "+want)
				}) {
					t.Errorf("found %q, want %q", found, want)
				}
			}
		})
	}
}

func TestTheStatusOfAnActiveJobMayLagButNotMiscount(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 4)
	job := schematest.ListedJob(t, db, 4)
	if _, found := check(t, db, schema.CheckScope{}); len(found) > 0 {
		t.Errorf("of a job without a status yet is said: %q", found)
	}
	succeed(t, db, job.ID, ids[:2]...)
	mustFold(t, db, job.ID, ids[0])
	if _, found := check(t, db, schema.CheckScope{}); len(found) > 0 {
		t.Errorf("of a status that lags by one is said: %q", found)
	}
	exec(t, db, "update job_status set succeeded = 2, completed_steps = 2")
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 2 || !strings.Contains(found[1], "succeeded is 2, and the items say 1") {
		t.Errorf("of a miscount is said: %q", found)
	}
}

func TestAMappingWithoutExactlyOneEntryOfAJobInItsHistoryIsFound(t *testing.T) {
	t.Parallel()
	db, jobID, ids := finished(t, 3)
	exec(t, db, "drop index classification_history_once")
	exec(t, db, "delete from classification_history where mapping_id = ?", ids[0])
	exec(t, db, `insert into classification_history select id || 'x', mapping_id, job_id, changed_at, changed_by, before, after, comment,
		created_at, created_by, updated_at, updated_by from classification_history where mapping_id = ?`, ids[1])
	_, found := check(t, db, schema.CheckScope{})
	want := []string{
		"history job_items " + jobID + "/" + ids[0] + ": the item succeeded, and the history of the mapping does not have it",
		"history job_items " + jobID + "/" + ids[1] + ": the history of the mapping has it 2 times",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found differs (-want +got):\n%s", diff)
	}
}

func TestAnEntryInTheHistoryOfAJobThatDidNotWriteTheMappingIsFound(t *testing.T) {
	t.Parallel()
	db, _, ids := finished(t, 3)
	exec(t, db, "update job_items set outcome = 'failed', error_code = 'panic' where mapping_id = ?", ids[0])
	_, found := check(t, db, schema.CheckScope{})
	if !slices.ContainsFunc(found, func(f string) bool {
		return strings.HasPrefix(f, "history classification_history ") && strings.HasSuffix(f, "its item is failed")
	}) {
		t.Errorf("of an entry of a mapping that failed is said: %q", found)
	}
}

func TestACheckOfOneReportLooksAtNoOther(t *testing.T) {
	t.Parallel()
	db, _, ids := finished(t, 2)
	exec(t, db, "update pde_mappings set criticality = null where id = ?", ids[0])
	exec(t, db, "insert into reports values ('2026-Q3', 'other', 'Other', 0, now(), 'test', now(), 'test')")
	checked, found := check(t, db, schema.CheckScope{CycleID: "2026-Q3", ReportID: "other"})
	if checked.Rows != 0 || checked.Jobs != 0 || len(found) > 0 {
		t.Errorf("of another report, %+v is looked at and %q found", checked, found)
	}
	_, err := schema.Check(t.Context(), db, schema.CheckScope{CycleID: "2026-Q3", ReportID: "none"}, func(schema.CheckFinding) {}, nil)
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("of a report that is not there is said: %v", err)
	}
}

func TestAJobThatDoesNotMoveIsFoundWithWhoseItIs(t *testing.T) {
	t.Parallel()
	const old = "clock_timestamp() - interval '2 minutes'"
	const settle = "update job_items set updated_at = " + old + "; update job_status set updated_at = " + old + "; update jobs set updated_at = " + old
	tests := map[string]struct {
		breaks, why string
	}{
		"not started":    {"update jobs set started_at = null", "it has not been started, which is for a dispatcher to do"},
		"not listed":     {"update jobs set listed_at = null", "its work list is not complete, which is for a dispatcher to write"},
		"not dispatched": {"", "3 mappings are due, which is for a dispatcher to send and for a classifier to take"},
		"not cancelled":  {"update jobs set intent = 'cancel'", "it is being cancelled and 3 mappings are still queued, which is for a dispatcher to end"},
		"not counted": {
			"update job_items set outcome = 'succeeded', ended_at = now()", "3 mappings have an outcome that its status lacks, which is for a projector to count",
		},
		"not ended": {
			"update job_items set outcome = 'succeeded', ended_at = now(), folded_at = now()",
			"every mapping is accounted for and its end is not written, which is for a projector to do",
		},
		"paused":    {"update jobs set intent = 'pause'", ""},
		"only wait": {"update job_items set due_at = now() + interval '1 minute', attempt = 1", ""},
		"waits longer than any backoff": {
			"update job_items set due_at = now() + interval '1 hour', attempt = 1",
			"3 mappings are due, which is for a dispatcher to send and for a classifier to take",
		},
		"ended": {"update jobs set ended_at = now()", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := schematest.New(t)
			schematest.Report(t, db, 3)
			job := schematest.ListedJob(t, db, 3)
			mustFold(t, db, job.ID)
			for statement := range strings.SplitSeq(tt.breaks+"; "+settle, ";") {
				if strings.TrimSpace(statement) != "" {
					exec(t, db, statement)
				}
			}
			stuck, err := schema.ListStuckJobs(t.Context(), db, schema.CheckScope{}, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if tt.why == "" {
				if len(stuck) > 0 {
					t.Errorf("it is said to be stuck: %s", stuck[0].Why())
				}
				return
			}
			if len(stuck) != 1 || stuck[0].ID != job.ID || stuck[0].Why() != tt.why {
				t.Fatalf("stuck are %+v, want %q", stuck, tt.why)
			}
			if still := stuck[0].Still; still < 2*time.Minute || still > time.Hour {
				t.Errorf("it stands still for %v", still)
			}
			if elsewhere, err := schema.ListStuckJobs(t.Context(), db, schema.CheckScope{CycleID: "c", ReportID: "r"}, time.Minute); err != nil || len(elsewhere) > 0 {
				t.Errorf("of another report is said: %+v, %v", elsewhere, err)
			}
		})
	}
	t.Run("moving", func(t *testing.T) {
		t.Parallel()
		db := schematest.New(t)
		schematest.Report(t, db, 3)
		schematest.ListedJob(t, db, 3)
		if stuck, err := schema.ListStuckJobs(t.Context(), db, schema.CheckScope{}, time.Minute); err != nil || len(stuck) > 0 {
			t.Errorf("of a new job is said: %+v, %v", stuck, err)
		}
	})
}
