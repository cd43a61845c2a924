package rules

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
)

// mechanics is a policy of made-up words. It shows how rules are compared, independently of the default policy.
const mechanics = `policy 1
facet date
  words: date
  types: date, text
  implied-by: date
facet amount
  words: amount, balance
  types: amount
  implied-by: amount
facet name
  words: name
party person
  words: borrower
party staff
  words: teller
concept apple
  words: apple
concept apple pie
  words: apple pie
concept pear
  words: pear
concept whole
  words: whole
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
  error Medium: amount
report special
  names: FORM 7 * S.2
  kind: special
report general
  names: FORM 7
  kind: general
rule apple
  any: [apple]
  tier: Confidential
  personal: no
  criticality: High
  because: x
rule pear
  any: [pear]
  tier: Proprietary
  personal: no
  criticality: Low
  because: x
rule pie
  any: [apple pie]
  tier: Public
  personal: no
  criticality: Low
  because: x
rule some date
  is: date
  tier: Confidential
  personal: no
  criticality: Medium
  because: x
rule some name
  is: name
  tier: Proprietary
  personal: no
  criticality: Low
  because: x
rule name of a person
  is: name
  of: person
  tier: Confidential
  personal: yes
  criticality: Low
  leak: High
  because: x
refine at least
  any: [whole]
  is: date
  tier: at least Proprietary
  criticality: at most Medium
  because: x
refine special
  in: special
  certainty: 50
  because: x
refine general
  in: general
  criticality: Low
  because: x
`

func mechanicsForTest(t *testing.T) *policy.Policy {
	t.Helper()
	return parse(t, mechanics)
}

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func attribute(name, dataType string) schema.Attribute {
	return schema.Attribute{AttributeName: name, DataType: dataType}
}

func TestTheRuleNearestToTheHeadOfTheNameWins(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	for _, tt := range []struct{ name, technical, description, table, want string }{
		{"Apple", "", "", "", "apple"},
		{"Apple Pear", "", "", "", "pear"},
		{"Pear Apple", "", "", "", "apple"},
		{"Pear for the Apple", "", "", "", "pear"},
		{"Pear", "AppleApple", "apple of apple", "APPLE", "pear"},
		{"Zyx", "Pear", "an apple", "APPLE", "pear"},
		{"Zyx", "", "an apple", "", "apple"},
		{"Zyx", "", "", "APPLE", "apple"},
		{"Apple Pie", "", "", "", "pie"}, // the longer phrase hides the shorter
		{"Pie of Apple", "", "", "", "apple"},
	} {
		t.Run(tt.name+tt.technical+tt.description+tt.table, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{
				Attribute: schema.Attribute{
					AttributeName: tt.name, TechnicalLineItemName: tt.technical, Description: tt.description,
				},
				Table: tt.table,
			})
			if a.Rule != tt.want {
				t.Errorf("rule: got %q, want %q", a.Rule, tt.want)
			}
		})
	}
}

func TestAPhraseUnderAloneCountsOnlyAlone(t *testing.T) {
	t.Parallel()
	e := New(parse(t, strings.Replace(mechanics, "concept pear\n  words: pear\n",
		"filler\n  words: ripe\nconcept pear\n  words: pear\n  alone: quince\n", 1)))
	for _, tt := range []struct{ name, technical, description, want string }{
		{"Quince", "", "", "pear"},
		{"Ripe Quinces", "", "", "pear"},
		{"The Quince (ripe)", "", "", "pear"},
		{"Quince Zyx", "", "", ""},
		{"Quince Date", "", "", "pear"},
		{"Borrower Quince", "", "", "pear"},
		{"Quince Zyx Date", "", "", "some date"},
		{"Zyx", "Quince", "quince", ""},
		{"Pear Quince", "", "", "pear"},
	} {
		t.Run(tt.name+tt.technical+tt.description, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: schema.Attribute{
				AttributeName: tt.name, TechnicalLineItemName: tt.technical, Description: tt.description,
			}})
			if a.Rule != tt.want {
				t.Errorf("rule: got %q, want %q", a.Rule, tt.want)
			}
		})
	}
}

func TestARuleThatYieldsGoesAfterRulesWithWords(t *testing.T) {
	t.Parallel()
	for yields, want := range map[string]string{"": "pie", "  yields: yes\n": "apple"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			const rule = "rule pie\n  any: [apple pie]\n"
			e := New(parse(t, strings.Replace(mechanics, rule, rule+yields, 1)))
			if got := e.Classify(Input{Attribute: attribute("Apple Pie, Apple", "")}).Rule; got != want {
				t.Errorf("rule, with another that has words: got %q, want %q", got, want)
			}
			if got := e.Classify(Input{Attribute: attribute("Apple Pie Date", "")}).Rule; got != "pie" {
				t.Errorf("rule, with another that has no words: got %q, want pie", got)
			}
		})
	}
}

func TestOfEqualPointsTheRuleThatProtectsMoreWins(t *testing.T) {
	t.Parallel()
	a := New(mechanicsForTest(t)).Classify(Input{Attribute: attribute("Zyx for Pear, Apple", "")})
	if a.Rule != "apple" || len(a.Considered) == 0 || a.Considered[0].Rule != "pear" {
		t.Errorf("got rule %q before %v, want apple before pear", a.Rule, a.Considered)
	}
}

