//go:build unix

package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a tree of folders with the layout of a machine.
type machine struct {
	root string
	env  map[string]string
}

func newMachine(t *testing.T, installs ...string) machine {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := machine{root: root, env: map[string]string{"PATH": filepath.Join(root, "usr/bin")}}
	for _, dir := range installs {
		m.install(t, dir, "initdb", "postgres")
	}
	return m
}

func (m machine) install(t *testing.T, dir string, programs ...string) {
	t.Helper()
	dir = filepath.Join(m.root, dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if err := os.WriteFile(filepath.Join(dir, program), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func (m machine) search(system string) search {
	return search{
		getenv: func(name string) string { return m.env[name] }, root: m.root, system: system, superuser: true,
	}
}

func TestFind_PrefersTheEnvironmentThenPathThenTheNewestInstall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		installs []string
		env      string
		link     string // in /usr/bin, to the initdb of this install
		want     string
	}{
		"Debian, the newest": {
			installs: []string{"usr/lib/postgresql/9.6/bin", "usr/lib/postgresql/17/bin", "usr/lib/postgresql/15/bin"},
			want:     "usr/lib/postgresql/17/bin",
		},
		"RHEL": {installs: []string{"usr/pgsql-16/bin"}, want: "usr/pgsql-16/bin"},
		"Alpine, and an older Debian": {
			installs: []string{"usr/lib/postgresql/15/bin", "usr/libexec/postgresql16"},
			want:     "usr/libexec/postgresql16",
		},
		"Homebrew on Apple silicon": {
			installs: []string{"opt/homebrew/opt/postgresql@17/bin", "opt/homebrew/opt/postgresql@16/bin"},
			want:     "opt/homebrew/opt/postgresql@17/bin",
		},
		"Homebrew on Intel": {
			installs: []string{"usr/local/opt/postgresql@16/bin"}, want: "usr/local/opt/postgresql@16/bin",
		},
		"Postgres.app": {
			installs: []string{
				"Applications/Postgres.app/Contents/Versions/17/bin",
				"Applications/Postgres.app/Contents/Versions/9.5/bin",
			},
			want: "Applications/Postgres.app/Contents/Versions/17/bin",
		},
		"PATH before a newer install": {
			installs: []string{"usr/bin", "usr/lib/postgresql/17/bin"}, want: "usr/bin",
		},
		"a link on PATH": {
			installs: []string{"Cellar/postgresql@14/14.9/bin", "usr/lib/postgresql/17/bin"},
			link:     "Cellar/postgresql@14/14.9/bin",
			want:     "Cellar/postgresql@14/14.9/bin",
		},
		"PDEFLOW_PG_BIN before all of it": {
			installs: []string{"usr/bin", "elsewhere/bin"}, env: "elsewhere/bin", want: "elsewhere/bin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, test.installs...)
			if test.env != "" {
				m.env["PDEFLOW_PG_BIN"] = filepath.Join(m.root, test.env)
			}
			if test.link != "" {
				m.install(t, "usr/bin")
				initdb := filepath.Join(m.root, test.link, "initdb")
				if err := os.Symlink(initdb, filepath.Join(m.root, "usr/bin/initdb")); err != nil {
					t.Fatal(err)
				}
			}
			found, err := m.search("linux").find()
			if err != nil || found.Dir != filepath.Join(m.root, test.want) {
				t.Errorf("got %q (%v), want %s", found.Dir, err, test.want)
			}
		})
	}
}

func TestFind_SkipsAFolderWithoutBothPrograms(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "usr/lib/postgresql/15/bin")
	m.install(t, "usr/lib/postgresql/17/bin", "psql")
	m.install(t, "usr/bin", "initdb")
	found, err := m.search("linux").find()
	if err != nil || found.Dir != filepath.Join(m.root, "usr/lib/postgresql/15/bin") {
		t.Errorf("got %q, %v, want the folder with both programs", found.Dir, err)
	}
}

func TestFind_NamesAWrongPDEFLOW_PG_BIN(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "usr/lib/postgresql/15/bin")
	m.install(t, "half", "initdb")
	for dir, missing := range map[string]string{"nowhere": "initdb", "half": "postgres"} {
		t.Run(dir, func(t *testing.T) {
			m.env["PDEFLOW_PG_BIN"] = filepath.Join(m.root, dir)
			found, err := m.search("linux").find()
			if err == nil || !strings.Contains(err.Error(), "PDEFLOW_PG_BIN="+m.env["PDEFLOW_PG_BIN"]) ||
				!strings.Contains(err.Error(), missing) {
				t.Errorf("got %q and the error %v, want one that names the folder and %s", found.Dir, err, missing)
			}
		})
	}
}

func TestFind_WithoutPostgreSQLNamesTheCommandThatInstallsIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		system, release string
		user            bool
		want            string
	}{
		"Debian":           {"linux", "ID=debian\n", false, ": apt-get install -y postgresql ;"},
		"a user on Debian": {"linux", "ID=debian\n", true, ": sudo apt-get install -y postgresql ;"},
		"similar to Ubuntu": {
			"linux", "NAME=\"Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", false, ": apt-get install",
		},
		"Rocky": {
			"linux", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", false, ": dnf install -y postgresql-server ;",
		},
		"an unknown system": {
			"linux", "ID=own\n", true, "Install the package of this system that holds PostgreSQL's server ;",
		},
		"Alpine":              {"linux", "ID=alpine\n", false, ": apk add postgresql ;"},
		"a Mac, without sudo": {"darwin", "", true, ": brew install postgresql ;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.install(t, "etc")
			if err := os.WriteFile(filepath.Join(m.root, "etc/os-release"), []byte(test.release), 0o600); err != nil {
				t.Fatal(err)
			}
			s := m.search(test.system)
			s.superuser = !test.user
			_, err := s.find()
			if err == nil {
				t.Fatal("got an installation on an empty machine")
			}
			for _, want := range []string{test.want, "PATH", "PDEFLOW_PG_BIN", "DATABASE_URL"} {
				t.Run(want, func(t *testing.T) {
					t.Parallel()
					if !strings.Contains(err.Error(), want) {
						t.Errorf("got error %v, want one with %q", err, want)
					}
				})
			}
			if mac := strings.Contains(err.Error(), "Postgres.app"); mac != (test.system == "darwin") {
				t.Errorf("got error %v, want one that names folders of this system only", err)
			}
		})
	}
}
