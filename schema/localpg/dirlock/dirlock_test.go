package dirlock_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

// ownerVariable makes this test binary a process that owns the named directory until its input ends or it is
// killed.
const ownerVariable = "DIRLOCK_TEST_OWNS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerVariable); dir != "" {
		own(dir)
		return
	}
	m.Run()
}

func own(dir string) {
	lock, err := dirlock.Acquire(dir)
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString("owned\n")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_ = lock.Release()
}

// owner starts a process that owns dir.
func owner(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"="+dir)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "owned\n" {
		t.Fatalf("line of the owner: got %q, %v, want owned", line, err)
	}
	return cmd
}

func refused(t *testing.T, dir string, pid int) {
	t.Helper()
	_, err := dirlock.Acquire(dir)
	held, ok := errors.AsType[*dirlock.HeldError](err)
	if !ok || held.PID != pid || held.Dir != dir {
		t.Errorf("Acquire: got %v, want that process %d owns %s", err, pid, dir)
	}
}

func TestAcquire_NamesTheOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := owner(t, dir)
	refused(t, dir, cmd.Process.Pid)
}

func TestAcquire_FailsForTheOwnerItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := dirlock.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, dir, os.Getpid())
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := dirlock.Acquire(dir)
	if err != nil {
		t.Fatalf("Acquire after Release: got %v, want nil", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestADirectoryIsFreeAfterItsOwnerIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := owner(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	lock, err := dirlock.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, dir, os.Getpid())
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

func TestAcquire_OfALinkLocksItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	lock, err := dirlock.Acquire(link)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, dir, os.Getpid())
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

func TestSweep_RemovesOnlyDirectoriesWithoutAnOwner(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	owned, err := dirlock.Temp(parent, "mine-")
	if err != nil {
		t.Fatal(err)
	}
	abandoned := abandon(t, parent, "mine-a")
	busy := abandon(t, parent, "mine-busy")
	keep := []string{owned.Dir(), busy, abandon(t, parent, "other-a")}
	if os.Geteuid() == 0 {
		foreign := abandon(t, parent, "mine-of-another-user")
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, foreign)
	}
	file := filepath.Join(parent, "mine-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(parent, "mine-link")
	if err := os.Symlink(keep[2], link); err != nil {
		t.Fatal(err)
	}
	keep = append(keep, file, link)

	err = dirlock.Sweep(parent, "mine-", func(dir string) error {
		if dir == busy {
			return errors.New("something runs there")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "something runs there") {
		t.Errorf("Sweep: got %v, want the error of end", err)
	}
	if _, err := os.Stat(abandoned); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: got it kept (%v), want it removed", abandoned, err)
	}
	for _, path := range keep {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("sweep: got %v, want the directory kept", err)
		}
	}
	if err := owned.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(owned.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed directory: got it kept (%v), want it removed", err)
	}
}

func abandon(t *testing.T, parent, name string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSweep_KeepsADirectoryThatTempReturned(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	stop := make(chan struct{})
	var sweepers, makers sync.WaitGroup
	for range 2 {
		sweepers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					// The other sweep or a maker may remove a directory first, so errors do not matter.
					_ = dirlock.Sweep(parent, "new-", func(string) error { return nil })
				}
			}
		})
	}
	for range 2 {
		makers.Go(func() {
			for range 200 {
				lock, err := dirlock.Temp(parent, "new-")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(lock.Dir(), "file"), nil, 0o600); err != nil {
					t.Errorf("sweep of a directory with an owner: got %v, want it kept", err)
				}
				if err := lock.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	makers.Wait()
	close(stop)
	sweepers.Wait()
}
