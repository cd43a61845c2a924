package rules

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// detection counts the answers to the question whether columns are personal. Columns whose label is open do not count.
type detection struct{ columns, found, wrong, missed int }

func (d *detection) add(other detection) {
	d.columns += other.columns
	d.found += other.found
	d.wrong += other.wrong
	d.missed += other.missed
}

func (d *detection) String() string {
	precision, recall := ratio(d.found, d.found+d.wrong), ratio(d.found, d.found+d.missed)
	f1 := ratio(2*d.found, 2*d.found+d.wrong+d.missed)
	return fmt.Sprintf("%d columns, %d personal, precision %.3f, recall %.3f, F1 %.3f",
		d.columns, d.found+d.missed, precision, recall, f1)
}

func ratio(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

// TestPersonalColumns_Golden finds personal data by the names, types and tables of the columns of public schemas, and
// compares the figures with a golden file. testdata/personal/README.md describes the schemas and their labels. The file
// lists the mistakes in the tuned sets. It only counts those in the unseen sets, which must not be used to change the
// policy.
func TestPersonalColumns_Golden(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	var got bytes.Buffer
	totals := map[string]*detection{}
	for _, part := range []string{"tuned", "unseen"} {
		total := &detection{}
		totals[part] = total
		files, err := filepath.Glob(filepath.Join("testdata", "personal", part, "*.tsv"))
		if err != nil || len(files) < 3 {
			t.Fatalf("labelled columns in %s: %v, %v", part, files, err)
		}
		for _, file := range files {
			one, mistakes := detect(e, classifiertest.ReadRows(t, file))
			total.add(one)
			fmt.Fprintf(&got, "%s, %s: %s\n", part, strings.TrimSuffix(filepath.Base(file), ".tsv"), one.String())
			if part == "tuned" {
				got.WriteString(mistakes)
			}
		}
		fmt.Fprintf(&got, "%s, all: %s\n\n", part, total.String())
	}
	t.Logf("tuned: %s; unseen: %s", totals["tuned"], totals["unseen"])
	classifiertest.CompareGolden(t, "testdata/personal.golden", got.String())
}

// detect classifies labelled columns by themselves and lists the mistakes.
func detect(e *Engine, rows []map[string]string) (detection, string) {
	var d detection
	var mistakes strings.Builder
	for _, row := range rows {
		if row["personal"] == "?" {
			continue
		}
		a := e.Classify(Input{Attribute: attribute(row["name"], row["type"]), Table: row["table"]})
		mistake := ""
		switch personal := row["personal"] == "y"; {
		case personal && a.PIIFlag:
			d.found++
		case personal:
			d.missed++
			mistake = "missed"
		case a.PIIFlag:
			d.wrong++
			mistake = "wrong"
		}
		d.columns++
		if mistake != "" {
			fmt.Fprintf(&mistakes, "  %s: %s.%s, rule %q\n", mistake, row["table"], row["name"], a.Rule)
		}
	}
	return d, mistakes.String()
}

// TestPersonalColumns_Invented classifies invented columns of the kinds that are easily mistaken: names and addresses
// of things, keys, codes and lists on one side, and data of persons in several languages on the other.
func TestPersonalColumns_Invented(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, row := range classifiertest.ReadRows(t, "testdata/personal/invented.tsv") {
		t.Run(row["table"]+"."+row["name"], func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(row["name"], row["type"]), Table: row["table"]})
			got := map[bool]string{true: "y", false: "n"}[a.PIIFlag]
			if want := row["personal"]; want != "?" && got != want {
				t.Errorf("personal: got %s, want %s: %s", got, want, a.Rationale)
			}
		})
	}
}
