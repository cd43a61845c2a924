//go:build unix

package localpg

import (
	"os"
	"path/filepath"
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
