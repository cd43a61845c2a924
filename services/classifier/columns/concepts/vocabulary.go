package concepts

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

//go:embed concepts.txt
var concepts string

// Default returns the vocabulary that is embedded in the program. It is parsed once and shared: Default panics if the
// embedded file has a mistake, which the tests of this package find first.
func Default() *Vocabulary { return parseDefault() }

var parseDefault = sync.OnceValue(func() *Vocabulary {
	v, err := parseVocabulary(concepts)
	if err != nil {
		panic(err)
	}
	return v
})

// Vocabulary is the parsed concepts.txt. A term is a word, or the first phrase of a "same" line for all its phrases.
// The parts may be read but not changed, so a vocabulary is safe for concurrent use.
type Vocabulary struct {
	// Organisation is the vocabulary of an organisation, or nil.
	Organisation *words.Vocabulary

	// Related has, by term, those that may stand for it.
	Related map[string][]Relation
	// Groups has, by term, the numbers of the "against" lines that have it.
	Groups map[string][]int
	// Kinds has, by term, the kind of value that it announces.
	Kinds map[string]Announcement
	// Assumed are terms that a name may omit, and Omitted those that the names of systems often leave out.
	Assumed, Omitted map[string]bool
	// Alters are terms that turn a thing into something else: a waived fee is no fee.
	Alters map[string]bool
	// Weak are terms that mean little by themselves. Keys are those of them that matter in the name of an identifier.
	Weak, Keys map[string]bool
	// External are numbers that others assign.
	External map[string]bool

	neutral map[string]bool // terms of columns that carry no meaning
	guarded map[int]bool    // the "against" lines with a term that is meant if a name has none of them
	next    map[step]int    // a trie of phrases: node and word to node
	phrases map[int]string
}

type step struct {
	node int
	word string
}

// Relation is a term that may stand for another, to a degree between 0 and 1.
type Relation struct {
	Term   string
	Degree float64
}

// Announcement is the kind of value that a term announces. A strong one decides over the others of the name.
type Announcement struct {
	Kind   Kind
	Strong bool
}

// With returns the vocabulary for an organisation, which may be nil.
func (v *Vocabulary) With(organisation *words.Vocabulary) *Vocabulary {
	if organisation == nil {
		return v
	}
	own := *v
	own.Organisation = organisation
	return &own
}

// Terms appends the terms of a text to dst: its words without stop words, with each known phrase as one term.
func (v *Vocabulary) Terms(dst []string, text string) []string {
	var buffer [48]string
	ws := slices.DeleteFunc(v.Organisation.Append(buffer[:0], text), IsStopWord)
	for len(ws) > 0 {
		term, used := v.longest(ws)
		if term != "as" && term != "to" { // which mean something only in a phrase
			dst = append(dst, term)
		}
		ws = ws[used:]
	}
	return dst
}

// Meaningful removes neutral terms from those of a name, unless nothing would be left.
func (v *Vocabulary) Meaningful(terms []string) []string {
	isNeutral := func(term string) bool { return v.neutral[term] }
	if !slices.ContainsFunc(terms, func(term string) bool { return !isNeutral(term) }) {
		return terms
	}
	return slices.DeleteFunc(terms, isNeutral)
}

// OriginalWords returns the words of a text that were read as a term, or the term if the text does not have it.
func (v *Vocabulary) OriginalWords(text, term string) string {
	ws := slices.DeleteFunc(v.Organisation.Split(text), IsStopWord)
	for len(ws) > 0 {
		read, used := v.longest(ws)
		if read == term {
			return strings.Join(ws[:used], " ")
		}
		ws = ws[used:]
	}
	return term
}

// longest returns the term of the longest phrase that ws begins with, or its first word, and the number of words.
func (v *Vocabulary) longest(ws []string) (term string, used int) {
	term, used = ws[0], 1
	node := 0
	for i, w := range ws {
		child, ok := v.next[step{node, w}]
		if !ok {
			break
		}
		node = child
		if phrase, ok := v.phrases[node]; ok {
			term, used = phrase, i+1
		}
	}
	return term, used
}

