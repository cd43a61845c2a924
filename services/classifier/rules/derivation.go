package rules

import "slices"

// derivation is how an answer came about.
type derivation struct {
	reading *reading
	// fitting are the rules that fit, the best first; failed those whose words occur but whose other conditions do
	// not hold.
	fitting, failed []candidate
	// refined are the refinements that apply, in the order of the file.
	refined []candidate
	// covered is the part of the name that the policy knows the words of, in percent.
	covered int
	facts   facts
}

func derive(p *Policy, in Input) *derivation {
	d := &derivation{reading: read(p, in)}
	findRules(p, d)
	findRefinements(p, d)
	d.covered = d.reading.coverage()
	d.facts = settle(p, d)
	return d
}

// findRules judges the rules that a mentioned concept may speak for and those that need no words.
func findRules(p *Policy, d *derivation) {
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
		switch c := judge(&p.rules[i], d.reading); {
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

func findRefinements(p *Policy, d *derivation) {
	for i := range p.refinements {
		if c := judge(&p.refinements[i], d.reading); c.miss.kind == fits && !c.guessed(d.reading) {
			d.refined = append(d.refined, c)
		}
	}
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

// restsOn reports whether the rule that answers or one of the refinements asks for what is mentioned.
func (d *derivation) restsOn(i int) bool {
	if len(d.fitting) > 0 && d.reading.supports(d.fitting[0].rule, i) {
		return true
	}
	return slices.ContainsFunc(d.refined, func(c candidate) bool { return d.reading.supports(c.rule, i) })
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

// behind says why a rule that fits does not answer.
func (d *derivation) behind(c candidate) string {
	if better(c, d.fitting[0]) < 0 {
		return "protects less and has only a guess for it"
	}
	return fitsLess
}

// preferName puts a rule for the kind of value that the name states before a rule that only a description or a table
// speaks for, where it protects more: what is told beside a name may raise its protection, not lower it.
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

// preferSafety puts a rule that protects more before one of the same words that a mere guess of the facet has put
// first.
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

func (d *derivation) certainty() int {
	certainty := 100
	weigh := func(r *rule) {
		if r.certainty > 0 {
			certainty = certainty * r.certainty / 100
		}
	}
	weigh(d.fitting[0].rule)
	for _, c := range d.refined {
		weigh(c.rule)
	}
	return certainty
}

// uses reports whether one of the rules that fit rests on the mention.
func (d *derivation) uses(i int) bool {
	for _, c := range d.fitting {
		for _, m := range c.mentions() {
			if m == i {
				return true
			}
		}
	}
	return i == d.reading.facetAt || i == d.reading.partyAt
}

// regulated says whether the regulatory flag stands, and why. Every line of a filing is regulated. What the bank
// keeps beside the lines, such as a load time, is none: it has neither number nor MDRM code. Elsewhere a law must be
// named, or the policy say that there is one.
func (d *derivation) regulated() (bool, string) {
	r, said := d.reading, d.facts.regulatory.value
	switch {
	case r.numbered || r.mdrm != "":
		return true, "it is a line of a filed report"
	case r.filed && said != no:
		return true, "it stands in a filed report"
	case said == yes || said == unsaid && len(d.laws()) > 0:
		return true, "a regulation asks for it or protects it wherever it stands"
	case said == onlyFiled:
		return false, "only a filing would ask for it, and this is no line of one"
	default:
		return false, "no regulation asks for it or protects it"
	}
}