func TestADescriptionDoesNotLowerTheTierOfTheName(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	a := e.Classify(Input{Attribute: schema.Attribute{AttributeName: "Zyx Date", Description: "When the pear fell"}})
	if a.Rule != "some date" || a.InformationSecurityClassification != schema.TierConfidential {
		t.Errorf("got %s by %q, want Confidential by some date", a.InformationSecurityClassification, a.Rule)
	}
	a = e.Classify(Input{Attribute: schema.Attribute{AttributeName: "Zyx Name", Description: "Name of the apple"}})
	if a.Rule != "apple" {
		t.Errorf("rule for a description that protects more: got %q, want apple", a.Rule)
	}
}

func TestAPartyLimitsARule(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	for name, want := range map[string]bool{
		"Borrower Name": true, "Name of the Borrower": true, "Borrower Teller Name": false,
		"Teller Name for the Borrower": false, "Name": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := e.Classify(Input{Attribute: attribute(name, "")}); a.PIIFlag != want {
				t.Errorf("personal: got %t by %q, want %t", a.PIIFlag, a.Rule, want)
			}
		})
	}
}

func TestCompare_OrdersMatches(t *testing.T) {
	t.Parallel()
	confidential := &policy.Rule{Line: 2, Tier: schema.TierConfidential}
	public := &policy.Rule{Line: 1, Tier: schema.TierPublic}
	later := &policy.Rule{Line: 3, Tier: schema.TierConfidential}
	for _, tt := range []struct {
		name          string
		better, worse ruleMatch
	}{
		{
			"words in names before more points",
			ruleMatch{rule: public, words: inNames, points: 1},
			ruleMatch{rule: confidential, words: outsideNames, points: 9},
		},
		{
			"words outside names before no words",
			ruleMatch{rule: public, words: outsideNames},
			ruleMatch{rule: confidential, words: noWords, points: 9},
		},
		{"more points", ruleMatch{rule: public, points: 2}, ruleMatch{rule: confidential, points: 1}},
		{"more protection", ruleMatch{rule: confidential}, ruleMatch{rule: public}},
		{"the first in the file", ruleMatch{rule: confidential}, ruleMatch{rule: later}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := compare(tt.better, tt.worse); got >= 0 {
				t.Errorf("compare: got %d, want less than 0", got)
			}
			if got := compare(tt.worse, tt.better); got <= 0 {
				t.Errorf("compare in the other order: got %d, want more than 0", got)
			}
		})
	}
}

func TestMatchRule_ReturnsTheFailedCondition(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	const date, amount, person, staff, special, general, apple, pear = 0, 1, 0, 1, 0, 1, 0, 2
	read := reading.NewReader(p).Read(reading.Input{
		Attribute: schema.Attribute{AttributeName: "Borrower Apple Date", DataType: "DATE", Description: "a pear"},
		Report:    "Form 7",
	})
	for _, tt := range []struct {
		name string
		rule policy.Rule
		want failureReason
	}{
		{"fits", policy.Rule{Any: []int{apple}, Is: 1 << date, Of: 1 << person, In: 1 << general}, noFailure},
		{"other word", policy.Rule{Any: []int{3}}, lacksWords},
		{"one of two words", policy.Rule{All: []int{apple, 3}}, lacksWords},
		{"excluded word", policy.Rule{Any: []int{pear}, None: []int{apple}}, hasExcludedWord},
		{"excluded word in a weaker place", policy.Rule{Any: []int{apple}, None: []int{pear}}, noFailure},
		{"other facet", policy.Rule{Is: 1 << amount}, wrongFacet},
		{"excluded facet", policy.Rule{Any: []int{apple}, IsNot: 1 << date}, wrongFacet},
		{"other party", policy.Rule{Of: 1 << staff}, wrongParty},
		{"excluded party", policy.Rule{Any: []int{apple}, OfNot: 1 << person}, wrongParty},
		{"other report", policy.Rule{In: 1 << special}, wrongReport},
		{"excluded report", policy.Rule{Any: []int{apple}, InNot: 1 << general}, wrongReport},
		{"other mark", policy.Rule{Marked: policy.MarkCritical}, wrongMark},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := matchRule(&tt.rule, read).failure.reason; got != tt.want {
				t.Errorf("failure: got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestMatchRule_CountsPoints(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	const date, person, general, apple, pear = 0, 0, 1, 0, 2
	read := reading.NewReader(p).Read(reading.Input{
		Attribute: schema.Attribute{AttributeName: "Borrower Apple Date", Description: "a pear", IsCDE: true},
		Report:    "Form 7",
	})
	for _, tt := range []struct {
		name  string
		rule  policy.Rule
		want  int
		words wordSource
	}{
		{"a word of the head", policy.Rule{Any: []int{apple}}, 7, inNames}, // 4, and 3 because the facet follows
		{"a word of the description", policy.Rule{Any: []int{pear}}, 1, outsideNames},
		{"both", policy.Rule{All: []int{apple, pear}}, 8, inNames},
		{"a facet", policy.Rule{Is: 1 << date}, 3, noWords},
		{"a party", policy.Rule{Of: 1 << person}, 2, noWords},
		{"a kind of report", policy.Rule{In: 1 << general}, 2, noWords},
		{"a mark", policy.Rule{Marked: policy.MarkCritical}, 2, noWords},
		{"a word that yields", policy.Rule{Any: []int{apple}, Yields: true}, 7, noWords},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := matchRule(&tt.rule, read)
			if m.points != tt.want || m.words != tt.words {
				t.Errorf("points, words: got %d, %d, want %d, %d", m.points, m.words, tt.want, tt.words)
			}
		})
	}
}
