//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

const (
	// oldest is the oldest version of PostgreSQL that runs pdeflow's SQL.
	oldest = 14
	// refuge is the directory for clusters of root that PostgreSQL's user could not reach elsewhere.
	refuge = "/var/lib/pdeflow"
	// superuser is the only role of a private server, and database is its database.
	superuser = "pdeflow"
	database  = "pdeflow"
)

// cluster is a data directory of PostgreSQL, with the account and the programs that run it.
type cluster struct {
	account  account
	binaries Binaries
	major    int
	// data is the directory with every link resolved.
	data string
}

// openCluster finds the cluster in home, or creates one.
func openCluster(ctx context.Context, home string, o Options) (cluster, error) {
	link := filepath.Join(home, "data")
	if err := dangling(link); err != nil {
		return cluster{}, err
	}
	runAs, err := accountFor(o.User, link)
	if err != nil {
		return cluster{}, err
	}
	c := cluster{account: runAs, binaries: o.Binaries}
	if c.major, err = c.version(ctx); err != nil {
		return cluster{}, err
	}
	if _, err := os.Lstat(link); errors.Is(err, fs.ErrNotExist) {
		err = c.create(ctx, home, o)
		if err != nil {
			return cluster{}, err
		}
	}
	if c.data, err = filepath.EvalSymlinks(link); err != nil {
		return cluster{}, fmt.Errorf("database: %w", err)
	}
	return c, c.check(ctx)
}

// dangling returns an error if the link leads to a cluster that does not exist: a new cluster would hide that
// data is missing.
func dangling(link string) error {
	target, err := os.Readlink(link)
	if err != nil {
		return nil //nolint:nilerr // not a link, or nothing there yet
	}
	if _, err := os.Stat(link); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf(
			"the database of %s was kept in %s, which is gone: bring it back, "+
				"or remove the link to begin with an empty one", link, target,
		)
	}
	return nil
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version returns the major version of the binaries. It runs them as the account, so that a missing permission
// is found here.
func (c cluster) version(ctx context.Context) (int, error) {
	program := c.binaries.program("postgres")
	output, err := c.account.run(ctx, "/", "", program, "--version")
	if errors.Is(err, syscall.EACCES) {
		return 0, fmt.Errorf(
			"%s cannot be run by %s, as whom PostgreSQL is started by root: install it where that user can "+
				"reach it, or name another in PDEFLOW_PG_USER", program, c.account.name,
		)
	}
	if err != nil {
		return 0, fmt.Errorf("version of PostgreSQL: %w", err)
	}
	match := versionLine.FindStringSubmatch(output)
	if match == nil {
		return 0, fmt.Errorf("version of PostgreSQL: %s --version printed %q", program, strings.TrimSpace(output))
	}
	major, err := strconv.Atoi(match[1])
	if err != nil {
		return 0, fmt.Errorf("version of PostgreSQL: %w", err)
	}
	if major < oldest {
		return 0, fmt.Errorf(
			"PostgreSQL in %s is version %d, and pdeflow needs %d or newer", c.binaries.Dir, major, oldest,
		)
	}
	return major, nil
}

func (b Binaries) program(name string) string { return filepath.Join(b.Dir, name) }

// check returns an error if these binaries or this account cannot run the cluster.
func (c cluster) check(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(c.data, "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("%s is not a database of PostgreSQL: %w", c.data, err)
	}
	if made := strings.TrimSpace(string(text)); made != strconv.Itoa(c.major) {
		return fmt.Errorf("the database in %s was made by PostgreSQL %s, and %s holds PostgreSQL %d: set "+
			"PDEFLOW_PG_BIN to the folder of a PostgreSQL %s, or dump and restore",
			c.data, made, c.binaries.Dir, c.major, made)
	}
	return c.enters(ctx, c.data)
}

