package rules

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// What a person or a file can make longer than any real name is cut, so that no input is slow.
const (
	maxName        = 300
	maxDescription = 400
)

func read(p *Policy, in Input) *reading {
	a := in.Attribute
	r := &reading{
		name: cutLong(a.AttributeName, maxName), facet: -1, facetAt: -1, overruled: -1, party: -1, partyAt: -1,
		declared: strings.TrimSpace(a.DataType), class: classOf(a.DataType), mdrm: strings.TrimSpace(a.MDRM), marks: marksOf(a),
		tokens: make([]token, 0, 32), mentions: make([]mention, 0, 32),
	}
	r.report = matchReport(p, in.Report, r.mdrm)
	r.numbered = strings.TrimSpace(a.LineItemNumber) != ""
	r.filing = strings.TrimSpace(cutLong(in.Report, maxName))
	r.filed = r.report != nil || r.mdrm != "" || r.numbered || r.filing != "" && in.Table == ""
	readName(p, r)
	readText(p, r, cutLong(a.TechnicalLineItemName, maxName), inTechnicalName)
	readText(p, r, cutLong(a.Description, maxDescription), inDescription)
	readText(p, r, cutLong(in.Table, maxName), inTable)
	r.mentions = slices.DeleteFunc(r.mentions, func(m mention) bool { return m.term.alone && !r.saysNothingElse(m) })
	findFacet(p, r)
	findParty(p, r)
	return r
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
func readName(p *Policy, r *reading) {
	segment := uint8(0)
	for start, part := range segments(r.name) {
		from := len(r.tokens)
		tokenizeName(p, r, part, start, segment)
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
func readText(p *Policy, r *reading, text string, where place) {
	from, first := len(r.tokens), len(r.mentions)
	tokenize(p, r, text, where, 0)
	r.mentions = p.lexicon.find(r.mentions, r.tokens, from, len(r.tokens))
	for i := first; i < len(r.mentions); i++ {
		r.mentions[i].place = where
	}
}

func tokenize(p *Policy, r *reading, text string, where place, segment uint8) {
	var buffer [24]string
	for _, word := range words.Append(buffer[:0], text) {
		r.tokens = append(r.tokens, token{text: word, id: p.lexicon.id(word), place: where, segment: segment})
	}
}

// tokenizeName reads a part of the name that starts at an offset.
func tokenizeName(p *Policy, r *reading, part string, offset int, segment uint8) {
	var buffer [24]words.Located
	for _, w := range words.Locate(buffer[:0], part) {
		r.tokens = append(r.tokens, token{
			text: w.Text, id: p.lexicon.id(w.Text), place: inQualifier, segment: segment, start: offset + w.Start, end: offset + w.End,
		})
	}
}

// segments cuts a name at brackets, dashes between words, colons, semicolons and commas. It yields the parts with
// their places.
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

// preposition reports whether a word ends the head of a name: what follows tells more about the thing named. "of"
// does not: a number of accounts is about accounts.
func preposition(word string) bool {
	switch word {
	case "for", "at", "in", "on", "by", "from", "to", "with", "under", "as", "during", "per", "since", "after", "before", "when", "if", "whether",
		"that", "which", "who", "through", "until", "between", "within", "against", "upon", "where", "over":
		return true
	default:
		return false
	}
}

// headEnd is the number of words of the first segment that are its head. A preposition inside a phrase of the policy
// ("loan to value") ends nothing, nor does one that the name begins with.
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
