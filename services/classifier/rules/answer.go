package rules

import (
	"fmt"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
)

// values are the answers that the winning rule, the refinements and the policy's default determine. Risk and the
// regulatory flag are derived from them.
type values struct {
	tier        assigned[schema.Tier]
	criticality assigned[schema.Level]
	leak        assigned[schema.Level]
	personal    assigned[policy.Flag]
	regulatory  assigned[policy.Flag]
}

// assigned is a value and the rule or refinement that assigned it, or nil for the policy's default.
type assigned[T any] struct {
	value T
	by    *policy.Rule
}

// derivation is how an answer is derived from the rules that a reading meets.
type derivation struct {
	*judgement
	values     values
	confidence confidence
}

// decide determines the values and the confidence. It drops refinements that have no effect.
func decide(g *judgement) *derivation {
	d := &derivation{judgement: g}
	d.values = d.startingValues()
	leak, lowered := d.values.leak, false
	for _, m := range d.refined {
		tier := d.values.tier.value
		d.values.refine(m.rule)
		if lowered = lowered || tier.Protects(d.values.tier.value); !lowered {
			leak = d.values.leak
		}
	}
	d.protectPersonalData(leak)
	d.refined = slices.DeleteFunc(d.refined, func(m ruleMatch) bool { return !d.values.dependOn(m.rule) })
	d.confidence = d.countConfidence()
	return d
}

// startingValues returns the answers of the winning rule, or of the policy's default if no rule fits.
func (d *derivation) startingValues() values {
	var v values
	f := &d.policy.Fallback
	v.tier.value, v.criticality.value = f.Tier, f.Criticality
	v.personal.value, v.regulatory.value = f.Personal, f.Regulatory
	if len(d.fitting) > 0 {
		r := d.fitting[0].rule
		v.tier.assign(r.Tier, r)
		v.criticality.assign(r.Criticality, r)
		v.leak.assign(r.Leak, r)
		v.personal.assign(r.Personal, r)
		v.regulatory.assign(r.Regulatory, r)
	}
	return v
}

func (a *assigned[T]) assign(value T, by *policy.Rule) { a.value, a.by = value, by }

// refine applies a refinement.
func (v *values) refine(r *policy.Rule) {
	if r.Tier != "" && r.TierLimit.Replaces(r.Tier.Protects(v.tier.value), v.tier.value.Protects(r.Tier)) {
		v.tier.assign(r.Tier, r)
	}
	above, below := r.Criticality.Above(v.criticality.value), v.criticality.value.Above(r.Criticality)
	if r.Criticality != "" && r.CriticalityLimit.Replaces(above, below) {
		v.criticality.assign(r.Criticality, r)
	}
	if r.Leak != "" && r.Leak != v.leak.value {
		v.leak.assign(r.Leak, r)
	}
	if r.Personal != policy.FlagUnset && r.Personal != v.personal.value {
		v.personal.assign(r.Personal, r)
	}
	if r.Regulatory != policy.FlagUnset && r.Regulatory != v.regulatory.value {
		v.regulatory.assign(r.Regulatory, r)
	}
}

// protectPersonalData keeps personal data at least Confidential, whatever the policy answers. Data whose leak has a low
// risk is exempt, such as the officers that a published filing names. The leak that counts is the one before a
// refinement lowered the tier: such a refinement usually lowers the leak too, and it is what this rule must not trust.
func (d *derivation) protectPersonalData(leak assigned[schema.Level]) {
	v := &d.values
	if v.personal.value != policy.FlagYes || leak.value == schema.LevelLow ||
		!schema.TierConfidential.Protects(v.tier.value) {
		return
	}
	floor := &policy.Rule{
		Name: "personal data", Refinement: true, Tier: schema.TierConfidential, TierLimit: policy.LimitAtLeast,
		Because: "personal data of customers is never below Confidential",
	}
	v.tier.assign(floor.Tier, floor)
	v.leak = leak
	d.refined = append(d.refined, ruleMatch{rule: floor})
}

// dependOn reports whether a refinement has an effect on the answer.
func (v *values) dependOn(r *policy.Rule) bool {
	assigns := r == v.tier.by || r == v.criticality.by || r == v.leak.by || r == v.personal.by || r == v.regulatory.by
	return assigns || len(r.Laws) > 0 || r.Certainty > 0
}

