package schema_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

type sessionSettings struct {
	Isolation, Zone, Strings, Encoding, Dates, Intervals, Bytes, IdleTimeout, SearchPath, JIT string
}

var wantSettings = sessionSettings{
	Isolation: "read committed", Zone: "UTC", Strings: "on", Encoding: "UTF8", Dates: "ISO, MDY",
	Intervals: "postgres", Bytes: "hex",
	IdleTimeout: "30s", SearchPath: `"$user", public`, JIT: "off",
}

func settings(t *testing.T, db *schema.DB) sessionSettings {
	t.Helper()
	var got sessionSettings
	err := db.NewRaw("select current_setting('transaction_isolation'), current_setting('timezone'), "+
		"current_setting('standard_conforming_strings'), "+
		"current_setting('client_encoding'), current_setting('datestyle'), current_setting('intervalstyle'), "+
		"current_setting('bytea_output'), "+
		"current_setting('idle_in_transaction_session_timeout'), current_setting('search_path'), "+
		"current_setting('jit')").Scan(t.Context(), &got.Isolation, &got.Zone,
		&got.Strings, &got.Encoding, &got.Dates, &got.Intervals, &got.Bytes, &got.IdleTimeout, &got.SearchPath,
		&got.JIT)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Operators set defaults of a database or a role, often for another program.
func TestASessionHasItsSettingsWhateverTheDatabaseDefaultsToAndKeepsTheSearchPath(t *testing.T) {
	t.Parallel()
	where := schematest.URL(t)
	conn, err := pgx.Connect(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	name := conn.Config().Database
	for _, setting := range []string{
		"default_transaction_isolation = 'serializable'", "timezone = 'Asia/Tokyo'",
		"standard_conforming_strings = off", "client_encoding = 'LATIN1'",
		"datestyle = 'German, MDY'", "intervalstyle = 'iso_8601'", "bytea_output = 'escape'",
		"search_path = tenant, public",
	} {
		if _, err := conn.Exec(t.Context(), "alter database "+name+" set "+setting); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := open(t, where, schema.Options{})
	want := wantSettings
	want.SearchPath = "tenant, public"
	if got := settings(t, db); got != want {
		t.Errorf("the session: got %+v, want %+v", got, want)
	}
}

func TestPoolMaxConnsOfTheURLBoundsThePool(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ inURL, option, want int }{
		{0, 0, 16}, {0, 4, 4}, {6, 0, 6}, {40, 0, 40}, {6, 4, 4}, {6, 16, 6},
	} {
		t.Run(fmt.Sprint(c.inURL), func(t *testing.T) {
			where := schematest.URL(t)
			if c.inURL > 0 {
				where = withParameter(t, where, "pool_max_conns", fmt.Sprint(c.inURL))
			}
			db := open(t, where, schema.Options{MaxConns: c.option})
			if got := db.MaxConns(); got != c.want {
				t.Errorf("pool_max_conns %d and MaxConns %d: got a pool of %d, want %d", c.inURL, c.option, got, c.want)
			}
		})
	}
	_, err := schema.Open(t.Context(), withParameter(t, schematest.URL(t), "pool_max_conns", "1"), schema.Options{})
	if err == nil || !strings.Contains(err.Error(), "pool_max_conns=1, which must be at least 2") {
		t.Errorf("Open with a pool of one connection: got %v, want an error that names pool_max_conns", err)
	}
}

func withParameter(t *testing.T, where, name, value string) string {
	t.Helper()
	at, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	query.Set(name, value)
	at.RawQuery = query.Encode()
	return at.String()
}

func TestOpen_RejectsADatabaseThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	where := schematest.URL(t)
	conn, err := pgx.Connect(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	name := conn.Config().Database + "_latin1"
	if _, err := conn.Exec(
		t.Context(), "create database "+name+" encoding 'LATIN1' template template0 locale 'C'",
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), "drop database "+name); err != nil {
			t.Error(err)
		}
	})
	at, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	at.Path = "/" + name
	_, err = schema.Open(t.Context(), at.String(), schema.Options{})
	if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(
		err.Error(), "its encoding is LATIN1 and must be UTF8",
	) {
		t.Errorf("got error %v, want one that names the database and its encoding", err)
	}
}

func TestTheStatementTimeoutOfAPoolEndsItsStatements(t *testing.T) {
	t.Parallel()
	db := open(t, schematest.URL(t), schema.Options{StatementTimeout: 50 * time.Millisecond})
	if _, err := db.ExecContext(
		t.Context(), "select pg_sleep(60)",
	); err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("a long statement: got %v, want SQLSTATE 57014", err)
	}
}
