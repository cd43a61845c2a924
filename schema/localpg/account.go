//go:build unix

package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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

// account is the operating system user that PostgreSQL runs as.
type account struct {
	name     string
	uid, gid uint32
	// nameless reports that the system has no user with this uid.
	nameless bool
	// foreign reports that it is not the user of this process, which is then root.
	foreign bool
}

// accountFor returns the account that runs the cluster at data, which need not exist yet: its owner, or, for a
// new cluster, the account named or a default. Only root may run a cluster of another user.
func accountFor(named, data string) (account, error) {
	owner, exists, err := ownerOf(data)
	if err != nil {
		return account{}, err
	}
	if us := os.Geteuid(); us != 0 {
		if exists && int(owner) != us {
			return account{}, fmt.Errorf(
				"the database in %s belongs to %s and can be run by that user or by root only", data, userName(owner),
			)
		}
		uid, gid := uint32(us), uint32(os.Getegid()) //nolint:gosec // ids are not negative
		return account{name: userName(uid), uid: uid, gid: gid}, nil
	}
	if exists && owner == 0 {
		return account{}, fmt.Errorf(
			"the database in %s belongs to root, as whom PostgreSQL does not run: "+
				"give it to another user, for instance with chown -R postgres", data,
		)
	}
	if exists {
		if named != "" && named != userName(owner) && named != number(owner) {
			return account{}, fmt.Errorf(
				"the database in %s belongs to %s, and PDEFLOW_PG_USER names %s", data, userName(owner), named,
			)
		}
		return accountOfID(owner)
	}
	return accountToMake(named)
}

// accountToMake returns the account that will own a new cluster made by root: the one named, by name or
// number, or a default.
func accountToMake(named string) (account, error) {
	if named == "" {
		return defaultAccount(user.Lookup)
	}
	if uid, err := strconv.ParseUint(named, 10, 32); err == nil {
		return accountOfID(uint32(uid))
	}
	return accountOf(named, user.Lookup)
}

// defaultAccount returns postgres, or a uid of its own if there is no such user.
func defaultAccount(lookup func(string) (*user.User, error)) (account, error) {
	if found, err := accountOf("postgres", lookup); err == nil {
		return found, nil
	}
	busy, err := busyUsers()
	if err != nil {
		return account{}, fmt.Errorf("find a user to run PostgreSQL as; name one in PDEFLOW_PG_USER: %w", err)
	}
	return unusedAccount(busy)
}

// Common systems give none of these uids to a user or a service. They exist in the user namespaces of
// containers, which often end at 65535.
const firstUnused, unused = 60578, 606

// unusedAccount returns a uid that no user has and no process runs as. It is chosen at random, so that two
// clusters are unlikely to have the same one.
func unusedAccount(busy map[uint32]bool) (account, error) {
	for _, i := range rand.Perm(unused) { //nolint:gosec // no secret
		uid := uint32(firstUnused + i) //nolint:gosec // a small number
		_, groupErr := user.LookupGroupId(number(uid))
		if found, err := accountOfID(uid); err == nil && found.nameless && groupErr != nil && !busy[uid] {
			return found, nil
		}
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root, and there is no unused uid from %d to %d: "+
		"name a user in PDEFLOW_PG_USER",
		firstUnused, firstUnused+unused-1)
}

// initAccount returns the account that makes a cluster for a nameless one, because initdb refuses to run without a
// user name. No process may run as it, since such a process could change the cluster before it is handed over.
func initAccount(busy map[uint32]bool) (account, error) {
	for _, name := range []string{"nobody", "daemon", "bin"} {
		if found, err := accountOf(name, user.Lookup); err == nil && !busy[found.uid] {
			return found, nil
		}
	}
	return account{}, errors.New("a new database is made by nobody, daemon or bin, and each of them is missing " +
		"or runs other processes: name a user for PostgreSQL in PDEFLOW_PG_USER")
}

// accountOfID returns the account with this uid, which need not have a name.
func accountOfID(uid uint32) (account, error) {
	found, err := accountOf(number(uid), user.LookupId)
	if _, unknown := errors.AsType[user.UnknownUserIdError](err); unknown {
		return account{name: userName(uid), uid: uid, gid: uid, nameless: true, foreign: true}, nil
	}
	return found, err
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
		return account{}, fmt.Errorf(
			"user to run PostgreSQL as (PDEFLOW_PG_USER): %s is root, as whom PostgreSQL does not run", key,
		)
	}
	return account{name: found.Username, uid: uint32(uid), gid: uint32(gid), foreign: true}, nil
}

func userName(uid uint32) string {
	if found, err := user.LookupId(number(uid)); err == nil {
		return found.Username
	}
	return "user " + number(uid)
}

func number(uid uint32) string { return strconv.FormatUint(uint64(uid), 10) }

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

// own makes the account the owner of a directory and everything in it.
func (a account) own(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, int(a.uid), int(a.gid))
	})
	return errors.Join(err, root.Close())
}

// command returns a command that runs the program as the account. The kernel sends it the death signal when
// the thread that started it ends.
func (a account) command(ctx context.Context, death syscall.Signal, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the program comes from Find or from the caller
	cmd.Dir = "/"                                     // the account may be unable to enter the current directory
	cmd.Env = environment()
	cmd.SysProcAttr = processAttributes(death)
	// The programs start others, which must stop writing too when the context ends.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if a.foreign {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

// run runs a program to its end and returns its output, which is also part of the error.
func (a account) run(ctx context.Context, dir, stdin, program string, args ...string) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := a.command(ctx, syscall.SIGTERM, program, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(program), context.Cause(ctx))
	}
	if err != nil {
		return "", fmt.Errorf(
			"%s as %s: %w: %s", filepath.Base(program), a.name, err, strings.TrimSpace(output.String()),
		)
	}
	return output.String(), nil
}

// environment returns the variables that PostgreSQL inherits.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
