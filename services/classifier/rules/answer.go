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
	a := Answer{
		Classification: schema.Classification{
			InformationSecurityClassification: d.facts.tier,
			Criticality:                       d.facts.criticality,
			RiskLevel:                         p.riskOf(d.facts, d.reading.facet),
			RegulatoryFlag:                    d.facts.regulatory == yes,
			PIIFlag:                           d.facts.personal == yes,
		},
		Confidence: p.confidence(d),
		Matched:    p.matches(d),
		Considered: p.considered(d),
	}
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

// riskOf is the worse of what a leak costs and what an error costs.
func (p *Policy) riskOf(f facts, facet int) schema.Level {
	leak := f.leak
	if leak == "" || f.tier == schema.HRCI {
		leak = p.risk.leak[f.tier]
	}
	if f.criticality == schema.High && facet >= 0 && p.risk.errs&(1<<facet) != 0 && p.risk.errsLevel.Above(leak) {
		return p.risk.errsLevel
	}
	return leak
}

// references are the laws of the filing and then those of the rules, each once.
func (p *Policy) references(d *derivation) []string {
	var ids []int
	switch {
	case d.reading.report != nil:
		ids = append(ids, d.reading.report.laws...)
	case d.reading.filed && p.fallback.filed >= 0:
		ids = append(ids, p.fallback.filed)
	}
	if len(d.fitting) > 0 {
		ids = append(ids, d.fitting[0].rule.laws...)
	}
	for _, c := range d.refined {
		ids = append(ids, c.rule.laws...)
	}
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		if text := p.laws[id].text; !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// matches are the words that the answer rests on, in the order of the input.
func (p *Policy) matches(d *derivation) []Match {
	if len(d.fitting) == 0 && len(d.refined) == 0 {
		return nil
	}
	var used []int
	add := func(m int) {
		if m >= 0 && !slices.Contains(used, m) {
			used = append(used, m)
		}
	}
	for _, c := range slices.Concat(d.fitting[:min(1, len(d.fitting))], d.refined) {
		for _, m := range c.mentions() {
			add(m)
		}
		if c.rule.says != 0 {
			add(d.reading.facetAt)
		}
		if c.rule.of != 0 {
			add(d.reading.partyAt)
		}
	}
	slices.Sort(used)
	out := make([]Match, 0, len(used)+1)
	for _, i := range used {
		out = append(out, p.match(d.reading, i))
	}
	if d.reading.facetFrom == fromType && len(d.fitting) > 0 && d.fitting[0].rule.says != 0 {
		out = append(out, Match{d.reading.class.String(), "data type", p.facets[d.reading.facet].name})
	}
	return out
}

func (p *Policy) match(r *reading, i int) Match {
	m := r.mentions[i]
	return Match{r.source(m), m.place.String(), p.termName(m.term)}
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
	points := 0
	if len(d.fitting) > 0 {
		points = d.fitting[0].points
		for _, c := range d.fitting[1:min(len(d.fitting), maxConsidered)] {
			out = append(out, Alternative{c.rule.name, c.rule.tier, fmt.Sprintf("fits less well: %d points against %d", c.points, points)})
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

// why says what a failed rule lacked.
func (p *Policy) why(r *reading, c candidate) string {
	switch c.miss.kind {
	case refusesWord:
		return fmt.Sprintf("does not hold beside %q", r.source(r.mentions[c.miss.mention]))
	case wrongFacet:
		return "is not about " + p.facetName(r.facet, "something unsaid")
	case wrongParty:
		return "is not about " + nameOr(p.parties, r.party, "an unnamed party")
	case wrongReport:
		return "is for other reports"
	default:
		return "is for other attributes"
	}
}

func (p *Policy) facetName(i int, otherwise string) string {
	if i < 0 {
		return otherwise
	}
	return "a " + p.facets[i].name
}

func nameOr(names []string, i int, otherwise string) string {
	if i < 0 {
		return otherwise
	}
	return "a " + names[i]
}

// rationale is the answer in a few sentences.
func (p *Policy) rationale(d *derivation, a *Answer) string {
	var b strings.Builder
	if a.Rule == "" {
		b.WriteString("No rule spoke: ")
		b.WriteString(p.fallback.because)
		b.WriteByte('.')
	} else {
		fmt.Fprintf(&b, "Rule %q: %s.", a.Rule, d.fitting[0].rule.because)
	}
	if rests := restsOn(a.Matched); rests != "" {
		b.WriteString(" It rests on ")
		b.WriteString(rests)
		b.WriteByte('.')
	}
	if d.reading.overruled >= 0 {
		fmt.Fprintf(&b, " The data type rules out %s.", p.facetName(d.reading.overruled, ""))
	}
	for _, c := range d.refined {
		fmt.Fprintf(&b, " %q: %s.", c.rule.name, c.rule.because)
	}
	for i, c := range a.Considered {
		if i == 0 {
			b.WriteString(" Also considered: ")
		} else {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%q (%s) %s", c.Rule, c.Tier, c.Why)
	}
	if len(a.Considered) > 0 {
		b.WriteByte('.')
	}
	if r := a.Raised; r != nil {
		fmt.Fprintf(&b, " The column %s raises the tier from %s to %s: rule %q, %s.", r.SourceField, r.From, r.To, r.Rule, restsOn(r.Matched))
	}
	return b.String()
}

// restsOn lists matches, each text once.
func restsOn(matched []Match) string {
	var parts []string
	for _, m := range matched {
		part := fmt.Sprintf("%q in the %s", m.Text, m.Place)
		if m.Place == "data type" {
			part = "the data type (" + m.Text + ")"
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}
