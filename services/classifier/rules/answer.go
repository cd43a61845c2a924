package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Answer is a classification with everything a reviewer needs to judge it.
type Answer struct {
	schema.Classification
	// Confidence is from 0 to 100. It counts the evidence: how much of the name matched and where, how much of it no rule knows, whether the
	// data type agrees, and how near another answer came.
	Confidence int
	// Rationale says in a few sentences which rule answered, on which words, and what else was considered.
	Rationale            string
	RegulatoryReferences []string

	// Rule is the name of the rule that answered, Group where it stands in the policy. Both are empty where no rule spoke.
	Rule, Group string
	// Matched are the words that the answer rests on. Without them it would be another, or less certain.
	Matched []Match
	// Refined are the names of the refinements that changed the rule's answer.
	Refined []string
	// Considered are the rules that came nearest, the best first.
	Considered []Alternative
	// Raised tells that the column raised the tier, and is nil where it did not.
	Raised *Raise
}

// Match is a piece of the input that a rule recognised.
type Match struct {
	// Text is the words as they stand in the name; words of other places are in their normal form.
	Text string
	// Place is where they stand: name, technical name, description, table or data type.
	Place string
	// Meaning is what the policy takes them for.
	Meaning string
	// Again is true for words that only say again what others have said already: no points are counted for them.
	Again bool
}

// Alternative is a rule that was considered and did not answer.
type Alternative struct {
	Rule string
	Tier schema.InformationSecurityClassification
	// Why says what it lacked.
	Why string
}

// Raise tells how a column raised the tier.
type Raise struct {
	SourceField string
	From, To    schema.InformationSecurityClassification
	// Rule is the rule that answered for the column, Matched what it rests on.
	Rule    string
	Matched []Match
}

// maxConsidered is how many other rules an answer names.
const maxConsidered = 3

func (p *Policy) answer(d *derivation) Answer {
	regulated, _ := d.regulated()
	a := Answer{
		Classification: schema.Classification{
			InformationSecurityClassification: d.facts.tier.value,
			Criticality:                       d.facts.criticality.value,
			RiskLevel:                         p.riskOf(d.facts, d.reading.facet).level(),
			RegulatoryFlag:                    regulated,
			PIIFlag:                           d.facts.personal.value == yes,
		},
		Matched:    p.matches(d),
		Considered: p.considered(d),
	}
	a.Confidence, _, _ = p.confidence(d)
	if len(d.fitting) > 0 {
		a.Rule, a.Group = d.fitting[0].rule.name, d.fitting[0].rule.group
	}
	for _, c := range d.refined {
		a.Refined = append(a.Refined, c.rule.name)
	}
	if a.RegulatoryFlag {
		a.RegulatoryReferences = p.references(d)
	}
	return a
}

// risk is what a leak and what an error costs; "" is nothing.
type risk struct{ leak, err schema.Level }

// level is the worse of the two.
func (r risk) level() schema.Level {
	if r.err.Above(r.leak) {
		return r.err
	}
	return r.leak
}

func (p *Policy) riskOf(f facts, facet int) risk {
	r := risk{leak: f.leak.value}
	if r.leak == "" || f.tier.value == schema.HRCI {
		r.leak = p.risk.leak[f.tier.value]
	}
	for level, facets := range p.risk.errs {
		if f.criticality.value == schema.High && facet >= 0 && facets&(1<<facet) != 0 && level.Above(r.err) {
			r.err = level
		}
	}
	return r
}

