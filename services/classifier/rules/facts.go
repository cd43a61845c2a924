package rules

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// facts are the answers before risk is computed of them, each with the rule or refinement that gave it; nil is the
// policy's default.
type facts struct {
	tier        fact[schema.InformationSecurityClassification]
	criticality fact[schema.Level]
	leak        fact[schema.Level]
	personal    fact[answer]
	regulatory  fact[answer]
}

type fact[T any] struct {
	value T
	by    *rule
}

// floor keeps what is personal protected, whatever a policy says of it. It does not hold for people whose leaked data
// costs nobody much, such as officers that a published filing names. What counts is the leak as it was before a
// refinement lowered the tier: such a refinement mostly says of the lower tier that its leak costs little, and that
// is what the floor is there to doubt.
var floor = &rule{
	name: "personal data", refinement: true, tier: schema.Confidential, tierLimit: atLeast,
	because: "personal data of customers is never below Confidential",
}

// settle takes the best rule's answers, or the policy's default, and refines them. Refinements of which nothing is
// left are forgotten.
func settle(p *Policy, d *derivation) facts {
	f := facts{
		tier:        fact[schema.InformationSecurityClassification]{value: p.fallback.tier},
		criticality: fact[schema.Level]{value: p.fallback.criticality},
		personal:    fact[answer]{value: p.fallback.personal},
		regulatory:  fact[answer]{value: p.fallback.regulatory},
	}
	if len(d.fitting) > 0 {
		r := d.fitting[0].rule
		f.tier.set(r.tier, r)
		f.criticality.set(r.criticality, r)
		f.leak.set(r.leak, r)
		f.personal.set(r.personal, r)
		f.regulatory.set(r.regulatory, r)
	}
	leak, lowered := f.leak, false
	for _, c := range d.refined {
		tier := f.tier.value
		f.refine(c.rule)
		if lowered = lowered || tier.Protects(f.tier.value); !lowered {
			leak = f.leak
		}
	}
	if f.personal.value == yes && leak.value != schema.Low {
		if f.refine(floor); f.tier.by == floor {
			f.leak = leak
			d.refined = append(d.refined, candidate{rule: floor})
		}
	}
	d.refined = slices.DeleteFunc(d.refined, func(c candidate) bool { return !f.restsOn(c.rule) })
	return f
}

// restsOn reports whether something of a refinement is left in the facts, or beside them.
func (f *facts) restsOn(r *rule) bool {
	inFacts := r == f.tier.by || r == f.criticality.by || r == f.leak.by || r == f.personal.by || r == f.regulatory.by
	return inFacts || len(r.laws) > 0 || r.certainty > 0
}

func (f *fact[T]) set(value T, by *rule) { f.value, f.by = value, by }

// refine applies what a refinement has to change.
func (f *facts) refine(r *rule) {
	if r.tier != "" && r.tierLimit.allows(r.tier.Protects(f.tier.value), f.tier.value.Protects(r.tier)) {
		f.tier.set(r.tier, r)
	}
	above, below := r.criticality.Above(f.criticality.value), f.criticality.value.Above(r.criticality)
	if r.criticality != "" && r.criticalityLimit.allows(above, below) {
		f.criticality.set(r.criticality, r)
	}
	if r.leak != "" && r.leak != f.leak.value {
		f.leak.set(r.leak, r)
	}
	if r.personal != unsaid && r.personal != f.personal.value {
		f.personal.set(r.personal, r)
	}
	if r.regulatory != unsaid && r.regulatory != f.regulatory.value {
		f.regulatory.set(r.regulatory, r)
	}
}
