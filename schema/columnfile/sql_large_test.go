package columnfile_test

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema/columnfile"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

const tooMany = "a file may have at most 500000 columns; split it"

func TestRead_DoesNotCopyATableIntoItself(t *testing.T) {
	t.Parallel()
	script := "create table a (b int" + strings.Repeat(", like a", 24) + ");"
	got := problems(t, "x.sql", script)
	if len(got) != 24 || got[0] != "1 a: LIKE names a table that the script does not create before" {
		t.Errorf("got %d problems, the first of them %s, want 24", len(got), got[0])
	}
}

func TestRead_CountsTheColumnsThatItCopies(t *testing.T) {
	t.Parallel()
	script := strings.Builder{}
	script.WriteString("create table t0 (a int);\n")
	for i := range 24 {
		fmt.Fprintf(&script, "create table t%d (like t%d, like t%d);\n", i+1, i, i)
	}
	diff(t, []string{"19 : " + tooMany}, problems(t, "x.sql", script.String()))
}

func TestRead_ReportsTooManyColumnsOnce(t *testing.T) {
	t.Parallel()
	script := strings.Builder{}
	manifest := strings.Builder{}
	manifest.WriteString(`{"nodes": {`)
	for i := range 501 {
		fmt.Fprintf(&script, "create table t%d (c0 int", i)
		fmt.Fprintf(&manifest, `"t%d": {"resource_type": "seed", "schema": "s", "name": "t%d", "columns": {`+
			`"c0": {"name": "c0"}`, i, i)
		for j := range 999 {
			fmt.Fprintf(&script, ", c%d int", j+1)
			fmt.Fprintf(&manifest, `, "c%d": {"name": "c%d"}`, j+1, j+1)
		}
		script.WriteString(");\n")
		manifest.WriteString("}},\n")
	}
	manifest.WriteString(`"end": {}}}`)
	diff(t, []string{"501 : " + tooMany}, problems(t, "x.sql", script.String()))
	diff(t, []string{"501 : " + tooMany}, problems(t, "x.json", manifest.String()))
}

// The limit of the stack holds for the whole process, and so the test does not run beside others.
func TestRead_ReadsStatementsWithoutSemicolonsOneAfterAnother(t *testing.T) { //nolint:paralleltest // see above
	defer debug.SetMaxStack(debug.SetMaxStack(16 << 20))
	script := strings.Builder{}
	for i := range 50_000 {
		fmt.Fprintf(&script, "create table t%d (a int) exec sp_addextendedproperty\n", i)
	}
	file, err := columnfile.Read("x.sql", []byte(script.String()))
	if err != nil || len(file.Rows) != 50_000 {
		t.Errorf("got %d columns and error %v, want 50,000 and none", len(file.Rows), err)
	}
}

func TestRead_ReadsLongLines(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"slashes": strings.Repeat("/ ", 1<<20),
		"names":   strings.Repeat("g ", 1<<20),
		"words":   strings.Repeat("go ", 1<<20),
		"dollars": "delimiter $\n" + strings.Repeat("a$", 1<<20),
		"a delimiter of mebibytes": "delimiter " + strings.Repeat("(", 1<<20) + "a\n" +
			strings.Repeat("(", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff(t, []string{"0 : the script has no CREATE TABLE"}, problems(t, "x.sql", script))
		})
	}
}

// The test measures what the process holds, and so it does not run beside others.
func TestRead_KeepsNothingOfStatementsThatItSkips(t *testing.T) { //nolint:paralleltest // see above
	values := strings.Repeat("(1,2),", 1<<17) + "(1,2)"
	for name, start := range map[string]string{
		"insert":         "create table t (a int)\ngo\ninsert into t values ",
		"without go":     "create table t (a int) insert into t values ",
		"select":         "create table t (a int);\ncreate view v as select ",
		"exec":           "create table t (a int);\nexec p ",
		"with procedure": "create table t (a int)\ngo\ncreate procedure p as select ",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			script := []byte(start + values)
			runtime.ReadMemStats(&before)
			file, err := columnfile.Read("x.sql", script)
			runtime.ReadMemStats(&after)
			if err != nil || len(file.Rows) != 1 {
				t.Errorf("got %d columns and error %v, want 1 and none", len(file.Rows), err)
			}
			// 768 Ki tokens of some 60 bytes each, which are copied while they become more, would be more than 100 MiB.
			if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 30 {
				t.Errorf("memory to read %d KiB: got %d MiB, want at most 30", len(script)>>10, mib)
			}
		})
	}
	_, err := columnfile.Read("x.sql", []byte("\ncreate table t (a int default "+values))
	refused, _ := errors.AsType[tabular.Problems](err)
	if len(refused.First) != 1 || refused.First[0].Line != 2 {
		t.Errorf("got error %v, want that the statement is too long", err)
	}
}
