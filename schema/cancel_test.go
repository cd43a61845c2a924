package schema_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func cancelIntent(t *testing.T, db *schema.DB, jobID string) {
	t.Helper()
	exec(t, db, "update jobs set intent = 'cancel', intent_version = 2, version = version + 1 where id = ?", jobID)
}

// cancelInPages cancels the job in pages, and returns the number of cancelled items.
func cancelInPages(ctx context.Context, db *schema.DB, jobID string, page int) (total int64, err error) {
	for position := ""; ; {
		var n int64
		if n, position, err = schema.CancelItems(ctx, db, jobID, position, page); err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

// sweep folds at most five items of the job, as the projector does for a bell.
func sweep(ctx context.Context, db *schema.DB, jobID string) (status schema.JobStatus, err error) {
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockStatus(ctx, tx, jobID)
		if err != nil {
			return err
		}
		counts, _, err := schema.FoldItemsSince(ctx, tx, locked, time.Time{}, 5)
		if err != nil {
			return err
		}
		status, err = schema.UpdateStatus(ctx, tx, locked, locked.Status.Plus(counts))
		return err
	})
	return status, err
}

func rebuild(ctx context.Context, db *schema.DB, jobID string) (status schema.JobStatus, err error) {
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		status, err = schema.RebuildStatus(ctx, tx, jobID)
		return err
	})
	return status, err
}

func TestCancelItems_WritesEachItemOnceAndTheStatusIsComputedWithoutReadingIt(t *testing.T) {
	t.Parallel()
	const mappings, page = 1000, 250
	db, job, _ := longJob(t, mappings)
	mustFold(t, db, job.ID)
	cancelIntent(t, db, job.ID)
	written := func(do func(ctx context.Context, tx bun.Tx) error) (n int) {
		t.Helper()
		err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			var before, after int
			const updates = "select pg_stat_get_xact_tuples_updated('job_items'::regclass)"
			err := errors.Join(tx.NewRaw(updates).Scan(ctx, &before), do(ctx, tx), tx.NewRaw(updates).Scan(ctx, &after))
			n = after - before
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for position := ""; ; {
		var n int64
		updated := written(func(ctx context.Context, tx bun.Tx) (err error) {
			n, position, err = schema.CancelItems(ctx, tx, job.ID, position, page)
			return err
		})
		if n == 0 {
			break
		}
		if n != page || updated != page {
			t.Errorf("CancelItems: got %d items and %d updates, want %d and %d", n, updated, page, page)
		}
	}
	var status schema.JobStatus
	do := func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockStatus(ctx, tx, job.ID)
		if err != nil {
			return err
		}
		counts, _, err := schema.FoldItemsSince(ctx, tx, locked, time.Time{}, mappings)
		if err != nil {
			return err
		}
		status, err = schema.UpdateStatus(ctx, tx, locked, locked.Status.Plus(counts))
		return err
	}
	if n := itemEntries(t, db, do); n > 30 {
		t.Errorf("the final status: got %d entries read, want at most 30", n)
	}
	if status.Status != schema.StatusCancelled || status.Cancelled != mappings || status.ProgressPercentage != 100 {
		t.Errorf("status: got %s with %d cancelled, %d %%, want %d cancelled", status.Status, status.Cancelled,
			status.ProgressPercentage, mappings)
	}
}

