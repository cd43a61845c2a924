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

// finished returns a database with a completed job, its id, and the ids of its mappings.
func finished(t *testing.T, mappings int) (db *schema.DB, jobID string, ids []string) {
	t.Helper()
	db = schematest.New(t)
	ids = schematest.Report(t, db, mappings)
	jobID = schematest.ListedJob(t, db, mappings).ID
	succeed(t, db, jobID, ids...)
	if status := mustFold(t, db, jobID, ids...); status.Status != schema.StatusCompleted {
		t.Fatalf("status: got %s, want %s", status.Status, schema.StatusCompleted)
	}
	return db, jobID, ids
}

// check runs [schema.Check] and returns its findings as "kind table row: problem".
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
		t.Errorf("Findings: got %d, want %d as reported", checked.Findings, len(found))
	}
	return checked, found
}

func TestCheck_FindsNothingIfAJobIsSaved(t *testing.T) {
	t.Parallel()
	db, _, _ := finished(t, 5)
	for _, scope := range []schema.CheckScope{{}, {CycleID: schematest.CycleID, ReportID: schematest.ReportID}} {
		checked, found := check(t, db, scope)
		if len(found) > 0 {
			t.Errorf("got %q, want nothing", found)
		}
		if checked.Rows != 5 || checked.Jobs != 1 || len(checked.Fields) != len(schema.SavedFields()) {
			t.Errorf("got %+v, want 5 rows, 1 job and every field", checked)
		}
		for _, field := range checked.Fields {
			if field.Set != 5 || field.Unset != 0 {
				t.Errorf("%s: got %d set and %d unset, want 5 and 0", field.Field, field.Set, field.Unset)
			}
		}
	}
}

func TestCheck_FindsEveryUnsetField(t *testing.T) {
	t.Parallel()
	db, _, ids := finished(t, 3)
	exec(t, db, "alter table pde_mappings alter updated_at drop not null, alter updated_by drop not null")
	for _, field := range schema.SavedFields() {
		exec(t, db, "create table kept as select id, "+field+" as value from pde_mappings")
		exec(t, db, "update pde_mappings set "+field+" = null where id = ?", ids[1])
		checked, found := check(t, db, schema.CheckScope{})
		want := "unset pde_mappings " + ids[1] + ": not set, although a finished job wrote the row: " + field
		if !slices.Contains(found, want) || len(found) > 2 {
			t.Errorf("%s is unset: got %q, want %q", field, found, want)
		}
		at := slices.IndexFunc(checked.Fields, func(c schema.FieldCount) bool { return c.Field == field })
		if at < 0 || checked.Fields[at].Set != 2 || checked.Fields[at].Unset != 1 {
			t.Errorf("%s is unset in one row: got %+v, want 2 set and 1 unset", field, checked.Fields)
		}
		exec(t, db, "update pde_mappings m set "+field+" = k.value from kept k where k.id = m.id")
		exec(t, db, "drop table kept")
	}
	exec(t, db, "update pde_mappings set classified_by = ' ', criticality = null where id = ?", ids[0])
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 1 ||
		!strings.HasSuffix(found[0], "row: criticality, classified_by") {
		t.Errorf("two fields of one row are unset: got %q, want one finding with both", found)
	}
}

func TestCheck_IgnoresRowsThatNoFinishedJobWrote(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	succeed(t, db, job.ID, ids[0])
	mustFold(t, db, job.ID, ids[0])
	exec(t, db, "update pde_mappings set criticality = null where id = ?", ids[0])
	if checked, found := check(t, db, schema.CheckScope{}); len(found) > 0 || checked.Rows != 0 {
		t.Errorf("running job: got %d rows and %q, want none", checked.Rows, found)
	}
	for _, id := range ids[1:] {
		if err := schema.FailItem(t.Context(), db, job.ID, id,
			schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "no"}); err != nil {
			t.Fatal(err)
		}
	}
	if status := mustFold(t, db, job.ID, ids...); status.Status != schema.StatusFailed {
		t.Fatalf("status: got %s, want %s", status.Status, schema.StatusFailed)
	}
	checked, found := check(t, db, schema.CheckScope{})
	if checked.Rows != 1 || len(found) != 1 || !strings.Contains(found[0], ids[0]) {
		t.Errorf("failed job: got %d rows and %q, want the row that was written", checked.Rows, found)
	}
}

