package localpg

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

// owned is a server that another process runs.
type owned struct {
	owner *exec.Cmd
	pid   int
	temp  string
	url   string
}

func startOwner(t *testing.T, dir string, env ...string) owned {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), ownerVariable+"="+dir), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("line of the owner: got %q, %v, want a line", line, err)
	}
	fields := strings.Fields(line)
	pid, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	o := owned{owner: cmd, pid: pid, temp: fields[1], url: fields[2]}
	t.Cleanup(func() {
		o.kill(t)
		if err := Sweep(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return o
}

// kill kills the owner, which cannot clean up.
func (o owned) kill(t *testing.T) {
	t.Helper()
	if err := o.owner.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = o.owner.Wait()
}

// awaitEnd returns when the process has ended. It need not be a child of this one.
func awaitEnd(t *testing.T, pidfd int) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 30_000)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("30 s after the owner was killed: got a running server (%v), want it ended", err)
		}
		return
	}
}

func TestAServerEndsWhenItsOwnerIsKilledAndTheNextStartSweeps(t *testing.T) {
	t.Parallel()
	o := startOwner(t, "")
	pidfd, err := unix.PidfdOpen(o.pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	o.kill(t)
	awaitEnd(t, pidfd)
	start(t, Options{})
	gone(t, o.temp)
}

func TestAStartAfterTheOwnerWasKilledWaitsForTheOldServer(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	o := startOwner(t, dir)
	run(t, connect(t, o.url), "create table kept as select n from generate_series(1, 200000) as n")
	o.kill(t)
	s := start(t, Options{Dir: dir, Durable: true})
	if n := one[int](t, connect(t, s.URL()), "select count(*) from kept"); n != 200_000 {
		t.Errorf("rows: got %d, want 200000", n)
	}
}

// Without a parent-death signal a server outlives its owner. The test gets the same with an owner that still
// runs, because endOrphan does not look at the owner.
func TestAServerThatOutlivedItsOwnerIsEnded(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"temporary": "", "kept": madeDir(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startOwner(t, dir)
			pidfd, err := unix.PidfdOpen(o.pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(pidfd) }()
			data := filepath.Join(o.temp, "data")
			if dir != "" {
				data = filepath.Join(dir, "data")
			}
			if err := endOrphan(t.Context(), data); err != nil {
				t.Fatal(err)
			}
			awaitEnd(t, pidfd)
		})
	}
}

func TestASweepAsksOnlyTheServerWhoseSocketsItSweeps(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	s := start(t, Options{Dir: dir})
	if err := askOrphan(filepath.Join(dir, "data"), "/tmp/pdeflow-pg-another"); err != nil {
		t.Fatal(err)
	}
	one[int](t, connect(t, s.URL()), "select 1 from pg_sleep(0.2)")
	if err := askOrphan(filepath.Join(dir, "data"), s.temp.Dir()); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
}

func TestAnotherProcessWithTheOldProcessIDDoesNotPreventAStart(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	s := start(t, Options{Dir: dir})
	runs, data := s.cluster.account, s.cluster.data
	note, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	other := runs.command(t.Context(), syscall.SIGKILL, "/bin/cat")
	hold, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = hold.Close()
		_ = other.Wait()
	}()
	_, rest, _ := strings.Cut(string(note), "\n")
	note = []byte(strconv.Itoa(other.Process.Pid) + "\n" + rest)
	if err := os.WriteFile(filepath.Join(data, "postmaster.pid"), note, 0o600); err != nil {
		t.Fatal(err)
	}
	if runs.foreign {
		if err := os.Chown(filepath.Join(data, "postmaster.pid"), int(runs.uid), int(runs.gid)); err != nil {
			t.Fatal(err)
		}
	}
	one[int](t, connect(t, start(t, Options{Dir: dir}).URL()), "select 1")
	if !dirlock.Alive(other.Process.Pid) {
		t.Error("the other process was ended")
	}
}

func TestTheServerDoesNotInheritTheEnvironment(t *testing.T) {
	t.Parallel()
	o := startOwner(t, "", "OPENAI_API_KEY=do-not-leak", "PGPORT=6543", "PGOPTIONS=-c work_mem=1MB")
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(o.pid), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	for variable := range strings.SplitSeq(string(text), "\x00") {
		if strings.HasPrefix(variable, "OPENAI") || strings.HasPrefix(variable, "PGPORT") ||
			strings.HasPrefix(variable, "PGOPTIONS") {
			t.Errorf("environment of the server: got %s, want no such variable", variable)
		}
	}
}
