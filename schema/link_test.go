package schema_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAStatementWhoseAnswerIsLostEndsAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	proxy, through := proxied(t)
	db := open(t, through, schema.Options{MaxConns: 2})
	if _, err := schema.Now(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	// In a transaction, because database/sql may repeat other statements on another connection.
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "set local idle_in_transaction_session_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	proxy.Forget()
	began := time.Now()
	if _, err := schema.Now(t.Context(), tx); err == nil {
		t.Error("the statement succeeded although its answer was lost")
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("time until the end: got %v, want about 11 s", took)
	}
	_ = tx.Rollback() // its connection is gone
	if _, err := schema.Now(t.Context(), db); err != nil {
		t.Errorf("Now over another connection: got %v, want nil", err)
	}
}

func TestASlowStatementIsNotEnded(t *testing.T) {
	t.Parallel()
	_, through := proxied(t)
	db := open(t, through, schema.Options{})
	if _, err := db.ExecContext(t.Context(), "select pg_sleep(25)"); err != nil {
		t.Errorf("a long statement: got %v, want nil", err)
	}
}

// proxied returns a proxy to the test's database, and the URL that leads through it.
func proxied(t *testing.T) (proxy *schematest.Proxy, through string) {
	t.Helper()
	where, err := pgx.ParseConfig(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(where.Host, where.Port)
	proxy = schematest.NewProxy(t, network, address)
	to := url.URL{
		Scheme: "postgres", User: url.UserPassword(where.User, where.Password),
		Host: proxy.Address, Path: "/" + where.Database, RawQuery: "sslmode=disable",
	}
	return proxy, to.String()
}
