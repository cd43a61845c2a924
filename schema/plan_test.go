package schema_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// A table is not analyzed in the first minute of its first job. Even with default statistics, the write of one
// item must not read the whole queue of its job.
func TestOneItemIsWrittenWithoutReadingTheQueue(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1000)
	job := schematest.ListedJob(t, db, len(ids))
	mapping := read(t, db, job.ID, ids[0]).Mapping
	failure := schema.ItemResult{Outcome: schema.OutcomeFailed, Code: schema.ErrorCodePanic, Error: "boom", Attempt: 1}

	for name, write := range map[string]func(ctx context.Context, tx bun.Tx) error{
		"SaveWork": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.SaveWork(
				ctx,
				tx,
				job.ID,
				mapping,
				judged(mapping),
				schema.ItemResult{Outcome: schema.OutcomeSucceeded, Attempt: 1},
			)
			return err
		},
		"PostponeItem": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.PostponeItem(ctx, tx, job.ID, ids[1], failure, time.Second)
			return err
		},
		"FailItem": func(ctx context.Context, tx bun.Tx) error {
			return schema.FailItem(
				ctx, tx, job.ID, ids[2], failure,
			)
		},
		"MarkStart": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.MarkStart(ctx, tx, job.ID, ids[3])
			return err
		},
		"ClearStarts": func(
			ctx context.Context, tx bun.Tx,
		) error {
			return schema.ClearStarts(ctx, tx, job.ID, ids[4])
		},
		"WaitForLock": func(ctx context.Context, tx bun.Tx) error {
			return schema.PostponeLockedItem(ctx, tx, job.ID, ids[5], "waits for a lock", time.Second)
		},
		"DescribeLock": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.DescribeLock(ctx, tx, job.ID, ids[6])
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				if err := write(ctx, tx); err != nil {
					return err
				}
				var entries int
				err := tx.NewRaw(
					"select pg_stat_get_xact_tuples_returned('job_items_queued'::regclass)",
				).Scan(ctx, &entries)
				if entries > 0 {
					t.Errorf("%s: got %d entries of the queue, want 0", name, entries)
				}
				return err
			})
			if err != nil {
				t.Errorf("%s: got %v, want nil", name, err)
			}
		})
	}
}

// All reports are in one table, and the requested one may be the last.
func TestAPageOfAttributesAndTheirNamesAreFoundWithoutReadingTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	for _, report := range []string{"first", "second"} {
		err := in(t.Context(), db, func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, schema.ReportData{
				CycleID: "c", ReportID: report, Author: "alice", Attributes: schema.Rows[schema.Attribute]{
					All: numbered(1, 2000),
				},
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, known := range []bool{false, true} { // without and with statistics
		if known {
			if _, err := db.ExecContext(t.Context(), "analyze attributes"); err != nil {
				t.Fatal(err)
			}
		}
		for name, do := range map[string]func(tx bun.Tx) error{
			"a page": func(tx bun.Tx) error {
				_, err := schema.ListAttributes(t.Context(), tx, "c", "second", "", 10)
				return err
			},
			"a mapping by name": func(tx bun.Tx) error {
				_, err := schema.Import(t.Context(), tx, schema.ReportData{
					CycleID: "c", ReportID: "second", Author: "alice",
					Mappings: slices.Values(
						[]schema.MappingRow{{Line: 2, AttributeName: "Line 1500", PDEName: "Line"}},
					),
				})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				var rows int
				err := in(t.Context(), db, func(tx bun.Tx) error {
					before, err := schematest.EntriesRead(t.Context(), tx, "attributes")
					if err != nil {
						return err
					}
					if err := do(tx); err != nil {
						return err
					}
					rows, err = schematest.EntriesRead(t.Context(), tx, "attributes")
					rows -= before
					return err
				})
				if err != nil || rows == 0 || rows > 20 {
					t.Errorf("%s: got %d rows and entries of attributes (%v), want 1 to 20; analyzed: %v",
						name, rows, err, known)
				}
			})
		}
	}
}

// The changes of people were few when the statistics were taken. A review still reads those of its mappings, and not
// those of all people for each mapping.
func TestTheLastEditorsAreFoundWithoutReadingTheChangesOfAllPeople(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1000)
	insert := func(kind, job, action string) {
		exec(t, db, `insert into classification_history
				(id, mapping_id, job_id, action, changed_at, changed_by, before, after,
					created_at, created_by, updated_at, updated_by)
			select ? || id, id, nullif(?, ''), nullif(?, ''), now(), 'alice', '{}', '{}', now(), 'alice', now(), 'alice'
			from pde_mappings`, kind, job, action)
	}
	for _, job := range []string{"1", "2", "3", "4", "5"} {
		insert("job "+job, job, "")
	}
	exec(t, db, "analyze classification_history")
	insert("import", "", "imported")
	versions := make([]schema.MappingVersion, len(ids))
	for i, id := range ids {
		versions[i] = schema.MappingVersion{ID: id, Version: 1}
	}
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		counts, err := schema.ReviewMappings(ctx, tx, schema.Review{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Status: schema.ReviewStatusApproved,
			Author: "mia",
		}, versions)
		if err != nil || counts.Decided != int64(len(ids)) {
			t.Errorf("ReviewMappings: got %+v, %v, want %d decided", counts, err, len(ids))
		}
		var entries int
		err = tx.NewRaw("select pg_stat_get_xact_tuples_returned('classification_history_people'::regclass)").
			Scan(ctx, &entries)
		if entries > 0 {
			t.Errorf("got %d entries of the index of the changes of people, want 0", entries)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
