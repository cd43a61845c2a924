package columns

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

// knowledge is the embedded vocabulary, read once. A mistake in it is a mistake in this package and its tests read it
// first.
var knowledge = sync.OnceValue(func() *vocabulary {
	v, err := parseVocabulary(concepts)
	if err != nil {
		panic(err)
	}
	return v
})

// vocabulary is what is known of words and phrases beyond any schema. A term is a word or the first phrase of a
// "same" line.
type vocabulary struct {
	next    map[step]int // a trie of phrases: node and word to node
	phrases map[int]string

	related map[string][]relation
	groups  map[string][]int // the "against" lines that a term stands in
	assumed map[string]bool  // what may be left unsaid
	guarded map[int]bool     // the "against" lines where silence means one of them
	alters  map[string]bool
	weak    map[string]bool
	keys    map[string]bool
	kinds   map[string]announcement
}

type step struct {
	node int
	word string
}

type relation struct {
	term   string
	degree float64
}

type announcement struct {
	kind   kind
	strong bool
}

// terms appends the terms of a text to dst: its words, with phrases that say one thing made one and what carries no
// meaning left out.
func (v *vocabulary) terms(dst []string, text string) []string {
	var buffer [48]string
	ws := slices.DeleteFunc(words.Append(buffer[:0], text), empty)
	for len(ws) > 0 {
		term, used := v.longest(ws)
		if term != "as" && term != "to" { // which mean something only in a phrase
			dst = append(dst, term)
		}
		ws = ws[used:]
	}
	return dst
}

// surface gives the words of a text that a term was read from; the term where the text does not say it.
func (v *vocabulary) surface(text, term string) string {
	ws := slices.DeleteFunc(words.Split(text), empty)
	for len(ws) > 0 {
		said, used := v.longest(ws)
		if said == term {
			return strings.Join(ws[:used], " ")
		}
		ws = ws[used:]
	}
	return term
}

// longest is the longest phrase that ws starts with, or its first word.
func (v *vocabulary) longest(ws []string) (term string, used int) {
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

// empty reports whether a word only holds a sentence together.
func empty(word string) bool {
	switch word {
	case "a", "all", "an", "and", "any", "are", "at", "be", "been", "by", "during", "each", "for", "from", "has", "have", "if",
		"in", "into", "is", "it", "its", "of", "on", "or", "per", "that", "the", "their", "these", "this", "was", "were", "where", "whether", "which", "who",
		"whose", "will", "with", "within", "i", "t", "not", "e", "g", "s":
		return true
	default:
		return false
	}
}

// besidesAssumed reports whether a term stands beside another that is meant where a name says nothing.
func (v *vocabulary) besidesAssumed(term string) bool {
	return !v.assumed[term] && slices.ContainsFunc(v.groups[term], func(group int) bool { return v.guarded[group] })
}

// kindOf returns the sort of value that a name with these terms and this declared type has. The type outranks the
// words: a thing called a balance that has one digit is no amount.
func (v *vocabulary) kindOf(terms []string, t datatype.Type) kind {
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return dateKind
	case datatype.Boolean:
		return flagKind
	case datatype.Binary:
		return binaryKind
	case datatype.Number:
		return ofNumber(v.announcedKind(terms), t)
	case datatype.Text:
		return ofText(v.announcedKind(terms), t.Length)
	case datatype.Unknown:
	}
	return v.announcedKind(terms)
}

// announcedKind is the kind that the words announce: the last strong one, else the last one.
func (v *vocabulary) announcedKind(terms []string) kind {
	weak, strong := anyKind, anyKind
	for i, term := range terms {
		a, ok := v.kinds[term]
		switch {
		case !ok:
		case term == "number" && i == 0 && len(terms) > 1: // number of payments
			weak = countKind
		case a.strong:
			strong = a.kind
		default:
			weak = a.kind
		}
	}
	if strong != anyKind {
		return strong
	}
	return weak
}

// parseVocabulary reads the format that concepts.txt describes.
func parseVocabulary(text string) (*vocabulary, error) {
	v := &vocabulary{
		next: map[step]int{}, phrases: map[int]string{}, related: map[string][]relation{}, groups: map[string][]int{},
		assumed: map[string]bool{}, guarded: map[int]bool{}, alters: map[string]bool{}, weak: map[string]bool{},
		keys: map[string]bool{}, kinds: map[string]announcement{},
	}
	// Phrases first: every other line is read by them, and what it says in several words is a phrase too.
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
func (v *vocabulary) addSame(head, rest string) error {
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

// addPhrases makes terms of what the other lines say in several words.
func (v *vocabulary) addPhrases(head, rest string) error {
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

// addPhrase makes a phrase stand for a term and returns the term, which is another one where the phrase was known.
func (v *vocabulary) addPhrase(phrase, term string) (string, error) {
	ws := slices.DeleteFunc(words.Split(phrase), empty)
	if len(ws) == 0 || len(ws) == 1 && strings.Contains(strings.TrimSpace(phrase), " ") && len(words.Split(phrase)) > 1 {
		return "", fmt.Errorf("%q says nothing, or one word only", strings.TrimSpace(phrase))
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

func (v *vocabulary) addLine(head, rest string) error {
	fields := strings.Fields(head)
	switch fields[0] {
	case "same":
		return nil
	case "near":
		return v.addNear(fields[1:], rest)
	case "against":
		return v.addAgainst(rest)
	case "alters":
		return v.each(rest, ",", func(term string) { v.alters[term] = true })
	case "weak":
		return v.each(rest, ",", func(term string) { v.weak[term] = true })
	case "key":
		return v.each(rest, ",", func(term string) { v.keys[term] = true })
	case "kind":
		return v.addKind(fields[1:], rest)
	default:
		return fmt.Errorf("unknown line %q", head)
	}
}

// each calls add with the term of every part of list.
func (v *vocabulary) each(list, separator string, add func(term string)) error {
	for part := range strings.SplitSeq(list, separator) {
		terms := v.terms(nil, part)
		if len(terms) != 1 {
			return fmt.Errorf("%q is not one term but %q", strings.TrimSpace(part), terms)
		}
		add(terms[0])
	}
	return nil
}

func (v *vocabulary) addNear(degree []string, rest string) error {
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
				v.related[a] = append(v.related[a], relation{b, d})
			}
		}
	}
	return nil
}

func (v *vocabulary) addAgainst(rest string) error {
	group := 1
	for _, groups := range v.groups {
		group = max(group, slices.Max(groups)+1)
	}
	for part := range strings.SplitSeq(rest, "|") {
		part = strings.TrimSpace(part)
		meant := strings.HasPrefix(part, "(")
		assumed := meant || strings.HasPrefix(part, "[")
		if err := v.each(part, "|", func(term string) {
			v.groups[term] = append(v.groups[term], group)
			if assumed {
				v.assumed[term] = true
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

func (v *vocabulary) addKind(fields []string, rest string) error {
	if len(fields) == 0 || len(fields) > 2 || len(fields) == 2 && fields[1] != "strong" {
		return fmt.Errorf("kind needs its name, and then nothing but strong")
	}
	k, ok := kindNamed(fields[0])
	if !ok {
		return fmt.Errorf("unknown kind %q", fields[0])
	}
	return v.each(rest, ",", func(term string) { v.kinds[term] = announcement{k, len(fields) == 2} })
}