// The pages of a cancellation, the classifiers, several projectors and a rebuild work on the job at the same time.
func TestACancellationCountsEachItemOnceDespiteConcurrentWriters(t *testing.T) {
	t.Parallel()
	const mappings = 60
	db := schematest.New(t)
	ids := schematest.Report(t, db, mappings)
	job := schematest.ListedJob(t, db, mappings)
	mustFold(t, db, job.ID)
	cancelIntent(t, db, job.ID)

	var writers, readers sync.WaitGroup
	saved, cancelled := make([]int, 2), int64(0)
	for worker := range 2 {
		writers.Go(func() {
			for i := mappings - 1 - worker; i >= 0; i -= 2 {
				work, err := schema.GetWork(t.Context(), db, job.ID, ids[i])
				if err != nil {
					t.Error(err)
					return
				}
				if ok, err := save(t.Context(), db, job.ID, work.Mapping, judged(work.Mapping)); err != nil {
					t.Error(err)
					return
				} else if ok {
					saved[worker]++
				}
			}
		})
	}
	writers.Go(func() {
		var err error
		if cancelled, err = cancelInPages(t.Context(), db, job.ID, 3); err != nil {
			t.Error(err)
		}
	})
	done := make(chan struct{})
	for _, write := range []func(context.Context, *schema.DB, string) (schema.JobStatus, error){sweep, sweep, rebuild} {
		readers.Go(func() {
			for before := int64(0); ; {
				status, err := write(t.Context(), db, job.ID)
				if err != nil {
					t.Error(err)
					return
				}
				if status.CompletedSteps < before || status.CompletedSteps > status.TotalSteps ||
					status.TotalSteps != mappings {
					t.Errorf("completed steps: got %d of %d, want from %d to %d of %d",
						status.CompletedSteps, status.TotalSteps, before, mappings, mappings)
				}
				before = status.CompletedSteps
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()

	// Items that were locked while the cancellation passed them are cancelled now.
	late, err := cancelInPages(t.Context(), db, job.ID, mappings)
	if err != nil {
		t.Fatal(err)
	}
	var status schema.JobStatus
	for status.CompletedSteps < mappings {
		before := status.CompletedSteps
		if status, err = sweep(t.Context(), db, job.ID); err != nil {
			t.Fatal(err)
		}
		if status.CompletedSteps == before {
			break
		}
	}
	if want := int64(saved[0] + saved[1]); status.Succeeded != want || status.Cancelled != cancelled+late ||
		status.CompletedSteps != mappings || status.Status != schema.StatusCancelled {
		t.Errorf("status: got %s with %d succeeded and %d cancelled of %d, want %d and %d of %d", status.Status,
			status.Succeeded,
			status.Cancelled, status.CompletedSteps, want, cancelled+late, mappings)
	}
	if _, found := check(t, db, schema.CheckScope{}); len(found) > 0 {
		t.Errorf("check: got %q, want nothing found", found)
	}
	if rebuilt, err := rebuild(t.Context(), db, job.ID); err != nil || !rebuilt.Equal(status) {
		t.Errorf("RebuildStatus: got %+v, %v, want %+v", rebuilt, err, status)
	}
}

func TestAPageOfCancelledItemsMakesTheStatusLagUntilItIsWritten(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 4)
	job := schematest.ListedJob(t, db, 4)
	cancelIntent(t, db, job.ID)
	var scan schema.LagScan
	for page, want := range []int64{2, 4} {
		if status := mustFold(t, db, job.ID); status.Cancelled != int64(2*page) {
			t.Errorf("cancelled: got %d, want %d", status.Cancelled, 2*page)
		}
		if lagging, err := scan.ListJobs(t.Context(), db); err != nil || len(lagging) != 0 {
			t.Errorf("LagScan: got %q, %v, want none", lagging, err)
		}
		if _, _, err := schema.CancelItems(t.Context(), db, job.ID, "", 2); err != nil {
			t.Fatal(err)
		}
		// The dispatcher ends here, before it has published a bell.
		if lagging, err := scan.ListJobs(t.Context(), db); err != nil || len(lagging) != 1 {
			t.Errorf("LagScan: got %q, %v, want the job", lagging, err)
		}
		if job, err := schema.GetJob(t.Context(), db, job.ID); err != nil || job.Cancelled != want ||
			job.CancelledAt.IsZero() {
			t.Errorf("the job's row: got %d cancelled at %v, %v, want %d", job.Cancelled, job.CancelledAt, err, want)
		}
	}
	status := mustFold(t, db, job.ID)
	ended, err := schema.GetJob(t.Context(), db, job.ID)
	if err != nil || status.Status != schema.StatusCancelled || !ended.EndedAt.Equal(ended.CancelledAt) {
		t.Errorf("the job: got %s, ended at %v, %v, want cancelled at %v", status.Status, ended.EndedAt, err,
			ended.CancelledAt)
	}
}

func TestRebuildStatus_CountsTheCancelledItemsAgain(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	succeed(t, db, job.ID, ids[0])
	cancelIntent(t, db, job.ID)
	if n, err := cancelInPages(t.Context(), db, job.ID, 2); err != nil || n != 2 {
		t.Fatalf("got %d cancelled, %v, want 2", n, err)
	}
	want := mustFold(t, db, job.ID, ids[0])
	exec(t, db, "update jobs set cancelled = 1, cancelled_from = ?", ids[2])
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 2 {
		t.Errorf("check: got %q, want a line for each column", found)
	}
	got, err := rebuild(t.Context(), db, job.ID)
	want.JobVersion = got.JobVersion // the job's row was corrected
	if err != nil || !got.Equal(want) {
		t.Errorf("RebuildStatus: got %+v, %v, want %+v", got, err, want)
	}
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 0 {
		t.Errorf("check: got %q, want nothing", found)
	}
	items, err := schema.ListItems(t.Context(), db, job.ID, schema.ItemFilter{Outcome: schema.OutcomeCancelled}, "", 10)
	if err != nil || len(items) != 2 {
		t.Errorf("ListItems: got %d cancelled items, %v, want 2", len(items), err)
	}
}
