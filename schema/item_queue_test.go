package schema_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// list writes the whole work list of the job in pages, and returns the job and the listed mappings in order.
func list(t *testing.T, db *schema.DB, jobID string, page int) (schema.Job, []string) {
	t.Helper()
	var job schema.Job
	for job.ListedAt.IsZero() {
		err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
			job, err = schema.InsertItems(ctx, tx, jobID, page)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	if err := db.NewRaw("select mapping_id from job_items where job_id = ? order by mapping_id", jobID).
		Scan(t.Context(), &ids); err != nil {
		t.Fatal(err)
	}
	return job, ids
}

func exec(t *testing.T, db *schema.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.NewRaw(query, args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestInsertItems_ListsTheScopeOfTheJob(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 7)
	exec(t, db, "update pde_mappings set source_field = 'svc.LN_MSTR.VIN' where id in (?)", bun.List(ids[:3]))
	for name, test := range map[string]struct {
		scope string
		args  []any
		want  []string
	}{
		"all":      {scope: "scope = 'all'", want: ids},
		"unmapped": {scope: "scope = 'unmapped'", want: ids[3:]},
		"selected": {
			scope: "scope = 'selected', mapping_ids = ?",
			args:  []any{pgdialect.Array([]string{ids[5], ids[1], "elsewhere"})}, want: []string{ids[1], ids[5]},
		},
	} {
		t.Run(name, func(t *testing.T) {
			job := schematest.Job(t, db, 7)
			exec(t, db, "update jobs set "+test.scope+" where id = ?", append(test.args, job.ID)...)
			listed, got := list(t, db, job.ID, 2)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if listed.Listed != int64(len(test.want)) || listed.Total() != int64(len(test.want)) {
				t.Errorf("%s: got %d listed of %d, want %d", name, listed.Listed, listed.Total(), len(test.want))
			}
			exec(t, db, "update jobs set ended_at = listed_at where id = ?", job.ID)
		})
	}
}

func TestInsertItems_OfARetryListsFailedAndCancelledMappings(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 5)
	first := schematest.ListedJob(t, db, 5)
	succeed(t, db, first.ID, ids[0])
	for i, code := range map[int]schema.ErrorCode{1: schema.ErrorCodePanic, 2: schema.ErrorCodePoison} {
		if err := schema.FailItem(t.Context(), db, first.ID, ids[i],
			schema.ItemResult{Attempt: 5, Code: code, Error: "broke"}); err != nil {
			t.Fatal(err)
		}
	}
	if n, _, err := schema.CancelItems(t.Context(), db, first.ID, "", 10); err != nil || n != 2 {
		t.Fatalf("CancelItems: got %d, %v, want 2", n, err)
	}
	exec(t, db, "update jobs set ended_at = listed_at where id = ?", first.ID)
	for code, want := range map[schema.ErrorCode][]string{"": ids[1:], schema.ErrorCodePoison: {ids[2]}} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			job := schematest.Job(t, db, 5)
			exec(t, db, "update jobs set scope = 'retry', retry_of = ?, retry_error_code = ? where id = ?", first.ID,
				code,
				job.ID)
			_, got := list(t, db, job.ID, 3)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error code %q (-want +got):\n%s", code, diff)
			}
			exec(t, db, "update jobs set ended_at = listed_at where id = ?", job.ID)
		})
	}
}

func TestInsertItems_CompletesACancelledListWithCancelledItems(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 5)
	job := schematest.Job(t, db, 5)
	if err := schema.MarkStarted(t.Context(), db, job.ID); err != nil {
		t.Fatal(err)
	}
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.InsertItems(ctx, tx, job.ID, 2)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "update jobs set intent = 'cancel', intent_version = 2, version = version + 1 where id = ?", job.ID)
	if _, _, err := schema.CancelItems(t.Context(), db, job.ID, "", 10); err != nil {
		t.Fatal(err)
	}
	if _, got := list(t, db, job.ID, 2); len(got) != len(ids) {
		t.Fatalf("got %d listed mappings, want %d", len(got), len(ids))
	}
	var status schema.JobStatus
	err = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil || status.Status != schema.StatusCancelled || status.Cancelled != 5 {
		t.Errorf("got %s with %d cancelled, %v, want %s with 5", status.Status, status.Cancelled, err,
			schema.StatusCancelled)
	}
}