// enters returns an error that wraps EACCES if the account cannot enter dir. It runs a command there to find
// out.
func (c cluster) enters(ctx context.Context, dir string) error {
	if !c.account.foreign {
		return nil
	}
	_, err := c.account.run(ctx, dir, "", c.binaries.program("postgres"), "--version")
	if errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%s cannot be entered by %s, as whom PostgreSQL runs: let others pass through the "+
			"directories above it (chmod o+x), or use another: %w",
			dir, c.account.name, syscall.EACCES)
	}
	return err
}

// create makes the cluster of home, in home or in the refuge, and gives it its name only when it is complete.
func (c cluster) create(ctx context.Context, home string, o Options) error {
	place := home
	if err := c.enters(ctx, home); errors.Is(err, syscall.EACCES) {
		if place, err = takeRefuge(home); err != nil {
			return err
		}
		o.Logger.LogAttrs(ctx, slog.LevelInfo,
			"database is kept elsewhere, because the user it runs as cannot reach its directory",
			slog.String("user", c.account.name), slog.String("directory", home),
			slog.String("database", filepath.Join(place, "data")))
	} else if err != nil {
		return err
	}
	whole := filepath.Join(place, "data")
	if err := c.initialise(ctx, whole+".new", o.Durable); err != nil {
		return err
	}
	if err := os.Rename(whole+".new", whole); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	if err := syncDir(place); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	if place == home {
		return nil
	}
	if err := os.Symlink(whole, filepath.Join(home, "data")); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	return nil
}

// takeRefuge makes a directory for the cluster of home below /var/lib, through which every user can pass.
func takeRefuge(home string) (string, error) {
	if err := makePassable(refuge); err != nil {
		return "", fmt.Errorf("place for the database of %s: %w", home, err)
	}
	place, err := os.MkdirTemp(refuge, "postgres-*")
	if err != nil {
		return "", fmt.Errorf("place for the database of %s: %w", home, err)
	}
	if err := os.Chmod(place, 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes through
		return "", fmt.Errorf("place for the database of %s: %w", home, err)
	}
	note := "The database in this directory belongs to " + home + ", whose link named data leads here.\n"
	if err := os.WriteFile(filepath.Join(place, "README"), []byte(note), 0o600); err != nil {
		return "", fmt.Errorf("place for the database of %s: %w", home, err)
	}
	return place, nil
}

// MakeDir makes a directory, and its missing parents, in which a server can keep its cluster. Only this user
// can enter it. If this user is root, others can pass through it, whatever the umask, because PostgreSQL runs
// as one of them. A directory that exists stays as it is.
func MakeDir(dir string) error {
	if os.Geteuid() == 0 {
		return makePassable(dir)
	}
	return os.MkdirAll(dir, 0o700)
}

// makePassable makes a directory through which others can pass, but which they cannot list.
func makePassable(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes through
		return err
	}
	return os.Chmod(dir, 0o711) //nolint:gosec // the same
}

// initialise makes an empty cluster that has pdeflow's database. It first removes the rest of an earlier
// attempt.
func (c cluster) initialise(ctx context.Context, data string, durable bool) error {
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	maker, err := c.maker()
	if err != nil {
		return err
	}
	if err := maker.makeDir(data); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	args := []string{"-D", data, "-U", superuser, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-instructions"}
	single := []string{"--single", "-D", data, "-c", "exit_on_error=on"}
	if !durable {
		args = append(args, "--no-sync")
		single = append(single, "-c", "fsync=off")
	}
	if _, err := maker.run(ctx, "/", "", c.binaries.program("initdb"), args...); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	create, postgres := "create database "+database+"\n", c.binaries.program("postgres")
	if _, err := maker.run(ctx, "/", create, postgres, append(single, "postgres")...); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	if !c.account.nameless {
		return nil
	}
	if err := c.account.own(data); err != nil {
		return fmt.Errorf("new database: %w", err)
	}
	return nil
}

// maker returns the account that runs initdb.
func (c cluster) maker() (account, error) {
	if !c.account.nameless {
		return c.account, nil
	}
	busy, err := busyUsers()
	if err != nil {
		return account{}, fmt.Errorf(
			"find a user to make the database as; name one with a user name in PDEFLOW_PG_USER: %w", err,
		)
	}
	return initAccount(busy)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