// answer returns the answer without its rationale.
func (d *derivation) answer() Answer {
	regulated, _ := d.regulated()
	a := Answer{
		Classification: schema.Classification{
			InformationSecurityClassification: d.values.tier.value,
			Criticality:                       d.values.criticality.value,
			RiskLevel:                         riskOf(d.policy, d.values, d.reading.Facet).level(),
			RegulatoryFlag:                    regulated,
			PIIFlag:                           d.values.personal.value == policy.FlagYes,
		},
		Confidence: d.confidence.percent,
		Matched:    matches(d),
		Considered: considered(d),
	}
	if len(d.fitting) > 0 {
		a.Rule = d.fitting[0].rule.Name
	}
	for _, m := range d.refined {
		a.Refined = append(a.Refined, m.rule.Name)
	}
	if regulated {
		a.RegulatoryReferences = d.references()
	}
	return a
}

// risk is the risk of a leak and of an error. The empty level is no risk.
type risk struct{ leak, err schema.Level }

func riskOf(p *policy.Policy, v values, facet int) risk {
	r := risk{leak: v.leak.value}
	if r.leak == "" || v.tier.value == schema.TierHRCI {
		r.leak = p.Risk.Leak[v.tier.value]
	}
	for level, facets := range p.Risk.Errors {
		if v.criticality.value == schema.LevelHigh && facets.Has(facet) && level.Above(r.err) {
			r.err = level
		}
	}
	return r
}

// level returns the higher of the two risks.
func (r risk) level() schema.Level {
	if r.err.Above(r.leak) {
		return r.err
	}
	return r.leak
}

// reason returns which of the two risks decides, and its cause.
func (r risk) reason(v values) string {
	if r.err.Above(r.leak) {
		return fmt.Sprintf("an error is a %s risk, because the criticality is %s; a leak is a %s risk",
			r.err, v.criticality.value, r.leak)
	}
	if v.leak.value != "" && v.tier.value != schema.TierHRCI {
		return fmt.Sprintf("a leak is a %s risk: %s", r.leak, ruleTitle(v.leak.by))
	}
	return fmt.Sprintf("a leak of %s data is a %s risk", v.tier.value, r.leak)
}

// regulated returns the regulatory flag and its reason. Every line of a filing is regulated. A column that the bank
// keeps in addition to the lines, such as a load time, has neither number nor MDRM code and is not. Outside of filings,
// a law must be named or the policy must set the flag.
func (d *derivation) regulated() (flag bool, why string) {
	r, flagged := d.reading, d.values.regulatory.value
	switch {
	case r.Numbered || r.MDRM != "":
		return true, "it is a line of a filed report"
	case r.Filed && flagged != policy.FlagNo:
		return true, "it is in a filed report"
	case flagged == policy.FlagYes || flagged == policy.FlagUnset && len(d.laws()) > 0:
		return true, "a regulation requires or protects it in every report and table"
	case flagged == policy.FlagOnlyFiled:
		return false, "only a filing requires it, and it is not in a filing"
	default:
		return false, "no regulation requires or protects it"
	}
}

// laws returns the laws that the winning rule and the refinements name.
func (d *derivation) laws() []int {
	var ids []int
	if len(d.fitting) > 0 {
		ids = append(ids, d.fitting[0].rule.Laws...)
	}
	for _, m := range d.refined {
		ids = append(ids, m.rule.Laws...)
	}
	return ids
}

