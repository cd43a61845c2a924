//go:build unix

package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// ownerVariable makes this test binary a process that runs a server until it is killed. Its value is the
// directory of the cluster, or empty for a temporary one.
const ownerVariable = "LOCALPG_TEST_OWNER"

func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(ownerVariable); ok {
		own(dir)
	}
	m.Run()
	if made.dir != "" {
		_ = os.RemoveAll(filepath.Dir(made.dir))
	}
}

func own(dir string) {
	found, err := Find(os.Getenv)
	if err != nil {
		panic(err)
	}
	options := Options{Binaries: found, Dir: dir, Durable: dir != "", User: os.Getenv("PDEFLOW_PG_USER")}
	s, err := Start(context.Background(), options)
	if err != nil {
		panic(err)
	}
	fmt.Println(s.cmd.Process.Pid, s.temp.Dir(), s.URL())
	select {}
}

// start runs a server for the test, with the PostgreSQL of this machine.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), with(t, o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func with(t *testing.T, o Options) Options {
	t.Helper()
	found, err := Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	o.Binaries = found
	if o.User == "" {
		o.User = os.Getenv("PDEFLOW_PG_USER")
	}
	return o
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func one[T any](t *testing.T, conn *pgx.Conn, query string) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// passableDir returns the path of a directory, not yet made, that PostgreSQL's user can enter if this user is
// root. It cannot enter one of t.TempDir.
func passableDir(t *testing.T) string {
	t.Helper()
	dir := passableTemp(t)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "postgres")
}

func passableTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "localpg-test-") //nolint:usetesting // see passableDir
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// made is a cluster that every test may copy, because making one takes longer than most tests.
var made struct {
	once sync.Once
	dir  string
}

// madeDir returns a directory with an empty cluster.
func madeDir(t *testing.T) string {
	t.Helper()
	made.once.Do(func() {
		dir := filepath.Join(passableTemp(t), "postgres")
		if err := start(t, Options{Dir: dir}).Stop(); err != nil {
			t.Fatal(err)
		}
		made.dir = dir
	})
	dir := passableDir(t)
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", made.dir, dir).CombinedOutput(); err != nil {
		t.Fatalf("copy of a cluster: %v: %s", err, out)
	}
	return dir
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: got it kept (%v), want it removed", path, err)
	}
}

// safeBuffer is a buffer that a server writes while the test reads.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