func TestCheck_FindsUnsignedRowsInEveryTable(t *testing.T) {
	t.Parallel()
	db, jobID, _ := finished(t, 1)
	exec(t, db, `insert into auto_approvals values (?, ?, true, 85, 10, '{Public}', 'Low', false, null,
		now(), 'tina', now(), 'tina')`, schematest.CycleID, schematest.ReportID)
	exec(t, db, `insert into idempotency_keys values ('tina', 'k', 'h', ?, now(), 'tina', now(), 'tina')`, jobID)
	exec(t, db, `insert into removed_mappings values ('m', ?, ?, 'a', 'Balance', now(), 'tina', now(), 'tina')`,
		schematest.CycleID, schematest.ReportID)
	exec(t, db, `insert into planning_changes values ('p', ?, ?, 'imported', 'report', null, 'Auto loans', null,
		'{}', now(), 'tina', now(), true, now(), 'tina', now(), 'tina')`, schematest.CycleID, schematest.ReportID)
	exec(t, db, `insert into audit_log values (1, 'requested/x', now(), now(), 's', 't', 'u', 'tina', ?, ?, ?,
		null, '{}', 'rows', true, null, repeat('0', 64), repeat('1', 64), now(), 'auditor', now(), 'auditor')`,
		schematest.CycleID, schematest.ReportID, jobID)
	exec(t, db, `insert into model_calls (id, job_id, mapping_id, attempt, step, state, model, prompt_version,
		request_sha256, request_bytes, created_at, created_by, updated_at, updated_by)
		values ('c', ?, 'm', 1, 'answer', 'sent', 'x', '1', '', 0, now(), 'job:1', now(), 'job:1')`, jobID)
	exec(t, db, "alter table audit_log disable trigger all")
	var tables []string
	if err := db.NewRaw(`select table_name from information_schema.columns where table_schema = 'public'
		and column_name = 'updated_by' order by 1`).
		Scan(t.Context(), &tables); err != nil {
		t.Fatal(err)
	}
	if len(tables) < 12 {
		t.Fatalf("tables: got %q, want at least 12", tables)
	}
	for _, table := range tables {
		exec(t, db, "alter table "+table+" alter updated_at drop not null, alter updated_by drop not null")
		for set, problem := range map[string]string{
			"updated_by = ''":                      "updated_by is not set",
			"updated_at = null":                    "updated_at is not set",
			"updated_at = null, updated_by = null": "updated_at and updated_by are not set",
		} {
			t.Run(set, func(t *testing.T) {
				exec(t, db, "update "+table+" set "+set)
				for _, scope := range []schema.CheckScope{
					{}, {CycleID: schematest.CycleID, ReportID: schematest.ReportID},
				} {
					_, found := check(t, db, scope)
					if !slices.ContainsFunc(found, func(f string) bool {
						return strings.HasPrefix(f, "unsigned "+table+" ") && strings.HasSuffix(f, ": "+problem)
					}) {
						t.Errorf("%s with %s in scope %v: got %q, want %q", table, set, scope, found, problem)
					}
				}
				exec(t, db, "update "+table+" set updated_at = now(), updated_by = 'test'")
			})
		}
	}
}