// dueItems lists the due items of one job from the start of its list.
func dueItems(ctx context.Context, db bun.IDB, jobID string, limit int) ([]schema.DueItem, error) {
	due, err := schema.ListDueItems(ctx, db, map[string]int{jobID: limit}, nil)
	return due[jobID], err
}

func TestListDueItems_ListsOnlyQueuedAndDueItems(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 4)
	job := schematest.ListedJob(t, db, 4)
	succeed(t, db, job.ID, ids[0])
	if _, err := schema.PostponeItem(t.Context(), db, job.ID, ids[1],
		schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "x"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	due, err := dueItems(t.Context(), db, job.ID, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schema.DueItem{{job.ID, ids[2], 0, true}, {job.ID, ids[3], 0, true}}, due); diff != "" {
		t.Error(diff)
	}
	if due, err = dueItems(t.Context(), db, job.ID, 1); err != nil || len(due) != 1 {
		t.Errorf("limit 1: got %v, %v, want one item", due, err)
	}
}

// The clock of the database steps back if a standby whose clock is late takes over, or a machine is restored.
// The test moves the times in the rows ahead instead, which has the same effect.
func TestADatabaseClockThatStepsBackDelaysNoItemLongerThanItsBackoff(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	postpone(t, db, job.ID, ids[1], schema.LongestWait)
	postpone(t, db, job.ID, ids[2], time.Second)
	for step, want := range map[string]int{"0 seconds": 1, "5 minutes": 3, "1 hour": 3} {
		t.Run(step, func(t *testing.T) {
			exec(t, db, `update job_items set due_at = due_at + ?::interval, created_at = created_at + ?::interval,
			updated_at = updated_at + ?::interval`, step, step, step)
			due, err := dueItems(t.Context(), db, job.ID, 10)
			if err != nil || len(due) != want {
				t.Errorf("clock stepped back by %s: got %d due items, %v, want %d", step, len(due), err, want)
			}
			for _, item := range due {
				if !read(t, db, job.ID, item.MappingID).Due {
					t.Errorf(
						"clock stepped back by %s: got item %s due for the dispatcher only, want for both",
						step,
						item.MappingID,
					)
				}
			}
			exec(t, db, "update job_items set due_at = due_at - ?::interval", step)
		})
	}
}

func TestListStuckJobs_FindsAJobStuckSinceTheDatabaseClockSteppedBack(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	mustFold(t, db, job.ID)
	for _, table := range []string{"jobs", "job_items", "job_status"} {
		exec(t, db, "update "+table+" set updated_at = updated_at + interval '5 minutes'")
	}
	stuck, err := schema.ListStuckJobs(t.Context(), db, schema.CheckScope{}, time.Minute)
	if err != nil || len(stuck) != 1 || stuck[0].Due != 2 {
		t.Errorf("got %+v, %v, want one job with 2 due mappings", stuck, err)
	}
}

