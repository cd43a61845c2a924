//go:build unix

package schematest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func TestEachTestHasAMigratedDatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	names := make(chan string, 3)
	t.Run("tests", func(t *testing.T) {
		for range cap(names) {
			t.Run("one", func(t *testing.T) {
				t.Parallel()
				db := schematest.New(t)
				var name string
				if err := db.NewRaw("select current_database()").Scan(t.Context(), &name); err != nil {
					t.Fatal(err)
				}
				if _, err := db.ExecContext(t.Context(), "create table mine ()"); err != nil {
					t.Error(err)
				}
				if applied, err := schema.Migrate(t.Context(), db); err != nil || len(applied) > 0 {
					t.Errorf("Migrate: got %v, %v, want nothing to apply", applied, err)
				}
				names <- name
			})
		}
	})
	close(names)
	db := schematest.New(t)
	for name := range names {
		var left int
		query := db.NewRaw("select count(*) from pg_database where datname = ?", name)
		if err := query.Scan(t.Context(), &left); err != nil {
			t.Fatal(err)
		}
		if left > 0 {
			t.Errorf("database %s: got it after its test, want it dropped", name)
		}
	}
}

func TestOneTestSeesOneDatabaseFromEveryProcess(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	var name string
	if err := db.NewRaw("select current_database()").Scan(t.Context(), &name); err != nil {
		t.Fatal(err)
	}
	again := schematest.New(t)
	if err := again.NewRaw("select current_database()").Scan(t.Context(), &name); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(schematest.URL(t), name) {
		t.Errorf("URL: got %s, want the database %s", schematest.URL(t), name)
	}
	psql, err := exec.LookPath("psql")
	if err != nil {
		return // psql is part of the client package, which may be missing
	}
	out, err := exec.CommandContext(
		t.Context(), psql, schematest.URL(t), "-Atc", "select current_database()",
	).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != name {
		t.Errorf("psql: got %s, %v, want %s", out, err, name)
	}
}
