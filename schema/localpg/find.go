//go:build unix

package localpg

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Binaries are the programs of one PostgreSQL installation.
type Binaries struct {
	// Dir is the folder that holds initdb and postgres.
	Dir string
}

// installs are the folders that package managers use and that are not on PATH.
var installs = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/lib/postgresql*/bin",                           // openSUSE
	"/usr/pgsql-*/bin",                                   // RHEL and its like
	"/usr/libexec/postgresql*",                           // Alpine
	"/usr/lib64/postgresql-*/bin",                        // Gentoo
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/Library/PostgreSQL/*/bin",                          // EnterpriseDB's installer
}

// Find locates PostgreSQL: PDEFLOW_PG_BIN where it is set, then PATH, then the usual install folders, the newest first. Where nothing is
// found the error says what was looked for and what installs it on this system; a wrong PDEFLOW_PG_BIN is an error of its own.
func Find(getenv func(string) string) (Binaries, error) {
	return search{getenv: getenv, root: "/", system: runtime.GOOS, superuser: os.Geteuid() == 0}.find()
}

// search is what Find depends on, so that a test can lay out a machine of its own.
type search struct {
	getenv    func(string) string
	root      string
	system    string
	superuser bool
}

func (s search) find() (Binaries, error) {
	if dir := s.getenv("PDEFLOW_PG_BIN"); dir != "" {
		if missing := missing(dir); missing != "" {
			return Binaries{}, fmt.Errorf("PDEFLOW_PG_BIN=%s: no program %s in it; name the folder that holds initdb and postgres", dir, missing)
		}
		return absolute(dir)
	}
	for _, dir := range filepath.SplitList(s.getenv("PATH")) {
		if found := onPath(dir); found != "" {
			return Binaries{Dir: found}, nil
		}
	}
	for _, dir := range s.installed() {
		if missing(dir) == "" {
			return Binaries{Dir: dir}, nil
		}
	}
	return Binaries{}, s.notFound()
}

func absolute(dir string) (Binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, fmt.Errorf("PDEFLOW_PG_BIN: %w", err)
	}
	return Binaries{Dir: dir}, nil
}

// onPath returns the folder that a folder on PATH leads to: package managers put links there, and initdb looks for its companions
// beside the real file.
func onPath(dir string) string {
	if !filepath.IsAbs(dir) || missing(dir) == "initdb" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil && missing(filepath.Dir(real)) == "" {
		return filepath.Dir(real)
	}
	if missing(dir) == "" {
		return dir
	}
	return ""
}

// installed lists the install folders that exist, the newest version first.
func (s search) installed() []string {
	var dirs []string
	for _, pattern := range installs {
		found, _ := filepath.Glob(filepath.Join(s.root, pattern)) // the patterns are well formed
		dirs = append(dirs, found...)
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
	return dirs
}

var digits = regexp.MustCompile(`\d+(\.\d+)?`)

// versionIn is the version that stands in an install folder's name, 0 where there is none.
func versionIn(dir string) float64 {
	all := digits.FindAllString(dir, -1)
	if len(all) == 0 {
		return 0
	}
	version, _ := strconv.ParseFloat(all[len(all)-1], 64) // it is made of digits
	return version
}

// missing names the first program that is not in dir, "" where all are.
func missing(dir string) string {
	for _, program := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, program))
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return program
		}
	}
	return ""
}

func (s search) notFound() error {
	return errors.New("no PostgreSQL on this machine (looked for initdb and postgres in PATH, " + strings.Join(s.patterns(), ", ") +
		"). " + s.remedy() +
		" ; or name the folder that holds them in PDEFLOW_PG_BIN, or a database in DATABASE_URL")
}

// patterns are the install folders that this kind of system may have.
func (s search) patterns() []string {
	var here []string
	for _, pattern := range installs {
		mac := strings.HasPrefix(pattern, "/Applications") || strings.HasPrefix(pattern, "/Library") || strings.Contains(pattern, "/opt/")
		if mac == (s.system == "darwin") {
			here = append(here, pattern)
		}
	}
	return here
}

// remedy is the command that installs PostgreSQL here.
func (s search) remedy() string {
	if s.system == "darwin" {
		return "Install it with: brew install postgresql"
	}
	command := s.packageCommand()
	switch {
	case command == "":
		return "Install the package of this system that holds PostgreSQL's server"
	case s.superuser:
		return "Install it with: " + command
	default:
		return "Install it with: sudo " + command
	}
}

// packageCommand goes by the distribution's own name and then by those that it says it is like. It is empty for one it does not know.
func (s search) packageCommand() string {
	release, err := os.ReadFile(filepath.Join(s.root, "etc/os-release"))
	if err != nil {
		release = nil
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(release)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[key] = strings.Trim(value, `"'`)
		}
	}
	for _, name := range strings.Fields(fields["ID"] + " " + fields["ID_LIKE"]) {
		switch name {
		case "debian", "ubuntu":
			return "apt-get install -y postgresql"
		case "fedora", "rhel", "centos":
			return "dnf install -y postgresql-server"
		case "alpine":
			return "apk add postgresql"
		case "arch":
			return "pacman -S --noconfirm postgresql"
		case "suse", "opensuse":
			return "zypper install -y postgresql-server"
		}
	}
	return ""
}
