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
	// Dir is the folder with initdb and postgres.
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

// Find locates PostgreSQL in PDEFLOW_PG_BIN if that is set, else on PATH, else in the usual install folders,
// the newest version first. If it finds nothing, the error lists the places searched and the command that
// installs PostgreSQL on this system. A wrong PDEFLOW_PG_BIN is an error of its own.
func Find(getenv func(string) string) (Binaries, error) {
	return search{getenv: getenv, root: "/", system: runtime.GOOS, superuser: os.Geteuid() == 0}.find()
}

// search holds what Find depends on, so that a test can lay out a machine of its own.
type search struct {
	getenv    func(string) string
	root      string
	system    string
	superuser bool
}

func (s search) find() (Binaries, error) {
	if dir := s.getenv("PDEFLOW_PG_BIN"); dir != "" {
		if missing := missing(dir); missing != "" {
			return Binaries{}, fmt.Errorf(
				"PDEFLOW_PG_BIN=%s: no program %s in it; name the folder that holds initdb and postgres", dir, missing,
			)
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

// onPath returns the folder of the installation to which a folder on PATH leads, or "". Package managers put
// links on PATH, and initdb looks for the other programs in the folder of the real file.
func onPath(dir string) string {
	if !filepath.IsAbs(dir) || missing(dir) == "initdb" {
		return ""
	}
	real, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb"))
	if err == nil && missing(filepath.Dir(real)) == "" {
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

// versionIn returns the version in an install folder's name, or 0 if it has none.
func versionIn(dir string) float64 {
	all := digits.FindAllString(dir, -1)
	if len(all) == 0 {
		return 0
	}
	version, _ := strconv.ParseFloat(all[len(all)-1], 64) // the pattern matches only numbers
	return version
}

// missing returns the first program that is not in dir, or "".
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
	return errors.New("no PostgreSQL on this machine (looked for initdb and postgres in PATH, " +
		strings.Join(s.patterns(), ", ") + "). " + s.remedy() +
		" ; or name the folder that holds them in PDEFLOW_PG_BIN, or a database in DATABASE_URL")
}

// patterns returns the install folders that this kind of system may have.
func (s search) patterns() []string {
	var here []string
	for _, pattern := range installs {
		mac := strings.HasPrefix(pattern, "/Applications") || strings.HasPrefix(pattern, "/Library") ||
			strings.Contains(pattern, "/opt/")
		if mac == (s.system == "darwin") {
			here = append(here, pattern)
		}
	}
	return here
}

// remedy names the command that installs PostgreSQL on this system.
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

// packageCommand returns the command for the distribution, or for one that it resembles (ID_LIKE in
// os-release), or "" if neither is known.
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
