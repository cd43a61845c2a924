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
		tier        schema.Tier
		criticality schema.Level
		personal    policy.Flag
	}{
		{"nothing", policy.Rule{}, schema.TierConfidential, schema.LevelMedium, policy.FlagYes},
		{"another tier", policy.Rule{Tier: schema.TierPublic}, schema.TierPublic, schema.LevelMedium, policy.FlagYes},
		{
			"at least less",
			policy.Rule{Tier: schema.TierPublic, TierLimit: policy.LimitAtLeast},
			schema.TierConfidential, schema.LevelMedium, policy.FlagYes,
		},
		{
			"at least more",
			policy.Rule{Tier: schema.TierHRCI, TierLimit: policy.LimitAtLeast},
			schema.TierHRCI, schema.LevelMedium, policy.FlagYes,
		},
		{
			"at most less",
			policy.Rule{Tier: schema.TierProprietary, TierLimit: policy.LimitAtMost},
			schema.TierProprietary, schema.LevelMedium, policy.FlagYes,
		},
		{
			"at most more",
			policy.Rule{Tier: schema.TierHRCI, TierLimit: policy.LimitAtMost},
			schema.TierConfidential, schema.LevelMedium, policy.FlagYes,
		},
		{
			"a criticality",
			policy.Rule{Criticality: schema.LevelHigh},
			schema.TierConfidential,
			schema.LevelHigh,
			policy.FlagYes,
		},
		{
			"a criticality at most",
			policy.Rule{Criticality: schema.LevelHigh, CriticalityLimit: policy.LimitAtMost},
			schema.TierConfidential, schema.LevelMedium, policy.FlagYes,
		},
		{
			"not personal",
			policy.Rule{Personal: policy.FlagNo},
			schema.TierConfidential,
			schema.LevelMedium,
			policy.FlagNo,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v values
			v.tier.value, v.criticality.value, v.personal.value = schema.TierConfidential, schema.LevelMedium,
				policy.FlagYes
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
		tier        schema.Tier
		leak        schema.Level // of the rule
		criticality schema.Level
		facet       int
		want        schema.Level
	}{
		{schema.TierHRCI, "", schema.LevelLow, date, schema.LevelHigh},
		{
			schema.TierHRCI, schema.LevelLow, schema.LevelLow, date, schema.LevelHigh,
		}, // no rule lowers the risk of a leak of HRCI
		{schema.TierConfidential, "", schema.LevelLow, date, schema.LevelMedium},
		{schema.TierConfidential, schema.LevelHigh, schema.LevelLow, date, schema.LevelHigh},
		{schema.TierConfidential, schema.LevelLow, schema.LevelLow, date, schema.LevelLow},
		{schema.TierPublic, "", schema.LevelHigh, date, schema.LevelLow},
		{schema.TierPublic, "", schema.LevelHigh, amount, schema.LevelMedium}, // an error has a higher risk than a leak
		{schema.TierPublic, "", schema.LevelMedium, amount, schema.LevelLow},
		{schema.TierPublic, "", schema.LevelHigh, -1, schema.LevelLow},
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
		tier        schema.Tier
		criticality schema.Level
	}{
		{"Apple Whole Date", schema.TierConfidential, schema.LevelMedium}, // leaves Confidential, lowers High
		{"Apple Pie Whole Date", schema.TierProprietary, schema.LevelLow}, // raises Public, leaves Low
		{"Apple Pie Whole", schema.TierPublic, schema.LevelLow},           // not a date
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
	const open = "refine open\n  is: name\n  of: person\n  tier: Public\n  because: x\n"
	for leak, want := range map[string]schema.Tier{
		"": schema.TierConfidential, "  leak: High\n": schema.TierConfidential,
		"  leak: Low\n": schema.TierConfidential,
	} {
		t.Run(leak, func(t *testing.T) {
			t.Parallel()
			e := New(parse(t, mechanics+open+leak))
			a := e.Classify(Input{Attribute: attribute("Borrower Name", "")})
			if a.InformationSecurityClassification != want || !a.PIIFlag || a.RiskLevel != schema.LevelHigh {
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
		"Apple Balance": schema.LevelHigh, "Apple Date": schema.LevelMedium, "Apple Name": schema.LevelMedium,
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
			lessRationale: "excludes: amount",
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