func TestCheck_FindsCountsThatDisagreeWithTheItems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		breaks string
		finds  []string
	}{
		"a count that is too high": {
			"update job_status set succeeded = 4, skipped = 1, hrci = 2",
			[]string{
				"succeeded is 4, but its items give 5", "skipped is 1, but its items give 0",
				"hrci is 2, but its items give 0",
			},
		},
		"a total of another length": {
			"update job_status set total_steps = 7", []string{"total_steps is 7, but its items give 5"},
		},
		"a status that does not follow": {
			"update job_status set status = 'failed'", []string{"status is failed, but its items give completed"},
		},
		"an item without its outcome": {
			"update job_items set outcome = null, ended_at = null, folded_at = null " +
				"where mapping_id = (select min(mapping_id) from job_items)",
			[]string{"the job has ended with 1 mapping still queued", "succeeded is 5, but its items give 4"},
		},
		"an outcome that is not counted": {
			"update job_items set folded_at = null where mapping_id = (select min(mapping_id) from job_items)",
			[]string{"the job has ended with 1 mapping not counted"},
		},
		"a list of another length": {"update jobs set listed = 6", []string{"listed is 6, but the job has 5 items"}},
		"a cancelled item that does not exist": {
			"update jobs set cancelled = 1, cancelled_at = now(), cancelled_from = 'm'",
			[]string{
				"cancelled is 1, but the job has 0 cancelled items",
				`cancelled_from is "m", but the first mapping with a cancelled item is ""`,
			},
		},
		"no status": {"delete from job_status", []string{"the job has ended but has no status"}},
		"an end that is not written": {
			"update jobs set ended_at = null", []string{"status is completed, but the job has not ended"},
		},
		"tokens": {"update job_status set input_tokens = 3", []string{"input_tokens is 3, but its items give 0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, jobID, _ := finished(t, 5)
			exec(t, db, tt.breaks)
			_, found := check(t, db, schema.CheckScope{})
			if len(tt.finds) == 1 && len(found) > 1 {
				t.Errorf("got %q, want one finding", found)
			}
			for _, want := range tt.finds {
				if !slices.ContainsFunc(found, func(f string) bool {
					return strings.HasPrefix(f, "counts job") && strings.Contains(f, " "+jobID+": "+want)
				}) {
					t.Errorf("got %q, want %q", found, want)
				}
			}
		})
	}
}

func TestCheck_AllowsTheStatusOfAnActiveJobToLagButNotToMiscount(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 4)
	job := schematest.ListedJob(t, db, 4)
	if _, found := check(t, db, schema.CheckScope{}); len(found) > 0 {
		t.Errorf("a job without a status: got %q, want nothing", found)
	}
	succeed(t, db, job.ID, ids[:2]...)
	mustFold(t, db, job.ID, ids[0])
	if _, found := check(t, db, schema.CheckScope{}); len(found) > 0 {
		t.Errorf("a status that lags by one item: got %q, want nothing", found)
	}
	exec(t, db, "update job_status set succeeded = 2, completed_steps = 2")
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 2 ||
		!strings.Contains(found[1], "succeeded is 2, but its items give 1") {
		t.Errorf("a miscount: got %q, want two findings", found)
	}
}

func TestCheck_FindsMissingAndDuplicateHistory(t *testing.T) {
	t.Parallel()
	db, jobID, ids := finished(t, 3)
	exec(t, db, "drop index classification_history_once")
	exec(t, db, "delete from classification_history where mapping_id = ?", ids[0])
	exec(t, db, `insert into classification_history select id || 'x', mapping_id, job_id, changed_at, changed_by,
		before, after, comment,
		created_at, created_by, updated_at, updated_by from classification_history where mapping_id = ?`, ids[1])
	_, found := check(t, db, schema.CheckScope{})
	want := []string{
		"history job_items " + jobID + "/" + ids[0] +
			": the item succeeded, but the history of the mapping has no entry of it",
		"history job_items " + jobID + "/" + ids[1] + ": the history of the mapping has 2 entries of the item",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found differs (-want +got):\n%s", diff)
	}
}

func TestCheck_FindsHistoryOfAJobThatDidNotWriteTheMapping(t *testing.T) {
	t.Parallel()
	db, _, ids := finished(t, 3)
	exec(t, db, "update job_items set outcome = 'failed', error_code = 'panic' where mapping_id = ?", ids[0])
	_, found := check(t, db, schema.CheckScope{})
	if !slices.ContainsFunc(found, func(f string) bool {
		return strings.HasPrefix(f, "history classification_history ") && strings.HasSuffix(f, "its item is failed")
	}) {
		t.Errorf("got %q, want the entry of the failed mapping", found)
	}
}

