package rules

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// Input is what is to be classified. Everything but the attribute's name is optional, and so is that.
type Input struct {
	Attribute schema.Attribute
	// Column is the source column that was chosen for the attribute. It can only raise the tier.
	Column *schema.SourceColumn
	// Report is the name or id of the filing that the attribute is a line of.
	Report string
	// Table is the table that the attribute's name stands in, where a bare column is classified rather than a line of a report.
	Table string
}

// Classify answers the five questions for an attribute. It is a pure function of the policy and the input and never fails: where no rule
// speaks, the answer is the policy's default with a low confidence.
func (p *Policy) Classify(in Input) Answer {
	d := p.derive(in)
	a := p.answer(d)
	if in.Column != nil {
		p.raise(&a, d, in)
	}
	a.Rationale = p.rationale(d, &a)
	return a
}

// derivation is how an answer came about.
type derivation struct {
	reading *reading
	// fitting are the rules that fit, the best first; failed those whose words occur but whose other conditions do not hold.
	fitting, failed []candidate
	// refined are the refinements that apply, in the order of the file.
	refined []candidate
	// covered is the part of the name that the policy knows the words of, in percent.
	covered int
	facts   facts
}

// facts are the answers before risk is computed of them, each with the rule or refinement that gave it; nil is the policy's default.
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

// candidate is a rule beside a reading.
type candidate struct {
	rule   *rule
	points int
	// hits are the mentions that the rule's words matched.
	hits [4]int
	n    int
	// miss is the condition that does not hold.
	miss miss
}

func (c *candidate) mentions() []int { return c.hits[:c.n] }

// miss says why a rule does not fit.
type miss struct {
	kind missKind
	// mention is the word that the rule refuses.
	mention int
}

type missKind uint8

const (
	fits missKind = iota
	lacksWords
	refusesWord
	wrongFacet
	wrongParty
	wrongReport
	wrongMark
)

func (p *Policy) derive(in Input) *derivation {
	d := &derivation{reading: p.read(in)}
	p.findRules(d)
	p.findRefinements(d)
	d.covered = d.reading.coverage()
	d.facts = p.settle(d)
	return d
}

// findRules judges the rules that a mentioned concept may speak for and those that need no words.
func (p *Policy) findRules(d *derivation) {
	var buffer [16]uint64
	seen := buffer[:]
	if need := len(p.rules)/64 + 1; need > len(seen) {
		seen = make([]uint64, need)
	}
	consider := func(i int) {
		if seen[i/64]&(1<<(i%64)) != 0 {
			return
		}
		seen[i/64] |= 1 << (i % 64)
		switch c := p.judge(&p.rules[i], d.reading); {
		case c.miss.kind == fits:
			d.fitting = append(d.fitting, c)
		case c.n > 0 && c.miss.kind != lacksWords:
			d.failed = append(d.failed, c)
		}
	}
	for _, m := range d.reading.mentions {
		if m.term.kind == conceptTerm {
			for _, i := range p.byConcept[m.term.id] {
				consider(i)
			}
		}
	}
	for _, i := range p.wordless {
		consider(i)
	}
	slices.SortFunc(d.fitting, better)
	slices.SortFunc(d.failed, better)
	d.preferName()
}

// preferName puts a rule for the kind of value that the name states before a rule that only a description or a table speaks for, where it
// protects more: what is told beside a name may raise its protection, not lower it.
func (d *derivation) preferName() {
	if len(d.fitting) == 0 || d.reading.facetFrom != fromName || !d.fitting[0].guessed(d.reading) {
		return
	}
	for i, c := range d.fitting {
		if c.n == 0 && c.rule.says != 0 && c.rule.tier.Protects(d.fitting[0].rule.tier) {
			copy(d.fitting[1:i+1], d.fitting[:i])
			d.fitting[0] = c
			return
		}
	}
}

func (p *Policy) findRefinements(d *derivation) {
	for i := range p.refinements {
		if c := p.judge(&p.refinements[i], d.reading); c.miss.kind == fits && !c.guessed(d.reading) {
			d.refined = append(d.refined, c)
		}
	}
}

// guessed reports that a description speaks for the candidate, or a table for its words. That is too little to change what a name has decided.
func (c *candidate) guessed(r *reading) bool {
	if c.rule.of != 0 && r.partyGuessed() {
		return true
	}
	return slices.ContainsFunc(c.mentions(), func(i int) bool { return r.mentions[i].place >= inDescription })
}

// better orders candidates: more points first; of equals the one that protects more, then the one that stands first in the file.
func better(a, b candidate) int {
	switch {
	case a.points != b.points:
		return b.points - a.points
	case a.rule.tier != b.rule.tier && a.rule.tier.Protects(b.rule.tier):
		return -1
	case a.rule.tier != b.rule.tier:
		return 1
	default:
		return a.rule.line - b.rule.line
	}
}

// judge holds a rule beside a reading and counts its points.
func (p *Policy) judge(r *rule, rd *reading) candidate {
	c := candidate{rule: r}
	weak, ok := c.matchWords(rd)
	if !ok {
		c.miss.kind = lacksWords
		return c
	}
	if m := rd.refused(r, weak); m >= 0 {
		c.miss = miss{refusesWord, m}
		return c
	}
	c.matchRest(rd)
	return c
}

