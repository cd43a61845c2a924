package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/pdeflow/pdeflow"

// edge is an import of one package by another. Paths of this module are relative to its root; "/..." also matches all
// packages below, and "*" matches any one name, but not the same one on both sides.
type edge struct{ from, to string }

// forbiddenImports are the rules of the layers schema <- events <- services/* <- cmd/pdeflow, with the reason for each.
func forbiddenImports() map[edge]string {
	return map[edge]string{
		{"schema/...", "events/..."}: "rows do not depend on events: events are built " +
			"from rows",
		{"schema/...", "services/..."}: "schema is the lowest layer",
		{"schema/...", "cmd/..."}:      "schema is the lowest layer",
		{"schema/...", "github.com/nats-io/..."}: "SQL publishes nothing: the handler commits, then publishes, " +
			"then acknowledges",
		{"events/...", "services/..."}: "the runner does not depend on handlers; each service has its own",
		{"events/...", "cmd/..."}:      "events do not depend on the command that publishes them",
		{"services/*/...", "services/*/..."}: "services meet in rows and events, so that each can run, fail " +
			"and start again alone",
		{"services/protocol", "schema/..."}: "a model does not depend on what it models",
		{"services/protocol", "events/..."}: "a model does not depend on what it models",
		{"services/...", "cmd/..."}: "flags and environment are read in one place and reach a " +
			"service as parameters",
		{"services/classifier/columns/...", bunAll}: "ranking columns is a pure function: what it may look at is in " +
			"its arguments",
		{"services/classifier/rules/...", bunAll}: "applying a policy is a pure function: what it may look at is in " +
			"its arguments",
	}
}

// forbiddenInProgram are rules for the program, but not for its tests.
func forbiddenInProgram() map[edge]string {
	return map[edge]string{
		{"schema", "schema/*/..."}: "schema imports none of our packages: the package that starts " +
			"servers is built on it",
		{"schema/tabular/...", bunAll}:   "files are read without a database",
		{"schema/columnfile", bunAll}:    "files are read without a database",
		{"events", "schema/*/..."}:       "events depends on schema's types and not on a database",
		{"events/audit", "schema/*/..."}: "the audit log gets its database as a parameter",
		{"events/audit", "events/*/..."}: "the audit log depends on events alone",
		{"events", "events/*/..."}: "events gets the address of a server; what starts one is " +
			"built on it",
		{"services/...", "schema/localpg/..."}: "a service is given its connections; only a command " +
			"starts servers",
		{"services/...", "events/localnats/..."}: "a service is given its connections; only a command " +
			"starts servers",
		{"services/...", "schema/schematest"}:  "it is for tests and imports testing",
		{"services/...", "events/eventstest"}:  "it is for tests and imports testing",
		{"cmd/...", "schema/schematest"}:       "it is for tests and imports testing",
		{"services/...", "schema/foreigntest"}: "it is for tests and imports testing",
		{"cmd/...", "schema/foreigntest"}:      "it is for tests and imports testing",
		{"cmd/...", "events/eventstest"}:       "it is for tests and imports testing",
		{"cmd/...", pgconn}:                    errorClasses,
		{"events/...", pgconn}:                 errorClasses,
		{"services/api", pgconn}:               errorClasses,
		{"services/auditor", pgconn}:           errorClasses,
		{"services/classifier/...", pgconn}:    errorClasses,
		{"services/dispatcher", pgconn}:        errorClasses,
		{"services/projector", pgconn}:         errorClasses,
		{"...", "github.com/compose-spec/compose-go/..."}: "the program reads no compose file; it would carry ten " +
			"modules for nothing",
	}
}

const (
	bunAll       = "github.com/uptrace/bun/..."
	pgconn       = "github.com/jackc/pgx/v5/pgconn"
	errorClasses = "the classes of the database's errors are in schema/errors.go"
)

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		for _, spec := range file.syntax.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: import %s: got %v, want a path", file.path, spec.Path.Value, err)
			}
			path = strings.TrimPrefix(path, module+"/")
			why, bad := whyForbidden(forbiddenImports(), file.dir, path)
			if !bad && !file.test() {
				why, bad = whyForbidden(forbiddenInProgram(), file.dir, path)
			}
			if bad {
				t.Errorf("%s imports %s: %s", file.path, path, why)
			}
		}
	}
}

func TestWhyForbidden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		bad      bool
	}{
		{"schema", "events", true},
		{"schema/schematest", "events/eventstest", true},
		{"schema/schematest", "schema/localpg", false},
		{"schema", "schema/localpg", true},
		{"schema", "schema/tabular", true},
		{"schema/tabular", "schema", false},
		{"schema/tabular", "github.com/uptrace/bun", true},
		{"events", "schema", false},
		{"events", "schema/localpg", true},
		{"events/eventstest", "schema/schematest", false},
		{"events/audit", "schema", false},
		{"events/audit", "schema/localpg", true},
		{"events/audit", "services/auditor", true},
		{"events", "events/audit", true},
		{"schema", "events/audit", true},
		{"services/auditor", "events/audit", false},
		{"events", "services/api", true},
		{"services/api", "events", false},
		{"services/api", "services/api/web", false},
		{"services/api", "schema/tabular", false},
		{"services/api", "services/classifier", true},
		{"services/api", "services/classifier/rules", true},
		{"services/classifier/llm", "services/projector", true},
		{"services/classifier/rules", "github.com/uptrace/bun", true},
		{"services/classifier", "github.com/uptrace/bun", false},
		{"services/auditor", "cmd/pdeflow", true},
		{"services/auditor", "schema/schematest", true},
		{"cmd/pdeflow", "services/auditor", false},
		{"cmd/pdeflow", "schema/localpg", false},
		{"cmd/pdeflow", "github.com/compose-spec/compose-go/v2/loader", true},
		{"schema", "github.com/nats-io/nats.go", true},
		{"schema", "github.com/uptrace/bun/dialect/pgdialect", false},
	}
	rules := forbiddenImports()
	maps.Copy(rules, forbiddenInProgram())
	for _, tt := range tests {
		t.Run(tt.from+" imports "+tt.to, func(t *testing.T) {
			if why, bad := whyForbidden(rules, tt.from, tt.to); bad != tt.bad {
				t.Errorf("%s imports %s: forbidden: got %v (%s), want %v", tt.from, tt.to, bad, why, tt.bad)
			}
		})
	}
}

