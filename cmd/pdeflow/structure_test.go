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

// edge says that one package imports another. Paths of this module are relative to its root; "/..." means everything
// below as well, and "*" any one name, a different one on either side where both have it.
type edge struct{ from, to string }

// forbiddenImports is the direction of imports, schema <- events <- services/* <- cmd/pdeflow, by what would break it
// and why not.
func forbiddenImports() map[edge]string {
	return map[edge]string{
		{"schema/...", "events/..."}: "what is stored knows nothing of what is said: events are made " +
			"from rows",
		{"schema/...", "services/..."}: "the vocabulary lies below everything that speaks it",
		{"schema/...", "cmd/..."}:      "the vocabulary lies below everything that speaks it",
		{"schema/...", "github.com/nats-io/..."}: "SQL publishes nothing: the handler commits, then publishes, " +
			"then acknowledges",
		{"events/...", "services/..."}: "the runner knows no handler, each service brings its own",
		{"events/...", "cmd/..."}:      "what is said is the same whichever command says it",
		{"services/*/...", "services/*/..."}: "services meet in rows and events, so that each can run, fail " +
			"and start again alone",
		{"services/...", "cmd/..."}: "flags and environment are read in one place and reach a " +
			"service as parameters",
		{"services/classifier/columns/...", bunAll}: "ranking columns is a pure function: what it may look at is in " +
			"its arguments",
		{"services/classifier/rules/...", bunAll}: "applying a policy is a pure function: what it may look at is in " +
			"its arguments",
	}
}

// forbiddenInProgram holds for what is shipped; tests may.
func forbiddenInProgram() map[edge]string {
	return map[edge]string{
		{"schema", "schema/*/..."}: "the vocabulary imports nothing of ours: what starts " +
			"servers is built on it",
		{"schema/tabular/...", bunAll}:   "reading a file needs no database",
		{"events", "schema/*/..."}:       "events needs the vocabulary and no database",
		{"events/audit", "schema/*/..."}: "the audit log needs the vocabulary, and is given its database",
		{"events/audit", "events/*/..."}: "the audit log is built on events alone",
		{"events", "events/*/..."}: "events is told where a server is; what starts one is " +
			"built on it",
		{"services/...", "schema/localpg/..."}: "a service is given its connections; only a command " +
			"starts servers",
		{"services/...", "events/localnats/..."}: "a service is given its connections; only a command " +
			"starts servers",
		{"services/...", "schema/schematest"}: "it serves tests and imports testing",
		{"services/...", "events/eventstest"}: "it serves tests and imports testing",
		{"cmd/...", "schema/schematest"}:      "it serves tests and imports testing",
		{"cmd/...", "events/eventstest"}:      "it serves tests and imports testing",
		{"...", "github.com/compose-spec/compose-go/..."}: "the program reads no compose file; it would carry ten " +
			"modules for nothing",
	}
}

const bunAll = "github.com/uptrace/bun/..."

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		for _, spec := range file.syntax.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: import %s: %v", file.path, spec.Path.Value, err)
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

func TestImportRuleTellsGoodFromBad(t *testing.T) {
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
		if why, bad := whyForbidden(rules, tt.from, tt.to); bad != tt.bad {
			t.Errorf("%s imports %s: forbidden is %v (%s), want %v", tt.from, tt.to, bad, why, tt.bad)
		}
	}
}

// whyForbidden gives the reason of the first rule that such an import breaks.
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

// matches tells whether the pattern of an [edge] is for the path, and what stands there for its "*".
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

func TestEveryPackageHasAPlace(t *testing.T) {
	t.Parallel()
	for _, dir := range goDirectories(t) {
		layer, rest, _ := strings.Cut(dir, "/")
		service, _, _ := strings.Cut(rest, "/")
		switch {
		case layer == "schema", layer == "events", layer == "cmd":
		case layer == "services" && slices.Contains(services(), service):
		default:
			t.Errorf("%s is in none of schema, events, services/{%s} and cmd: no rule says what it may import", dir,
				strings.Join(services(), ","))
		}
	}
}

func TestEveryPackageIsNamedForWhatItHolds(t *testing.T) {
	t.Parallel()
	empty := []string{
		"util", "utils", "common", "helper", "helpers", "manager", "managers", "model", "models", "misc", "base",
		"internal", "pkg",
	}
	for _, file := range sources(t) {
		for _, name := range append(strings.Split(file.dir, "/"), strings.TrimSuffix(file.syntax.Name.Name, "_test")) {
			if slices.Contains(empty, name) {
				t.Errorf("%s: the name %s says nothing of what is in there", file.path, name)
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

// introduces tells whether the file's package comment is one: "Package x ...", of a command "Pdeflow ..." or "Command
// pdeflow ...".
func introduces(file *ast.File) bool {
	text := file.Doc.Text()
	if file.Name.Name == "main" {
		return strings.HasPrefix(text, "Pdeflow ") || strings.HasPrefix(text, "Command ")
	}
	return strings.HasPrefix(text, "Package "+file.Name.Name+" ")
}

// A row never crosses a wire: what is stored and what is sent change for different reasons.
func TestRowsStayInSchemaAndNeverCrossAWire(t *testing.T) {
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
				// A test may look at the tables for itself.
				t.Errorf("%s: a struct with bun tags outside schema and events/audit", at)
			}
			return true
		})
	}
	if rows == 0 {
		t.Error("no row seen: the test looks in the wrong place")
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

// sources parses every Go file of the module. It reads the files themselves, since the go command's own listing is not
// among the things that a cached test result depends on.
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

// skip leaves out the directories that the go command leaves out.
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
