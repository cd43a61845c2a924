package schema_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// itemEntries counts the rows and index entries of job_items that do reads, in a transaction of its own.
func itemEntries(t *testing.T, db *schema.DB, do func(ctx context.Context, tx bun.Tx) error) (n int) {
	t.Helper()
	return entries(t, db, do, "job_items")
}

// entries counts the rows and index entries of the tables that do reads, in a transaction of its own.
func entries(
	t *testing.T, db *schema.DB, do func(ctx context.Context, tx bun.Tx) error, tables ...string,
) (n int) {
	t.Helper()
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		read := func() (n int, err error) {
			err = tx.NewRaw(`select sum(pg_stat_get_xact_tuples_returned(c.oid)) from pg_class c
				where c.relname in (?0) or c.oid in (select i.indexrelid from pg_index i
					join pg_class t on t.oid = i.indrelid where t.relname in (?0))`, bun.List(tables)).Scan(ctx, &n)
			return n, err
		}
		before, err := read()
		if err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		n, err = read()
		n -= before
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// vacuum removes the dead entries of the tables. It first waits until no other session has an old snapshot, such as
// that of an autovacuum worker, which would keep them.
func vacuum(t *testing.T, db *schema.DB, tables string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end, free := time.Now().Add(30*time.Second), false; !free && time.Now().Before(end); <-tick.C {
		err := db.NewRaw(`select not exists (select from pg_stat_activity where datname = current_database()
			and pid <> pg_backend_pid() and backend_xmin is not null)`).Scan(t.Context(), &free)
		if err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db, "vacuum "+tables)
}

// longJob returns a listed job in a database whose tables were never analyzed.
func longJob(t *testing.T, mappings int) (*schema.DB, schema.Job, []string) {
	t.Helper()
	db := schematest.New(t)
	exec(t, db, "alter table job_items set (autovacuum_enabled = off)")
	ids := schematest.Report(t, db, mappings)
	return db, schematest.ListedJob(t, db, mappings), ids
}

// In a table that was never analyzed, Postgres expects a job to have few items. Even then, a statement must read
// only the items that it handles, or each page of a job of 100,000 items reads 100,000 entries.
func TestAPageOfItemsIsHandledWithoutReadingTheJob(t *testing.T) {
	t.Parallel()
	const mappings, page = 4000, 100
	db, job, ids := longJob(t, mappings)
	mustFold(t, db, job.ID)
	locked := func(ctx context.Context, tx bun.Tx, do func(schema.LockedStatus) (schema.Counts, error)) error {
		status, err := schema.LockStatus(ctx, tx, job.ID)
		if err != nil {
			return err
		}
		counts, err := do(status)
		if err == nil && counts.Completed() != page {
			t.Errorf("folded items: got %d, want %d", counts.Completed(), page)
		}
		return err
	}
	for _, tc := range []struct {
		name string
		do   func(ctx context.Context, tx bun.Tx) error
	}{
		{"DueItems", func(ctx context.Context, tx bun.Tx) error {
			due, err := dueItems(ctx, tx, job.ID, page)
			if len(due) != page {
				t.Errorf("due items: got %d, want %d", len(due), page)
			}
			return err
		}},
		{"JobsWithWork", func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.ListJobsWithWork(ctx, tx, nil)
			return err
		}},
		{"CancelItems", func(ctx context.Context, tx bun.Tx) error {
			var n int64
			var err error
			for position := ""; n == page || position == ""; {
				if n, position, err = schema.CancelItems(
					ctx, db, job.ID, position, page,
				); err != nil || position >= ids[mappings/2] {
					break
				}
			}
			if err != nil {
				return err
			}
			n, _, err = schema.CancelItems(ctx, tx, job.ID, ids[mappings/2], page)
			if n != page {
				t.Errorf("cancelled items: got %d, want %d", n, page)
			}
			return err
		}},
		{"LagScan", func(ctx context.Context, tx bun.Tx) error {
			_, err := new(schema.LagScan).ListJobs(ctx, tx)
			return err
		}},
		{"an outcome for each item", func(ctx context.Context, tx bun.Tx) error {
			exec(t, db, `update job_items set outcome = 'succeeded', ended_at = now(), error_code = null,
				folded_at = null where job_id = ?`, job.ID)
			return nil
		}},
		{"FoldItems", func(ctx context.Context, tx bun.Tx) error {
			return locked(ctx, tx, func(status schema.LockedStatus) (schema.Counts, error) {
				return schema.FoldItems(ctx, tx, status, ids[:page])
			})
		}},
		{"SweepItems", func(ctx context.Context, tx bun.Tx) error {
			return locked(ctx, tx, func(status schema.LockedStatus) (schema.Counts, error) {
				counts, _, err := schema.FoldItemsSince(ctx, tx, status, time.Time{}, page)
				return counts, err
			})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// One entry to find an item and one to write it, and one each for versions that were updated a moment ago.
			if n := itemEntries(t, db, tc.do); n > 5*page {
				t.Errorf("%s: got %d entries for %d items, want at most %d", tc.name, n, page, 5*page)
			}
		})
	}
}

