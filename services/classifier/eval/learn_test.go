package eval

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// TestLearn_Golden measures what the vocabulary gains on a second report of the same schema. A person has confirmed the
// columns of the first report, which has every other tuned label of a set, and has accepted every proposal. The second
// report has the others. The file has the attributes of the second report that have a column, and of those the right
// results and the right ones with a confidence of 85 or more, before and after.
func TestLearn_Golden(t *testing.T) {
	t.Parallel()
	plain := Subject{Name: "built-in", Engine: rules.New(policy.Default())}
	var got bytes.Buffer
	fmt.Fprintf(&got, "%-18s %9s %6s %11s %11s\n", "set", "proposals", "second", "right", "85+")
	var all, right, high [2]int
	for _, s := range append(labelledSets(t), setsOf(t, "testdata/seen/*/gold.csv")...) {
		first, second := s.twoReports(t)
		learned, proposals := learn(t, first)
		taught := Subject{Name: "learned", Engine: rules.New(policy.Default()).WithVocabulary(learned)}
		var c [2]*ColumnScore
		var sure [2]int
		for i, subject := range []Subject{plain, taught} {
			c[i], sure[i] = second.mapped(t, subject)
			all[i], right[i], high[i] = all[i]+c[i].Fitting, right[i]+c[i].Right, high[i]+sure[i]
		}
		fmt.Fprintf(&got, "%-18s %9d %6d %4d -> %-3d %4d -> %-3d\n", s.name, proposals, c[0].Fitting, c[0].Right,
			c[1].Right, sure[0], sure[1])
	}
	fmt.Fprintf(&got, "%-18s %9s %6d %4d -> %-3d %4d -> %-3d\n", "all", "", all[0], right[0], right[1], high[0],
		high[1])
	classifiertest.CompareGolden(t, "testdata/learn.golden", got.String())
}

// twoReports returns the tuned labels of a set as two reports, in the order of the labels.
func (s labelledSet) twoReports(t testing.TB) (first, second Set) {
	t.Helper()
	positions, err := s.labelled()
	if err != nil {
		t.Fatal(err)
	}
	reports := [2]Set{{Report: s.Report, Columns: s.Columns}, {Report: s.Report, Columns: s.Columns}}
	n := 0
	for i, label := range s.Labels {
		if isUnseen(s.name, s.Attributes[positions[i]].AttributeName) {
			continue
		}
		r := &reports[n%2]
		r.Attributes, r.Labels = append(r.Attributes, s.Attributes[positions[i]]), append(r.Labels, label)
		n++
	}
	return reports[0], reports[1]
}

// proposals returns the proposals from the best labels of a report.
func proposals(s Set) []words.Proposal {
	var pairs []words.Pair
	for i, label := range s.Labels {
		if len(label.SourceField) == 0 || label.SourceField[0] == tabular.NoColumn {
			continue
		}
		if column, ok := schema.ParseSourceField(label.SourceField[0]); ok {
			pairs = append(pairs, words.Pair{Attribute: s.Attributes[i].AttributeName, Column: column.ColumnName})
		}
	}
	return (*words.Vocabulary)(nil).Learn(pairs)
}

// learn returns the vocabulary of all proposals from a report, and their number.
func learn(t testing.TB, s Set) (*words.Vocabulary, int) {
	t.Helper()
	all := proposals(s)
	var text strings.Builder
	for _, p := range all {
		fmt.Fprintf(&text, "%s: %s\n", p.Text, p.Words)
	}
	v, err := words.ParseVocabulary("learned", []byte(text.String()))
	if err != nil {
		t.Fatalf("vocabulary of the proposals: %v\n%s", err, text.String())
	}
	return v, len(all)
}

// mapped returns the results of column mapping, and the number of right ones with a high confidence.
func (s Set) mapped(t testing.TB, subject Subject) (score *ColumnScore, high int) {
	t.Helper()
	answers, err := s.Answer(subject)
	if err != nil {
		t.Fatal(err)
	}
	if score = columnScore(answers); score == nil {
		t.Fatal("no label has a column")
	}
	for _, a := range answers {
		if a.Ranking.Confidence >= highConfidence && slices.Contains(a.Label.SourceField, a.column()) {
			high++
		}
	}
	return score, high
}
