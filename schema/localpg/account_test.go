//go:build unix

package localpg

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Below a directory that only root can enter, the cluster is kept elsewhere; for everybody else such a directory is an ordinary one.
func TestADirectoryThatTheOtherUserCannotReachWorksAndKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".local/share/pdeflow/postgres")
	s := start(t, Options{Dir: dir, Durable: true})
	run(t, connect(t, s.URL()), "create table kept as select 42 as n")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	kept := s.cluster.data
	if os.Geteuid() == 0 {
		t.Cleanup(func() {
			if err := os.RemoveAll(filepath.Dir(kept)); err != nil {
				t.Error(err)
			}
		})
		if !strings.HasPrefix(kept, refuge+"/") {
			t.Errorf("the cluster is in %s", kept)
		}
	} else if kept != filepath.Join(dir, "data") {
		t.Errorf("the cluster is in %s", kept)
	}

	// The directory may be moved.
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: moved, Durable: true})
	if n := one[int](t, connect(t, again.URL()), "select n from kept"); n != 42 {
		t.Errorf("kept %d", n)
	}
}

func TestTheOwnerOfAClusterRunsIt(t *testing.T) {
	t.Parallel()
	dir := passableDir(t)
	s := start(t, Options{Dir: dir, User: "nobody"})
	ran := one[string](t, connect(t, s.URL()), "select current_setting('data_directory')")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	owner, _, err := ownerOf(ran)
	if err != nil {
		t.Fatal(err)
	}
	if us := os.Geteuid(); us != 0 {
		if int(owner) != us {
			t.Errorf("the cluster belongs to %d, and we are %d", owner, us)
		}
		return
	}
	if userName(owner) != "nobody" {
		t.Errorf("the cluster belongs to %s", userName(owner))
	}
	found, err := accountFor("", ran)
	if err != nil || found.name != "nobody" {
		t.Errorf("it would be run by %q (%v)", found.name, err)
	}
	_, err = accountFor("daemon", ran)
	if err == nil || !strings.Contains(err.Error(), "belongs to nobody") || !strings.Contains(err.Error(), "PDEFLOW_PG_USER names daemon") {
		t.Errorf("another name gives %v", err)
	}
}

// A process of nobody, of which a system may have many, cannot read or change the data.
func TestWithoutAUserPostgresTheServerRunsAsAUIDThatNothingElseUses(t *testing.T) {
	t.Parallel()
	chosen, err := defaultAccount(func(name string) (*user.User, error) { return nil, user.UnknownUserError(name) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.LookupId(number(chosen.uid)); err == nil || !chosen.nameless {
		t.Errorf("%+v is a user of this system", chosen)
	}
	busy, err := busyUsers()
	if err != nil {
		t.Fatal(err)
	}
	if busy[chosen.uid] || !busy[uint32(os.Geteuid())] {
		t.Errorf("chosen is %d; the processes of this machine run as %v", chosen.uid, slices.Collect(maps.Keys(busy)))
	}
	dir := passableDir(t)
	s := start(t, Options{Dir: dir, Durable: true, User: number(chosen.uid)})
	conn := connect(t, s.URL())
	run(t, conn, "create table kept as select 42 as n")
	data := one[string](t, conn, "select current_setting('data_directory')")
	if os.Geteuid() == 0 {
		belongsTo(t, data, chosen.uid)
		if busy, err := busyUsers(); err != nil || !busy[chosen.uid] {
			t.Errorf("the server does not run as %d (%v)", chosen.uid, err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: dir, Durable: true})
	if n := one[int](t, connect(t, again.URL()), "select n from kept"); n != 42 {
		t.Errorf("kept %d", n)
	}
}

// belongsTo checks that everything in a directory belongs to a user, and that the directory is closed to others.
func belongsTo(t *testing.T, dir string, uid uint32) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of the server
		}
		if err != nil {
			return err
		}
		if owner, exists, err := ownerOf(path); err != nil || exists && owner != uid {
			t.Errorf("%s belongs to %d, not to %d (%v)", path, owner, uid, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s is %v (%v)", dir, info.Mode(), err)
	}
}

func TestAnAccountThatRunsOtherProcessesMakesNoDatabase(t *testing.T) {
	t.Parallel()
	busy := map[uint32]bool{}
	for _, name := range []string{"nobody", "daemon", "bin"} {
		if found, err := accountOf(name, user.Lookup); err == nil {
			if chosen, err := initAccount(busy); err != nil || chosen.uid != found.uid {
				t.Errorf("%s is idle, and %s makes the database (%v)", name, chosen.name, err)
			}
			busy[found.uid] = true
		}
	}
	if chosen, err := initAccount(busy); err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_USER") {
		t.Errorf("every account runs processes, and %q makes the database (%v)", chosen.name, err)
	}
	all := map[uint32]bool{}
	for uid := range uint32(unused) {
		all[firstUnused+uid] = true
	}
	if chosen, err := unusedAccount(all); err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_USER") {
		t.Errorf("every uid runs processes, and %d is chosen (%v)", chosen.uid, err)
	}
}

func TestAnAccountThatCannotRunPostgreSQLIsNamed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"no-such-user": "no-such-user", "root": "root is root"} {
		_, err := accountToMake(name)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "PDEFLOW_PG_USER") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestSomebodyElsesClusterIsRefused(t *testing.T) {
	t.Parallel()
	// The root of the file system belongs to root, on every machine.
	_, err := accountFor("", "/")
	if err == nil || !strings.Contains(err.Error(), "belongs to root") {
		t.Errorf("the error is %v", err)
	}
}
