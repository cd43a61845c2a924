package rules

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// TestCriticalityOfOtherReports_Golden compares the criticality of lines of public forms with labels: the best answer
// first, then others that are acceptable. The golden file has the figures and the answers that are not acceptable.
func TestCriticalityOfOtherReports_Golden(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	rows := readTSV(t, "testdata/criticality.tsv")
	var mistakes strings.Builder
	strict, lenient := 0, 0
	for _, row := range rows {
		in := Input{Attribute: attribute(row["name"], row["type"]), Report: row["report"]}
		in.Attribute.LineItemNumber = "1"
		a := e.Classify(in)
		labels := strings.Split(row["criticality"], ",")
		switch got := string(a.Criticality); {
		case got == labels[0]:
			strict++
			lenient++
		case slices.Contains(labels, got):
			lenient++
		default:
			fmt.Fprintf(&mistakes, "  %s, %s: %s by the rule %q, want %s\n",
				row["report"], row["name"], got, a.Rule, row["criticality"])
		}
	}
	var got bytes.Buffer
	fmt.Fprintf(&got, "%d lines, best answer %.2f, acceptable answer %.2f\n%s",
		len(rows), ratio(strict, len(rows)), ratio(lenient, len(rows)), mistakes.String())
	const file = "testdata/criticality.golden"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("figures differ from %s (run with -update to accept):\n%s", file, diff)
	}
}
