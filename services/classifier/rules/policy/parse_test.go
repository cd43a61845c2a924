package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
)

// The parts of a policy that the tests of messages change. testHead has 12 lines, testRule has 6.
const (
	testHead = `policy 1
facet date
  words: date
  types: date
party person
  words: borrower
concept score
  words: score
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
`
	testRule = `rule r
  any: [score]
  tier: HRCI
  personal: yes
  criticality: High
  because: x
`
	testRefinement = `refine f
  any: [score]
  tier: HRCI
  because: x
`
)

func TestParse_ReportsMistakesByLine(t *testing.T) {
	t.Parallel()
	const head, rule = testHead, testRule
	for _, tt := range []struct{ name, text, want string }{
		{"empty file", "", "p:1: the policy is empty"},
		{"no version", "rule r\n  any: a\n", `p:1: a policy begins with the line "policy VERSION"`},
		{
			"a version with a space", strings.Replace(head, "policy 1", "policy 1 2", 1) + rule,
			`p:1: the version "1 2" has a space`,
		},
		{"two versions", head + rule + "policy 2\n", "p:19: policy \"2\" appears twice, first in line 1"},
		{"unknown headline", head + rule + "rul x\n", `p:19: unknown headline "rul": did you mean "rule"?`},
		{"entry that is not indented", head + rule + "tier: HRCI\n", `p:19: "tier: HRCI" is not indented`},
		{
			"a beginning of two words",
			strings.Replace(head, "  types: date\n", "  begins: as of\n  types: date\n", 1) + rule,
			`p:4: facet "date": "as of" under begins is not one word`,
		},
		{
			"unknown key", head + rule + "  teir: HRCI\n",
			`p:19: rule "r" has the unknown key "teir": did you mean "tier"?`,
		},
		{"no key", head + rule + "  tier HRCI\n", `p:19: "tier HRCI" is not an entry`},
		{"no value", head + rule + "  leak:\n", `p:19: rule "r" has nothing after "leak:"`},
		{"a key twice", head + rule + "  tier: HRCI\n", `p:19: rule "r" has "tier" twice, first in line 15`},
		{
			"a contradiction", head + rule + "  tier: Public\n",
			`p:19: rule "r" contradicts itself: tier is "Public" here and "HRCI" in line 15`,
		},
		{
			"a wrong tier", head + strings.Replace(rule, "HRCI", "Secret", 1),
			`p:15: rule "r": tier is "Secret": allowed are HRCI, Confidential, Proprietary, Public`,
		},
		{
			"a wrong level", head + strings.Replace(rule, "High", "high", 1),
			`p:17: rule "r": criticality is "high": did you mean "High"?`,
		},
		{
			"a flag that is not yes or no", head + strings.Replace(rule, "yes", "maybe", 1),
			`p:16: rule "r": personal is "maybe": use yes or no`,
		},
		{
			"two rules of one name", head + rule + rule,
			`p:19: rule "r" appears twice, first in line 13: give one of them another name`,
		},
		{
			"a refinement named like a rule", head + rule + "refine R\n  any: [score]\n  tier: Public\n  because: x\n",
			`p:19: refine "R" appears twice`,
		},
		{"an empty rule", head + rule + "rule empty\n", `p:19: rule "empty" is empty`},
		{
			"a rule without conditions", head + strings.Replace(rule, "  any: [score]\n", "", 1) + testRefinement,
			`p:13: rule "r" has no condition`,
		},
		{
			"a rule that only excludes", head + strings.Replace(rule, "any:", "none:", 1),
			`p:13: rule "r" has only conditions that exclude`,
		},
		{
			"a rule that does not answer", head + strings.Replace(rule, "  tier: HRCI\n", "", 1),
			`p:13: rule "r" does not answer "tier"`,
		},
		{
			"a rule without a reason", head + strings.Replace(rule, "  because: x\n", "", 1),
			`p:13: rule "r" has no reason`,
		},
		{
			"a limit in a rule", head + strings.Replace(rule, "HRCI", "at least HRCI", 1),
			"only refinements have limits",
		},
		{
			"a refinement that changes nothing", head + rule + "refine f\n  any: [score]\n  because: x\n",
			`p:19: refine "f" changes nothing`,
		},
		{
			"an unknown concept", head + strings.Replace(rule, "[score]", "[scores]", 1),
			`p:14: rule "r" names the unknown concept "scores": did you mean "score"?`,
		},
		{
			"an unused concept", head + rule + "concept lonely\n  words: x\n",
			`p:19: concept "lonely" is used by no rule`,
		},
		{"a concept without words", head + rule + "concept bare\n", `p:19: concept "bare" has no words`},
		{
			"a word twice", head + rule + "filler\n  words: of,\n  words: the, Of\n",
			`p:21: filler has "Of" twice, first in line 20`,
		},
		{"an empty element", head + rule + "filler\n  words: of, , the\n", "p:20: filler has an empty element"},
		{
			"a word without letters", head + rule + "filler\n  words: --\n",
			`p:20: filler: "--" has no letter or digit`,
		},
		{
			"an open bracket", head + strings.Replace(rule, "[score]", "[score", 1),
			`"[score" has no closing bracket`,
		},
		{
			"an unknown facet", head + strings.Replace(rule, "  tier", "  is: dates\n  tier", 1),
			`p:15: rule "r" names the unknown facet "dates": did you mean "date"?`,
		},
		{
			"an unknown party", head + strings.Replace(rule, "  tier", "  of: staff\n  tier", 1),
			`p:15: rule "r" names the unknown party "staff"`,
		},
		{
			"an unknown law", head + strings.Replace(rule, "  tier", "  laws: FCRA\n  tier", 1),
			`p:15: rule "r" names the unknown law "FCRA"`,
		},
		{
			"an unknown kind of report", head + strings.Replace(rule, "  tier", "  in: published\n  tier", 1),
			`unknown kind of report "published"`,
		},
		{
			"a kind that no report has", head + strings.Replace(rule, "  tier", "  in: published\n  tier", 1),
			`"published": no report has a kind`,
		},
		{
			"a kind of report that others have",
			head + "report A\n  names: A\n  kind: wholesale\nreport B\n  names: B\n  kind: loan\n" +
				strings.Replace(rule, "  tier", "  in: published\n  tier", 1),
			`names the unknown kind of report "published": allowed are loan, wholesale`,
		},
		{
			"an unknown type", head + rule + "facet name\n  words: name\n  types: txt\n",
			`p:21: facet "name" has the unknown type "txt": did you mean "text"?`,
		},
		{
			"an unknown mark", head + strings.Replace(rule, "  tier", "  marked: key\n  tier", 1),
			`unknown mark "key"`,
		},
		{
			"requiring and excluding a concept", head + strings.Replace(rule, "  tier", "  none: [score]\n  tier", 1),
			`p:13: rule "r" contradicts itself: it requires "score" and excludes it`,
		},
		{
			"requiring and excluding a facet",
			head + strings.Replace(rule, "  tier", "  is: date\n  is-not: date\n  tier", 1),
			`"is" and "is-not" have an element in common`,
		},
		{
			"HRCI that may leak", head + strings.Replace(rule, "  tier", "  leak: Low\n  tier", 1),
			"a leak of HRCI is never Low",
		},
		{
			"laws with no regulation",
			head + "law L\n  text: l\n" + strings.Replace(rule, "  tier", "  laws: L\n  regulatory: no\n  tier", 1),
			`it names laws, and "regulatory" excludes laws`,
		},
		{
			"personal and public", head + strings.Replace(rule, "HRCI", "Public", 1),
			"personal data is Public only for people who are not customers",
		},
		{
			"a certainty of zero", head + strings.Replace(rule, "  tier", "  certainty: 0\n  tier", 1),
			`certainty is "0", which is not a whole number from 1 to 100`,
		},
		{
			"yielding without words",
			head + strings.Replace(rule, "any: [score]\n", "marked: critical\n  yields: yes\n", 1) + testRefinement,
			`p:13: rule "r" requires no words`,
		},
		{
			"a column that sums no facet", head + rule + "column\n  sums: dates\n",
			`p:20: column names the unknown facet "dates"`,
		},
		{
			"a column of unknown customers", head + rule + "column\n  customers: people\n",
			`p:20: column names the unknown party "people"`,
		},
		{
			"risk that forgets a tier", strings.Replace(head, ", Public", "", 1) + rule,
			"p:9: risk has no leak level for Public",
		},
		{"no risk", strings.Split(head, "risk")[0] + rule, "p:1: the policy has no risk block"},
		{"no rule", head, "p:1: the policy has no rule"},
		{
			"a report that nothing matches", head + rule + "report X\n  kind: k\n",
			`p:19: report "X" has neither names nor begins nor mdrm`,
		},
		{"a law without text", head + rule + "law L\n", `p:19: law "L" has no text`},
		{
			"an entry before any headline", "  tier: HRCI\n" + head + rule,
			"p:1: \"tier: HRCI\" comes before the first headline",
		},
		{
			"entries where none belong", strings.Replace(head, "policy 1\n", "policy 1\n  words: x\n", 1) + rule,
			`p:2: policy "1" takes no entries`,
		},
		{"not UTF-8", head + rule + "# fine\nfiller\n  words: caf\xe9\n", "p:21: the line is not UTF-8 text"},
		{
			"implied by an excluded type", head + rule + "facet f\n  types: date\n  implied-by: text\n",
			`p:19: facet "f" is implied by text, which its types do not have`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse("p", []byte(tt.text))
			if p != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: got error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParse_ReportsAllMistakesInTheirOrder(t *testing.T) {
	t.Parallel()
	_, err := Parse("mine.policy", []byte("policy 1\nrule a\n  tier: X\n  any: [b]\nrul c\n"))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("Parse: got error %v, want a joined error", err)
	}
	var lines []int
	for _, one := range joined.Unwrap() {
		problem, ok := errors.AsType[*Problem](one)
		if !ok || problem.File != "mine.policy" {
			t.Fatalf("got %#v, want a Problem in mine.policy", one)
		}
		lines = append(lines, problem.Line)
	}
	want := []int{3, 4, 5}
	missing := slices.ContainsFunc(want, func(line int) bool { return !slices.Contains(lines, line) })
	if missing || !slices.IsSorted(lines) {
		t.Errorf("lines: got %v, want them in order with %v", lines, want)
	}
}

func TestParse_AcceptsThePolicyOfTheseTests(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"rule": testHead + testRule, "refinement": testHead + testRule + testRefinement,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse("p", []byte(text)); err != nil {
				t.Errorf("Parse: got error %v, want nil", err)
			}
		})
	}
}

