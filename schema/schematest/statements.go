//go:build unix

package schematest

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

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
