package schema_test

import (
	"context"
	"errors"
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

func TestAStatementThatNobodyAnswersEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	db, err := schema.Open(t.Context(), network.url, schema.Options{StatementLimit: time.Second, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	network.swallows.Store(true)
	if _, err := schema.Now(t.Context(), db); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the statement ended with: %v", err)
	}
	network.swallows.Store(false)
	if _, err := schema.Now(t.Context(), db); err != nil {
		t.Errorf("the next one, over another connection: %v", err)
	}
}

// network stands between a client and the test's database. While it swallows, what the database answers never arrives, and nobody is
// told: the connections stay.
type network struct {
	url      string
	swallows atomic.Bool
}

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
		Scheme: "postgres", User: url.UserPassword(where.User, where.Password), Host: listener.Addr().String(), Path: "/" + where.Database,
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
		_, _ = io.Copy(swallower{n, client}, server)
		_ = client.Close() // the database has ended it
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	answers.Wait()
}

// swallower passes on what the network does not swallow.
type swallower struct {
	network *network
	to      io.Writer
}

func (s swallower) Write(p []byte) (int, error) {
	if s.network.swallows.Load() {
		return len(p), nil
	}
	return s.to.Write(p)
}