func TestCheck_OfOneReportIgnoresOthers(t *testing.T) {
	t.Parallel()
	db, _, ids := finished(t, 2)
	exec(t, db, "update pde_mappings set criticality = null where id = ?", ids[0])
	exec(t, db, "insert into reports values ('2026-Q3', 'other', 'Other', 0, now(), 'test', now(), 'test')")
	checked, found := check(t, db, schema.CheckScope{CycleID: "2026-Q3", ReportID: "other"})
	if checked.Rows != 0 || checked.Jobs != 0 || len(found) > 0 {
		t.Errorf("another report: got %+v and %q, want nothing", checked, found)
	}
	_, err := schema.Check(t.Context(), db, schema.CheckScope{CycleID: "2026-Q3", ReportID: "none"},
		func(schema.CheckFinding) {}, nil)
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("a report that does not exist: got %v, want %v", err, schema.ErrNotFound)
	}
}

func TestListStuckJobs_NamesTheNextStepAndItsService(t *testing.T) {
	t.Parallel()
	const old = "clock_timestamp() - interval '2 minutes'"
	const settle = "update job_items set updated_at = " + old + "; update job_status set updated_at = " + old +
		"; update jobs set updated_at = " + old
	tests := map[string]struct {
		breaks, why string
	}{
		"not started":    {"update jobs set started_at = null", "not started yet; a dispatcher starts it"},
		"not listed":     {"update jobs set listed_at = null", "its work list is incomplete; a dispatcher writes it"},
		"not dispatched": {"", "3 mappings are due; a dispatcher publishes them and a classifier processes them"},
		"not cancelled": {
			"update jobs set intent = 'cancel'",
			"cancelling, but 3 mappings are still queued; a dispatcher cancels them",
		},
		"not counted": {
			"update job_items set outcome = 'succeeded', ended_at = now()",
			"the outcomes of 3 mappings are not counted in the status; a projector counts them",
		},
		"not ended": {
			"update job_items set outcome = 'succeeded', ended_at = now(), folded_at = now()",
			"every mapping is accounted for, but the job has not ended; a projector ends it",
		},
		"paused":      {"update jobs set intent = 'pause'", ""},
		"all waiting": {"update job_items set due_at = now() + interval '1 minute', attempt = 1", ""},
		"waits longer than any backoff": {
			"update job_items set due_at = now() + interval '1 hour', attempt = 1",
			"3 mappings are due; a dispatcher publishes them and a classifier processes them",
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
					t.Errorf("got %q, want no stuck job", stuck[0].Why())
				}
				return
			}
			if len(stuck) != 1 || stuck[0].ID != job.ID || stuck[0].Why() != tt.why {
				t.Fatalf("got %+v, want job %s: %s", stuck, job.ID, tt.why)
			}
			if still := stuck[0].Still; still < 2*time.Minute || still > time.Hour {
				t.Errorf("Still: got %v, want at least 2 minutes", still)
			}
			if elsewhere, err := schema.ListStuckJobs(t.Context(), db, schema.CheckScope{CycleID: "c", ReportID: "r"},
				time.Minute); err != nil || len(elsewhere) > 0 {
				t.Errorf("another report: got %+v, %v, want none", elsewhere, err)
			}
		})
	}
	t.Run("moving", func(t *testing.T) {
		t.Parallel()
		db := schematest.New(t)
		schematest.Report(t, db, 3)
		schematest.ListedJob(t, db, 3)
		if stuck, err := schema.ListStuckJobs(t.Context(), db, schema.CheckScope{}, time.Minute); err != nil ||
			len(stuck) > 0 {
			t.Errorf("got %+v, %v, want none", stuck, err)
		}
	})
}
