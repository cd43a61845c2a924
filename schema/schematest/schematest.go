//go:build unix

// Package schematest gives each test a migrated database of its own on a real PostgreSQL.
//
// The first test of a binary that needs a database starts one server for all of them. It is private and
// temporary (package localpg), unless PDEFLOW_TEST_DATABASE_URL names a server on which databases may be
// created. If there is neither, the test fails with the command that installs PostgreSQL. It never skips,
// because a skipped test proves nothing.
//
//  1. Each test has a database, not a schema in a shared one: advisory locks, pg_stat_activity and a final drop
//     are limited to it, and a test may start processes with its URL. A copy of a migrated template takes 20 ms;
//     migrating an empty database or schema takes 60 to 100 ms.
//
//  2. A named server has no template, because nothing would drop it: each test's database is migrated.
//
//  3. A package whose tests use this one declares
//
//     func TestMain(m *testing.M) { schematest.Main(m) }
//
//     so that the server and its directory are removed after the tests. If a binary omits it, or is killed, its server
//     ends with it on Linux, and the next start of a private server removes the rest.
package schematest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/localpg"
)

// New opens the test's database, which is empty and migrated. It is closed and dropped when the test ends. All
// calls in one test open the same database; a subtest has its own.
func New(t testing.TB) *schema.DB {
	t.Helper()
	db, err := schema.Open(t.Context(), URL(t), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close of the test's database: %v", err)
		}
	})
	return db
}

// URL returns the URL of the test's database, the one that [New] opens, for a process that the test starts.
func URL(t testing.TB) string {
	t.Helper()
	server, err := binary.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	where, err := server.database(t)
	if err != nil {
		t.Fatal(err)
	}
	return where
}

// Main runs the tests and then stops the server, if a test started one.
func Main(m *testing.M) {
	m.Run()
	if err := binary.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// binary holds the server that all tests of this test binary share.
var binary shared

type shared struct {
	mu     sync.Mutex
	server *server
	err    error
}

func (s *shared) get(ctx context.Context) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		s.server, s.err = start(ctx)
	}
	return s.server, s.err
}

func (s *shared) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil || s.server.private == nil {
		return nil
	}
	return s.server.private.Stop()
}

// server is a PostgreSQL server on which databases are created.
type server struct {
	url      url.URL
	private  *localpg.Server // nil if the server was named
	template string          // "" if the server was named

	mu        sync.Mutex
	databases map[testing.TB]string
}

func start(ctx context.Context) (*server, error) {
	if named := os.Getenv("PDEFLOW_TEST_DATABASE_URL"); named != "" {
		where, err := url.Parse(named)
		if err != nil || !strings.HasPrefix(where.Scheme, "postgres") {
			return nil, fmt.Errorf(
				"PDEFLOW_TEST_DATABASE_URL is not of the form postgres://user:password@host:port/database",
			)
		}
		return &server{url: *where, databases: map[testing.TB]string{}}, nil
	}
	binaries, err := localpg.Find(os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("these tests need a database (PDEFLOW_TEST_DATABASE_URL may name one): %w", err)
	}
	private, err := localpg.Start(ctx, localpg.Options{Binaries: binaries, User: os.Getenv("PDEFLOW_PG_USER")})
	if err != nil {
		return nil, err
	}
	where, err := url.Parse(private.URL())
	if err != nil {
		return nil, fmt.Errorf("URL of the private server: %w", err)
	}
	s := &server{url: *where, private: private, databases: map[testing.TB]string{}}
	return s, s.makeTemplate(ctx)
}

func (s *server) makeTemplate(ctx context.Context) error {
	const name = "pdeflow_template"
	if err := s.make(ctx, name); err != nil {
		return err
	}
	s.template = name
	return nil
}

// make creates a migrated database.
func (s *server) make(ctx context.Context, name string) error {
	if s.template != "" {
		return s.exec(ctx, "create database "+name+" template "+s.template)
	}
	if err := s.exec(ctx, "create database "+name); err != nil {
		return err
	}
	db, err := schema.Open(ctx, s.at(name), schema.Options{})
	if err != nil {
		return err
	}
	_, err = schema.Migrate(ctx, db)
	return errors.Join(err, db.Close())
}

// database returns the URL of the test's database. The first call of a test creates the database.
func (s *server) database(t testing.TB) (string, error) {
	s.mu.Lock()
	name, exists := s.databases[t]
	if !exists {
		name = "pdeflow_test_" + strings.ToLower(rand.Text()[:12])
		s.databases[t] = name
	}
	s.mu.Unlock()
	if exists {
		return s.at(name), nil
	}
	t.Cleanup(func() { s.drop(t, name) })
	return s.at(name), s.make(t.Context(), name)
}

// drop drops the test's database, with the sessions that a process of the test may still have there.
func (s *server) drop(t testing.TB, name string) {
	s.mu.Lock()
	delete(s.databases, t)
	s.mu.Unlock()
	if err := s.exec(context.Background(), "drop database if exists "+name+" with (force)"); err != nil {
		t.Errorf("drop of the test's database: %v", err)
	}
}

func (s *server) at(database string) string {
	where := s.url
	where.Path = "/" + database
	return where.String()
}

func (s *server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.url.String())
	if err != nil {
		return fmt.Errorf("test server: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("test server: %s: %w", statement, err)
	}
	return nil
}
