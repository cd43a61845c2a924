//go:build unix

// Package datadir is the directory in which pdeflow keeps what it embeds, and by which its commands find each other on
// one machine.
//
//		pdeflow.json   where the process with the api is to be reached (Run), 0600, there while that process lives
//		token          a token that this user's commands use, 0600
//		secret         what tokens are signed with in development, 0600
//		nats-user      user and password of the embedded nats-server, 0600
//		postgres/      the private PostgreSQL
//		nats/          the JetStream store of the embedded nats-server
//		pid            who owns the directory
//
//	 1. A process that embeds a server owns the directory (package dirlock), so that no two servers write the same files; processes that
//	    embed none may share it.
//	 2. The directory of a demo is temporary and lies under /tmp. Whoever starts a demo next removes those whose owners are gone.
//	 3. A run file is believed while its writer holds a lock on it, which the kernel drops with the process: a process id in a file that
//	    a killed process left behind may be somebody else's by now.
//	 4. The embedded nats-server takes one random user, who is part of the run file's URL. It belongs to the directory and not to one
//	    start, so that subscribers need not be configured again after each start.
//	 5. Root's directory can be passed through by others, because PostgreSQL runs as one of them. Every file with a secret is closed by
//	    its own mode.
package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pdeflow/pdeflow/schema/localpg"
	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

const (
	tempParent = "/tmp" // where another user can reach it too, and where every process of this user looks
	tempPrefix = "pdeflow-demo-"
)

// Default is where serve keeps its data and where commands look first: PDEFLOW_DATA_DIR, else pdeflow in
// $XDG_DATA_HOME, else ~/.local/share/pdeflow.
func Default(getenv func(string) string) (string, error) {
	if dir := getenv("PDEFLOW_DATA_DIR"); dir != "" {
		return dir, nil
	}
	// By the XDG specification a relative path is to be ignored.
	if share := getenv("XDG_DATA_HOME"); filepath.IsAbs(share) {
		return filepath.Join(share, "pdeflow"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("no data directory: HOME is not set; name one with --data-dir or PDEFLOW_DATA_DIR")
	}
	return filepath.Join(home, ".local", "share", "pdeflow"), nil
}

// Postgres is where in the data directory the private PostgreSQL is kept.
func Postgres(dir string) string { return filepath.Join(dir, "postgres") }

// NATS is where in the data directory the embedded nats-server keeps its store.
func NATS(dir string) string { return filepath.Join(dir, "nats") }

// Make makes the data directory if need be and returns its absolute path.
func Make(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	if err := localpg.MakeDir(dir); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
}

// Lock makes the data directory if need be and owns it until the lock is released or this process ends. Where another
// process owns it the error names that process, and is a [*dirlock.HeldError].
func Lock(dir string) (*dirlock.Lock, error) {
	dir, err := Make(dir)
	if err != nil {
		return nil, err
	}
	lock, err := dirlock.Acquire(dir)
	if _, held := errors.AsType[*dirlock.HeldError](err); held {
		return nil, fmt.Errorf("data directory %w: stop that one, or use another with --data-dir", err)
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return lock, nil
}

// Temp makes a data directory for a demo and owns it. Its Remove takes it away with all that is in it; where that does
// not happen, the next [Sweep] does it.
func Temp() (*dirlock.Lock, error) { return temp(tempParent) }

func temp(parent string) (*dirlock.Lock, error) {
	lock, err := dirlock.Temp(parent, tempPrefix)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if os.Geteuid() != 0 {
		return lock, nil
	}
	if err := os.Chmod(lock.Dir(), 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes through
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), lock.Remove())
	}
	return lock, nil
}

// Sweep removes the data directories of this user's demos that were killed, and ends what still runs in them. An error
// tells what it could not remove, which hinders nobody.
func Sweep(ctx context.Context) error {
	return errors.Join(localpg.Sweep(ctx), sweep(ctx, tempParent))
}

func sweep(ctx context.Context, parent string) error {
	return dirlock.Sweep(parent, tempPrefix, func(dir string) error {
		return localpg.EndOrphan(ctx, Postgres(dir))
	})
}
