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

// EndOrphan ends a server that runs on a directory of [Options] though its owner is gone, and waits for it. The caller owns the
// directory, which it may remove after that.
func EndOrphan(ctx context.Context, dir string) error {
	data, err := filepath.EvalSymlinks(filepath.Join(dir, "data"))
	if err != nil {
		return nil //nolint:nilerr // there never was a cluster
	}
	return endOrphan(ctx, data)
}

// endOrphan ends a server that runs on data though its owner is gone, and waits for it. The caller owns the directory, so nobody else
// started the server a moment ago. A server whose owner was killed shuts down by itself on Linux, and a start that follows at once
// must wait for that too.
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
			return fmt.Errorf("PostgreSQL process %d still runs on %s though its owner is gone, and does not end", alive[0], data)
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

// forget removes the note of a server that is gone where its id lives on as a stranger's, after a restart of the machine or of a
// container: PostgreSQL would take that process for its predecessor and refuse to start.
func forget(data string, pid int, certain bool) error {
	if !certain || !dirlock.Alive(pid) {
		return nil
	}
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stale postmaster.pid: %w", err)
	}
	return nil
}

// stopSignal is what to send a server that was asked to end this long ago: a fast shutdown, then an immediate one, from which it
// recovers at its next start.
func stopSignal(waited time.Duration) syscall.Signal {
	if waited < stopPatience {
		return syscall.SIGINT
	}
	return syscall.SIGQUIT
}

// postmasterFile returns the lines by which a server describes itself: process id, data directory, start time, port, socket directory,
// listen address, shared memory key, status. None where there is no such file.
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

// Sweep removes what servers of this user left under /tmp when their owners were killed, and ends servers that outlived theirs. Start
// does it first; a program that sweeps directories in which such servers keep their clusters calls it before.
func Sweep(ctx context.Context) error {
	return dirlock.Sweep(tempParent, tempPrefix, func(temp string) error {
		if home, err := os.Readlink(filepath.Join(temp, homeLink)); err == nil {
			return askOrphan(filepath.Join(home, "data"), temp)
		}
		return EndOrphan(ctx, temp)
	})
}

// askOrphan asks the server on data to end where it is the one whose sockets are in temp. We do not own that directory, so by now it
// may have an owner again, with a server that is none of our business; that owner waits for the old one.
func askOrphan(data, temp string) error {
	data, err := filepath.EvalSymlinks(data)
	if err != nil {
		return nil //nolint:nilerr // removed since
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
