package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
)

func TestValues_Refine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		refinement  policy.Rule
		tier        schema.InformationSecurityClassification
		criticality schema.Level
		personal    policy.Flag
	}{
		{"nothing", policy.Rule{}, schema.Confidential, schema.Medium, policy.FlagYes},
		{"another tier", policy.Rule{Tier: schema.Public}, schema.Public, schema.Medium, policy.FlagYes},
		{
			"at least less",
			policy.Rule{Tier: schema.Public, TierLimit: policy.LimitAtLeast},
			schema.Confidential, schema.Medium, policy.FlagYes,
		},
		{
			"at least more",
			policy.Rule{Tier: schema.HRCI, TierLimit: policy.LimitAtLeast},
			schema.HRCI, schema.Medium, policy.FlagYes,
		},
		{
			"at most less",
			policy.Rule{Tier: schema.Proprietary, TierLimit: policy.LimitAtMost},
			schema.Proprietary, schema.Medium, policy.FlagYes,
		},
		{
			"at most more",
			policy.Rule{Tier: schema.HRCI, TierLimit: policy.LimitAtMost},
			schema.Confidential, schema.Medium, policy.FlagYes,
		},
		{"a criticality", policy.Rule{Criticality: schema.High}, schema.Confidential, schema.High, policy.FlagYes},
		{
			"a criticality at most",
			policy.Rule{Criticality: schema.High, CriticalityLimit: policy.LimitAtMost},
			schema.Confidential, schema.Medium, policy.FlagYes,
		},
		{"not personal", policy.Rule{Personal: policy.FlagNo}, schema.Confidential, schema.Medium, policy.FlagNo},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v values
			v.tier.value, v.criticality.value, v.personal.value = schema.Confidential, schema.Medium, policy.FlagYes
			before := v
			v.refine(&tt.refinement)
			if v.tier.value != tt.tier || v.criticality.value != tt.criticality || v.personal.value != tt.personal {
				t.Errorf("got %s, %s, %d, want %s, %s, %d", v.tier.value, v.criticality.value, v.personal.value,
					tt.tier, tt.criticality, tt.personal)
			}
			if got, want := v.dependOn(&tt.refinement), v != before; got != want {
				t.Errorf("dependOn: got %t, want %t", got, want)
			}
		})
	}
}

func TestRiskOf(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	amount, date := 1, 0
	for _, tt := range []struct {
		tier        schema.InformationSecurityClassification
		leak        schema.Level // of the rule
		criticality schema.Level
		facet       int
		want        schema.Level
	}{
		{schema.HRCI, "", schema.Low, date, schema.High},
		{schema.HRCI, schema.Low, schema.Low, date, schema.High}, // no rule lowers the risk of a leak of HRCI
		{schema.Confidential, "", schema.Low, date, schema.Medium},
		{schema.Confidential, schema.High, schema.Low, date, schema.High},
		{schema.Confidential, schema.Low, schema.Low, date, schema.Low},
		{schema.Public, "", schema.High, date, schema.Low},
		{schema.Public, "", schema.High, amount, schema.Medium}, // an error has a higher risk than a leak
		{schema.Public, "", schema.Medium, amount, schema.Low},
		{schema.Public, "", schema.High, -1, schema.Low},
	} {
		t.Run(
			fmt.Sprintf("%s, leak %q, criticality %s, facet %d", tt.tier, tt.leak, tt.criticality, tt.facet),
			func(t *testing.T) {
				t.Parallel()
				var v values
				v.tier.value, v.leak.value, v.criticality.value = tt.tier, tt.leak, tt.criticality
				if got := riskOf(p, v, tt.facet).level(); got != tt.want {
					t.Errorf("risk: got %s, want %s", got, tt.want)
				}
			},
		)
	}
}

func TestRefinementsRespectTheirLimits(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	for _, tt := range []struct {
		name        string
		tier        schema.InformationSecurityClassification
		criticality schema.Level
	}{
		{"Apple Whole Date", schema.Confidential, schema.Medium}, // leaves Confidential, lowers High
		{"Apple Pie Whole Date", schema.Proprietary, schema.Low}, // raises Public, leaves Low
		{"Apple Pie Whole", schema.Public, schema.Low},           // not a date
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(tt.name, "")})
			if a.InformationSecurityClassification != tt.tier || a.Criticality != tt.criticality {
				t.Errorf("got %s, %s by %q and %v, want %s, %s",
					a.InformationSecurityClassification, a.Criticality, a.Rule, a.Refined, tt.tier, tt.criticality)
			}
		})
	}
	a := e.Classify(Input{Attribute: schema.Attribute{AttributeName: "Apple Date", Description: "of the whole"}})
	if len(a.Refined) != 0 {
		t.Errorf("refinements by a description: got %v, want none", a.Refined)
	}
}

func TestARefinementWithoutEffectIsNotCited(t *testing.T) {
	t.Parallel()
	e := New(parse(t, mechanics+"refine first\n  any: [pear]\n  tier: HRCI\n  because: first\n"+
		"refine second\n  any: [pear]\n  tier: Public\n  because: second\n"))
	a := e.Classify(Input{Attribute: attribute("Pear", "")})
	if !slices.Equal(a.Refined, []string{"second"}) || strings.Contains(a.Rationale, "first") {
		t.Errorf("refinements: got %v, want second: %s", a.Refined, a.Rationale)
	}
}