// references returns the laws of the filing and then those of the rules, unless only a filing requires the attribute.
func (d *derivation) references() []string {
	texts := d.filingReferences()
	if d.values.regulatory.value == policy.FlagOnlyFiled {
		return texts
	}
	for _, id := range d.laws() {
		if text := d.policy.Laws[id].Text; !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// filingReferences returns the citations for a line of its filing, and none for other attributes. A filing that the
// policy does not describe is cited by its own name, unless its lines have MDRM codes.
func (d *derivation) filingReferences() []string {
	r, ids := d.reading, []int(nil)
	switch {
	case r.Report != nil:
		ids = r.Report.Laws
	case r.Filed && r.MDRM == "" && r.ReportName != "":
		return []string{r.ReportName}
	case r.Filed && d.policy.Fallback.Filed >= 0:
		ids = []int{d.policy.Fallback.Filed}
	}
	texts := make([]string, 0, len(ids)+2)
	for _, id := range ids {
		texts = append(texts, d.policy.Laws[id].Text)
	}
	return texts
}

// The points that make up the confidence. They are estimates, which the tests compare with the labelled rows in
// testdata.
const (
	noRuleConfidence = 10
	minConfidence    = 12
	maxConfidence    = 97

	// The starting points of a rule depend on the weakest place of its words.
	namedBase     = 50
	technicalBase = 40
	describedBase = 28
	wordlessBase  = 22

	wordConfidence     = 3 // for each word of the name that the rule requires
	maxWordConfidence  = 12
	facetConfidence    = 3 // for each point of a facet that the rule requires or excludes
	typeConfidence     = 4
	coverageConfidence = 24 // for a name of which all words are known
	excludedPenalty    = 10

	// Another rule is near if it has almost as many points, and gives another tier or personal flag.
	twinMargin, twinPenalty = 2, 14
	nearMargin, nearPenalty = 5, 6
)

// confidence is a percentage and its parts.
type confidence struct {
	percent int
	parts   []confidencePart
	// certainty is the percentage that the policy gives the rule and the refinements.
	certainty int
}

type confidencePart struct {
	points int
	why    string
}

// countConfidence adds up the evidence for the winning rule.
func (d *derivation) countConfidence() confidence {
	if len(d.fitting) == 0 {
		return confidence{noRuleConfidence, []confidencePart{{noRuleConfidence, "no rule matched"}}, 100}
	}
	r, best := d.reading, &d.fitting[0]
	c := confidence{parts: make([]confidencePart, 0, 8), certainty: d.certainty()}
	add := func(points int, why string) {
		c.parts = append(c.parts, confidencePart{points, why})
		c.percent += points
	}
	add(basePoints(best, r))
	if words := namedWords(best, r); words > 0 {
		add(min(maxWordConfidence, wordConfidence*words), "for the words of the name that the rule requires")
	}
	if r.FacetPoints > 0 && (best.rule.Is != 0 || best.rule.IsNot != 0) {
		add(facetConfidence*r.FacetPoints, "for the facet, from "+r.FacetFrom.String())
	}
	if r.Class != 0 && r.FacetFrom == reading.FromName {
		add(typeConfidence, "for a data type that agrees")
	}
	add(coverageConfidence*r.Coverage/100, "for the share of the name's words that the policy knows")
	if r.Excluded >= 0 {
		add(-excludedPenalty, "for a word that the data type excludes")
	}
	if penalty := d.nearPenalty(); penalty > 0 {
		add(-penalty, "for another answer that is close")
	}
	c.percent = max(minConfidence, min(maxConfidence, c.percent)) * c.certainty / 100
	return c
}

// basePoints returns the starting points of a match and their reason.
func basePoints(m *ruleMatch, r *reading.Reading) (points int, why string) {
	if m.words == noWords {
		return wordlessBase, "for a rule that requires no words"
	}
	weakest := reading.InHead
	for _, i := range m.occurrences() {
		weakest = max(weakest, r.Occurrences[i].Place)
	}
	if m.rule.Of != 0 && r.PartyGuessed {
		weakest = reading.InDescription
	}
	switch weakest {
	case reading.InHead, reading.InQualifier:
		return namedBase, "for words in the name"
	case reading.InTechnicalName:
		return technicalBase, "for words in the technical name"
	default:
		return describedBase, "for words outside the names"
	}
}

// namedWords returns the number of words of the name that the rule requires.
func namedWords(m *ruleMatch, r *reading.Reading) int {
	n := 0
	for _, i := range m.occurrences() {
		if o := &r.Occurrences[i]; o.Place <= reading.InQualifier {
			n += o.Len()
		}
	}
	return n
}

// nearPenalty returns the points that the best rule with another answer costs.
func (d *derivation) nearPenalty() int {
	best := d.fitting[0]
	for _, m := range d.fitting[1:] {
		if m.rule.Tier == best.rule.Tier && m.rule.Personal == best.rule.Personal {
			continue
		}
		switch margin := best.points - m.points; {
		case margin <= twinMargin:
			return twinPenalty
		case margin <= nearMargin:
			return nearPenalty
		default:
			return 0
		}
	}
	return 0
}

// certainty multiplies the certainties of the winning rule and the refinements.
func (d *derivation) certainty() int {
	percent := 100
	if c := d.fitting[0].rule.Certainty; c > 0 {
		percent = percent * c / 100
	}
	for _, m := range d.refined {
		if m.rule.Certainty > 0 {
			percent = percent * m.rule.Certainty / 100
		}
	}
	return percent
}