// IsStopWord reports whether a word has no meaning of its own.
func IsStopWord(word string) bool {
	switch word {
	case "a", "all", "an", "and", "any", "are", "at", "be", "been", "by", "during", "each", "for", "from",
		"has", "have", "if", "in", "into", "is", "it", "its", "of", "on", "or", "per", "that", "the",
		"their", "these", "this", "was", "were", "where", "whether", "which", "who", "whose", "will",
		"with", "within", "i", "t", "not", "e", "g", "s":
		return true
	default:
		return false
	}
}

// OpposesAssumed reports whether a term is in a line with another one that is meant if a name has neither.
func (v *Vocabulary) OpposesAssumed(term string) bool {
	return !v.Assumed[term] && slices.ContainsFunc(v.Groups[term], func(group int) bool { return v.guarded[group] })
}

// KindOf returns the kind of value of a name with these terms and this declared type. The type takes precedence over
// the words: a "balance" of one digit is no amount. Certain is true if the kind is more than a guess: a date or a
// boolean by its type, or the kind that a strong word announces.
func (v *Vocabulary) KindOf(terms []string, t datatype.Type) (k Kind, certain bool) {
	announced, strong := v.AnnouncedKind(terms)
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return KindDate, true
	case datatype.Boolean:
		return KindFlag, true
	case datatype.Binary:
		return KindBinary, true
	case datatype.Number:
		k = ofNumber(announced, t)
	case datatype.Text:
		k = ofText(announced, t.Length)
	case datatype.Document:
		return KindText, true
	case datatype.Unknown:
		k = announced
	}
	return k, strong && k == announced
}

// AnnouncedKind returns the kind that the terms announce: the last strong one, or else the last one.
func (v *Vocabulary) AnnouncedKind(terms []string) (k Kind, certain bool) {
	weak, strong := KindAny, KindAny
	for i, term := range terms {
		a, ok := v.Kinds[term]
		switch {
		case !ok:
		case term == "number" && i == 0 && len(terms) > 1: // number of payments
			weak = KindCount
		case a.Strong:
			strong = a.Kind
		default:
			weak = a.Kind
		}
	}
	if strong != KindAny {
		return strong, true
	}
	return weak, false
}

// parseVocabulary reads the format that concepts.txt describes.
func parseVocabulary(text string) (*Vocabulary, error) {
	v := &Vocabulary{
		next: map[step]int{}, phrases: map[int]string{}, Related: map[string][]Relation{}, Groups: map[string][]int{},
		Assumed: map[string]bool{}, guarded: map[int]bool{}, Alters: map[string]bool{}, Weak: map[string]bool{},
		Keys: map[string]bool{}, Omitted: map[string]bool{}, neutral: map[string]bool{}, External: map[string]bool{},
		Kinds: map[string]Announcement{},
	}
	// All phrases are added first, because the other lines are split into terms by them.
	for _, pass := range []func(head, rest string) error{v.addSame, v.addPhrases, v.addLine} {
		number := 0
		for line := range strings.Lines(text) {
			number++
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			head, rest, _ := strings.Cut(line, ":")
			if err := pass(head, rest); err != nil {
				return nil, fmt.Errorf("concepts line %d: %w", number, err)
			}
		}
	}
	return v, nil
}

// addSame makes the phrases of a "same" line one term, its first phrase.
func (v *Vocabulary) addSame(head, rest string) error {
	if head != "same" {
		return nil
	}
	first, _, _ := strings.Cut(rest, "=")
	first = strings.TrimSpace(first)
	for phrase := range strings.SplitSeq(rest, "=") {
		other, err := v.addPhrase(phrase, first)
		if err != nil {
			return err
		}
		if other != first {
			return fmt.Errorf("%q is the same as both %q and %q", strings.TrimSpace(phrase), other, first)
		}
	}
	return nil
}

// addPhrases adds the phrases of the other lines as terms.
func (v *Vocabulary) addPhrases(head, rest string) error {
	if head == "same" {
		return nil
	}
	for _, phrase := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("=|,()[]", r) }) {
		if phrase = strings.TrimSpace(phrase); strings.Contains(phrase, " ") {
			if _, err := v.addPhrase(phrase, phrase); err != nil {
				return err
			}
		}
	}
	return nil
}

