package columnfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema/columnfile"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// columns reads a file and returns its columns, each as "line source.schema.table.column type: description".
func columns(t *testing.T, name, content string) []string {
	t.Helper()
	file, err := columnfile.Read(name, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, c := range file.Rows {
		text := fmt.Sprintf("%d %s.%s.%s.%s %s", file.Places[i].Line, c.DataSource, c.SchemaName, c.TableName,
			c.ColumnName, c.DataType)
		if c.Description != "" {
			text += ": " + c.Description
		}
		lines = append(lines, text)
	}
	return lines
}

// problems reads a file that is refused, and returns its problems, each as "line column: reason".
func problems(t *testing.T, name, content string) []string {
	t.Helper()
	_, err := columnfile.Read(name, []byte(content))
	refused, ok := errors.AsType[tabular.Problems](err)
	if !ok {
		t.Fatalf("got error %v, want Problems", err)
	}
	var lines []string
	for _, p := range refused.First {
		if p.File != name {
			t.Errorf("got file %s, want %s", p.File, name)
		}
		lines = append(lines, fmt.Sprintf("%d %s: %s", p.Line, p.Column, p.Reason))
	}
	return lines
}

func diff(t *testing.T, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

const (
	someSQL      = "-- a script\nCREATE TABLE a (b int);\n"
	someManifest = `{"nodes": {"model.p.a": {"resource_type": "model", "database": "d", "schema": "s", "name": "a",
		"columns": {"b": {"name": "b", "data_type": "int"}}}}}`
	someProperties = "version: 2\nsources:\n  - name: s\n    database: d\n    tables:\n" +
		"      - name: a\n        columns:\n          - {name: b, data_type: int}\n"
	someOpenMetadata = "name*,entityType*,fullyQualifiedName,column.dataType\nb,column,o.d.s.a.b,INT\n"
	someTable        = "data_source,schema,table,column,data_type\nt,s,a,b,int\n"
)

func TestRead_RecognisesTheFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, content, want string }{
		{"x.sql", someSQL, "2 x.public.a.b int"},
		{"x.DDL", someSQL, "2 x.public.a.b int"},
		{"x.txt", someSQL, "2 x.public.a.b int"},
		{"x", "/* a */ create temporary table x (y int);\ncreate\ttable a(b int)", "2 x.public.a.b int"},
		{"manifest.json", someManifest, "1 d.s.a.b int"},
		{"manifest", "\n" + someManifest, "2 d.s.a.b int"},
		{"schema.yml", someProperties, "8 d.s.a.b int"},
		{"schema.yaml", "\xef\xbb\xbf" + someProperties, "8 d.s.a.b int"},
		{"schema", someProperties, "8 d.s.a.b int"},
		{"export.csv", someOpenMetadata, "2 o.s.a.b INT"},
		{"columns.csv", someTable, "2 t.s.a.b int"},
		{"columns.csv", strings.Replace(someTable, "int", "create table of (x)", 1), "2 t.s.a.b create table of (x)"},
		{"columns", someTable, "2 t.s.a.b int"},
	} {
		t.Run(c.name, func(t *testing.T) {
			diff(t, []string{c.want}, columns(t, c.name, c.content))
		})
	}
}

func TestRead_RefusesValuesThatATableCannotHave(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1001)
	diff(t, []string{
		"1 public.a." + long + ": column must have at most 1000 characters",
		"2 public.b.c: the column is already in line 2",
	}, problems(t, "x.sql", "create table a ("+long+" int);\ncreate table b (c int, c text);"))
	diff(t, []string{"1 s.a: column must not be empty"}, problems(t, "manifest.json",
		strings.Replace(someManifest, `"name": "b"`, `"name": ""`, 1)))
	// A name is no placeholder here, as it is in a table.
	diff(t, []string{"1 x.public.na.null int"}, columns(t, "x.sql", `create table na ("null" int)`))
}

func TestRead_ListsAtMostAHundredProblems(t *testing.T) {
	t.Parallel()
	_, err := columnfile.Read("x.sql", []byte(strings.Repeat("create table a;\n", 130)))
	refused, _ := errors.AsType[tabular.Problems](err)
	if len(refused.First) != 100 || refused.More != 30 {
		t.Errorf("got %d problems and %d more, want 100 and 30", len(refused.First), refused.More)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		someSQL, someManifest, someProperties, someOpenMetadata, postgres, mysql, sqlServer, oracle,
	} {
		for _, name := range []string{"x.sql", "x.json", "x.yml", "x.csv", "x"} {
			f.Add(name, seed)
		}
	}
	f.Fuzz(func(t *testing.T, name, content string) {
		// CSV files and workbooks have lines of another meaning.
		if strings.HasSuffix(name, ".sql") || strings.HasSuffix(name, ".json") {
			wantWhole(t, name, content)
			return
		}
		file, err := columnfile.Read(name, []byte(content))
		if refused, ok := errors.AsType[tabular.Problems](err); err != nil && (!ok || len(refused.First) == 0) {
			t.Errorf("got error %v, want Problems", err)
		}
		if len(file.Rows) != len(file.Places) {
			t.Errorf("got %d rows and %d places, want as many places as rows", len(file.Rows), len(file.Places))
		}
	})
}