// whyForbidden returns the reason of a rule that the import violates.
func whyForbidden(rules map[edge]string, from, to string) (why string, bad bool) {
	for rule, why := range rules {
		fromName, fromOK := matches(rule.from, from)
		toName, toOK := matches(rule.to, to)
		if fromOK && toOK && (fromName == "" || fromName != toName) {
			return why, true
		}
	}
	return "", false
}

// matches reports whether the pattern of an [edge] matches the path, and what its "*" matched.
func matches(pattern, path string) (name string, ok bool) {
	if pattern == "..." {
		return "", true
	}
	pattern, below := strings.CutSuffix(pattern, "/...")
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(got) < len(want) || len(got) > len(want) && !below {
		return "", false
	}
	for i := range want {
		switch want[i] {
		case got[i]:
		case "*":
			name = got[i]
		default:
			return "", false
		}
	}
	return name, true
}

func TestEveryPackageHasALayer(t *testing.T) {
	t.Parallel()
	for _, dir := range goDirectories(t) {
		layer, rest, _ := strings.Cut(dir, "/")
		service, _, _ := strings.Cut(rest, "/")
		switch {
		case layer == "schema", layer == "events", layer == "cmd":
		case layer == "services" && slices.Contains(services(), service):
		case dir == "services/protocol": // a model of all services
		default:
			t.Errorf("%s is in none of schema, events, services/{%s} and cmd: no import rule applies to it", dir,
				strings.Join(services(), ","))
		}
	}
}

func TestEveryPackageNameDescribesItsContents(t *testing.T) {
	t.Parallel()
	empty := []string{
		"util", "utils", "common", "helper", "helpers", "manager", "managers", "model", "models", "misc", "base",
		"internal", "pkg",
	}
	for _, file := range sources(t) {
		for _, name := range append(strings.Split(file.dir, "/"), strings.TrimSuffix(file.syntax.Name.Name, "_test")) {
			if slices.Contains(empty, name) {
				t.Errorf("%s: the name %s does not describe the contents", file.path, name)
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, file := range sources(t) {
		if file.test() {
			continue
		}
		documented[file.dir] = documented[file.dir] || introduces(file.syntax)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment that begins with what go doc expects", dir)
		}
	}
}

// introduces reports whether the file's package comment has the form that go doc expects: "Package x ...", or for a
// command "Pdeflow ..." or "Command pdeflow ...".
func introduces(file *ast.File) bool {
	text := file.Doc.Text()
	if file.Name.Name == "main" {
		return strings.HasPrefix(text, "Pdeflow ") || strings.HasPrefix(text, "Command ")
	}
	return strings.HasPrefix(text, "Package "+file.Name.Name+" ")
}

// Stored rows and published messages change for different reasons, so no struct is both.
func TestRowsAreOnlyInSchemaAndHaveNoJSON(t *testing.T) {
	t.Parallel()
	rows := 0
	for _, file := range sources(t) {
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			structure, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			stored, sent := hasTag(structure, "bun"), hasTag(structure, "json")
			if stored {
				rows++
			}
			if at := file.position(structure); stored && sent {
				t.Errorf("%s: a struct with bun tags and json tags", at)
			} else if in, _, _ := strings.Cut(file.dir, "/"); stored && in != "schema" &&
				file.dir != "events/audit" && !strings.Contains(at, "_test.go:") {
				// A test may define rows of its own.
				t.Errorf("%s: a struct with bun tags outside schema and events/audit", at)
			}
			return true
		})
	}
	if rows == 0 {
		t.Error("got no structs with bun tags, want some")
	}
}

func hasTag(structure *ast.StructType, key string) bool {
	return slices.ContainsFunc(structure.Fields.List, func(field *ast.Field) bool {
		if field.Tag == nil {
			return false
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return false
		}
		_, ok := reflect.StructTag(tag).Lookup(key)
		return ok
	})
}

// source is one Go file of the module.
type source struct {
	path   string // relative to the module's root
	dir    string
	syntax *ast.File
	set    *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) position(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// sources parses every Go file of the module. It reads the files itself, because Go caches the result of a test that
// runs go list and would not notice new files.
func sources(t *testing.T) []source {
	t.Helper()
	set := token.NewFileSet()
	var files []source
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skip(entry.Name())
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(repository, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		dir, _ := filepath.Split(rel)
		files = append(files, source{path: rel, dir: strings.TrimSuffix(dir, "/"), syntax: syntax, set: set})
		return nil
	})
	if err != nil {
		t.Fatalf("the module's files: %v", err)
	}
	return files
}

// skip skips the directories that the go command ignores.
func skip(dir string) error {
	hidden := strings.HasPrefix(dir, ".") && strings.Trim(dir, ".") != ""
	if dir == "testdata" || hidden || strings.HasPrefix(dir, "_") {
		return fs.SkipDir
	}
	return nil
}

// goDirectories are the directories of the module that hold Go files.
func goDirectories(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, file := range sources(t) {
		dirs = append(dirs, file.dir)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
