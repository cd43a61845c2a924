//go:build unix

package schematest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestANamedServerIsUsed(t *testing.T) {
	t.Setenv("PDEFLOW_TEST_DATABASE_URL", URL(t))
	s, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.private != nil {
		t.Error("a private server was started in addition to the named one")
	}
	var made string
	t.Run("a test on it", func(t *testing.T) {
		where, err := s.database(t)
		if err != nil {
			t.Fatal(err)
		}
		// It stays open, like the connections of a process that the test did not end.
		db, err := schema.Open(t.Context(), where, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if applied, err := schema.Migrate(t.Context(), db); err != nil || len(applied) > 0 {
			t.Errorf("Migrate: got %v, %v, want nothing to apply", applied, err)
		}
		at, err := url.Parse(where)
		if err != nil {
			t.Fatal(err)
		}
		made = strings.TrimPrefix(at.Path, "/")
	})
	var left int
	query := New(t).NewRaw("select count(*) from pg_database where datname = ?", made)
	if err := query.Scan(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	if made == "" || left > 0 {
		t.Errorf("database %q: got it after its test, want it dropped", made)
	}
}

func TestStart_NamesAWrongSetting(t *testing.T) {
	t.Setenv("PDEFLOW_TEST_DATABASE_URL", "")
	t.Setenv("PDEFLOW_PG_BIN", "/no/such/folder")
	if _, err := start(t.Context()); err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_BIN=/no/such/folder") {
		t.Errorf("got error %v, want one that names the setting", err)
	}
	t.Setenv("PDEFLOW_TEST_DATABASE_URL", "host=somewhere")
	_, err := start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "PDEFLOW_TEST_DATABASE_URL is not of the form") {
		t.Errorf("got error %v, want one that names the setting", err)
	}
}
