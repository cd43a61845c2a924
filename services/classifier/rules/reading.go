package rules

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// place is where in the input a word stands. Earlier places are better evidence.
type place uint8

const (
	// inHead is the part of the name that says what the attribute is: "Origination Credit Score" in "Origination Credit Score of the Borrower".
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

// What a person or a file can make longer than any real name is cut, so that no input is slow.
const (
	maxName        = 300
	maxDescription = 400
)

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

// mention is a phrase of the policy found in the input: tokens[start:end].
type mention struct {
	term       term
	start, end int
	place      place
	hidden     bool
}

func (m mention) words() int { return m.end - m.start }

// weight is what the mention counts for. Only names are trusted by the word: a description mentions much that an attribute is not.
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

func (p *Policy) read(in Input) *reading {
	a := in.Attribute
	r := &reading{
		name: cutLong(a.AttributeName, maxName), facet: -1, facetAt: -1, overruled: -1, party: -1, partyAt: -1,
		declared: strings.TrimSpace(a.DataType), class: classOf(a.DataType), mdrm: strings.TrimSpace(a.MDRM), marks: marksOf(a),
		tokens: make([]token, 0, 32), mentions: make([]mention, 0, 32),
	}
	r.report = p.matchReport(in.Report, r.mdrm)
	r.numbered = strings.TrimSpace(a.LineItemNumber) != ""
	r.filing = strings.TrimSpace(cutLong(in.Report, maxName))
	r.filed = r.report != nil || r.mdrm != "" || r.numbered || r.filing != "" && in.Table == ""
	p.readName(r)
	p.readText(r, cutLong(a.TechnicalLineItemName, maxName), inTechnicalName)
	p.readText(r, cutLong(a.Description, maxDescription), inDescription)
	p.readText(r, cutLong(in.Table, maxName), inTable)
	r.mentions = slices.DeleteFunc(r.mentions, func(m mention) bool { return m.term.alone && !r.saysNothingElse(m) })
	p.findFacet(r)
	p.findParty(r)
	return r
}

// saysNothingElse reports whether a mention stands in the name and all other words there are fillers, or say what kind of value it is or whom
// it is about. Words that mean one thing by themselves mean others in company: a default is no default value, but a default flag tells of it.
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

func marksOf(a schema.Attribute) marks {
	var m marks
	if a.IsPrimaryKey {
		m |= primaryKey
	}
	if a.IsCDE {
		m |= criticalElement
	}
	if a.IsMandatory {
		m |= mandatory
	}
	return m
}

// readName reads the name segment by segment: the first is the head up to its first preposition, all else qualifies it.
func (p *Policy) readName(r *reading) {
	segment := uint8(0)
	for start, part := range segments(r.name) {
		from := len(r.tokens)
		p.tokenizeName(r, part, start, segment)
		to := len(r.tokens)
		if from == to {
			continue
		}
		first := len(r.mentions)
		r.mentions = p.lexicon.find(r.mentions, r.tokens, from, to)
		if segment == 0 {
			end := headEnd(r.tokens[from:to], r.mentions[first:], from)
			for i := from; i < from+end; i++ {
				r.tokens[i].place = inHead
			}
		}
		for i := first; i < len(r.mentions); i++ {
			r.mentions[i].place = r.tokens[r.mentions[i].start].place
		}
		segment++
	}
}

// readText reads a text that is one segment.
func (p *Policy) readText(r *reading, text string, where place) {
	from, first := len(r.tokens), len(r.mentions)
	p.tokenize(r, text, where, 0)
	r.mentions = p.lexicon.find(r.mentions, r.tokens, from, len(r.tokens))
	for i := first; i < len(r.mentions); i++ {
		r.mentions[i].place = where
	}
}

func (p *Policy) tokenize(r *reading, text string, where place, segment uint8) {
	var buffer [24]string
	for _, word := range words.Append(buffer[:0], text) {
		r.tokens = append(r.tokens, token{text: word, id: p.lexicon.id(word), place: where, segment: segment})
	}
}

// tokenizeName reads a part of the name that starts at an offset.
func (p *Policy) tokenizeName(r *reading, part string, offset int, segment uint8) {
	var buffer [24]words.Located
	for _, w := range words.Locate(buffer[:0], part) {
		r.tokens = append(r.tokens, token{
			text: w.Text, id: p.lexicon.id(w.Text), place: inQualifier, segment: segment, start: offset + w.Start, end: offset + w.End,
		})
	}
}

// segments cuts a name at brackets, dashes between words, colons, semicolons and commas. It yields the parts with their places.
func segments(name string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		start := 0
		for i, r := range name {
			if i < start || !separates(name, i, r) {
				continue
			}
			if !yield(start, name[start:i]) {
				return
			}
			start = i + utf8.RuneLen(r)
		}
		yield(start, name[start:])
	}
}

func separates(name string, i int, r rune) bool {
	switch r {
	case '(', ')', '[', ']', '{', '}', ':', ';', ',', '—':
		return true
	case '-', '–':
		before := i == 0 || name[i-1] == ' '
		next := i + utf8.RuneLen(r)
		after := next == len(name) || name[next] == ' '
		return before || after
	default:
		return false
	}
}

// preposition reports whether a word ends the head of a name: what follows tells more about the thing named. "of" does not: a number of
// accounts is about accounts.
func preposition(word string) bool {
	switch word {
	case "for", "at", "in", "on", "by", "from", "to", "with", "under", "as", "during", "per", "since", "after", "before", "when", "if", "whether",
		"that", "which", "who", "through", "until", "between", "within", "against", "upon", "where", "over":
		return true
	default:
		return false
	}
}

// grammatical reports whether a word only joins others, so that it is neither known nor unknown.
func grammatical(word string) bool {
	switch word {
	case "of", "the", "a", "an", "and", "or", "is", "was", "be", "been", "s":
		return true
	default:
		return preposition(word)
	}
}

// headEnd is the number of words of the first segment that are its head. A preposition inside a phrase of the policy ("loan to value") ends
// nothing, nor does one that the name begins with.
func headEnd(tokens []token, mentions []mention, offset int) int {
	for i, t := range tokens {
		if i == 0 || !preposition(t.text) {
			continue
		}
		inside := slices.ContainsFunc(mentions, func(m mention) bool { return m.start <= offset+i && offset+i < m.end && m.words() > 1 })
		if !inside {
			return i
		}
	}
	return len(tokens)
}

// cutLong cuts a text that is longer than any real one, between two runes.
func cutLong(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// source returns the text of the name that the words of a mention were read from, as it stands there; the words for other places.
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
