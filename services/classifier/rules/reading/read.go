package reading

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// The number of bytes of an input that are read.
const (
	maxName        = 300
	maxDescription = 400
)

// Input is an attribute, the name or id of the report that it is a line of, and the table that it is a column of. All
// parts are optional.
type Input struct {
	Attribute     schema.Attribute
	Report, Table string
}

// Reader reads attributes by the phrases of a policy. It is safe for concurrent use.
type Reader struct {
	policy     *policy.Policy
	phrases    phraseIndex
	vocabulary *words.Vocabulary
}

// NewReader returns a reader for a policy.
func NewReader(p *policy.Policy) *Reader { return &Reader{policy: p, phrases: indexPhrases(p.Phrases)} }

// WithVocabulary returns a reader that reads names with the vocabulary of an organisation.
func (rd *Reader) WithVocabulary(v *words.Vocabulary) *Reader {
	with := *rd
	with.vocabulary = v
	return &with
}

// Read reads an attribute. Any input can be read.
func (rd *Reader) Read(in Input) *Reading {
	a := in.Attribute
	r := &Reading{
		Name: truncate(a.AttributeName, maxName), Words: make([]Word, 0, 32), Occurrences: make([]Occurrence, 0, 32),
		Facet: -1, FacetAt: -1, Excluded: -1, Party: -1, PartyAt: -1,
		DataType: strings.TrimSpace(a.DataType), Class: classOf(a.DataType), Marks: marksOf(a),
		ReportName: strings.TrimSpace(truncate(in.Report, maxName)), MDRM: strings.TrimSpace(a.MDRM),
		Numbered: strings.TrimSpace(a.LineItemNumber) != "",
	}
	r.Report = rd.policy.Reports.Find(r.ReportName, r.MDRM)
	r.Filed = r.Report != nil || r.MDRM != "" || r.Numbered || r.ReportName != "" && in.Table == ""
	rd.readName(r)
	rd.readText(r, truncate(a.TechnicalLineItemName, maxName), InTechnicalName)
	rd.readText(r, truncate(a.Description, maxDescription), InDescription)
	rd.readText(r, truncate(in.Table, maxName), InTable)
	if in.Table != "" && !r.Filed {
		r.markColumn()
	}
	r.Occurrences = slices.DeleteFunc(r.Occurrences, func(o Occurrence) bool { return o.Term.Alone && !r.isAlone(&o) })
	facetFinder{r, rd.policy.Facets}.find()
	r.findParty()
	r.weigh()
	r.Coverage = r.coverage()
	return r
}

func marksOf(a schema.Attribute) policy.Marks {
	var m policy.Marks
	if a.IsPrimaryKey {
		m |= policy.MarkPrimaryKey
	}
	if a.IsCDE {
		m |= policy.MarkCritical
	}
	if a.IsMandatory {
		m |= policy.MarkMandatory
	}
	return m
}

// readName reads the name segment by segment. The head is the beginning of the first segment.
func (rd *Reader) readName(r *Reading) {
	segment := uint8(0)
	for start, part := range segments(r.Name) {
		from := len(r.Words)
		rd.splitName(r, part, start, segment)
		to := len(r.Words)
		if from == to {
			continue
		}
		first := len(r.Occurrences)
		r.Occurrences = rd.phrases.find(r.Occurrences, r.Words, from, to)
		if segment == 0 {
			end := headEnd(r.Words[from:to], r.Occurrences[first:], from)
			for i := from; i < from+end; i++ {
				r.Words[i].Place = InHead
			}
		}
		for i := first; i < len(r.Occurrences); i++ {
			r.Occurrences[i].Place = r.Words[r.Occurrences[i].Start].Place
		}
		segment++
	}
}

// splitName appends the words of a segment that starts at an offset of the name.
func (rd *Reader) splitName(r *Reading, part string, offset int, segment uint8) {
	var buffer [24]words.Located
	for _, w := range rd.vocabulary.Locate(buffer[:0], part) {
		r.Words = append(r.Words, Word{
			Text: w.Text, Place: InQualifier, Start: offset + w.Start, End: offset + w.End,
			id: rd.phrases.id(w.Text), segment: segment,
		})
	}
}

// readText reads a text that is a single segment.
func (rd *Reader) readText(r *Reading, text string, where Place) {
	from, first := len(r.Words), len(r.Occurrences)
	var buffer [24]string
	for _, word := range rd.vocabulary.Append(buffer[:0], text) {
		r.Words = append(r.Words, Word{Text: word, Place: where, id: rd.phrases.id(word)})
	}
	r.Occurrences = rd.phrases.find(r.Occurrences, r.Words, from, len(r.Words))
	for i := first; i < len(r.Occurrences); i++ {
		r.Occurrences[i].Place = where
	}
}

// segments cuts a name at brackets, dashes between words, colons, semicolons and commas. It yields each part with its
// offset.
func segments(name string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		start := 0
		for i, r := range name {
			if i < start || !isSeparator(name, i, r) {
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

func isSeparator(name string, i int, r rune) bool {
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

// isPreposition reports whether a word ends the head of a name. "of" does not: a number of accounts is about accounts.
func isPreposition(word string) bool {
	switch word {
	case "for",
		"at",
		"in",
		"on",
		"by",
		"from",
		"to",
		"with",
		"under",
		"as",
		"during",
		"per",
		"since",
		"after",
		"before",
		"when",
		"if",
		"whether",
		"that",
		"which",
		"who",
		"through",
		"until",
		"between",
		"within",
		"against",
		"upon",
		"where",
		"over":
		return true
	default:
		return false
	}
}

// isGrammatical reports whether a word only joins others, so that it is neither known nor unknown.
func isGrammatical(word string) bool {
	switch word {
	case "of", "the", "a", "an", "and", "or", "is", "was", "be", "been", "s":
		return true
	default:
		return isPreposition(word)
	}
}

// headEnd returns the number of words of the first segment that are its head. A preposition does not end the head if it
// begins the name or is inside a phrase of the policy ("loan to value").
func headEnd(all []Word, found []Occurrence, offset int) int {
	for i := range all {
		if i == 0 || !isPreposition(all[i].Text) {
			continue
		}
		at := offset + i
		inside := slices.ContainsFunc(
			found,
			func(o Occurrence) bool { return o.Start <= at && at < o.End && o.Len() > 1 },
		)
		if !inside {
			return i
		}
	}
	return len(all)
}

// truncate cuts a text after at most limit bytes, at the beginning of a rune.
func truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
