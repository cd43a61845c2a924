package rules

import "slices"

// candidate is a rule beside a reading.
type candidate struct {
	rule    *rule
	footing footing
	points  int
	// hits are the mentions that the rule's words matched.
	hits [4]int
	n    int
	// miss is the condition that does not hold.
	miss miss
}

// footing is where a rule's words stand.
type footing uint8

const (
	wordless footing = iota
	besideNames
	inNames
)

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

// better orders candidates: those with words in the names before those with words beside them, and rules without
// words last; then more points first; of equals the one that protects more, then the one that stands first in the
// file.
func better(a, b candidate) int {
	switch {
	case a.footing != b.footing:
		return int(b.footing) - int(a.footing)
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

// guessed reports that a description speaks for the candidate, or a table for its words. That is too little to change
// what a name has decided.
func (c *candidate) guessed(r *reading) bool {
	if c.rule.of != 0 && r.partyGuessed() {
		return true
	}
	return slices.ContainsFunc(c.mentions(), func(i int) bool { return r.mentions[i].place >= inDescription })
}

// judge holds a rule beside a reading and counts its points.
func judge(r *rule, rd *reading) candidate {
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
	switch {
	case c.rule.yields:
		// its words stand for a kind of value, as those of facets do
	case named > 0:
		c.footing = inNames
	case described > 0:
		c.footing = besideNames
	}
	return weak, true
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
