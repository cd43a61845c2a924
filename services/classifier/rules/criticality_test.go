package rules

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// TestCriticalityOfOtherReports_Golden compares the criticality of lines of public forms with labels: the best answer
// first, then others that are acceptable. The golden file has the figures of each file, and the answers that are not
// acceptable. A third of forms.tsv is not looked at while the policy is changed, and has only its figures.
func TestCriticalityOfOtherReports_Golden(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	e := New(policy.Default())
	writeCriticality(&got, e, "tuned", classifiertest.ReadRows(t, "testdata/criticality.tsv"), true)
	var tuned, unseen []map[string]string
	for _, row := range classifiertest.ReadRows(t, "testdata/criticality-forms.tsv") {
		h := fnv.New32a()
		_, _ = h.Write([]byte(row["report"] + "/" + row["name"]))
		if h.Sum32()%3 == 0 {
			unseen = append(unseen, row)
		} else {
			tuned = append(tuned, row)
		}
	}
	writeCriticality(&got, e, "other forms, tuned", tuned, true)
	writeCriticality(&got, e, "other forms, unseen", unseen, false)
	classifiertest.CompareGolden(t, "testdata/criticality.golden", got.String())
}

// writeCriticality writes the figures of labelled lines, and the mistakes if they may be seen.
func writeCriticality(b *bytes.Buffer, e *Engine, part string, rows []map[string]string, visible bool) {
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
	fmt.Fprintf(b, "%s: %d lines, best answer %.2f, acceptable answer %.2f\n", part, len(rows),
		ratio(strict, len(rows)), ratio(lenient, len(rows)))
	if visible {
		b.WriteString(mistakes.String())
	}
}
