//go:build unix

package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is the user whom PostgreSQL runs as.
type account struct {
	name     string
	uid, gid uint32
	// foreign says that it is not the user of this process, which then is root.
	foreign bool
}

// accountFor says as whom to run on the cluster at data, which need not exist yet.
func accountFor(named, data string) (account, error) {
	owner, exists, err := ownerOf(data)
	if err != nil {
		return account{}, err
	}
	if us := os.Geteuid(); us != 0 {
		if exists && int(owner) != us {
			return account{}, fmt.Errorf("the database in %s belongs to %s and can be run by that user or by root only", data, userName(owner))
		}
		return account{name: userName(uint32(us)), uid: uint32(us), gid: uint32(os.Getegid())}, nil //nolint:gosec // ids are not negative
	}
	if exists && owner == 0 {
		return account{}, fmt.Errorf("the database in %s belongs to root, as whom PostgreSQL does not run: give it to another user, for instance with chown -R nobody", data)
	}
	if exists {
		if named != "" && named != userName(owner) {
			return account{}, fmt.Errorf("the database in %s belongs to %s, and PDEFLOW_PG_USER names %s", data, userName(owner), named)
		}
		return accountOf(strconv.FormatUint(uint64(owner), 10), user.LookupId)
	}
	return accountToMake(named)
}

// accountToMake is the user who will own a new cluster made by root.
func accountToMake(named string) (account, error) {
	if named != "" {
		return accountOf(named, user.Lookup)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := accountOf(name, user.Lookup); err == nil {
			return found, nil
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and this system has neither a user postgres nor a user nobody: name another in PDEFLOW_PG_USER")
}

func accountOf(key string, lookup func(string) (*user.User, error)) (account, error) {
	found, err := lookup(key)
	if err != nil {
		return account{}, fmt.Errorf("user to run PostgreSQL as (PDEFLOW_PG_USER): %w", err)
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("user to run PostgreSQL as (PDEFLOW_PG_USER): %w", err)
	}
	if uid == 0 {
		return account{}, fmt.Errorf("user to run PostgreSQL as (PDEFLOW_PG_USER): %s is root, as whom PostgreSQL does not run", key)
	}
	return account{name: found.Username, uid: uint32(uid), gid: uint32(gid), foreign: true}, nil
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return "user " + id
}

func ownerOf(path string) (uid uint32, exists bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("owner of the database: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false, fmt.Errorf("owner of %s is unknown", path)
	}
	return stat.Uid, true, nil
}

// makeDir makes a directory that only the account can enter.
func (a account) makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	if !a.foreign {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// command is a program to be run as the account. Its death signal holds for as long as the thread that starts it lives.
func (a account) command(ctx context.Context, death syscall.Signal, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the program comes from Find or from the caller
	cmd.Dir = "/"                                     // ours may be one that the account cannot enter
	cmd.Env = environment()
	cmd.SysProcAttr = processAttributes(death)
	// The programs start others, which must not go on writing when we have given up.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if a.foreign {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// run runs a program to its end and returns what it said. What it said is part of the error where it fails.
func (a account) run(ctx context.Context, dir, stdin, program string, args ...string) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := a.command(ctx, syscall.SIGTERM, program, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(program), context.Cause(ctx))
	}
	if err != nil {
		return "", fmt.Errorf("%s as %s: %w: %s", filepath.Base(program), a.name, err, strings.TrimSpace(said.String()))
	}
	return said.String(), nil
}

// environment is what PostgreSQL inherits.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
