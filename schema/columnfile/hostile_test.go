package columnfile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/columnfile"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// samples are files of every format.
func samples() map[string]string {
	return map[string]string{
		"postgres.sql": postgres, "mysql.sql": mysql, "server.sql": sqlServer, "oracle.sql": oracle,
		"manifest.json": manifest, "schema.yml": properties, "core.csv": openMetadata,
	}
}

// wantWhole checks what holds for every file: it has valid columns, each in a line of the file, or else problems that
// name the file and a line of it.
func wantWhole(t *testing.T, name, content string) tabular.File[schema.ColumnRow] {
	t.Helper()
	file, err := columnfile.Read(name, []byte(content))
	last := strings.Count(content, "\n") + 1
	refused, ok := errors.AsType[tabular.Problems](err)
	switch {
	case err != nil && (!ok || len(refused.First) == 0 || len(file.Rows) > 0):
		t.Fatalf("got %d rows and error %v, want rows or Problems", len(file.Rows), err)
	case err == nil && (len(file.Rows) == 0 || len(file.Rows) != len(file.Places)):
		t.Fatalf("got %d rows and %d places, want as many places as rows", len(file.Rows), len(file.Places))
	}
	for _, p := range refused.First {
		if p.File != name || p.Line < 0 || p.Line > last || p.Reason == "" {
			t.Fatalf("got the problem %+v, want one in line 0 to %d", p, last)
		}
	}
	for i, row := range file.Rows {
		if line := file.Places[i].Line; line < 1 || line > last {
			t.Fatalf("got the column %+v in line %d, want 1 to %d", row, line, last)
		}
		if checked, err := tabular.CheckColumn(row); err != nil || checked != row {
			t.Fatalf("got the column %+v (%v), want a valid one", row, err)
		}
	}
	return file
}

func TestRead_OfAFileThatIsCutOffAnywhere(t *testing.T) {
	t.Parallel()
	for name, content := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := wantWhole(t, name, content)
			for end := range len(content) {
				if got := wantWhole(t, name, content[:end]); len(got.Rows) > len(whole.Rows) {
					t.Fatalf("the first %d bytes: got %d columns, want at most %d", end, len(got.Rows), len(whole.Rows))
				}
			}
		})
	}
}

func TestRead_OfAFileWithOtherBytes(t *testing.T) {
	t.Parallel()
	for name, content := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			const bytes = "'\"`[](),;$\\/*-#{}:\n\r\t\x00\xff\xc3 aN0"
			for range 200 {
				text := []byte(content)
				for range 1 + random.IntN(3) {
					text[random.IntN(len(text))] = bytes[random.IntN(len(bytes))]
				}
				wantWhole(t, name, string(text))
			}
		})
	}
}

// Nothing but the end of a line differs between a file of Windows and one of Unix.
func TestRead_OfAFileOfWindows(t *testing.T) {
	t.Parallel()
	for name, content := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unix := strings.ReplaceAll(content, "\r\n", "\n")
			diff(t, columns(t, name, unix), columns(t, name, strings.ReplaceAll(unix, "\n", "\r\n")))
			diff(t, columns(t, name, unix), columns(t, name, "\xef\xbb\xbf"+unix))
		})
	}
}

func TestRead_OfDeeplyNestedFiles(t *testing.T) {
	t.Parallel()
	const depth = 200_000
	for name, c := range map[string]struct{ file, content, want string }{
		"arrays of JSON": {"x.json", `{"macros": ` + strings.Repeat("[", depth), "1 : the file is not the " +
			"manifest.json of dbt: it ends too early"},
		"objects of JSON": {"x.json", `{"nodes": {"a": ` + strings.Repeat(`{"a":`, depth), "1 : the file is not the " +
			"manifest.json of dbt: it is not well-formed JSON"},
		"parentheses": {
			"x.sql", "create table t (a int default " + strings.Repeat("(", depth),
			"1 t: the list of columns has no closing parenthesis",
		},
		"lists of YAML": {
			"x.yml", "models: " + strings.Repeat("[", depth),
			"1 : the file is not a schema.yml of dbt, or not well-formed YAML",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff(t, []string{c.want}, problems(t, c.file, c.content))
		})
	}
}