// A page of a work list is read in the order of an index, wherever its mappings come from.
func TestAPageOfAWorkListIsReadWithoutReadingTheOthers(t *testing.T) {
	t.Parallel()
	const mappings, page = 4000, 100
	db, first, ids := longJob(t, mappings)
	exec(t, db, "alter table pde_mappings set (autovacuum_enabled = off)")
	for _, tc := range []struct {
		name, scope, outcome string
	}{
		{name: "all", scope: "scope = 'all'"},
		{name: "unmapped", scope: "scope = 'unmapped'"},
		{
			name:    "retry of failed items",
			scope:   "scope = 'retry', retry_of = ?0",
			outcome: "outcome = 'failed', error_code = 'panic'",
		},
		{
			name:    "retry of failed items with a code",
			scope:   "scope = 'retry', retry_of = ?0, retry_error_code = 'panic'",
			outcome: "outcome = 'failed', error_code = 'panic'",
		},
		{
			name:    "retry of cancelled items",
			scope:   "scope = 'retry', retry_of = ?0",
			outcome: "outcome = 'cancelled', error_code = null",
		},
		{
			name:  "retry of failed and cancelled items",
			scope: "scope = 'retry', retry_of = ?0",
			outcome: "outcome = case when mapping_id < ?1 then 'failed' else 'cancelled' end, " +
				"error_code = case when mapping_id < ?1 then 'panic' end",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.outcome != "" {
				exec(t, db, "update job_items set ended_at = now(), folded_at = now(), "+tc.outcome+
					" where job_id = ?0", first.ID, ids[mappings/2])
				exec(t, db, `update jobs set (cancelled, cancelled_from, cancelled_at) = (
					select count(*), min(mapping_id), max(ended_at) from job_items
					where job_id = ?0 and outcome = 'cancelled') where id = ?0`, first.ID)
				vacuum(t, db, "job_items")
			}
			exec(t, db, "update jobs set ended_at = listed_at where ended_at is null")
			job := schematest.Job(t, db, mappings)
			exec(t, db, "update jobs set list_cursor = ?1, "+tc.scope+" where id = ?2", first.ID, ids[mappings/4],
				job.ID)
			n := entries(t, db, func(ctx context.Context, tx bun.Tx) error {
				listed, err := schema.InsertItems(ctx, tx, job.ID, page)
				if err == nil && listed.Listed != page {
					t.Errorf("InsertItems: got %d listed, want %d", listed.Listed, page)
				}
				return err
			}, "job_items", "pde_mappings")
			if n > 5*page {
				t.Errorf("entries read for a page of %d: got %d, want at most %d", page, n, 5*page)
			}
			exec(t, db, "update jobs set ended_at = now(), listed_at = now() where id = ?", job.ID)
		})
	}
}

// The status of a job is computed several times a second.
func TestAStatusIsComputedWithoutReadingTheQueue(t *testing.T) {
	t.Parallel()
	const mappings = 4000
	db, job, ids := longJob(t, mappings)
	mustFold(t, db, job.ID)
	for _, tc := range []struct{ name, items, waiting string }{
		{name: "no item waits", items: "due_at = 'epoch'"},
		{name: "all wait", items: "due_at = now() + interval '1 minute'", waiting: "that failed before"},
		{
			name:  "the first waits",
			items: "due_at = case when mapping_id = ?0 then now() + interval '1 hour' else 'epoch' end",
		},
		{name: "all but the last wait", items: "due_at = case when mapping_id = ?1 then 'epoch' else now() end"},
		{
			name:    "all wait for a lock",
			items:   "due_at = now() + interval '1 minute', waiting_for = 'waits for a lock'",
			waiting: "waits for a lock",
		},
		{
			name: "all but the last wait for a lock",
			items: "waiting_for = case when mapping_id < ?1 then 'waits for a lock' end, " +
				"due_at = case when mapping_id < ?1 then due_at else 'epoch' end",
		},
		{
			name: "one outcome is not counted",
			items: "waiting_for = null, outcome = case when mapping_id = ?1 then 'succeeded' end, " +
				"ended_at = case when mapping_id = ?1 then now() end",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			exec(t, db, "update job_items set "+tc.items+" where job_id = ?2", ids[0], ids[mappings-1], job.ID)
			vacuum(t, db, "job_items")
			n := itemEntries(t, db, func(ctx context.Context, tx bun.Tx) error {
				locked, err := schema.LockStatus(ctx, tx, job.ID)
				if err != nil {
					return err
				}
				status, err := schema.UpdateStatus(ctx, tx, locked, locked.Status.Counts)
				if err == nil && (!strings.Contains(status.WaitingFor, tc.waiting) ||
					(tc.waiting == "") != (status.WaitingFor == "")) {
					t.Errorf("waiting_for: got %q, want %q", status.WaitingFor, tc.waiting)
				}
				return err
			})
			if n > 10 {
				t.Errorf("entries read: got %d, want at most 10", n)
			}
		})
	}
}