// addPhrase adds a phrase for a term. It returns the term, or the previous one if the phrase was known.
func (v *Vocabulary) addPhrase(phrase, term string) (string, error) {
	ws := slices.DeleteFunc(words.Split(phrase), IsStopWord)
	written := strings.TrimSpace(phrase)
	if len(ws) == 0 || len(ws) == 1 && strings.Contains(written, " ") && len(words.Split(phrase)) > 1 {
		return "", fmt.Errorf("%q has too few words apart from stop words", written)
	}
	node := 0
	for _, w := range ws {
		child, ok := v.next[step{node, w}]
		if !ok {
			child = len(v.next) + 1
			v.next[step{node, w}] = child
		}
		node = child
	}
	if known, ok := v.phrases[node]; ok {
		return known, nil
	}
	v.phrases[node] = term
	return term, nil
}

func (v *Vocabulary) addLine(head, rest string) error {
	fields := strings.Fields(head)
	switch fields[0] {
	case "same":
		return nil
	case "near":
		return v.addNear(fields[1:], rest)
	case "against":
		return v.addAgainst(rest)
	case "alters":
		return v.each(rest, ",", func(term string) { v.Alters[term] = true })
	case "external":
		return v.each(rest, ",", func(term string) { v.External[term] = true })
	case "omitted":
		return v.each(rest, ",", func(term string) { v.Omitted[term] = true })
	case "neutral":
		return v.each(rest, ",", func(term string) { v.neutral[term] = true })
	case "weak":
		return v.each(rest, ",", func(term string) { v.Weak[term] = true })
	case "key":
		return v.each(rest, ",", func(term string) { v.Keys[term] = true })
	case "kind":
		return v.addKind(fields[1:], rest)
	default:
		return fmt.Errorf("unknown line %q", head)
	}
}

// each calls add with the term of every part of the list. It returns an error if a part is not one term.
func (v *Vocabulary) each(list, separator string, add func(term string)) error {
	for part := range strings.SplitSeq(list, separator) {
		terms := v.Terms(nil, part)
		if len(terms) != 1 {
			return fmt.Errorf("%q is not one term but %q", strings.TrimSpace(part), terms)
		}
		add(terms[0])
	}
	return nil
}

func (v *Vocabulary) addNear(degree []string, rest string) error {
	if len(degree) != 1 {
		return fmt.Errorf("near needs a degree, as in near 0.8")
	}
	d, err := strconv.ParseFloat(degree[0], 64)
	if err != nil || d <= 0 || d >= 1 {
		return fmt.Errorf("degree %q is not between 0 and 1", degree[0])
	}
	var terms []string
	if err := v.each(rest, "=", func(term string) { terms = append(terms, term) }); err != nil {
		return err
	}
	for _, a := range terms {
		for _, b := range terms {
			if a != b {
				v.Related[a] = append(v.Related[a], Relation{b, d})
			}
		}
	}
	return nil
}

func (v *Vocabulary) addAgainst(rest string) error {
	group := 1
	for _, groups := range v.Groups {
		group = max(group, slices.Max(groups)+1)
	}
	for part := range strings.SplitSeq(rest, "|") {
		part = strings.TrimSpace(part)
		meant := strings.HasPrefix(part, "(")
		assumed := meant || strings.HasPrefix(part, "[")
		if err := v.each(part, "|", func(term string) {
			v.Groups[term] = append(v.Groups[term], group)
			if assumed {
				v.Assumed[term] = true
			}
			if meant {
				v.guarded[group] = true
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vocabulary) addKind(fields []string, rest string) error {
	if len(fields) == 0 || len(fields) > 2 || len(fields) == 2 && fields[1] != "strong" {
		return fmt.Errorf("kind needs its name, and then nothing but strong")
	}
	k, ok := kindNamed(fields[0])
	if !ok {
		return fmt.Errorf("unknown kind %q", fields[0])
	}
	return v.each(rest, ",", func(term string) { v.Kinds[term] = Announcement{k, len(fields) == 2} })
}
