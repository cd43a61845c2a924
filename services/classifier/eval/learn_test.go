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
// report has the others.
func TestLearn_Golden(t *testing.T) {
	t.Parallel()
	plain := Subject{Name: "built-in", Engine: rules.New(policy.Default())}
	var got bytes.Buffer
	fmt.Fprintf(&got, "%-18s %9s %8s %8s %8s\n", "set", "proposals", "second", "before", "after")
	var all, before, after int
	for _, s := range labelledSets(t) {
		first, second := s.twoReports(t)
		learned, proposals := learn(t, first)
		taught := Subject{Name: "learned", Engine: rules.New(policy.Default()).WithVocabulary(learned)}
		without, with := second.mapped(t, plain), second.mapped(t, taught)
		fmt.Fprintf(&got, "%-18s %9d %8d %8d %8d\n", s.name, proposals, without.Fitting, without.Right, with.Right)
		all, before, after = all+without.Fitting, before+without.Right, after+with.Right
	}
	fmt.Fprintf(&got, "%-18s %9s %8d %8d %8d\n", "all", "", all, before, after)
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

// learn returns the vocabulary of all proposals from the best labels of a report, and their number.
func learn(t testing.TB, s Set) (*words.Vocabulary, int) {
	t.Helper()
	var pairs []words.Pair
	for i, label := range s.Labels {
		if len(label.SourceField) == 0 || label.SourceField[0] == tabular.NoColumn {
			continue
		}
		if column, ok := schema.ParseSourceField(label.SourceField[0]); ok {
			pairs = append(pairs, words.Pair{Attribute: s.Attributes[i].AttributeName, Column: column.ColumnName})
		}
	}
	proposals := (*words.Vocabulary)(nil).Learn(pairs)
	var text strings.Builder
	for _, p := range proposals {
		fmt.Fprintf(&text, "%s: %s\n", p.Text, p.Words)
	}
	v, err := words.ParseVocabulary("learned", []byte(text.String()))
	if err != nil {
		t.Fatalf("vocabulary of the proposals: %v\n%s", err, text.String())
	}
	return v, len(proposals)
}

func (s Set) mapped(t testing.TB, subject Subject) *ColumnScore {
	t.Helper()
	answers, err := s.Answer(subject)
	if err != nil {
		t.Fatal(err)
	}
	score := columnScore(answers)
	if score == nil {
		t.Fatalf("no labels of columns in %v", slices.Collect(slices.Values(s.Labels)))
	}
	return score
}
