package rules

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestCheck_FindsNothingInTheDefaultPolicy(t *testing.T) {
	t.Parallel()
	for _, problem := range New(policy.Default()).Check() {
		t.Error(problem)
	}
}

func TestDefaultPolicy_HasAnExampleForEachRule(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	for _, rule := range slices.Concat(p.Rules, p.Refinements) {
		if !slices.ContainsFunc(rule.Examples, func(e policy.Example) bool { return !e.Counter }) {
			t.Errorf("%s: got no example, want one", ruleTitle(&rule))
		}
	}
}

const checked = `policy 1
facet amount
  words: amount
facet date
  words: date
concept loan
  words: loan, credit
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
rule loan
  any: [loan]
  tier: Confidential
  personal: no
  criticality: High
  because: it is about a loan
  example: Loan Amount
  counterexample: Amount
rule other
  is: amount, date
  tier: Proprietary
  personal: no
  criticality: Low
  because: a date
refine mandatory
  marked: mandatory
  criticality: Medium
  because: it is mandatory
`

func TestCheck(t *testing.T) {
	t.Parallel()
	const conditions = "\n  any: credit\n  all: [loan]\n  personal: no\n  criticality: Low\n  because: x\n  tier: "
	const unreachable = "rule shadow" + conditions + "Public\nrule shadowing" + conditions + "HRCI\n"
	for _, tt := range []struct {
		name, more string
		want       []string
	}{
		{"nothing", "", nil},
		{"example", "refine date\n  is: date\n  tier: Public\n  because: x\n  example: Loan Amount\n", []string{
			`p:34: refinement "date": the example "Loan Amount" has another result: no refinement changes its answer`,
		}},
		{"counter", "refine date\n  is: date\n  tier: Public\n  because: x\n  counterexample: Loan Date\n", []string{
			`p:34: refinement "date": the counterexample "Loan Date" has another result: ` +
				`the refinements that change its answer are: date`,
		}},
		{"mark", "refine key\n  marked: primary key\n  tier: Public\n  because: x\n" +
			"  example: Loan | | | | primary key\n  counterexample: Loan\n", nil},
		{"no rule", "rule table\n  any: colour\n  by-table: no\n  tier: Public\n  personal: no\n  criticality: Low\n" +
			"  because: x\n  example: Name | | COLOUR\n", []string{
			`p:37: rule "table": the example "Name" has another result: no rule fits it`,
		}},
		{"unreachable", unreachable, []string{
			`p:30: rule "shadow" is unreachable: it decides none of 4 attributes made of its conditions, ` +
				`of which the rule "shadowing" decides 4`,
		}},
		{"refinement", "refine nothing\n  any: [loan]\n  tier: at least Public\n  because: x\n", []string{
			`p:30: refinement "nothing" is unreachable: it changes the answer for none of 8 attributes made of ` +
				`its conditions`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse("p", []byte(checked+tt.more))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, problem := range New(p).Check() {
				got = append(got, problem.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want, got:\n%s", diff)
			}
		})
	}
}
