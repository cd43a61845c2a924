package columnfile

import (
	"slices"
	"testing"
)

func TestSplitQualified(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		name string
		want []string
	}{
		"a name":                {"loans", []string{"loans"}},
		"four parts":            {"pg.bank.svc.loans", []string{"pg", "bank", "svc", "loans"}},
		"a quoted part":         {`pg."bank.eu".svc`, []string{"pg", "bank.eu", "svc"}},
		"a quoted part at last": {`pg."a.b"`, []string{"pg", "a.b"}},
		"quotes in quotes":      {`"a""b".c`, []string{`a"b`, "c"}},
		"spaces":                {"my service.my table", []string{"my service", "my table"}},
		"an open quote":         {`pg."bank`, nil},
		"text after a quote":    {`"bank"eu.svc`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := splitQualified(tt.name)
			if ok != (tt.want != nil) || ok && !slices.Equal(got, tt.want) {
				t.Errorf("splitQualified(%s): got %q, %v, want %q", tt.name, got, ok, tt.want)
			}
		})
	}
}

func TestFormatOf_PrefersTheNameAndThenReadsTheContent(t *testing.T) {
	t.Parallel()
	const script, manifest, properties = "CREATE TABLE t (a int);", `{"nodes": {}}`, "version: 2\nmodels: []\n"
	for name, tt := range map[string]struct {
		file, content string
		want          format
	}{
		"a script":                   {"a.sql", "x", formatSQL},
		"a script in capitals":       {"A.DDL", manifest, formatSQL},
		"a manifest":                 {"manifest.json", script, formatManifest},
		"properties":                 {"schema.yml", manifest, formatProperties},
		"a workbook":                 {"a.xlsx", script, formatTable},
		"a table":                    {"a.csv", "schema,table,column\n", formatTable},
		"a table of SQL":             {"a.csv", "column,note\na,create table t (\n", formatTable},
		"a script of no name":        {"dump", "-- dump\n" + script, formatSQL},
		"a temporary table":          {"dump.txt", "create global temporary table t (a int)", formatSQL},
		"a manifest of no name":      {"upload", "\n " + manifest, formatManifest},
		"properties of no name":      {"upload", properties, formatProperties},
		"a workbook of no name":      {"upload", "PK\x03\x04...", formatTable},
		"a word that begins as SQL":  {"notes.txt", "create tables by hand", formatTable},
		"nothing":                    {"", "", formatTable},
		"a table with a JSON header": {"a.csv", `{"a"},b` + "\n", formatTable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := formatOf(tt.file, []byte(tt.content)); got != tt.want {
				t.Errorf("formatOf: got %d, want %d", got, tt.want)
			}
		})
	}
}
