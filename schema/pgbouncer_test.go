//go:build unix

package schema_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// startPgBouncer runs PgBouncer with its default settings in front of the test's database and returns the
// database's URL there.
func startPgBouncer(t *testing.T, mode string) string {
	t.Helper()
	program, err := findPgBouncer()
	if err != nil {
		t.Fatal("this test needs PgBouncer; install it with: apt-get install -y pgbouncer")
	}
	target, err := pgx.ParseConfig(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "pdeflow-pgbouncer-") //nolint:usetesting // another user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port := schematest.FreePort(t)
	config := fmt.Sprintf("[databases]\n%s = host=%s port=%d user=%s\n[pgbouncer]\nlisten_addr = "+
		"127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = %s\n", target.Database, target.Host, target.Port,
		target.User, port, mode)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), program, file)
	// The socket of a private server can be entered by its owner only, and PgBouncer does not run as root.
	if owner := ownerOf(t, target.Host); os.Geteuid() == 0 && owner.Uid != 0 {
		for _, path := range []string{dir, file} {
			if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	where := url.URL{
		Scheme: "postgres",
		User:   url.User(target.User),
		Host:   fmt.Sprintf("127.0.0.1:%d", port),
		Path:   "/" + target.Database,
	}
	awaitListener(t, where.Host)
	return where.String() + "?sslmode=disable"
}

func ownerOf(t *testing.T, path string) syscall.Stat_t {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat
}

func awaitListener(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("listener on %s: got %v, want a connection", address, err)
		}
	}
}

func TestPgBouncerInSessionModeWorksWithItsDefaultSettings(t *testing.T) {
	t.Parallel()
	db := open(t, startPgBouncer(t, "session"), schema.Options{ApplicationName: "through a pooler"})
	if _, err := schema.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if got := settings(t, db); got != wantSettings {
		t.Errorf("the session: got %+v, want %+v", got, wantSettings)
	}
	// Both of these use prepared statements or a transaction.
	schematest.Report(t, db, 3)
	job := schematest.ListedJob(t, db, 3)
	if _, err := schema.GetWork(t.Context(), db, job.ID, "nothing"); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("GetWork of no mapping: got %v, want ErrNotFound", err)
	}
}

func TestOpen_RejectsOtherPoolModesOfPgBouncer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			db, err := schema.Open(t.Context(), startPgBouncer(t, mode), schema.Options{})
			if err == nil {
				_ = db.Close()
				t.Fatal("Open: got no error")
			}
			if !strings.Contains(err.Error(), "pool_mode = session") {
				t.Errorf("got error %v, want one that names pool_mode", err)
			}
		})
	}
}

// findPgBouncer looks in /usr/sbin too, which is not in the PATH of an ordinary user.
func findPgBouncer() (string, error) {
	if found, err := osexec.LookPath("pgbouncer"); err == nil {
		return found, nil
	}
	return osexec.LookPath("/usr/sbin/pgbouncer")
}
