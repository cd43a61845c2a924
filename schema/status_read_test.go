package schema_test

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAJobWithoutAStatusRowIsReadAndFilteredByItsItems(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	is := func(want schema.Status) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "delete from job_status"); err != nil {
			t.Fatal(err)
		}
		job, err := schema.GetJob(t.Context(), db, job.ID)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := schema.GetStatus(t.Context(), db, job); err != nil || status.Status != want {
			t.Errorf("status: got %s, want %s (%v)", status.Status, want, err)
		}
		for _, status := range schema.Statuses() {
			found, err := schema.ListJobs(t.Context(), db, schema.JobFilter{Status: status}, "", 10)
			if err != nil || len(found) > 0 != (status == want) {
				t.Errorf("jobs with status %s: got %d (%v), want one if the status %s is the same",
					want, len(found), err, status)
			}
		}
	}
	is(schema.StatusPending) // the projector has not written that it runs
	succeed(t, db, job.ID, ids[0])
	mustFold(t, db, job.ID, ids[0])
	is(schema.StatusRunning)
	if _, err := db.ExecContext(t.Context(), "update jobs set intent = 'pause'"); err != nil {
		t.Fatal(err)
	}
	is(schema.StatusPaused)
	succeed(t, db, job.ID, ids[1])
	mustFold(t, db, job.ID, ids[1])
	is(schema.StatusCompleted)
	exec(t, db, "update job_items set outcome = 'failed', error_code = 'panic' where mapping_id = ?", ids[1])
	is(schema.StatusFailed)
	exec(t, db, "update job_items set outcome = 'cancelled', error_code = null where mapping_id = ?", ids[1])
	exec(t, db, "update jobs set cancelled = 1, cancelled_at = now(), cancelled_from = ?", ids[1])
	is(schema.StatusCancelled)
}

func TestUpdateBlockedBy_WritesOnlyANewReason(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	blocked := func(reason string) schema.Job {
		t.Helper()
		if err := schema.UpdateBlockedBy(t.Context(), db, job.ID, reason); err != nil {
			t.Fatal(err)
		}
		job, err := schema.GetJob(t.Context(), db, job.ID)
		if err != nil {
			t.Fatal(err)
		}
		status := schema.StatusOf(job, schema.Counts{}, schema.Waiting{}, nil)
		if job.BlockedBy != reason || status.WaitingFor != reason || job.BlockedSince.IsZero() != (reason == "") {
			t.Errorf("got blocked by %q since %v, waiting for %q, want %q",
				job.BlockedBy, job.BlockedSince, status.WaitingFor, reason)
		}
		listed, err := schema.ListBlockedJobs(t.Context(), db, schema.CheckScope{})
		if err != nil || len(listed) > 0 != (reason != "") {
			t.Errorf("blocked jobs: got %d (%v), want some for the reason %q only", len(listed), err, reason)
		}
		return job
	}
	first := blocked("the stream is full")
	if again := blocked(
		"the stream is full",
	); again.Version != first.Version || !again.UpdatedAt.Equal(first.UpdatedAt) {
		t.Error("the same reason is written again")
	}
	if other := blocked("the disk is full"); other.Version == first.Version ||
		!other.BlockedSince.Equal(first.BlockedSince) {
		t.Errorf("another reason: got version %d, blocked since %v, want another version and the same time",
			other.Version, other.BlockedSince)
	}
	if over := blocked(""); over.Version != first.Version+2 {
		t.Errorf("version: got %d, want %d", over.Version, first.Version+2)
	}
	blocked("")
}

func TestItemsOfAnOutcomeAreListedWithoutReadingTheJob(t *testing.T) {
	t.Parallel()
	// The last items have an outcome that no other item has.
	others := map[string]string{
		"queued": "succeeded", "succeeded": "queued", "skipped": "succeeded", "failed": "cancelled",
		"cancelled": "succeeded",
	}
	for outcome, other := range others {
		t.Run(outcome, func(t *testing.T) {
			const mappings = 1500
			db, job, ids := longJob(t, mappings)
			// A second job inserts its items in their final state, so that no index has entries of older versions.
			exec(t, db, "update jobs set ended_at = now() where id = ?", job.ID)
			exec(
				t,
				db,
				"insert into jobs select (jsonb_populate_record(j, '{\"id\": \"second\", \"ended_at\": "+
					"null}')).* from jobs j",
			)
			add := func(outcome string, ids []string) {
				exec(t, db, `insert into job_items (job_id, mapping_id, outcome, error_code, ended_at, folded_at,
					due_at,
						created_at, created_by, updated_at, updated_by)
					select 'second', id, nullif(?0, 'queued'), 'panic', case when ?0 <> 'queued' then now() end,
						case when ?0 = 'cancelled' then now() end,
						case when id = ?1 and ?0 = 'queued' then now() else 'epoch' end, now(), 'x', now(), 'x'
					from unnest(array[?2]) id`, outcome, ids[len(ids)-1], bun.List(ids))
				if outcome == "cancelled" {
					exec(t, db, `update jobs set cancelled = ?, listed = ?, cancelled_at = now(), cancelled_from = ?
						where id = 'second'`, len(ids), mappings, ids[0])
				}
			}
			add(other, ids[:mappings-3])
			add(outcome, ids[mappings-3:])
			filter := schema.ItemFilter{Queued: outcome == "queued"}
			if !filter.Queued {
				filter.Outcome = schema.Outcome(outcome)
			}
			for _, analyzed := range []bool{false, true} {
				if analyzed {
					exec(t, db, "analyze job_items")
				}
				for after, want := range map[string]int{"": 3, ids[mappings-2]: 1} {
					t.Run(after, func(t *testing.T) {
						n := itemEntries(t, db, func(ctx context.Context, tx bun.Tx) error {
							items, err := schema.ListItems(ctx, tx, "second", filter, after, 10)
							if len(items) != want || want == 3 && items[0].MappingID != ids[mappings-3] {
								t.Errorf("items after %q: got %d, want %d", after, len(items), want)
							}
							return err
						})
						if n > 100 {
							t.Errorf("items after %q: got %d rows and entries, want at most 100; analyzed: %v",
								after, n, analyzed)
						}
					})
				}
			}
		})
	}
}
