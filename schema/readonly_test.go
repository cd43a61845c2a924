//go:build unix

package schema_test

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/localpg"
)

// Two servers play a primary and its standby. Each answers reads with its data directory.
func TestAPoolFollowsTheHostThatAcceptsWrites(t *testing.T) {
	t.Parallel()
	first, second := startServer(t), startServer(t)
	setReadOnly(t, second, "on")
	db := open(t, bothHosts(t, first, second), schema.Options{})
	exec(t, db, "create table failover (place text)")
	primary := place(t, db)
	if err := db.Writable(t.Context()); err != nil {
		t.Errorf("Writable of the first server: got %v, want nil", err)
	}

	setReadOnly(t, first, "on")
	setReadOnly(t, second, "off")
	var refused bool
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := db.ExecContext(t.Context(), "create table if not exists failover (place text)")
		if err == nil {
			_, err = db.ExecContext(t.Context(), "insert into failover select current_setting('data_directory')")
		}
		if err == nil && place(t, db) != primary {
			break
		}
		refused = refused || schema.IsReadOnly(err)
		if err != nil && !schema.IsReadOnly(err) || time.Now().After(deadline) {
			t.Fatalf("a write to the second server: got %v, want nil", err)
		}
	}
	if !refused {
		t.Error("no write was refused by the first server")
	}

	setReadOnly(t, second, "on")
	_, err := schema.Open(t.Context(), bothHosts(t, first, second), schema.Options{})
	if !schema.IsReadOnly(err) {
		t.Errorf("Open with no host that accepts writes: got %v, want a read-only error", err)
	}
}

func TestMigrate_ReturnsTheReasonForAReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	setReadOnly(t, server, "on")
	_, err := schema.Migrate(t.Context(), open(t, server.URL(), schema.Options{}))
	if !schema.IsReadOnly(err) ||
		err.Error() != "the database is read-only: default_transaction_read_only is on, which an operator sets, "+
			"or a provider when the disk is full" {
		t.Errorf("got error %v, want the reason why the database is read-only", err)
	}
}

func startServer(t *testing.T) *localpg.Server {
	t.Helper()
	binaries, err := localpg.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	server, err := localpg.Start(t.Context(), localpg.Options{Binaries: binaries, User: os.Getenv("PDEFLOW_PG_USER")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// setReadOnly changes default_transaction_read_only of a server, also for existing sessions.
func setReadOnly(t *testing.T, server *localpg.Server, value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"alter system set default_transaction_read_only = " + value, "select pg_reload_conf()",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		var now string
		if err := conn.QueryRow(t.Context(), "show default_transaction_read_only").Scan(&now); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(t.Context())
		if now == value {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("default_transaction_read_only after a reload: got %s, want the other value", now)
		}
	}
}

func bothHosts(t *testing.T, first, second *localpg.Server) string {
	t.Helper()
	one, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	two, err := url.Parse(second.URL())
	if err != nil {
		t.Fatal(err)
	}
	query := one.Query()
	query.Set("host", one.Query().Get("host")+","+two.Query().Get("host"))
	query.Set("port", one.Query().Get("port")+","+two.Query().Get("port"))
	one.RawQuery = query.Encode()
	return one.String()
}

func place(t *testing.T, db *schema.DB) string {
	t.Helper()
	var place string
	if err := db.NewRaw("select current_setting('data_directory')").Scan(t.Context(), &place); err != nil {
		t.Fatal(err)
	}
	return place
}