// references are the laws of the filing and then, unless only a filing asks for the attribute, those of the rules, each once.
func (p *Policy) references(d *derivation) []string {
	texts := p.filing(d.reading)
	if d.facts.regulatory.value != onlyFiled {
		for _, id := range d.laws() {
			if text := p.laws[id].text; !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// filing is what is cited for a line of its filing; nothing where it is no line of any. A filing that the policy does not know is cited by its
// own name, unless its lines have codes of a dictionary that the policy names.
func (p *Policy) filing(r *reading) []string {
	var ids []int
	switch {
	case r.report != nil:
		ids = r.report.laws
	case r.filed && r.mdrm == "" && r.filing != "":
		return []string{r.filing}
	case r.filed && p.fallback.filed >= 0:
		ids = []int{p.fallback.filed}
	}
	texts := make([]string, 0, len(ids)+2)
	for _, id := range ids {
		texts = append(texts, p.laws[id].text)
	}
	return texts
}

// laws are what the rule that answers and its refinements name.
func (d *derivation) laws() []int {
	var ids []int
	if len(d.fitting) > 0 {
		ids = append(ids, d.fitting[0].rule.laws...)
	}
	for _, c := range d.refined {
		ids = append(ids, c.rule.laws...)
	}
	return ids
}

// matches are the words that the answer rests on, in the order of the input: all that speak for the rule and for the refinements, so that the
// answer does not stand as firmly without them.
func (p *Policy) matches(d *derivation) []Match {
	r := d.reading
	var out []Match
	for i, m := range r.mentions {
		if d.restsOn(i) {
			out = append(out, Match{r.source(m), m.place.String(), p.termName(m.term), !d.counted(i)})
		}
	}
	if r.facetFrom == fromType && len(d.fitting) > 0 && d.fitting[0].rule.says != 0 {
		out = append(out, Match{r.declared, "data type", p.facets[r.facet].name, false})
	}
	return out
}

// restsOn reports whether the rule that answers or one of the refinements asks for what is mentioned.
func (d *derivation) restsOn(i int) bool {
	if len(d.fitting) > 0 && d.reading.supports(d.fitting[0].rule, i) {
		return true
	}
	return slices.ContainsFunc(d.refined, func(c candidate) bool { return d.reading.supports(c.rule, i) })
}

func (r *reading) supports(rule *rule, i int) bool {
	switch m := r.mentions[i]; m.term.kind {
	case conceptTerm:
		return slices.Contains(rule.any, m.term.id) || slices.Contains(rule.all, m.term.id)
	case facetTerm:
		return rule.says != 0 && m.term.id == r.facet && (m.place <= inTechnicalName || i == r.facetAt)
	case partyTerm:
		return rule.of != 0 && m.term.id == r.party
	default:
		return false
	}
}

// counted reports whether points were given for what is mentioned.
func (d *derivation) counted(i int) bool {
	of := append([]candidate(nil), d.refined...)
	if len(d.fitting) > 0 {
		of = append(of, d.fitting[0])
	}
	return slices.ContainsFunc(of, func(c candidate) bool {
		return slices.Contains(c.mentions(), i) || c.rule.says != 0 && i == d.reading.facetAt || c.rule.of != 0 && i == d.reading.partyAt
	})
}

func (p *Policy) termName(t term) string {
	switch t.kind {
	case conceptTerm:
		return p.concepts[t.id].name
	case facetTerm:
		return p.facets[t.id].name
	case partyTerm:
		return p.parties[t.id]
	default:
		return "filler"
	}
}

// considered are the next best rules that fit, and those that failed on one condition though their words counted more than the winner's.
func (p *Policy) considered(d *derivation) []Alternative {
	var out []Alternative
	if len(d.fitting) > 0 {
		for _, c := range d.fitting[1:min(len(d.fitting), maxConsidered)] {
			why := d.behind(c)
			if why == fitsLess {
				why = fmt.Sprintf("%s: %d points against %d", why, c.points, d.fitting[0].points)
			}
			out = append(out, Alternative{c.rule.name, c.rule.tier, why})
		}
	}
	for _, c := range d.failed {
		if len(out) == maxConsidered {
			break
		}
		out = append(out, Alternative{c.rule.name, c.rule.tier, p.why(d.reading, c)})
	}
	return out
}

const fitsLess = "fits less well"

// behind says why a rule that fits does not answer.
func (d *derivation) behind(c candidate) string {
	if better(c, d.fitting[0]) < 0 {
		return "protects less and has only a guess for it"
	}
	return fitsLess
}

// why says what a failed rule lacked.
func (p *Policy) why(r *reading, c candidate) string {
	switch c.miss.kind {
	case refusesWord:
		return fmt.Sprintf("does not hold beside %q", r.source(r.mentions[c.miss.mention]))
	case wrongFacet:
		return mismatch(p.facetNames(), c.rule.says, r.facet)
	case wrongParty:
		return mismatch(p.parties, c.rule.of, r.party)
	case wrongReport:
		return "is for other reports"
	default:
		return "is for attributes with another mark"
	}
}

// mismatch says what a rule wants to be about and what the attribute is about.
func mismatch(names []string, want uint64, got int) string {
	is := "nothing says what this is"
	if got >= 0 {
		is = "this is: " + names[got]
	}
	if want == 0 {
		return "does not hold where " + is
	}
	var wanted []string
	for i, name := range names {
		if want&(1<<i) != 0 {
			wanted = append(wanted, name)
		}
	}
	return "is for: " + strings.Join(wanted, ", ") + "; " + is
}

func (p *Policy) facetNames() []string {
	names := make([]string, len(p.facets))
	for i := range p.facets {
		names[i] = p.facets[i].name
	}
	return names
}
