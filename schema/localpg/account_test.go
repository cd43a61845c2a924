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

// Root keeps the cluster elsewhere if only root can enter the directory. For other users it is an ordinary directory.
func TestADirectoryThatPostgreSQLsUserCannotReachKeepsItsData(t *testing.T) {
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
			t.Errorf("directory of the cluster: got %s, want one below %s", kept, refuge)
		}
	} else if kept != filepath.Join(dir, "data") {
		t.Errorf("directory of the cluster: got %s, want %s", kept, filepath.Join(dir, "data"))
	}

	// The directory may be moved.
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: moved, Durable: true})
	if n := one[int](t, connect(t, again.URL()), "select n from kept"); n != 42 {
		t.Errorf("n: got %d, want 42", n)
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
			t.Errorf("owner of the cluster: got %d, want %d", owner, us)
		}
		return
	}
	if userName(owner) != "nobody" {
		t.Errorf("owner of the cluster: got %s, want nobody", userName(owner))
	}
	found, err := accountFor("", ran)
	if err != nil || found.name != "nobody" {
		t.Errorf("accountFor: got %q, %v, want nobody", found.name, err)
	}
	_, err = accountFor("daemon", ran)
	if err == nil || !strings.Contains(err.Error(), "belongs to nobody, and PDEFLOW_PG_USER names daemon") {
		t.Errorf("accountFor with another name: got %v, want an error that names both", err)
	}
}

// Other processes of the user nobody must not be able to read or change the data.
func TestWithoutAUserPostgresTheServerRunsAsAUIDThatNothingElseUses(t *testing.T) {
	t.Parallel()
	chosen, err := defaultAccount(func(name string) (*user.User, error) { return nil, user.UnknownUserError(name) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.LookupId(number(chosen.uid)); err == nil || !chosen.nameless {
		t.Errorf("account: got %+v, want no user of this system", chosen)
	}
	busy, err := busyUsers()
	if err != nil {
		t.Fatal(err)
	}
	if busy[chosen.uid] || !busy[uint32(os.Geteuid())] {
		t.Errorf("account: got uid %d, want none of %v", chosen.uid, slices.Collect(maps.Keys(busy)))
	}
	dir := passableDir(t)
	s := start(t, Options{Dir: dir, Durable: true, User: number(chosen.uid)})
	conn := connect(t, s.URL())
	run(t, conn, "create table kept as select 42 as n")
	data := one[string](t, conn, "select current_setting('data_directory')")
	if os.Geteuid() == 0 {
		belongsTo(t, data, chosen.uid)
		if busy, err := busyUsers(); err != nil || !busy[chosen.uid] {
			t.Errorf("users of processes: got none with uid %d (%v), want the server's", chosen.uid, err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: dir, Durable: true})
	if n := one[int](t, connect(t, again.URL()), "select n from kept"); n != 42 {
		t.Errorf("n: got %d, want 42", n)
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
			t.Errorf("owner of %s: got %d, want %d (%v)", path, owner, uid, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of %s: got %v (%v), want 0700", dir, info.Mode(), err)
	}
}

func TestAnAccountThatRunsOtherProcessesCreatesNoCluster(t *testing.T) {
	t.Parallel()
	busy := map[uint32]bool{}
	for _, name := range []string{"nobody", "daemon", "bin"} {
		t.Run(name, func(t *testing.T) {
			if found, err := accountOf(name, user.Lookup); err == nil {
				if chosen, err := initAccount(busy); err != nil || chosen.uid != found.uid {
					t.Errorf("initAccount: got %s, %v, want %s, which runs no process", chosen.name, err, name)
				}
				busy[found.uid] = true
			}
		})
	}
	if chosen, err := initAccount(busy); err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_USER") {
		t.Errorf("initAccount if every account is busy: got %q, %v, want an error", chosen.name, err)
	}
	all := map[uint32]bool{}
	for uid := range uint32(unused) {
		all[firstUnused+uid] = true
	}
	if chosen, err := unusedAccount(all); err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_USER") {
		t.Errorf("unusedAccount if every uid is busy: got %d, %v, want an error", chosen.uid, err)
	}
}

func TestAccountToMake_NamesAnAccountThatCannotRunPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"no-such-user": "no-such-user", "root": "root is root"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := accountToMake(name)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "PDEFLOW_PG_USER") {
				t.Errorf("%s: got error %v, want one with %q and PDEFLOW_PG_USER", name, err, want)
			}
		})
	}
}

func TestAccountFor_RefusesAClusterOfRoot(t *testing.T) {
	t.Parallel()
	// The root directory belongs to root on every machine.
	_, err := accountFor("", "/")
	if err == nil || !strings.Contains(err.Error(), "belongs to root") {
		t.Errorf("got error %v, want that it belongs to root", err)
	}
}
