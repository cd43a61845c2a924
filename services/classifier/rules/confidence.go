package rules

// Confidence is counted, not learned: every number here is a judgement, held against the labelled rows in testdata by
// the tests. An answer on which nothing speaks starts at silent; a rule starts at the base of the weakest place that
// its words stand in.
const (
	silent         = 10
	wordlessBase   = 22
	describedBase  = 28
	technicalBase  = 40
	namedBase      = 50
	perWord        = 3
	wordsAtMost    = 12
	perFacetPoint  = 3
	typeAgrees     = 4
	coverageAtMost = 24
	overruledCosts = 10
	nearTwinCosts  = 14
	nearCosts      = 6
	nearTwinMargin = 2
	nearMargin     = 5
	leastOfARule   = 12
	mostEver       = 97
)

// part is one reason for more or less confidence.
type part struct {
	points int
	why    string
}

// confidence counts the evidence for the best rule. The parts go to an explanation; certainty is the percentage that
// the policy itself puts on the rule and the refinements.
func confidence(p *Policy, d *derivation) (total int, parts []part, certainty int) {
	if len(d.fitting) == 0 {
		return silent, []part{{silent, "no rule speaks"}}, 100
	}
	r, best := d.reading, d.fitting[0]
	parts = make([]part, 0, 8)
	parts = append(parts, base(r, best))
	if words := namedWords(r, best); words > 0 {
		parts = append(parts, part{min(wordsAtMost, perWord*words), "for the words of the name that it names"})
	}
	if points := r.facetFrom.points(); points > 0 && (best.rule.says != 0 || best.rule.saysNot != 0) {
		parts = append(parts, part{perFacetPoint * points, "for " + r.facetFrom.String() + " that says what the value is"})
	}
	if r.class != 0 && r.facetFrom == fromName {
		parts = append(parts, part{typeAgrees, "for a data type that agrees with it"})
	}
	parts = append(parts, part{coverageAtMost * d.covered / 100, "for the share of the name's words that the policy knows"})
	if r.overruled >= 0 {
		parts = append(parts, part{-overruledCosts, "for a word that the data type rules out"})
	}
	if cost := doubt(d); cost > 0 {
		parts = append(parts, part{-cost, "for another answer that comes near"})
	}
	for _, one := range parts {
		total += one.points
	}
	total = max(leastOfARule, min(mostEver, total))
	certainty = d.certainty()
	return total * certainty / 100, parts, certainty
}

func base(r *reading, c candidate) part {
	if c.footing == wordless {
		return part{wordlessBase, "for a rule that knows only the kind of value"}
	}
	worst := inHead
	for _, m := range c.mentions() {
		worst = max(worst, r.mentions[m].place)
	}
	if c.rule.of != 0 && r.partyGuessed() {
		worst = inDescription
	}
	switch worst {
	case inHead, inQualifier:
		return part{namedBase, "for words in the name"}
	case inTechnicalName:
		return part{technicalBase, "for words in the technical name"}
	default:
		return part{describedBase, "for words outside the names"}
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
