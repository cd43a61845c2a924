package rules

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestLimit_Allows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit        limit
		above, below bool
		want         bool
	}{
		{exactly, true, false, true},
		{exactly, false, true, true},
		{exactly, false, false, false}, // it is that value already
		{atLeast, true, false, true},
		{atLeast, false, true, false},
		{atMost, true, false, false},
		{atMost, false, true, true},
	} {
		if got := tt.limit.allows(tt.above, tt.below); got != tt.want {
			t.Errorf("limit %d, above %t, below %t: %t, want %t", tt.limit, tt.above, tt.below, got, tt.want)
		}
	}
}

func TestFacts_Refine(t *testing.T) {
	t.Parallel()
	before := func() facts {
		var f facts
		f.tier.value, f.criticality.value, f.personal.value = schema.Confidential, schema.Medium, yes
		return f
	}
	for _, tt := range []struct {
		name        string
		refinement  rule
		tier        schema.InformationSecurityClassification
		criticality schema.Level
		personal    answer
	}{
		{"nothing", rule{}, schema.Confidential, schema.Medium, yes},
		{"another tier", rule{tier: schema.Public}, schema.Public, schema.Medium, yes},
		{"at least less", rule{tier: schema.Public, tierLimit: atLeast}, schema.Confidential, schema.Medium, yes},
		{"at least more", rule{tier: schema.HRCI, tierLimit: atLeast}, schema.HRCI, schema.Medium, yes},
		{"at most less", rule{tier: schema.Proprietary, tierLimit: atMost}, schema.Proprietary, schema.Medium, yes},
		{"at most more", rule{tier: schema.HRCI, tierLimit: atMost}, schema.Confidential, schema.Medium, yes},
		{"a criticality", rule{criticality: schema.High}, schema.Confidential, schema.High, yes},
		{"a criticality at most", rule{criticality: schema.High, criticalityLimit: atMost}, schema.Confidential, schema.Medium, yes},
		{"not personal", rule{personal: no}, schema.Confidential, schema.Medium, no},
	} {
		f := before()
		f.refine(&tt.refinement)
		if f.tier.value != tt.tier || f.criticality.value != tt.criticality || f.personal.value != tt.personal {
			t.Errorf("%s: got %s, %s, %d, want %s, %s, %d", tt.name, f.tier.value, f.criticality.value, f.personal.value,
				tt.tier, tt.criticality, tt.personal)
		}
		changed := f.tier.value != schema.Confidential || f.criticality.value != schema.Medium || f.personal.value != yes
		if f.restsOn(&tt.refinement) != changed {
			t.Errorf("%s: the facts rest on it: %t, want %t", tt.name, !changed, changed)
		}
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
		{schema.HRCI, schema.Low, schema.Low, date, schema.High}, // no rule lowers the leak of what is HRCI
		{schema.Confidential, "", schema.Low, date, schema.Medium},
		{schema.Confidential, schema.High, schema.Low, date, schema.High},
		{schema.Confidential, schema.Low, schema.Low, date, schema.Low},
		{schema.Public, "", schema.High, date, schema.Low},
		{schema.Public, "", schema.High, amount, schema.Medium}, // an error in it costs more than a leak
		{schema.Public, "", schema.Medium, amount, schema.Low},
		{schema.Public, "", schema.High, -1, schema.Low},
	} {
		var f facts
		f.tier.value, f.leak.value, f.criticality.value = tt.tier, tt.leak, tt.criticality
		if got := riskOf(p, f, tt.facet).level(); got != tt.want {
			t.Errorf("%s, leak %q, criticality %s, facet %d: %s, want %s", tt.tier, tt.leak, tt.criticality, tt.facet, got, tt.want)
		}
	}
}
