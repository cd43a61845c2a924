//go:build unix

package schematest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestANamedServerIsUsedAndItsDatabasesAreMigratedAndDropped(t *testing.T) {
	t.Setenv("PDEFLOW_TEST_DATABASE_URL", URL(t))
	s, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.private != nil {
		t.Error("a private server was started beside the named one")
	}
	var made string
	t.Run("a test on it", func(t *testing.T) {
		where, err := s.database(t)
		if err != nil {
			t.Fatal(err)
		}
		// It stays open, as the connections of a process would that the test forgot to end.
		db, err := schema.Open(t.Context(), where, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if applied, err := schema.Migrate(t.Context(), db); err != nil || len(applied) > 0 {
			t.Errorf("the database was not migrated yet: %v was left to apply, %v", applied, err)
		}
		at, err := url.Parse(where)
		if err != nil {
			t.Fatal(err)
		}
		made = strings.TrimPrefix(at.Path, "/")
	})
	var left int
	if err := New(t).NewRaw("select count(*) from pg_database where datname = ?", made).Scan(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	if made == "" || left > 0 {
		t.Errorf("database %q outlived its test", made)
	}
}

func TestWithoutAServerTheErrorSaysWhatToDo(t *testing.T) {
	t.Setenv("PDEFLOW_TEST_DATABASE_URL", "")
	t.Setenv("PDEFLOW_PG_BIN", "/no/such/folder")
	if _, err := start(t.Context()); err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_BIN=/no/such/folder") {
		t.Errorf("the error is %v", err)
	}
	t.Setenv("PDEFLOW_TEST_DATABASE_URL", "host=somewhere")
	if _, err := start(t.Context()); err == nil || !strings.Contains(err.Error(), "PDEFLOW_TEST_DATABASE_URL is not of the form") {
		t.Errorf("the error is %v", err)
	}
}