// Each anchor stands for ten of the one before it, which would be 10^12 columns.
func TestRead_OfAYAMLFileThatGrows(t *testing.T) {
	t.Parallel()
	content := strings.Builder{}
	content.WriteString("a0: &a0 [{name: x}]\n")
	for i := range 12 {
		fmt.Fprintf(&content, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	content.WriteString("models: [{name: t, columns: *a12}]\n")
	got := problems(t, "schema.yml", content.String())
	if len(got) != 1 || !strings.Contains(got[0], "not well-formed YAML") {
		t.Errorf("got problems %q, want one", got)
	}
}

func TestRead_OfATableOfDBTWithTwoNames(t *testing.T) {
	t.Parallel()
	node := func(fields string) string {
		return `{"nodes": {"n": {"schema": "s", "name": "t", "columns": {"b": {"name": "b"}}, ` + fields + `}}}`
	}
	for name, c := range map[string]struct{ content, want string }{
		"a model":           {node(`"resource_type": "model"`), "1 x.s.t.b "},
		"an alias":          {node(`"resource_type": "model", "alias": "u"`), "1 x.s.u.b "},
		"an identifier":     {node(`"resource_type": "source", "identifier": "U"`), "1 x.s.U.b "},
		"a snapshot":        {node(`"resource_type": "snapshot"`), "1 x.s.t.b "},
		"a database":        {node(`"resource_type": "seed", "database": "d"`), "1 d.s.t.b "},
		"null in a field":   {node(`"resource_type": "seed", "database": null, "alias": null`), "1 x.s.t.b "},
		"more after it":     {node(`"resource_type": "seed"`) + "\n{}", "1 x.s.t.b "},
		"names of any case": {node(`"Resource_Type": "seed"`), "1 x.s.t.b "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff(t, []string{c.want}, columns(t, "x.json", c.content))
		})
	}
	for _, kind := range []string{"test", "operation", "analysis", "", "MODEL"} {
		t.Run("not a table: "+kind, func(t *testing.T) {
			t.Parallel()
			diff(t, []string{"0 : no model and no source in the manifest has columns; describe them in the project"},
				problems(t, "x.json", node(`"resource_type": "`+kind+`"`)))
		})
	}
}

func TestRead_OfRowsOfOpenMetadata(t *testing.T) {
	t.Parallel()
	const header = "Name*, ENTITYTYPE* ,fullyQualifiedName,description,column.dataType,column.dataLength\n"
	for name, c := range map[string]struct{ row, want string }{
		"spaces":              {" b , Column , o.d.s.t.b , about , int ,", "2 o.s.t.b int: about"},
		"a short row":         {"b,column,o.d.s.t.b", "2 o.s.t.b "},
		"a length":            {"b,column,o.d.s.t.b,,varchar,40", "2 o.s.t.b varchar(40)"},
		"a length alone":      {"b,column,o.d.s.t.b,,,40", "2 o.s.t.b "},
		"a field of a column": {"b,column,o.d.s.t.a.b.c,,int", "2 o.s.t.a.b.c int"},
		"quotes in a name":    {`b,column,"o.d.s.""t.""""u"".b",,int`, `2 o.s.t."u.b int`},
		"an empty part":       {"b,column,.d.s.t.b,,int", "2 x.s.t.b int"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff(t, []string{c.want}, columns(t, "x.csv", header+c.row+"\n"))
		})
	}
	for name, row := range map[string]string{
		"a name after quotes": `b,column,"""o""x.d.s.t.b"`, "only a quote": `b,column,""""`,
		"a table": "b,column,o.d.s.t",
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			diff(t, []string{
				"2 fullyqualifiedname: must be service.database.schema.table.column; export the schema or the database",
			}, problems(t, "x.csv", header+row+"\n"))
		})
	}
}
