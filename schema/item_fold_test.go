package schema_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// succeed saves a result for each of the mappings.
func succeed(t *testing.T, db *schema.DB, jobID string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		before := read(t, db, jobID, id).Mapping
		if saved, err := save(t.Context(), db, jobID, before, judged(before)); err != nil || !saved {
			t.Fatalf("SaveWork of mapping %s: got %v, %v, want true", id, saved, err)
		}
	}
}

// fold folds these items as the projector does for an event that names them.
func fold(ctx context.Context, db *schema.DB, jobID string, ids ...string) (status schema.JobStatus, err error) {
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockStatus(ctx, tx, jobID)
		if err != nil {
			return err
		}
		counts, err := schema.FoldItems(ctx, tx, locked, ids)
		if err != nil {
			return err
		}
		if locked.Status.Status == schema.StatusPending && !locked.Job.StartedAt.IsZero() {
			if err := schema.MarkRunning(ctx, tx, locked); err != nil {
				return err
			}
			locked.Status.Status = schema.StatusRunning
		}
		status, err = schema.UpdateStatus(ctx, tx, locked, locked.Status.Plus(counts))
		return err
	})
	return status, err
}

func mustFold(t *testing.T, db *schema.DB, jobID string, ids ...string) schema.JobStatus {
	t.Helper()
	status, err := fold(t.Context(), db, jobID, ids...)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestFoldItems_CountsAnItemOnce(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	succeed(t, db, job.ID, ids[0], ids[1])

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := fold(t.Context(), db, job.ID, ids[0], ids[0], ids[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	status := mustFold(t, db, job.ID, ids...)
	if status.Succeeded != 2 || status.CompletedSteps != 2 || status.ProgressPercentage != 66 ||
		status.Status != schema.StatusRunning {
		t.Errorf("got %+v, want %s with 2 of 3 succeeded", status, schema.StatusRunning)
	}
	if status.Confidential != 2 {
		t.Errorf("confidential: got %d, want 2", status.Confidential)
	}
}

func TestFoldItems_IgnoresItemsWithoutAnOutcome(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	if status := mustFold(t, db, job.ID, ids[0], "no-such-mapping"); status.CompletedSteps != 0 {
		t.Errorf("completed steps: got %d, want 0", status.CompletedSteps)
	}
	if _, err := fold(t.Context(), db, "no-such-job", ids[0]); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("job that does not exist: got %v, want %v", err, schema.ErrNotFound)
	}
}

func TestTheLastItemEndsTheJobAndFreesTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	succeed(t, db, job.ID, ids...)
	if status := mustFold(t, db, job.ID, ids[0]); status.Status != schema.StatusRunning ||
		!status.CompletedAt.IsZero() {
		t.Fatalf("after one of two: got %+v, want %s", status, schema.StatusRunning)
	}
	status := mustFold(t, db, job.ID, ids[1])
	if status.Status != schema.StatusCompleted || status.ProgressPercentage != 100 || status.ETASeconds != nil {
		t.Errorf("got %+v, want %s at 100 %%", status, schema.StatusCompleted)
	}
	ended, err := schema.GetJob(t.Context(), db, job.ID)
	if err != nil || !ended.EndedAt.Equal(status.CompletedAt) {
		t.Errorf("end of the job: got %v, %v, want %v", ended.EndedAt, err, status.CompletedAt)
	}
	schematest.Job(t, db, 2) // the partial unique index allows the next job
}

func TestAJobWithFailedItemsFailsWithTheirError(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	succeed(t, db, job.ID, ids[0])
	for _, id := range ids[1:] {
		if err := schema.FailItem(t.Context(), db, job.ID, id,
			schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "broke"}); err != nil {
			t.Fatal(err)
		}
	}
	status := mustFold(t, db, job.ID, ids...)
	const want = "2 of 3 mappings failed, the rest is saved (2 × panic, such as: broke)"
	if status.Status != schema.StatusFailed || status.Error != want {
		t.Errorf("got %s with error %q, want %s with %q", status.Status, status.Error, schema.StatusFailed, want)
	}
}