func TestListDueItems_ReadsOnlyWhatItReturns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	for _, table := range []string{"pde_mappings", "attributes", "job_items"} {
		exec(t, db, "alter table "+table+" set (autovacuum_enabled = off)")
	}
	ids := schematest.Report(t, db, 1000)
	job := schematest.ListedJob(t, db, len(ids))
	exec(t, db, "update job_items set attempt = 1, due_at = clock_timestamp() + interval '1 minute' "+
		"where mapping_id > ?", ids[9])
	// Before the vacuum, the index has an entry for each version of a row.
	for _, command := range []string{"vacuum", "analyze"} {
		exec(t, db, command+" job_items")
		err := in(t.Context(), db, func(tx bun.Tx) error {
			read := func() (n int, err error) {
				err = tx.NewRaw(`select pg_stat_get_xact_tuples_returned('job_items_queued'::regclass)
					+ pg_stat_get_xact_tuples_returned('job_items'::regclass)`).Scan(t.Context(), &n)
				return n, err
			}
			before, err := read()
			if err != nil {
				return err
			}
			due, err := dueItems(t.Context(), tx, job.ID, 100)
			if err != nil {
				return err
			}
			after, err := read()
			if len(due) != 10 || after-before > 20 {
				t.Errorf("after %s: got %d due items and %d entries read, want 10 and at most 20", command, len(due),
					after-before)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func postpone(t *testing.T, db *schema.DB, jobID, mappingID string, wait time.Duration) {
	t.Helper()
	failure := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "x"}
	if _, err := schema.PostponeItem(t.Context(), db, jobID, mappingID, failure, wait); err != nil {
		t.Fatal(err)
	}
}

func TestTryLockJob_LocksAJobForOneTransaction(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	first, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Rollback() //nolint:errcheck // nothing was written
	if taken, err := schema.TryLockJob(t.Context(), first, "a"); err != nil || !taken {
		t.Fatalf("first: got %v, %v, want true", taken, err)
	}
	if taken, err := schema.TryLockJob(t.Context(), second, "a"); err != nil || taken {
		t.Errorf("second, while the first is open: got %v, %v, want false", taken, err)
	}
	if err := first.Rollback(); err != nil {
		t.Fatal(err)
	}
	if taken, err := schema.TryLockJob(t.Context(), second, "a"); err != nil || !taken {
		t.Errorf("second, after the first has ended: got %v, %v, want true", taken, err)
	}
}

func TestMarkStarted_DoesNotStartAPausedOrCancelledJob(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	job := schematest.Job(t, db, 1)
	for intent, started := range map[schema.Intent]bool{
		schema.IntentPause: false, schema.IntentCancel: false, schema.IntentRun: true,
	} {
		t.Run(fmt.Sprint(intent), func(t *testing.T) {
			exec(t, db, "update jobs set started_at = null, intent = ? where id = ?", intent, job.ID)
			if err := schema.MarkStarted(t.Context(), db, job.ID); err != nil {
				t.Fatal(err)
			}
			if now, err := schema.GetJob(t.Context(), db, job.ID); err != nil || now.StartedAt.IsZero() == started {
				t.Errorf("%s: got start at %v, %v, want started %v", intent, now.StartedAt, err, started)
			}
		})
	}
}

func TestACancelledJobWithoutMappingsIsCancelledBeforeAndAfterItsStart(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 0)
	for _, started := range []bool{false, true} {
		job := schematest.Job(t, db, 0)
		if started {
			if err := schema.MarkStarted(t.Context(), db, job.ID); err != nil {
				t.Fatal(err)
			}
		}
		mustFold(t, db, job.ID) // pending, or running
		exec(t, db, "update jobs set intent = 'cancel', intent_version = 2, version = version + 1 where id = ?", job.ID)
		list(t, db, job.ID, 2)
		if status := mustFold(t, db, job.ID); status.Status != schema.StatusCancelled ||
			status.ProgressPercentage != 100 {
			t.Errorf("started %v: got %s at %d %%, want %s at 100 %%", started, status.Status,
				status.ProgressPercentage, schema.StatusCancelled)
		}
	}
}

func TestCancelItems_CancelsAPageWithOneTime(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 7)
	job := schematest.ListedJob(t, db, 7)
	for _, want := range []int64{2, 2, 2, 1, 0} {
		if n, _, err := schema.CancelItems(t.Context(), db, job.ID, "", 2); err != nil || n != want {
			t.Errorf("CancelItems: got %d, %v, want %d", n, err, want)
		}
	}
	var times int
	if err := db.NewRaw("select count(distinct ended_at) from job_items").
		Scan(t.Context(), &times); err != nil || times != 4 {
		t.Errorf("times of four pages: got %d, %v, want 4", times, err)
	}
}
