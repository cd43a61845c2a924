package schema_test

import (
	"context"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// Nobody analyzes a table in the first minute of its first job. Whatever Postgres guesses then, the write of one item must not read the
// queue of its whole job.
func TestOneItemIsWrittenWithoutReadingTheQueue(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1000)
	job := schematest.ListedJob(t, db, len(ids))
	mapping := read(t, db, job.ID, ids[0]).Mapping
	failure := schema.Saved{Outcome: schema.ItemFailed, Code: schema.CodePanic, Error: "boom", Attempt: 1}

	for name, write := range map[string]func(ctx context.Context, tx bun.Tx) error{
		"SaveWork": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.SaveWork(ctx, tx, job.ID, mapping, judged(mapping), schema.Saved{Outcome: schema.Succeeded, Attempt: 1})
			return err
		},
		"PostponeItem": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.PostponeItem(ctx, tx, job.ID, ids[1], failure, time.Second)
			return err
		},
		"FailItem": func(ctx context.Context, tx bun.Tx) error { return schema.FailItem(ctx, tx, job.ID, ids[2], failure) },
		"MarkStart": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.MarkStart(ctx, tx, job.ID, ids[3])
			return err
		},
		"TakeBackStart": func(ctx context.Context, tx bun.Tx) error {
			_, err := schema.MarkStart(ctx, tx, job.ID, ids[4])
			if err != nil {
				return err
			}
			return schema.TakeBackStart(ctx, tx, job.ID, ids[4])
		},
	} {
		err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			if err := write(ctx, tx); err != nil {
				return err
			}
			var entries int
			err := tx.NewRaw("select pg_stat_get_xact_tuples_returned('job_items_queued'::regclass)").Scan(ctx, &entries)
			if entries > 0 {
				t.Errorf("%s read %d entries of the queue", name, entries)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
