//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

// EndOrphan ends a server whose owner is gone but which still runs on dir, a directory of [Options], and waits
// for its end. The caller must own the directory, and may remove it after that.
func EndOrphan(ctx context.Context, dir string) error {
	data, err := filepath.EvalSymlinks(filepath.Join(dir, "data"))
	if err != nil {
		return nil //nolint:nilerr // no cluster was made
	}
	return endOrphan(ctx, data)
}

// endOrphan ends a server whose owner is gone but which still runs on data, and waits for its end. The caller
// owns the directory, so no other process can have started the server. On Linux a server whose owner was
// killed shuts down by itself, and a start right after that must wait for it as well.
func endOrphan(ctx context.Context, data string) error {
	pid := postmasterPID(data)
	if pid == 0 {
		return nil
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, asked := time.Now(), syscall.Signal(0)
	for {
		alive, all := running(data, pid)
		if len(alive) == 0 {
			return forget(data, pid, all)
		}
		waited := time.Since(began)
		if waited > stopPatience+quitPatience {
			return fmt.Errorf(
				"PostgreSQL process %d still runs on %s though its owner is gone, and does not end", alive[0], data,
			)
		}
		if next := stopSignal(waited); next != asked && slices.Contains(alive, pid) {
			asked = next
			if err := kill(pid, asked); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("end of an earlier server on %s: %w", data, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func kill(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end of PostgreSQL process %d, whose owner is gone: %w", pid, err)
	}
	return nil
}

// forget removes postmaster.pid if the server is gone and another process has its id now, as after a restart
// of the machine or of a container: PostgreSQL would take that process for a running server and refuse to
// start.
func forget(data string, pid int, certain bool) error {
	if !certain || !dirlock.Alive(pid) {
		return nil
	}
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stale postmaster.pid: %w", err)
	}
	return nil
}

// stopSignal returns the signal to send to a server that has been stopping for this long: a fast shutdown
// first, then an immediate one, from which the server recovers at its next start.
func stopSignal(waited time.Duration) syscall.Signal {
	if waited < stopPatience {
		return syscall.SIGINT
	}
	return syscall.SIGQUIT
}

// postmasterFile returns the lines of postmaster.pid: process id, data directory, start time, port, socket
// directory, listen address, shared memory key, status. It returns none if there is no such file.
func postmasterFile(data string) []string {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\n")
}

func postmasterPID(data string) int {
	lines := postmasterFile(data)
	if len(lines) == 0 {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// Sweep removes the directories that servers of this user left under /tmp when their owners were killed, and
// ends servers that still run. Start calls it first. A program that sweeps directories in which such servers
// keep their clusters calls it before that.
func Sweep(ctx context.Context) error {
	return dirlock.Sweep(tempParent, tempPrefix, func(temp string) error {
		if home, err := os.Readlink(filepath.Join(temp, homeLink)); err == nil {
			return askOrphan(filepath.Join(home, "data"), temp)
		}
		return EndOrphan(ctx, temp)
	})
}

// askOrphan asks the server on data to end if its sockets are in temp. This process does not own the directory
// of data, so it may have a new owner with a new server, which must keep running; the new owner waits for the
// end of the old server.
func askOrphan(data, temp string) error {
	data, err := filepath.EvalSymlinks(data)
	if err != nil {
		return nil //nolint:nilerr // it has been removed
	}
	pid, lines := postmasterPID(data), postmasterFile(data)
	if pid == 0 || len(lines) < 5 || filepath.Dir(lines[4]) != temp {
		return nil
	}
	if alive, _ := running(data, pid); slices.Contains(alive, pid) {
		return kill(pid, syscall.SIGINT)
	}
	return nil
}
