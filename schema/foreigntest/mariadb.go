//go:build unix

package foreigntest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

// StartMariaDB starts a MariaDB with TLS. Its root can log in from its socket only.
func StartMariaDB(t testing.TB) *Server {
	t.Helper()
	program, err := findMariaDB()
	if err != nil {
		t.Fatal("this test needs MariaDB; install it with: " +
			"apt-get install -y --no-install-recommends mariadb-server-core")
	}
	dir, as := directory(t), account(t, "mysql", "nobody")
	s := &Server{
		Host: "localhost", Port: schematest.FreePort(t), sockets: filepath.Join(dir, "s"), CA: certificates(t, dir),
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	give(t, dir, as)
	common := []string{
		"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--innodb-buffer-pool-size=16M",
		"--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
	}
	bootstrap(t, as, program, append(common, "--bootstrap", "--max-allowed-packet=8M"))
	start(t, as, syscall.SIGTERM, func() error {
		db, err := sql.Open("mysql", s.rootDSN(""))
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return db.PingContext(t.Context())
	}, program, append(common, "--socket="+s.sockets, "--pid-file="+filepath.Join(dir, "pid"),
		fmt.Sprint("--port=", s.Port),
		"--bind-address=127.0.0.1", "--ssl-cert="+filepath.Join(dir, "server.crt"),
		"--ssl-key="+filepath.Join(dir, "server.key"), "--skip-name-resolve=OFF")...)
	return s
}

// findMariaDB looks in /usr/sbin too, which is not in the PATH of an ordinary user.
func findMariaDB() (string, error) {
	if found, err := exec.LookPath("mariadbd"); err == nil {
		return found, nil
	}
	return exec.LookPath("/usr/sbin/mariadbd")
}

// bootstrap creates the system tables, as mariadb-install-db does, which needs the programs of the client.
func bootstrap(t testing.TB, as *syscall.Credential, program string, args []string) {
	t.Helper()
	statements := bytes.NewBufferString("create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n")
	for _, name := range []string{
		"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql",
	} {
		text, err := os.ReadFile(filepath.Join("/usr/share/mysql", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "@current_hostname") {
				statements.WriteString(line)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), program, args...) //nolint:gosec // a database server
	cmd.Dir, cmd.Stdin, cmd.SysProcAttr = "/tmp", statements, attributes(as)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

func (s *Server) rootDSN(database string) string { return "root@unix(" + s.sockets + ")/" + database }

// ExecMariaDB runs statements as root.
func (s *Server) ExecMariaDB(t testing.TB, database string, statements ...string) {
	t.Helper()
	config, err := mysql.ParseDSN(s.rootDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
			t.Fatalf("%v: %s", err, statement)
		}
	}
}

// QueryMariaDB runs a query as a user with the password. It returns the error of the query.
func (s *Server) QueryMariaDB(t testing.TB, user, database, query string) (err error) {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = user, Password, database
	config.Net, config.Addr, config.Logger = "tcp", s.address(), &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(t.Context(), query)
	return err
}

// MariaDBURL returns the URL of a user with the password, which may be empty.
func (s *Server) MariaDBURL(user, password, database string) string {
	u := url.URL{Scheme: "mariadb", User: url.UserPassword(user, password), Host: s.address(), Path: "/" + database}
	return u.String()
}
