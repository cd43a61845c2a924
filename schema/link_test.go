package schema_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAStatementWhoseAnswerIsLostEndsAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	db := open(t, network.url, schema.Options{MaxConns: 2})
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
	network.forget()
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
	db := open(t, newNetwork(t).url, schema.Options{})
	if _, err := db.ExecContext(t.Context(), "select pg_sleep(25)"); err != nil {
		t.Errorf("a long statement: got %v, want nil", err)
	}
}

// network is a proxy between a client and the test's database. After forget, it drops the answers on existing
// connections without an error to either side. New connections work.
type network struct {
	url       string
	forgotten atomic.Int64 // the number of forgotten connections
	opened    atomic.Int64
}

func (n *network) forget() { n.forgotten.Store(n.opened.Load()) }

func newNetwork(t *testing.T) *network {
	t.Helper()
	where, err := pgx.ParseConfig(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	through := url.URL{
		Scheme: "postgres", User: url.UserPassword(
			where.User, where.Password,
		), Host: listener.Addr().String(), Path: "/" + where.Database,
		RawQuery: "sslmode=disable",
	}
	n := &network{url: through.String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { n.connect(t, client, where) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	return n
}

func (n *network) connect(t *testing.T, client net.Conn, where *pgx.ConnConfig) {
	kind, address := pgconn.NetworkAddress(where.Host, where.Port)
	server, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), kind, address)
	if err != nil {
		t.Error(err)
		return
	}
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(swallower{n, n.opened.Add(1), client}, server)
		_ = client.Close() // the database has closed it
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	answers.Wait()
}

// swallower writes to a client, except for the answers that the network drops.
type swallower struct {
	network *network
	number  int64
	to      io.Writer
}

func (s swallower) Write(p []byte) (int, error) {
	if s.number <= s.network.forgotten.Load() {
		return len(p), nil
	}
	return s.to.Write(p)
}
