package rules

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// classes is a set of the sorts of data type that the policy tells apart.
type classes uint16

const (
	dateClass classes = 1 << iota
	// amountClass is a number with cents, rateClass one with more decimals or few digits before them, numberClass one without.
	amountClass
	rateClass
	numberClass
	// codeClass is too short for anything but a code or a flag.
	codeClass
	booleanClass
	// shortTextClass is text that may be a number as well: systems keep scores and rates as text. A policy that says text means both.
	shortTextClass
	textClass
	binaryClass
)

var classNames = []string{"date", "amount", "rate", "number", "code", "boolean", "short text", "text", "binary"}

func (c classes) String() string {
	var names []string
	if c&textClass != 0 {
		c &^= shortTextClass
	}
	for i, name := range classNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// Up to shortText a text may be a number, from looseText on it may hold anything, as in tables that files were loaded into; from freeText on
// it holds prose.
const shortText, looseText, freeText = 12, 60, 1000

// classOf is the class of a declared data type; 0 where it says nothing.
func classOf(declared string) classes {
	if declared == "" {
		return 0
	}
	t := datatype.Parse(declared)
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return dateClass
	case datatype.Boolean:
		return booleanClass
	case datatype.Binary:
		return binaryClass
	case datatype.Text:
		switch {
		case t.Length == 0 || looseText <= t.Length && t.Length < freeText:
			return 0
		case t.Length <= 3:
			return codeClass
		case t.Length <= shortText:
			return shortTextClass
		}
		return textClass
	case datatype.Number:
		return numberClassOf(t)
	default:
		return 0
	}
}

// wholeAmount is the number of digits from which a number without decimals is an amount in whole units.
const wholeAmount = 12

func numberClassOf(t datatype.Type) classes {
	switch {
	case t.Floating: // its decimals are not declared; no code, name or whole number is kept as one
		return rateClass | amountClass
	case t.Scale > 2, t.Scale > 0 && t.Length > 0 && t.Length <= 7:
		return rateClass
	case t.Scale > 0:
		return amountClass
	case t.Length == 1 || t.Length == 2:
		return codeClass
	case t.Length >= wholeAmount:
		return amountClass
	default:
		return numberClass
	}
}

// allows reports whether data of the class can hold the facet.
func (f *facet) allows(c classes) bool { return f.types == 0 || c == 0 || f.types&c != 0 }

// findFacet decides what the attribute says of its subject. A word of the name decides, unless the data type rules it out; then what stands
// beside the head of the name; then the technical name; then the type; then the description.
func (p *Policy) findFacet(r *reading) {
	if at := p.leadingFacet(r); at >= 0 {
		r.facet, r.facetAt, r.facetFrom = r.mentions[at].term.id, at, fromName
		return
	}
	named := r.namedFacet()
	beside := r.lastFacet(func(t token) bool { return t.place == inQualifier && t.segment > 0 })
	technical := r.lastFacet(func(t token) bool { return t.place == inTechnicalName })
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
	r.describedFacet()
}

// leadingFacet is the mention at the beginning of the name that decides the facet by itself ("IS_ACTIVE", "FLAG_PHONE"), or -1.
func (p *Policy) leadingFacet(r *reading) int {
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

// endsName reports whether nothing but fillers follows a mention up to the end of what is named. Only there a short text may be a number:
// CREDIT_LIMIT can be one, a loan product not, though loans are amounts elsewhere.
func (r *reading) endsName(at int) bool {
	m := r.mentions[at]
	for i := m.end; i < len(r.tokens); i++ {
		t := r.tokens[i]
		switch {
		case t.place != m.place || t.segment != r.tokens[m.start].segment || t.text == "of":
			return true
		case t.says() && !r.filled(i):
			return false
		}
	}
	return true
}

// filled reports whether a word is a filler.
func (r *reading) filled(i int) bool { return r.means(i, fillerTerm) }

// means reports whether a word belongs to a phrase of one of the kinds.
func (r *reading) means(i int, kinds ...termKind) bool {
	return slices.ContainsFunc(r.mentions, func(m mention) bool { return m.start <= i && i < m.end && slices.Contains(kinds, m.term.kind) })
}

// namedFacet is the mention in the name that says its facet, or -1. What follows a dash says it last ("Status - Closed Date"); else the last
// such word of the head does ("Credit Score Refresh Date"); else the name's last word, or a word in brackets.
func (r *reading) namedFacet() int {
	last := r.lastNamed()
	if last < 0 {
		return -1
	}
	if t := r.tokens[last]; t.segment > 0 && r.dashed() {
		if at := r.facetEndingAt(last); at >= 0 {
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
		if at := r.lastFacetBefore(of); at >= 0 {
			return at
		}
	}
	if at := r.lastFacet(func(t token) bool { return t.place == inHead }); at >= 0 {
		return at
	}
	if at := r.facetEndingAt(r.lastOfFirstSegment()); at >= 0 {
		return at
	}
	return r.lastFacet(func(t token) bool { return t.place == inQualifier && t.segment > 0 })
}

// dashed reports whether the name ends with a part that stands after a dash or colon, and not in brackets.
func (r *reading) dashed() bool {
	text := strings.TrimSpace(r.name)
	return !strings.HasSuffix(text, ")") && !strings.HasSuffix(text, "]")
}

func (r *reading) lastNamed() int {
	last := -1
	for i, t := range r.tokens {
		if t.place <= inQualifier {
			last = i
		}
	}
	return last
}

func (r *reading) lastOfFirstSegment() int {
	last := -1
	for i, t := range r.tokens {
		if t.place <= inQualifier && t.segment == 0 {
			last = i
		}
	}
	return last
}

// facetEndingAt is the facet mention whose last word is the given one, or -1.
func (r *reading) facetEndingAt(last int) int {
	for i, m := range r.mentions {
		if m.term.kind == facetTerm && m.end == last+1 {
			return i
		}
	}
	return -1
}

// lastFacetBefore is the last facet mention of the head that begins before the word "of"; it may reach over it ("number of").
func (r *reading) lastFacetBefore(of int) int {
	found := -1
	for i, m := range r.mentions {
		if m.term.kind == facetTerm && m.place == inHead && m.start < of {
			found = i
		}
	}
	return found
}

func (r *reading) lastFacet(where func(token) bool) int {
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
func (r *reading) describedFacet() {
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

func (r *reading) firstOf(where place) int {
	for i, t := range r.tokens {
		if t.place == where {
			return i
		}
	}
	return -1
}

// findParty decides whom the attribute is about: the last party in the head of the name, else the first elsewhere, else whom the report is about.
func (p *Policy) findParty(r *reading) {
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

// facetGuessed reports that nothing but the data type speaks for the facet, and says little: a C2 may be a flag, but a state too, and a text
// may hold anything. A guess counts for a rule, not against one.
func (r *reading) facetGuessed() bool {
	return r.facetFrom == fromType && r.class&(codeClass|shortTextClass|textClass) != 0
}

// partyGuessed reports that only the description names the party: it mentions many whom the attribute is not about.
func (r *reading) partyGuessed() bool {
	return r.partyAt >= 0 && r.mentions[r.partyAt].place == inDescription
}
