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
		case c.footing != wordless && c.miss.kind != lacksWords:
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
	d.preferSafety()
}

// preferName puts a rule for the kind of value that the name states before a rule that only a description or a table speaks for, where it
// protects more: what is told beside a name may raise its protection, not lower it.
func (d *derivation) preferName() {
	if len(d.fitting) == 0 || d.reading.facetFrom != fromName || !d.fitting[0].guessed(d.reading) {
		return
	}
	for i, c := range d.fitting {
		if c.footing == wordless && c.rule.says != 0 && c.rule.tier.Protects(d.fitting[0].rule.tier) {
			copy(d.fitting[1:i+1], d.fitting[:i])
			d.fitting[0] = c
			return
		}
	}
}

// preferSafety puts a rule that protects more before one of the same words that a mere guess of the facet has put first.
func (d *derivation) preferSafety() {
	if len(d.fitting) == 0 || d.fitting[0].rule.says == 0 || !d.reading.facetGuessed() {
		return
	}
	first := d.fitting[0]
	for i, c := range d.fitting {
		if c.rule.tier.Protects(first.rule.tier) && c.footing == first.footing && slices.Equal(c.mentions(), first.mentions()) {
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
