// Package dirlock lets a process own a directory for as long as it lives: a data directory that only one may serve from, or a temporary
// one that is to be removed once its owner is gone, however it went.
//
//  1. The lock is a flock on the directory itself. The kernel drops it when the process dies, so there is nothing stale to judge; a
//     directory has one inode for life, so no one can lock a second file of the same name in it; and systemd-tmpfiles leaves a locked
//     directory alone, where a lock file in it would age and be cleaned away.
//  2. The file "pid" in the directory only says who holds the lock. It decides nothing.
//  3. Making a temporary directory and locking it are two steps, and a sweep may fall between them. The maker therefore looks, once it
//     has the lock, whether the directory is still the one at that path, and else makes another.
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

// HeldError says that another process, or another part of this one, owns the directory.
type HeldError struct {
	Dir string
	// PID is the owner's process id, 0 where it has not said.
	PID int
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
}

var errReplaced = errors.New("removed or replaced while it was being locked")

// Acquire locks a directory that exists. Where it is owned already the error is a [*HeldError].
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

// acquire gives somebody who holds the lock without being alive by name a moment: an owner that has yet to write its id, which is worth
// the better message, or a sweep or a probe, which will be gone.
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

// try locks dir or says at once why not.
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

// writePID puts the file in place whole, so that a reader never sees half a number.
func writePID(dir string) error {
	path := filepath.Join(dir, pidFile)
	if err := os.WriteFile(path+".new", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil { //nolint:gosec // says nothing secret
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

// Alive reports whether a process with this id exists, whoever owns it.
func Alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// Held reports whether somebody owns dir at this moment. It takes the lock for the blink of an eye where nobody does.
func Held(dir string) bool {
	lock, err := try(dir)
	if err != nil {
		_, held := errors.AsType[*HeldError](err)
		return held
	}
	_ = lock.file.Close()
	return false
}

// Dir is the directory that is locked.
func (l *Lock) Dir() string { return l.dir }

// Release gives the directory up and leaves it in place.
func (l *Lock) Release() error {
	err := os.Remove(filepath.Join(l.dir, pidFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

// Remove deletes the directory with all that is in it, and gives the lock up after that, so that no sweep works on it at the same time.
func (l *Lock) Remove() error {
	return errors.Join(os.RemoveAll(l.dir), l.file.Close())
}

// Temp makes a new directory in parent, open to this user only and locked by this process. Its name begins with prefix, by which
// [Sweep] finds it once its owner is gone.
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
	return nil, fmt.Errorf("temporary directory in %s: each one made was swept away at once", parent)
}

// Sweep removes the directories in parent whose names begin with prefix, which belong to this user and which nobody owns any more.
// Before each removal it calls end, which ends what may still run there; a directory whose end fails is kept. What fails is returned,
// and does not stop the sweep.
func Sweep(parent, prefix string, end func(dir string) error) error {
	dirs, err := Find(parent, prefix)
	for _, dir := range dirs {
		lock, lockErr := try(dir)
		if lockErr != nil {
			continue // owned, or somebody else's sweep was faster
		}
		if endErr := end(dir); endErr != nil {
			err = errors.Join(err, endErr, lock.file.Close())
			continue
		}
		err = errors.Join(err, lock.Remove())
	}
	return err
}

// Find lists the directories in parent that belong to this user and whose names begin with prefix, owned or not.
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