func TestAJobWhoseItemsArePostponedWaitsForThem(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	succeed(t, db, job.ID, ids[0])
	due, err := schema.PostponeItem(t.Context(), db, job.ID, ids[1],
		schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "broke"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	status := mustFold(t, db, job.ID, ids[0])
	want := "1 mapping that failed before will be tried again, the first at " + due.UTC().Format(time.RFC3339)
	if status.WaitingFor != want {
		t.Errorf("WaitingFor: got %q, want %q", status.WaitingFor, want)
	}
	// A paused job does not wait for its items.
	exec(t, db, "update jobs set intent = 'pause', intent_version = 2, version = version + 1 where id = ?", job.ID)
	if status := mustFold(t, db, job.ID); status.Status != schema.StatusPaused || status.WaitingFor != "" {
		t.Errorf("got %s waiting for %q, want %s and no wait", status.Status, status.WaitingFor, schema.StatusPaused)
	}
}

func TestRebuildStatus_DoesNotDependOnTheStoredStatus(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 5)
	job := schematest.ListedJob(t, db, 5)
	succeed(t, db, job.ID, ids[:3]...)
	if err := schema.FailItem(t.Context(), db, job.ID, ids[3],
		schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "broke"}); err != nil {
		t.Fatal(err)
	}
	want := mustFold(t, db, job.ID, ids...)
	for name, spoil := range map[string]string{
		"unchanged":         "select 1",
		"deleted":           "delete from job_status",
		"miscounted":        "update job_status set succeeded = 1, completed_steps = 2",
		"one item unfolded": "update job_items set folded_at = null where mapping_id = '" + ids[0] + "'",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := db.ExecContext(t.Context(), spoil); err != nil {
				t.Fatal(err)
			}
			var got schema.JobStatus
			err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
				got, err = schema.RebuildStatus(ctx, tx, job.ID)
				return err
			})
			if err != nil {
				t.Fatalf("%s: got %v, want nil", name, err)
			}
			if !got.Equal(want) {
				t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(want, got,
					cmpopts.IgnoreFields(schema.JobStatus{}, "UpdatedAt", "UpdatedBy"),
					cmpopts.IgnoreUnexported(bun.BaseModel{})))
			}
		})
	}
}

func TestADeletedStatusOfARunningJobIsRestored(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	succeed(t, db, job.ID, ids...)
	mustFold(t, db, job.ID, ids[0], ids[1])
	if _, err := db.ExecContext(t.Context(), "delete from job_status"); err != nil {
		t.Fatal(err)
	}
	if status := mustFold(t, db, job.ID, ids[2]); status.Succeeded != 3 || status.Status != schema.StatusCompleted {
		t.Errorf("got %d succeeded, %s, want 3, %s", status.Succeeded, status.Status, schema.StatusCompleted)
	}
}

func TestFoldItemsSince_CountsInPages(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 5)
	job := schematest.ListedJob(t, db, 5)
	succeed(t, db, job.ID, ids...)
	var pages []int64
	for {
		var swept int64
		err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
			locked, err := schema.LockStatus(ctx, tx, job.ID)
			if err != nil {
				return err
			}
			_, swept, err = schema.FoldItemsSince(ctx, tx, locked, time.Time{}, 2)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, swept)
		if swept < 2 {
			break
		}
	}
	if diff := cmp.Diff([]int64{2, 2, 1}, pages); diff != "" {
		t.Error(diff)
	}
}

func TestLagScan_FindsLaggingJobs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	var scan schema.LagScan
	lags := func(why string, want bool) {
		t.Helper()
		lagging, err := scan.ListJobs(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(lagging) == 1; got != want {
			t.Errorf("%s: got lagging %v, want %v", why, got, want)
		}
	}
	lags("no status yet", true)
	mustFold(t, db, job.ID)
	lags("everything counted", false)
	succeed(t, db, job.ID, ids...)
	lags("an outcome not counted", true)
	mustFold(t, db, job.ID, ids...)
	lags("the end not published", true)
	if err := schema.MarkPublished(t.Context(), db, job.ID, schema.JobEventFinished, "test"); err != nil {
		t.Fatal(err)
	}
	lags("the end published", false)
}