// matchWords finds the best mention for each condition on words. weak is the place of the weakest.
func (c *candidate) matchWords(rd *reading) (weak place, ok bool) {
	named, described := 0, 0
	take := func(m int) {
		if c.n < len(c.hits) {
			c.hits[c.n] = m
			c.n++
		}
		points := rd.mentions[m].weight()
		if rd.mentions[m].place >= inDescription {
			described += points
		} else {
			named += points + rd.headBonus(m)
		}
		weak = max(weak, rd.mentions[m].place)
	}
	if len(c.rule.any) > 0 {
		m := rd.best(c.rule.any)
		if m < 0 {
			return 0, false
		}
		take(m)
	}
	for i := range c.rule.all {
		m := rd.best(c.rule.all[i : i+1])
		if m < 0 {
			return 0, false
		}
		take(m)
	}
	c.points = named + min(3, described)
	return weak, true
}

// best is the mention of one of the concepts that stands in the best place and there counts most, or -1.
func (r *reading) best(concepts []int) int {
	best, source, points := -1, inTable, 0
	for i, m := range r.mentions {
		if m.term.kind != conceptTerm || !slices.Contains(concepts, m.term.id) {
			continue
		}
		from, counts := max(m.place, inQualifier), m.weight()+r.headBonus(i) // head and qualifiers are one name
		if best < 0 || from < source || from == source && counts > points {
			best, source, points = i, from, counts
		}
	}
	return best
}

// headPoints are for what the head of the name ends with, before or with the word that says the facet: in "Interest Rate Swap Notional" the
// notional is nearer to what is meant than the rate.
const headPoints = 3

func (r *reading) headBonus(i int) int {
	m := r.mentions[i]
	if m.place != inHead {
		return 0
	}
	atEnd := m.end == len(r.tokens) || r.tokens[m.end].place != inHead || r.tokens[m.end].segment != 0
	beforeFacet := r.facetAt >= 0 && r.mentions[r.facetAt].place == inHead && m.end == r.mentions[r.facetAt].start
	if atEnd || beforeFacet {
		return headPoints
	}
	return 0
}

// refused is a mention that the rule wants not to be there, or -1. A word in a weaker place than the rule's own does not count against it.
func (r *reading) refused(rule *rule, weak place) int {
	if len(rule.none) == 0 {
		return -1
	}
	weak = max(weak, inTechnicalName)
	for i, m := range r.mentions {
		if m.term.kind == conceptTerm && m.place <= weak && slices.Contains(rule.none, m.term.id) {
			return i
		}
	}
	return -1
}

// matchRest holds the conditions that are not about words, and counts their points.
func (c *candidate) matchRest(rd *reading) {
	r := c.rule
	if !holds(r.says, 0, rd.facet) || !rd.facetGuessed() && !holds(0, r.saysNot, rd.facet) {
		c.miss.kind = wrongFacet
		return
	}
	if !holds(r.of, 0, rd.party) || !rd.partyGuessed() && !holds(0, r.ofNot, rd.party) {
		c.miss.kind = wrongParty
		return
	}
	kind := -1
	if rd.report != nil {
		kind = rd.report.kind
	}
	if !holds(r.in, r.inNot, kind) {
		c.miss.kind = wrongReport
		return
	}
	if rd.marks&r.marked != r.marked {
		c.miss.kind = wrongMark
		return
	}
	if r.says != 0 {
		c.points += rd.facetFrom.points()
	}
	for _, asked := range []bool{r.of != 0, r.in != 0, r.marked != 0} {
		if asked {
			c.points += 2
		}
	}
}

// holds reports whether an index is in the wanted set, if there is one, and not in the unwanted one.
func holds(want, not uint64, index int) bool {
	if index < 0 {
		return want == 0
	}
	bit := uint64(1) << index
	return (want == 0 || want&bit != 0) && not&bit == 0
}

// settle takes the best rule's answers, or the policy's default, and refines them. Refinements that change nothing are forgotten.
func (p *Policy) settle(d *derivation) facts {
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
	d.refined = slices.DeleteFunc(d.refined, func(c candidate) bool { return !f.refine(c.rule) })
	return f
}

func (f *fact[T]) set(value T, by *rule) { f.value, f.by = value, by }

// refine applies a refinement and reports whether it had anything to add.
func (f *facts) refine(r *rule) bool {
	changed := len(r.laws) > 0 || r.certainty > 0
	if r.tier != "" && r.tierLimit.allows(r.tier.Protects(f.tier.value), f.tier.value.Protects(r.tier)) {
		f.tier.set(r.tier, r)
		changed = true
	}
	if r.criticality != "" && r.criticalityLimit.allows(r.criticality.Above(f.criticality.value), f.criticality.value.Above(r.criticality)) {
		f.criticality.set(r.criticality, r)
		changed = true
	}
	if r.leak != "" && r.leak != f.leak.value {
		f.leak.set(r.leak, r)
		changed = true
	}
	if r.personal != unsaid && r.personal != f.personal.value {
		f.personal.set(r.personal, r)
		changed = true
	}
	if r.regulatory != unsaid && r.regulatory != f.regulatory.value {
		f.regulatory.set(r.regulatory, r)
		changed = true
	}
	return changed
}

// allows reports whether a refinement's value replaces the present one, given whether it is above or below it.
func (l limit) allows(above, below bool) bool {
	return l == exactly && (above || below) || l == atLeast && above || l == atMost && below
}

// regulated says whether the regulatory flag stands, and why. Every line of a filing is regulated. What the bank keeps beside the lines, such as
// a load time, is none: it has neither number nor MDRM code.
func (d *derivation) regulated() (bool, string) {
	r, said := d.reading, d.facts.regulatory.value
	switch {
	case r.numbered || r.mdrm != "":
		return true, "it is a line of a filed report"
	case r.report != nil && said != no:
		return true, "it stands in a filed report"
	case said == yes || said == unsaid:
		return true, "a regulation asks for it or protects it wherever it stands"
	case said == onlyFiled:
		return false, "only a filing would ask for it, and this is no line of one"
	default:
		return false, "no regulation asks for it or protects it"
	}
}
