// Package dirlock lets a process own a directory as long as the process lives: a data directory for one server
// at a time, or a temporary directory that is removed when its owner is gone, even if it was killed.
//
//  1. The lock is a flock on the directory itself. The kernel releases it when the process ends, so a lock is
//     never stale. A directory keeps its inode, so no other process can lock a second file of the same name in it.
//     And systemd-tmpfiles leaves a locked directory alone, but would remove an old lock file in it.
//  2. The file pid in the directory only names the owner in errors. It decides nothing.
//  3. Making a temporary directory and locking it are two steps, and a sweep may remove the directory between
//     them. With the lock, the maker therefore checks that the directory is still the one at that path, and makes
//     another if not.
package dirlock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pidFile = "pid"

// Lock is a directory owned by this process until [Lock.Release] or [Lock.Remove].
type Lock struct {
	dir  string
	file *os.File
}

// HeldError is the error for a directory that another process, or another part of this one, owns.
type HeldError struct {
	Dir string
	// PID is the owner's process id, or 0 if it is unknown.
	PID int
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
}

var errReplaced = errors.New("removed or replaced while it was being locked")

// Acquire locks a directory, which must exist. If it has an owner, the error is a [*HeldError].
func Acquire(dir string) (*Lock, error) {
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	if err := writePID(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("lock of %s: %w", dir, err), lock.Release())
	}
	return lock, nil
}

// acquire retries for 200 ms while no living process is named in the pid file: the holder may be a new owner
// that has not written its id yet, or a sweep or a call of [Held], which releases the lock soon.
func acquire(dir string) (*Lock, error) {
	deadline := time.Now().Add(200 * time.Millisecond)
	for {
		lock, err := try(dir)
		held, is := errors.AsType[*HeldError](err)
		if !is {
			return lock, err
		}
		if pid := readPID(dir); pid > 0 && Alive(pid) {
			held.PID = pid
			return nil, held
		}
		if time.Now().After(deadline) {
			return nil, held
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// try locks dir, or returns an error without waiting.
func try(dir string) (*Lock, error) {
	file, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := flock(file); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &HeldError{Dir: dir}
		}
		return nil, fmt.Errorf("lock of %s: %w", dir, err)
	}
	if !isAt(file, dir) {
		_ = file.Close()
		return nil, fmt.Errorf("lock of %s: %w", dir, errReplaced)
	}
	return &Lock{dir: dir, file: file}, nil
}

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func isAt(file *os.File, path string) bool {
	locked, err := file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(locked, now)
}

// writePID renames a complete file into place, so that a reader never gets a part of the number.
func writePID(dir string) error {
	path := filepath.Join(dir, pidFile)
	line := []byte(strconv.Itoa(os.Getpid()) + "\n")
	if err := os.WriteFile(path+".new", line, 0o644); err != nil { //nolint:gosec // no secret
		return err
	}
	return os.Rename(path+".new", path)
}

func readPID(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// Alive reports whether a process with this id exists, of any user.
func Alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// Dir returns the path of the locked directory.
func (l *Lock) Dir() string { return l.dir }

// Release gives up the directory and keeps it.
func (l *Lock) Release() error {
	err := os.Remove(filepath.Join(l.dir, pidFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

// Remove deletes the directory with its contents and then releases the lock, so that no sweep removes it at
// the same time.
func (l *Lock) Remove() error {
	return errors.Join(os.RemoveAll(l.dir), l.file.Close())
}

// Temp makes a new directory in parent, which only this user can enter and which this process owns. Its name
// begins with prefix, so that [Sweep] finds it when its owner is gone.
func Temp(parent, prefix string) (*Lock, error) {
	for range 100 {
		dir, err := os.MkdirTemp(parent, prefix+"*")
		if err != nil {
			return nil, fmt.Errorf("temporary directory: %w", err)
		}
		lock, err := Acquire(dir)
		if err == nil {
			return lock, nil
		}
		_, swept := errors.AsType[*HeldError](err)
		if !swept && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errReplaced) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("temporary directory in %s: each one was swept at once", parent)
}

// Sweep removes the directories in parent that belong to this user, whose names begin with prefix, and that
// have no owner. Before each removal it calls end, which ends the processes that still run there. If end
// fails, the directory is kept. Sweep continues after an error and returns all of them.
func Sweep(parent, prefix string, end func(dir string) error) error {
	dirs, err := Find(parent, prefix)
	for _, dir := range dirs {
		lock, lockErr := try(dir)
		if lockErr != nil {
			continue // it has an owner, or another sweep removes it
		}
		if endErr := end(dir); endErr != nil {
			err = errors.Join(err, endErr, lock.file.Close())
			continue
		}
		err = errors.Join(err, lock.Remove())
	}
	return err
}

// Find lists the directories in parent that belong to this user and whose names begin with prefix, with or
// without an owner.
func Find(parent, prefix string) ([]string, error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, fmt.Errorf("temporary directories: %w", err)
	}
	var dirs []string
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		if info, err := entry.Info(); err == nil && ownedByUs(info) {
			dirs = append(dirs, filepath.Join(parent, entry.Name()))
		}
	}
	return dirs, nil
}

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