// A transaction that stays open for minutes, such as that of pg_dump, keeps the index entries of every item that
// ends in that time.
func TestAnOldSnapshotMakesNoTurnReadFinishedItems(t *testing.T) {
	t.Parallel()
	const mappings, done = 3000, 2900
	db, job, ids := longJob(t, mappings)
	mustFold(t, db, job.ID)
	var scan schema.LagScan
	if _, err := scan.ListJobs(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	old, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Rollback() //nolint:errcheck // nothing was written
	if _, err := old.ExecContext(t.Context(), "set transaction isolation level repeatable read; select"); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `update job_items set outcome = 'succeeded', ended_at = clock_timestamp() - interval '1 minute',
		folded_at = null
		where mapping_id <= ?`, ids[done-1])
	exec(t, db, "update job_items set folded_at = ended_at where outcome is not null")

	sweep := func(scan *schema.LagScan) func(ctx context.Context, tx bun.Tx) error {
		return func(ctx context.Context, tx bun.Tx) error {
			locked, err := schema.LockStatus(ctx, tx, job.ID)
			if err != nil {
				return err
			}
			_, _, err = schema.FoldItemsSince(ctx, tx, locked, scan.FoldedUntil(job.ID), 100)
			if err == nil {
				scan.Swept(job.ID, locked.Now)
			}
			return err
		}
	}
	// For a job that always has an outcome to fold, only sweeps record the time.
	var busy schema.LagScan
	if n := itemEntries(t, db, sweep(&busy)); n < done {
		t.Errorf("entries that the first sweep reads: got %d, want at least %d: the snapshot keeps no entries", n, done)
	}
	from := schema.Positions{job.ID: ids[done]}
	// This scan finds everything folded.
	if _, err := scan.ListJobs(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(ctx context.Context, tx bun.Tx) error{
		"JobsWithWork": func(ctx context.Context, tx bun.Tx) error {
			jobs, err := schema.ListJobsWithWork(ctx, tx, from)
			if len(jobs) != 1 {
				t.Errorf("jobs with work: got %d, want 1", len(jobs))
			}
			return err
		},
		"DueItems": func(ctx context.Context, tx bun.Tx) error {
			due, err := schema.ListDueItems(ctx, tx, map[string]int{job.ID: 10}, from)
			if len(due[job.ID]) != 10 || due[job.ID][0].MappingID != ids[done] {
				t.Errorf("due items: got %v, want ten, the first %s", due, ids[done])
			}
			return err
		},
		"LagScan": func(ctx context.Context, tx bun.Tx) error {
			lagging, err := scan.ListJobs(ctx, tx)
			if len(lagging) != 0 {
				t.Errorf("lagging jobs: got %v, want none", lagging)
			}
			return err
		},
		"SweepItems":               sweep(&scan),
		"SweepItems of a busy job": sweep(&busy),
	} {
		t.Run(name, func(t *testing.T) {
			if n := itemEntries(t, db, do); n > 30 {
				t.Errorf("%s: got %d entries after %d ended items, want at most 30", name, n, done)
			}
		})
	}
	if n := itemEntries(t, db, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.ListDueItems(ctx, tx, map[string]int{job.ID: 10}, nil)
		return err
	}); n < done {
		t.Errorf("without a position: got %d entries, want at least %d", n, done)
	}
}

func TestAnOutcomeIsFoundLaggingHoweverLateItBecomesVisible(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	mustFold(t, db, job.ID)
	var scan schema.LagScan
	for range 2 {
		if lagging, err := scan.ListJobs(t.Context(), db); err != nil || len(lagging) != 0 {
			t.Fatalf("lagging jobs: got %v (%v), want none", lagging, err)
		}
	}
	succeed(t, db, job.ID, ids[0])
	exec(t, db, "update job_items set ended_at = ended_at - interval '5 seconds' where outcome is not null")
	if lagging, err := scan.ListJobs(t.Context(), db); err != nil || len(lagging) != 1 {
		t.Errorf("lagging jobs: got %v (%v), want 1", lagging, err)
	}
	mustFold(t, db, job.ID, ids[0])
	if lagging, err := scan.ListJobs(t.Context(), db); err != nil || len(lagging) != 0 {
		t.Errorf("lagging jobs after folding: got %v, want none (%v)", lagging, err)
	}
}
