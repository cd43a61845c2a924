package rules

import (
	"slices"
	"strings"
)

// place is where in the input a word stands. Earlier places are better evidence.
type place uint8

const (
	// inHead is the part of the name that says what the attribute is: "Origination Credit Score" in "Origination
	// Credit Score of the Borrower".
	inHead place = iota
	// inQualifier is the rest of the name: after a dash, in brackets, after a preposition.
	inQualifier
	inTechnicalName
	inDescription
	inTable
)

func (p place) String() string {
	return [...]string{"name", "name", "technical name", "description", "table"}[p]
}

// weight is what a matching word counts for.
func (p place) weight() int { return [...]int{4, 3, 2, 1, 1}[p] }

// token is a word of the input in its normal form.
type token struct {
	text  string
	id    int32
	place place
	// start and end are where a word of the name stands in it.
	start, end int
	// segment numbers the parts of the input that phrases cannot cross.
	segment uint8
}

// says reports whether a word can mean anything to a policy.
func (t token) says() bool { return !grammatical(t.text) && (t.text[0] < '0' || t.text[0] > '9') }

// mention is a phrase of the policy found in the input: tokens[start:end].
type mention struct {
	term       term
	start, end int
	place      place
	hidden     bool
}

// insideAnother reports whether a longer phrase of the same kind covers the mention.
func (m mention) insideAnother(all []mention) bool {
	for _, other := range all {
		if other.term.kind == m.term.kind && other.start <= m.start && m.end <= other.end && other.words() > m.words() {
			return true
		}
	}
	return false
}

func (m mention) words() int { return m.end - m.start }

// weight is what the mention counts for. Only names are trusted by the word: a description mentions much that an
// attribute is not.
func (m mention) weight() int {
	switch m.place {
	case inDescription:
		return min(3, m.words())
	case inTable:
		return 1
	default:
		return m.words() * m.place.weight()
	}
}

// reading is what the policy recognises in one attribute or column.
type reading struct {
	// name is the text that the head and the qualifiers were read from.
	name     string
	tokens   []token
	mentions []mention

	facet     int // index of the facet, or -1
	facetFrom evidence
	facetAt   int // index of the mention that gave the facet, or -1
	overruled int // the facet that a word gave and the data type ruled out, or -1
	declared  string
	class     classes
	party     int // index of the party, or -1
	partyAt   int // index of the mention that gave the party, or -1
	report    *report
	marks     marks
	mdrm      string
	// numbered attributes are lines of a form; filed ones belong to a filing, whether the policy knows it or not.
	numbered, filed bool
	// filing is what the report calls itself.
	filing string
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

// coverage is the part of the name's words that stand in a phrase of the policy, in percent. Numbers and words that
// only join others do not count.
func (r *reading) coverage() int {
	total, known := 0, 0
	for i, t := range r.tokens {
		switch {
		case t.place > inQualifier:
		case r.covers(i):
			total++
			known++
		case !t.says():
		default:
			total++
		}
	}
	if total == 0 {
		return 0
	}
	return 100 * known / total
}

// covers reports whether a word stands in a phrase of the policy, other than a facet that the data type rules out.
func (r *reading) covers(i int) bool {
	return slices.ContainsFunc(r.mentions, func(m mention) bool {
		return m.start <= i && i < m.end && (m.term.kind != facetTerm || m.term.id != r.overruled)
	})
}

// unknown are the words of the name that no phrase has.
func (r *reading) unknown() []string {
	var out []string
	for i, t := range r.tokens {
		if t.place <= inQualifier && !r.covers(i) && t.says() {
			out = append(out, t.text)
		}
	}
	return out
}

// endsName reports whether nothing but fillers follows a mention up to the end of what is named. Only there a short
// text may be a number: CREDIT_LIMIT can be one, a loan product not, though loans are amounts elsewhere.
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

func (r *reading) firstOf(where place) int {
	for i, t := range r.tokens {
		if t.place == where {
			return i
		}
	}
	return -1
}

// facetGuessed reports that nothing but the data type speaks for the facet, and says little: a C2 may be a flag, but
// a state too, and a text may hold anything. A guess counts for a rule, not against one.
func (r *reading) facetGuessed() bool {
	return r.facetFrom == fromType && r.class&(codeClass|shortTextClass|textClass) != 0
}

// partyGuessed reports that only the description names the party: it mentions many whom the attribute is not about.
func (r *reading) partyGuessed() bool {
	return r.partyAt >= 0 && r.mentions[r.partyAt].place == inDescription
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

// refused is a mention that the rule wants not to be there, or -1. A word in a weaker place than the rule's own does
// not count against it.
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

// saysNothingElse reports whether a mention stands in the name and all other words there are fillers, or say what
// kind of value it is or whom it is about. Words that mean one thing by themselves mean others in company: a default
// is no default value, but a default flag tells of it.
func (r *reading) saysNothingElse(only mention) bool {
	if only.place > inQualifier {
		return false
	}
	for i, t := range r.tokens {
		inside := only.start <= i && i < only.end
		if t.place <= inQualifier && !inside && t.says() && !r.means(i, fillerTerm, facetTerm, partyTerm) {
			return false
		}
	}
	return true
}

// source returns the text of the name that the words of a mention were read from, as it stands there; the words for
// other places.
func (r *reading) source(m mention) string {
	if m.place > inQualifier {
		return r.words(m)
	}
	from, to := len(r.name), 0
	for _, t := range r.tokens[m.start:m.end] {
		from, to = min(from, t.start), max(to, t.end)
	}
	return r.name[from:to]
}

func (r *reading) words(m mention) string {
	texts := make([]string, 0, 4)
	for _, t := range r.tokens[m.start:m.end] {
		texts = append(texts, t.text)
	}
	return strings.Join(texts, " ")
}

// evidence is what a facet was read from.
type evidence uint8

const (
	fromNothing evidence = iota
	fromDescription
	fromType
	fromTechnicalName
	fromName
)

func (e evidence) String() string {
	return [...]string{"nothing", "the description", "the data type", "a word of the technical name", "a word of the name"}[e]
}

// points are what the facet counts for where a rule asks for it.
func (e evidence) points() int { return [...]int{0, 1, 2, 2, 3}[e] }

// headPoints are for what the head of the name ends with, before or with the word that says the facet: in "Interest
// Rate Swap Notional" the notional is nearer to what is meant than the rate.
const headPoints = 3

// grammatical reports whether a word only joins others, so that it is neither known nor unknown.
func grammatical(word string) bool {
	switch word {
	case "of", "the", "a", "an", "and", "or", "is", "was", "be", "been", "s":
		return true
	default:
		return preposition(word)
	}
}
