//go:build unix

// Package datadir manages the data directory: it holds the data of embedded servers, and commands find a running
// pdeflow by it.
//
//		pdeflow.json   addresses of the process with the api (Run), 0600, while that process lives
//		token          a token that this user's commands use, 0600
//		secret         signs tokens in development, 0600
//		nats-user      user and password of the embedded nats-server, 0600
//		postgres/      the private PostgreSQL
//		nats/          the JetStream store of the embedded nats-server
//		pid            who owns the directory
//
//	 1. A process that embeds a server locks the directory (package dirlock), so that two servers never write the same
//	    files. Processes that embed none may share it.
//	 2. The directory of a demo is temporary and lies in /tmp. The next demo removes those whose processes have ended.
//	 3. A run file is valid while its writer holds a lock on it, which the kernel releases with the process. A process
//	    id alone would not do: after a kill it may belong to another process.
//	 4. The embedded nats-server has one random user, who is part of the run file's URL. It belongs to the directory,
//	    so that subscribers need no new settings after a restart.
//	 5. Other users can traverse root's directory, because PostgreSQL runs as one of them. Every file with a secret is
//	    protected by its own mode.
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
	tempParent = "/tmp" // other users can reach it, and every process of this user looks there
	tempPrefix = "pdeflow-demo-"
)

// Default returns the directory in which serve keeps its data and in which commands look first: PDEFLOW_DATA_DIR, else
// pdeflow in $XDG_DATA_HOME, else ~/.local/share/pdeflow.
func Default(getenv func(string) string) (string, error) {
	if dir := getenv("PDEFLOW_DATA_DIR"); dir != "" {
		return dir, nil
	}
	// The XDG specification ignores relative paths.
	if share := getenv("XDG_DATA_HOME"); filepath.IsAbs(share) {
		return filepath.Join(share, "pdeflow"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("no data directory: HOME is not set; name one with --data-dir or PDEFLOW_DATA_DIR")
	}
	return filepath.Join(home, ".local", "share", "pdeflow"), nil
}

// Postgres returns the directory of the private PostgreSQL.
func Postgres(dir string) string { return filepath.Join(dir, "postgres") }

// NATS returns the store directory of the embedded nats-server.
func NATS(dir string) string { return filepath.Join(dir, "nats") }

// Make creates the data directory if needed and returns its absolute path.
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

// Lock creates the data directory if needed and locks it until the lock is released or this process ends. If another
// process holds the lock, the error is a [*dirlock.HeldError] that names the process.
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

// Temp creates and locks a data directory for a demo. The lock's Remove deletes it; if the demo is killed, the next
// [Sweep] does.
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

// Sweep removes the data directories of this user's killed demos and ends the servers that still run in them. Its error
// names what could not be removed and is not fatal.
func Sweep(ctx context.Context) error {
	return errors.Join(localpg.Sweep(ctx), sweep(ctx, tempParent))
}

func sweep(ctx context.Context, parent string) error {
	return dirlock.Sweep(parent, tempPrefix, func(dir string) error {
		return localpg.EndOrphan(ctx, Postgres(dir))
	})
}
