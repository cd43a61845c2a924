// Package bareloop writes the results of a job as a plain loop over pgx would: without messages, events and retries. It
// is the baseline of bench commit, which measures what the pipeline costs beyond its database work.
//
// For each item the loop reads the columns of [schema.GetWork], and writes those of [schema.SaveWork] in one
// transaction with the same values: the mapping, the item and a row of the history. Each is a prepared statement of its
// own.
package bareloop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/schema"
)

// work is one item with the values that are written for it.
type work struct {
	mappingID, before, after string
	columns                  []any
}

// Loop writes the results of a job that has ended a second time, as those of a new job.
type Loop struct {
	pool          *pgxpool.Pool
	all           []work
	jobID, author string
	update        string
}

// Prepare reads the results of the job and returns a loop with a number of connections. The caller must close it.
func Prepare(ctx context.Context, databaseURL, jobID string, concurrency int) (*Loop, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	config.MaxConns = int32(concurrency) //nolint:gosec // a few
	l := &Loop{update: updateMapping()}
	if l.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("bare loop: %w", err)
	}
	if l.all, err = readWork(ctx, l.pool, jobID); err != nil {
		l.Close()
		return nil, fmt.Errorf("results of job %s: %w", jobID, err)
	}
	if l.jobID, err = copyJob(ctx, l.pool, jobID); err != nil {
		l.Close()
		return nil, fmt.Errorf("copy of job %s: %w", jobID, err)
	}
	l.author = schema.JobAuthor(l.jobID)
	return l, nil
}

// Close closes the connections.
func (l *Loop) Close() { l.pool.Close() }

// Run writes the results, each once, on all connections at once. It returns the number of mappings and the time that
// this took.
func (l *Loop) Run(ctx context.Context) (n int, took time.Duration, err error) {
	began := time.Now()
	if err := l.run(ctx, int(l.pool.Config().MaxConns)); err != nil {
		return 0, 0, fmt.Errorf("bare loop: %w", err)
	}
	return len(l.all), time.Since(began), nil
}

// readWork reads the values of all items of the job.
func readWork(ctx context.Context, pool *pgxpool.Pool, jobID string) ([]work, error) {
	rows, err := pool.Query(ctx, `select h.mapping_id, h.before::text, h.after::text, m.`+
		strings.Join(schema.JobColumns(), "::text, m.")+`::text
		from classification_history h join pde_mappings m on m.id = h.mapping_id
		where h.job_id = $1 order by h.mapping_id`, jobID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w work, err error) {
		values, err := row.Values()
		if err != nil {
			return w, err
		}
		w.mappingID, _ = values[0].(string)
		w.before, _ = values[1].(string)
		w.after, _ = values[2].(string)
		w.columns = values[3:]
		return w, nil
	})
}

// copyJob inserts a copy of the job with all its items queued, and returns its id.
func copyJob(ctx context.Context, pool *pgxpool.Pool, jobID string) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	_, err = pool.Exec(ctx, `insert into jobs select
		(jsonb_populate_record(null::jobs, to_jsonb(j) || jsonb_build_object('id', $2::text))).*
		from jobs j where j.id = $1`, jobID, id.String())
	if err != nil {
		return "", err
	}
	_, err = pool.Exec(ctx, `insert into job_items (job_id, mapping_id, created_at, created_by, updated_at, updated_by)
		select $2, mapping_id, created_at, created_by, updated_at, updated_by from job_items where job_id = $1`,
		jobID, id.String())
	return id.String(), err
}

// run writes the work with a number of goroutines.
func (l *Loop) run(ctx context.Context, concurrency int) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range concurrency {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.all) {
					return nil
				}
				if err := l.one(ctx, l.all[i]); err != nil {
					return fmt.Errorf("mapping %s: %w", l.all[i].mappingID, err)
				}
			}
		})
	}
	return group.Wait()
}

const readItem = `select i.*, j.job_type, j.classifier, j.force, j.intent, j.cycle_id, j.report_id, a.*, r.*, m.*,
	m.version from job_items i
	join jobs j on j.id = i.job_id
	join pde_mappings m on m.id = i.mapping_id
	join attributes a on a.id = m.attribute_id
	left join auto_approvals r on r.cycle_id = j.cycle_id and r.report_id = j.report_id
	where i.job_id = $1 and i.mapping_id = $2`

// one reads an item and writes its result in a transaction.
func (l *Loop) one(ctx context.Context, w work) error {
	rows, err := l.pool.Query(ctx, readItem, l.jobID, w.mappingID)
	if err != nil {
		return err
	}
	values, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		return err
	}
	version := values[len(values)-1]
	historyID, err := uuid.NewV7()
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		args := append([]any{w.mappingID, version, l.author}, w.columns...)
		if err := execOne(ctx, tx, l.update, args...); err != nil {
			return err
		}
		if err := execOne(ctx, tx, updateItem, l.jobID, w.mappingID, l.author); err != nil {
			return err
		}
		return execOne(ctx, tx, insertHistory, historyID.String(), w.mappingID, l.jobID, l.author, w.before, w.after)
	})
}

// updateMapping writes the columns of a job to a mapping of a version.
func updateMapping() string {
	var sets []string
	for i, name := range schema.JobColumns() {
		sets = append(sets, fmt.Sprintf("%s = $%d", name, i+4))
	}
	return `update pde_mappings set ` + strings.Join(sets, ", ") +
		`, version = version + 1, updated_at = clock_timestamp(), updated_by = $3 where id = $1 and version = $2`
}

const updateItem = `update job_items set outcome = 'succeeded', attempt = 1, classifier = 'noop', duration_ms = 0,
	information_security_classification = 'Confidential', starts = 0, ended_at = clock_timestamp(),
	updated_at = clock_timestamp(), updated_by = $3
	where job_id = $1 and mapping_id = $2 and coalesce(outcome, '') = ''`

const insertHistory = `insert into classification_history
	(id, mapping_id, job_id, changed_at, changed_by, before, after, created_at, created_by, updated_at, updated_by)
	values ($1, $2, $3, clock_timestamp(), $4, $5, $6, clock_timestamp(), $4, clock_timestamp(), $4)`

// execOne executes a statement that must write one row.
func execOne(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	done, err := tx.Exec(ctx, sql, args...)
	if err == nil && done.RowsAffected() != 1 {
		err = errors.New("the row has changed")
	}
	return err
}
