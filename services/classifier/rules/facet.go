package rules

import (
	"slices"
	"strings"
)

// findFacet decides what the attribute says of its subject. A word of the name decides, unless the data type rules it
// out; then what stands beside the head of the name; then the technical name; then the type; then the description.
func findFacet(p *Policy, r *reading) {
	if at := leadingFacet(p, r); at >= 0 {
		r.facet, r.facetAt, r.facetFrom = r.mentions[at].term.id, at, fromName
		return
	}
	named := namedFacet(r)
	beside := lastFacet(r, func(t token) bool { return t.place == inQualifier && t.segment > 0 })
	technical := lastFacet(r, func(t token) bool { return t.place == inTechnicalName })
	for _, candidate := range []struct {
		at   int
		from evidence
	}{{named, fromName}, {beside, fromName}, {technical, fromTechnicalName}} {
		if candidate.at < 0 {
			continue
		}
		id := r.mentions[candidate.at].term.id
		f := &p.facets[id]
		if f.allows(r.class) && (r.class != shortTextClass || f.types == 0 || f.types&textClass != 0 || r.endsName(candidate.at)) {
			r.facet, r.facetAt, r.facetFrom = id, candidate.at, candidate.from
			return
		}
		if r.overruled < 0 {
			r.overruled = id
		}
	}
	for id := range p.facets {
		if p.facets[id].impliedBy&r.class != 0 {
			r.facet, r.facetFrom = id, fromType
			return
		}
	}
	describedFacet(r)
}

// leadingFacet is the mention at the beginning of the name that decides the facet by itself ("IS_ACTIVE",
// "FLAG_PHONE"), or -1.
func leadingFacet(p *Policy, r *reading) int {
	for i, m := range r.mentions {
		if m.start > 0 || m.place > inQualifier {
			break
		}
		if m.term.kind == facetTerm && m.end < len(r.tokens) && r.tokens[m.end].place <= inQualifier {
			f := &p.facets[m.term.id]
			if f.allows(r.class) && slices.Contains(f.begins, r.tokens[0].text) {
				return i
			}
		}
	}
	return -1
}

// namedFacet is the mention in the name that says its facet, or -1. What follows a dash says it last ("Status -
// Closed Date"); else the last such word of the head does ("Credit Score Refresh Date"); else the name's last word,
// or a word in brackets.
func namedFacet(r *reading) int {
	last := lastNamed(r)
	if last < 0 {
		return -1
	}
	if t := r.tokens[last]; t.segment > 0 && dashed(r) {
		if at := facetEndingAt(r, last); at >= 0 {
			return at
		}
	}
	of := -1
	for i, t := range r.tokens {
		if t.place == inHead && t.text == "of" {
			of = i
			break
		}
	}
	if of > 0 {
		if at := lastFacetBefore(r, of); at >= 0 {
			return at
		}
	}
	if at := lastFacet(r, func(t token) bool { return t.place == inHead }); at >= 0 {
		return at
	}
	if at := facetEndingAt(r, lastOfFirstSegment(r)); at >= 0 {
		return at
	}
	return lastFacet(r, func(t token) bool { return t.place == inQualifier && t.segment > 0 })
}

// dashed reports whether the name ends with a part that stands after a dash or colon, and not in brackets.
func dashed(r *reading) bool {
	text := strings.TrimSpace(r.name)
	return !strings.HasSuffix(text, ")") && !strings.HasSuffix(text, "]")
}

func lastNamed(r *reading) int {
	last := -1
	for i, t := range r.tokens {
		if t.place <= inQualifier {
			last = i
		}
	}
	return last
}

func lastOfFirstSegment(r *reading) int {
	last := -1
	for i, t := range r.tokens {
		if t.place <= inQualifier && t.segment == 0 {
			last = i
		}
	}
	return last
}

// facetEndingAt is the facet mention whose last word is the given one, or -1.
func facetEndingAt(r *reading, last int) int {
	for i, m := range r.mentions {
		if m.term.kind == facetTerm && m.end == last+1 {
			return i
		}
	}
	return -1
}

// lastFacetBefore is the last facet mention of the head that begins before the word "of"; it may reach over it
// ("number of").
func lastFacetBefore(r *reading, of int) int {
	found := -1
	for i, m := range r.mentions {
		if m.term.kind == facetTerm && m.place == inHead && m.start < of {
			found = i
		}
	}
	return found
}

func lastFacet(r *reading, where func(token) bool) int {
	found := -1
	for i, m := range r.mentions {
		if m.term.kind == facetTerm && where(r.tokens[m.end-1]) && (found < 0 || m.end >= r.mentions[found].end) {
			found = i
		}
	}
	return found
}

// describedWords is how far into a description its subject is looked for.
const describedWords = 8

// describedFacet takes the first facet that the description names: "Date on which ...", "Number of ...".
func describedFacet(r *reading) {
	start := -1
	for i, m := range r.mentions {
		if m.place != inDescription {
			continue
		}
		if start < 0 {
			start = r.firstOf(inDescription)
		}
		if m.term.kind == facetTerm && m.start < start+describedWords {
			r.facet, r.facetAt, r.facetFrom = m.term.id, i, fromDescription
			return
		}
	}
}

// findParty decides whom the attribute is about: the last party in the head of the name, else the first elsewhere,
// else whom the report is about.
func findParty(p *Policy, r *reading) {
	for where := inHead; where <= inTable && r.partyAt < 0; where++ {
		for i, m := range r.mentions {
			if m.term.kind != partyTerm || m.place != where {
				continue
			}
			r.party, r.partyAt = m.term.id, i
			if where != inHead {
				break
			}
		}
	}
	if r.partyAt < 0 && r.report != nil {
		r.party = r.report.party
	}
}