func TestParse_HasDefaults(t *testing.T) {
	t.Parallel()
	p, err := Parse("p", []byte(testHead+testRule))
	if err != nil {
		t.Fatal(err)
	}
	want := Fallback{
		Tier: schema.TierConfidential, Criticality: schema.LevelMedium, Personal: FlagNo, Regulatory: FlagOnlyFiled,
		Because: "no rule is about it", Filed: -1,
	}
	if diff := cmp.Diff(want, p.Fallback); diff != "" {
		t.Errorf("fallback, want and got:\n%s", diff)
	}
	if diff := cmp.Diff(Columns{RaisesFrom: defaultRaisesFrom}, p.Columns); diff != "" {
		t.Errorf("columns, want and got:\n%s", diff)
	}
}

func TestParse_LimitsTheSizeOfSets(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("party p" + strings.Repeat("x", i) + "\n  words: p\n")
		}
		return testHead + b.String() + testRule
	}
	if _, err := Parse("p", []byte(many(maxSet-1))); err != nil {
		t.Errorf("%d parties: got error %v, want nil", maxSet, err)
	}
	if _, err := Parse("p", []byte(many(maxSet))); err == nil || !strings.Contains(err.Error(), "at most 64 of these") {
		t.Errorf("%d parties: got error %v, want one about the number", maxSet+1, err)
	}
}

func FuzzParse_NamesALine(f *testing.F) {
	f.Add(string(defaultText[:4000]))
	f.Add(everything)
	f.Add("policy 1\nrule a\n  any: [b], c\n  tier: at most HRCI\n")
	f.Add("report x\n  names: *, a*b\n  mdrm: ,\nrisk\n  error High: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("f", []byte(text))
		if err == nil {
			p.Reports.Find("FR Y-14M", "BHCK1234")
			return
		}
		problem, ok := errors.AsType[*Problem](err)
		if !ok || problem.Line < 1 || problem.Text == "" {
			t.Errorf("Parse: got error %v, want a problem with a line and a text", err)
		}
	})
}