func TestPersonalDataOfCustomersIsAtLeastConfidential(t *testing.T) {
	t.Parallel()
	const open = "refine open\n  says: name\n  of: person\n  tier: Public\n  because: x\n"
	for leak, want := range map[string]schema.InformationSecurityClassification{
		"": schema.Confidential, "  leak: High\n": schema.Confidential, "  leak: Low\n": schema.Confidential,
	} {
		t.Run(leak, func(t *testing.T) {
			t.Parallel()
			e := New(parse(t, mechanics+open+leak))
			a := e.Classify(Input{Attribute: attribute("Borrower Name", "")})
			if a.InformationSecurityClassification != want || !a.PIIFlag || a.RiskLevel != schema.High {
				t.Errorf("got %+v, want %s, personal, risk High: %s", a.Classification, want, a.Rationale)
			}
		})
	}
}

func TestAnErrorHasTheHighestRiskThatNamesItsFacet(t *testing.T) {
	t.Parallel()
	e := New(parse(t, strings.Replace(mechanics, "  error Medium: amount\n",
		"  error High: amount\n  error Medium: amount, date\n", 1)))
	for name, want := range map[string]schema.Level{
		"Apple Balance": schema.High, "Apple Date": schema.Medium, "Apple Name": schema.Medium,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := e.Classify(Input{Attribute: attribute(name, "")}).RiskLevel; got != want {
				t.Errorf("risk: got %s, want %s", got, want)
			}
		})
	}
}

func TestConfidence_FollowsTheEvidence(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	confidenceIn := func(a schema.Attribute) int { return e.Classify(Input{Attribute: a}).Confidence }
	for _, tt := range []struct {
		why           string
		more, less    schema.Attribute
		lessRationale string
	}{
		{
			why: "a name beats a technical name", more: schema.Attribute{AttributeName: "Apple"},
			less: schema.Attribute{TechnicalLineItemName: "Apple"},
		},
		{
			why: "a technical name beats a description", more: schema.Attribute{TechnicalLineItemName: "Apple"},
			less: schema.Attribute{Description: "Apple"},
		},
		{why: "known words beat unknown ones", more: attribute("Apple", ""), less: attribute("Zyx Apple", "")},
		{why: "a word beats a type", more: attribute("Zyx Date", ""), less: attribute("Zyx", "Date")},
		{why: "a type that agrees adds", more: attribute("Zyx Date", "Date"), less: attribute("Zyx Date", "")},
		{
			why: "a word that the type excludes costs", more: attribute("Zyx", "Date"),
			less:          attribute("Zyx Balance", "Date"),
			lessRationale: "rules out that it is: amount",
		},
		{why: "a near rule costs", more: attribute("Apple", ""), less: attribute("Zyx for Apple, Pear", "")},
		{why: "any rule beats none", more: attribute("Zyx Date", ""), less: attribute("Zyx", "")},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			more, less := confidenceIn(tt.more), confidenceIn(tt.less)
			if more <= less {
				t.Errorf("confidence: got %d and %d, want the first to be higher", more, less)
			}
			if rationale := e.Classify(Input{Attribute: tt.less}).Rationale; !strings.Contains(
				rationale,
				tt.lessRationale,
			) {
				t.Errorf("rationale: got %s, want %s", rationale, tt.lessRationale)
			}
		})
	}
}

func TestConfidence_IsMultipliedByTheCertainty(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	plain := e.Classify(Input{Attribute: attribute("Apple", "")})
	halved := e.Classify(Input{Attribute: attribute("Apple", ""), Report: "Form 7 S.2"})
	if halved.Confidence != plain.Confidence/2 {
		t.Errorf("confidence with a certainty of 50%%: got %d, want half of %d", halved.Confidence, plain.Confidence)
	}
}

func TestConfidence_Parts(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	for _, tt := range []struct {
		name      string
		attribute schema.Attribute
		want      []int
	}{
		{"no rule", schema.Attribute{}, []int{noRuleConfidence}},
		{"a name", schema.Attribute{AttributeName: "Apple"}, []int{namedBase, wordConfidence, coverageConfidence}},
		{"a technical name", schema.Attribute{TechnicalLineItemName: "Apple"}, []int{technicalBase, 0}},
		{"a description", schema.Attribute{Description: "apple"}, []int{describedBase, 0}},
		{"a facet", attribute("Date", "DATE"), []int{wordlessBase, 9, typeConfidence, coverageConfidence}},
		{"an excluded facet", attribute("Balance", "DATE"), []int{wordlessBase, 6, 0, -excludedPenalty}},
		{"a twin", attribute("Zyx for Apple, Pear", ""), []int{namedBase, wordConfidence, 15, -twinPenalty}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := e.derive(reading.Input{Attribute: tt.attribute}).confidence
			var got []int
			total := 0
			for _, part := range c.parts {
				got = append(got, part.points)
				total += part.points
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("parts: got %v, want %v", got, tt.want)
			}
			if want := max(total, minConfidence); c.percent != want && len(tt.want) > 1 {
				t.Errorf("percent: got %d, want %d", c.percent, want)
			}
		})
	}
}
