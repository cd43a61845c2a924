//go:build unix

package foreigntest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/schema/localpg"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// StartPostgres starts a PostgreSQL with TLS. Users need their password, which clear_text has to send in clear text;
// tls_only can connect over TLS only, and unlisted not at all.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	binaries, err := localpg.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	dir, as := directory(t), account(t, "postgres", "nobody")
	s := &Server{Host: "localhost", Port: schematest.FreePort(t), sockets: dir, CA: certificates(t, dir)}
	give(t, dir, as)
	data := filepath.Join(dir, "data")
	run(t, as, filepath.Join(binaries.Dir, "initdb"), "-D", data, "-U", "owner", "--auth=trust", "-E", "UTF8",
		"--locale=C", "--no-sync", "--no-instructions")
	write(t, filepath.Join(data, "pg_hba.conf"), "local all owner trust\n"+
		"hostssl all tls_only all scram-sha-256\n"+
		"host all unlisted all reject\n"+
		"hostnossl all tls_only all reject\n"+
		"host all clear_text all password\n"+
		"host all all all scram-sha-256\n")
	give(t, data, as)
	start(t, as, syscall.SIGINT, func() error {
		conn, err := pgx.Connect(t.Context(), s.ownerURL("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(t.Context())
	}, filepath.Join(binaries.Dir, "postgres"), "-D", data, "-k", dir, "-p", fmt.Sprint(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=20",
		"-c", "ssl=on", "-c", "ssl_cert_file="+filepath.Join(dir, "server.crt"),
		"-c", "ssl_key_file="+filepath.Join(dir, "server.key"))
	return s
}

func (s *Server) ownerURL(database string) string {
	return fmt.Sprintf("postgres://owner@/%s?host=%s&port=%d", database, url.QueryEscape(s.sockets), s.Port)
}

// Exec runs statements as the owner of the database.
func (s *Server) Exec(t testing.TB, database, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.ownerURL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%v: %s", err, statements)
	}
}

// PostgresURL returns the URL of a user with the password, which may be empty.
func (s *Server) PostgresURL(user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: s.address(), Path: "/" + database}
	return u.String()
}
