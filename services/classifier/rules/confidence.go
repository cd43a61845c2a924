package rules

// Confidence is counted, not learned: every number here is a judgement, held against the labelled rows in testdata by the tests. An answer on
// which nothing speaks starts at silent; a rule starts at the base of the best place that its words stand in.
const (
	silent          = 10
	wordlessBase    = 34
	describedBase   = 40
	technicalBase   = 52
	namedBase       = 62
	perWord         = 3
	wordsAtMost     = 12
	perFacetPoint   = 3
	typeAgrees      = 4
	coverageAtMost  = 12
	overruledCosts  = 10
	nearTwinCosts   = 14
	nearCosts       = 6
	nearTwinMargin  = 2
	nearMargin      = 5
	mostEver        = 97
	leastOfARule    = 12
	describedAgrees = 2
)

// confidence counts the evidence for the best rule.
func (p *Policy) confidence(d *derivation) int {
	if len(d.fitting) == 0 {
		return silent
	}
	r, best := d.reading, d.fitting[0]
	n := base(r, best) + min(wordsAtMost, perWord*namedWords(r, best))
	if best.rule.says != 0 || best.rule.saysNot != 0 {
		n += perFacetPoint * r.facetFrom.points()
	}
	if r.class != 0 && r.facetFrom == fromName {
		n += typeAgrees
	}
	n += coverageAtMost * d.covered / 100
	if r.overruled >= 0 {
		n -= overruledCosts
	}
	n -= doubt(d)
	n = max(leastOfARule, min(mostEver, n))
	for _, c := range d.fitting[:1] {
		n = capped(n, c.rule.certainty)
	}
	for _, c := range d.refined {
		n = capped(n, c.rule.certainty)
	}
	return n
}

func capped(n, certainty int) int {
	if certainty > 0 {
		return n * certainty / 100
	}
	return n
}

func base(r *reading, c candidate) int {
	if c.n == 0 {
		return wordlessBase
	}
	worst := inHead
	for _, m := range c.mentions() {
		worst = max(worst, r.mentions[m].place)
	}
	switch worst {
	case inHead, inQualifier:
		return namedBase
	case inTechnicalName:
		return technicalBase
	default:
		return describedBase
	}
}

// namedWords is how many words of the name the rule's own words are.
func namedWords(r *reading, c candidate) int {
	n := 0
	for _, m := range c.mentions() {
		if r.mentions[m].place <= inQualifier {
			n += r.mentions[m].words()
		}
	}
	return n
}

// doubt is what another answer costs that came near.
func doubt(d *derivation) int {
	best := d.fitting[0]
	for _, c := range d.fitting[1:] {
		if c.rule.tier == best.rule.tier && c.rule.personal == best.rule.personal {
			continue
		}
		switch margin := best.points - c.points; {
		case margin <= nearTwinMargin:
			return nearTwinCosts
		case margin <= nearMargin:
			return nearCosts
		default:
			return 0
		}
	}
	return 0
}

// coverage is the part of the name's words that stand in a phrase of the policy, in percent. Numbers count as known.
func (r *reading) coverage() int {
	total, known := 0, 0
	for i, t := range r.tokens {
		if t.place > inQualifier {
			break
		}
		total++
		if '0' <= t.text[0] && t.text[0] <= '9' || r.covers(i) {
			known++
		}
	}
	if total == 0 {
		return 0
	}
	return 100 * known / total
}

func (r *reading) covers(i int) bool {
	for _, m := range r.mentions {
		if m.start <= i && i < m.end {
			return true
		}
	}
	return false
}
