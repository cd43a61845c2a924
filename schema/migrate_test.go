package schema_test

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// emptyDatabase creates a database without migrations, in addition to the test's own, and returns its URL.
func emptyDatabase(t *testing.T, admin *schema.DB) string {
	t.Helper()
	where, err := url.Parse(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(where.Path, "/") + "_empty"
	drop := func(ctx context.Context) {
		if _, err := admin.ExecContext(ctx, "drop database if exists "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	}
	drop(t.Context())
	exec(t, admin, "create database "+name)
	t.Cleanup(func() { drop(context.WithoutCancel(t.Context())) })
	where.Path = "/" + name
	return where.String()
}

func open(t *testing.T, url string, opts schema.Options) *schema.DB {
	t.Helper()
	db, err := schema.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestConcurrentProcessesMigrateOnce(t *testing.T) {
	t.Parallel()
	where := emptyDatabase(t, schematest.New(t))
	var (
		all     sync.WaitGroup
		applied atomic.Int64
		begin   = make(chan struct{})
	)
	for range 6 {
		db := open(t, where, schema.Options{MaxConns: 4})
		all.Go(func() {
			<-begin
			names, err := schema.Migrate(t.Context(), db)
			if err != nil {
				t.Error(err)
			}
			applied.Add(int64(len(names)))
		})
	}
	close(begin)
	all.Wait()
	steps, err := schema.ListMigrations(t.Context(), open(t, where, schema.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if !step.Applied {
			t.Errorf("%s: got not applied, want applied", step.Name)
		}
	}
	if n := applied.Load(); int(n) != len(steps) {
		t.Errorf("applied migrations: got %d, want %d", n, len(steps))
	}
}

func TestAMigrationInterruptedAfterAnyStatementCanBeRepeated(t *testing.T) {
	t.Parallel()
	admin := schematest.New(t)
	for n := 1; ; n++ {
		where := emptyDatabase(t, admin)
		ctx, cancel := context.WithCancel(t.Context())
		cut := &cutter{Handler: slog.DiscardHandler, left: n, cancel: cancel}
		_, err := schema.Migrate(ctx, open(t, where, schema.Options{LogSQL: slog.New(cut), MaxConns: 4}))
		cancel()
		if err == nil {
			if n < 8 {
				t.Errorf("statements of Migrate: got %d, want more", n)
			}
			return
		}
		if _, err := schema.Migrate(t.Context(), open(t, where, schema.Options{MaxConns: 4})); err != nil {
			t.Fatalf("Migrate after an interruption at statement %d (%s): got %v, want nil", n, cut.last, err)
		}
	}
}

// cutter cancels a context after so many statements were logged.
type cutter struct {
	slog.Handler
	cancel context.CancelFunc

	mu   sync.Mutex
	left int
	last string
}

func (c *cutter) Enabled(context.Context, slog.Level) bool { return true }

func (c *cutter) Handle(_ context.Context, record slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == "sql" {
				c.last = a.Value.String()
			}
			return true
		})
		c.cancel()
	}
	return nil
}
