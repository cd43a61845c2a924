//go:build unix

package schematest

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/pdeflow/pdeflow/schema"
)

// CountStatements opens the test's database once more, with the application name "counted", and returns how many
// statements run sends to it.
func CountStatements(t testing.TB, run func(*schema.DB)) int64 {
	t.Helper()
	counter := &statementCounter{Handler: slog.DiscardHandler}
	options := schema.Options{ApplicationName: "counted", LogSQL: slog.New(counter)}
	db, err := schema.Open(t.Context(), URL(t), options)
	if err != nil {
		t.Fatal(err)
	}
	run(db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	return counter.n.Load()
}

// statementCounter is a log handler that counts the statements of a database.
type statementCounter struct {
	slog.Handler
	n atomic.Int64
}

func (c *statementCounter) Enabled(context.Context, slog.Level) bool { return true }

func (c *statementCounter) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}

// CountSnapshots returns how many sessions that [CountStatements] opened hold a snapshot or a transaction. A session
// that has sent the end of its last statement may still be releasing its snapshot, so it counts only if it holds it
// for two seconds.
func CountSnapshots(t testing.TB, db *schema.DB) (n int) {
	t.Helper()
	for late := time.Now().Add(2 * time.Second); ; {
		err := db.NewRaw(`select count(*) from pg_stat_activity where datname = current_database()
			and application_name = 'counted'
			and (backend_xmin is not null or state like 'idle in transaction%')`).Scan(t.Context(), &n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 || time.Now().After(late) {
			return n
		}
	}
}

// EntriesRead counts the rows and index entries of the tables that the session of tx has read and not reported yet.
func EntriesRead(ctx context.Context, tx bun.IDB, tables ...string) (n int, err error) {
	err = tx.NewRaw(`select coalesce(sum(pg_stat_get_xact_tuples_returned(c.oid)), 0)
		from pg_class c left join pg_index i on i.indexrelid = c.oid
		where coalesce(i.indrelid, c.oid) in (select name::regclass from unnest(?::text[]) name)`,
		pgdialect.Array(tables)).Scan(ctx, &n)
	return n, err
}
