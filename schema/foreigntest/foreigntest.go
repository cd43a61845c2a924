//go:build unix

// Package foreigntest starts the databases whose schemas the tests read: a PostgreSQL and a MariaDB of their own, which
// listen on loopback and check passwords, unlike the server of package schematest. A test fails if a server is not
// installed.
package foreigntest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

// Password is the password of all users with one. It has characters that must be encoded in a URL.
const Password = "p@ss/w:rd-Zebra77?#%"

// Server is a running database.
type Server struct {
	// Host and Port are its address on loopback.
	Host string
	Port int
	// CA is the certificate of the authority that has signed the server's certificate for localhost, as PEM.
	CA string
	// sockets is the directory of its Unix socket.
	sockets string
}

// directory returns a new directory that the server's account can use. It is in /tmp because a path of a socket is
// short, and because other accounts cannot enter a home directory.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pdeflow-foreign-") //nolint:usetesting // another user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// account returns the credential of the first of the named users, for servers that refuse to run as root. It is nil if
// this process is not root.
func account(t testing.TB, names ...string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range names {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatalf("none of the users %q exists, and the server does not run as root", names)
	return nil
}

// give makes the account the owner of all files in the directory.
func give(t testing.TB, dir string, to *syscall.Credential) {
	t.Helper()
	if to == nil {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(to.Uid), int(to.Gid)) //nolint:gosec // a directory of the test's own
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program to its end and fails the test if it fails.
func run(t testing.TB, as *syscall.Credential, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...) //nolint:gosec // a database server
	cmd.Dir = "/tmp"
	cmd.SysProcAttr = attributes(as)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// start starts a server, which ends with the test, and waits until it accepts connections.
func start(
	t testing.TB, as *syscall.Credential, stop syscall.Signal, ready func() error, program string, args ...string,
) {
	t.Helper()
	//nolint:gosec // a database server
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	cmd.Dir = "/tmp"
	cmd.SysProcAttr = attributes(as)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	ended := launch(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(stop)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	deadline := time.After(time.Minute)
	for tick := time.Tick(20 * time.Millisecond); ; {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-tick:
		case <-ended:
			t.Fatalf("%s has ended:\n%s", program, log.String())
		case <-deadline:
			t.Fatalf("%s does not accept connections: %v", program, err)
		}
	}
}

// certificates writes the certificate of the server and its key into the directory. It returns the certificate of the
// authority as PEM.
func certificates(t testing.TB, dir string) (ca string) {
	t.Helper()
	files := schematest.NewCertificates(t, dir, "localhost")
	text, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) address() string { return net.JoinHostPort(s.Host, fmt.Sprint(s.Port)) }

// launch starts the command and returns a channel that is closed when it has ended. The thread that starts it lives as
// long as the process: see attributes.
func launch(t testing.TB, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // a server that has ended early is reported by start
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return ended
}
