package words

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Pair is the name of an attribute and the name of the column that a person has confirmed for it.
type Pair struct{ Attribute, Column string }

// Proposal is an entry that could be added to a vocabulary.
type Proposal struct {
	// Text is the abbreviation or synonym, and Words its words.
	Text, Words string
	// Synonym is true if Text is a word that is not short for Words.
	Synonym bool
	// Support are the pairs that show it.
	Support []Pair
	// Against is the number of pairs that show another meaning of Text.
	Against int
}

// minSynonymSupport is the number of different names that must show a synonym. An abbreviation is evidence by its
// letters.
const minSynonymSupport = 2

// Learn proposes entries for a vocabulary, those with the most support first. A part of a column's name that no
// dictionary explains is compared with the words of the attribute that no other part of the column explains: it is an
// abbreviation if its letters are theirs, and a synonym if it is the only part left for the only word left. The
// vocabulary may be nil.
func (v *Vocabulary) Learn(pairs []Pair) []Proposal {
	seen := map[string]map[string]*Proposal{}
	for _, p := range pairs {
		for _, found := range v.compare(p) {
			byWords := seen[found.Text]
			if byWords == nil {
				byWords = map[string]*Proposal{}
				seen[found.Text] = byWords
			}
			known := byWords[found.Words]
			if known == nil {
				known = &Proposal{Text: found.Text, Words: found.Words, Synonym: found.Synonym}
				byWords[found.Words] = known
			}
			if !slices.Contains(known.Support, p) {
				known.Support = append(known.Support, p)
			}
		}
	}
	var all []Proposal
	for _, byWords := range seen {
		total := 0
		for _, p := range byWords {
			total += len(p.Support)
		}
		best := slices.MaxFunc(slices.Collect(maps.Values(byWords)), func(a, b *Proposal) int {
			return cmp.Or(cmp.Compare(len(a.Support), len(b.Support)), strings.Compare(b.Words, a.Words))
		})
		best.Against = total - len(best.Support)
		if best.Against >= len(best.Support) || best.Synonym && len(best.Support) < minSynonymSupport {
			continue
		}
		all = append(all, *best)
	}
	slices.SortFunc(all, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(len(b.Support), len(a.Support)), strings.Compare(a.Text, b.Text))
	})
	return all
}

// compare returns the entries that one pair shows.
func (v *Vocabulary) compare(p Pair) []Proposal {
	d := v.words()
	var buffer [24]piece
	pieces := d.pieces(buffer[:0], p.Column)
	wanted := slices.DeleteFunc(v.Split(p.Attribute), isJoining)
	var unknown []string
	for i, one := range pieces {
		if one.entry == nil && isWord(one.text) && !slices.Contains(wanted, one.text) {
			unknown = append(unknown, one.text)
			continue
		}
		for _, word := range d.expand(nil, pieces, i) {
			if at := slices.Index(wanted, word); at >= 0 {
				wanted = slices.Delete(wanted, at, at+1)
			}
		}
	}
	var found []Proposal
	unknown = slices.DeleteFunc(unknown, func(text string) bool {
		from, to := abbreviated(text, wanted)
		if from == to {
			return false
		}
		found = append(found, Proposal{Text: text, Words: strings.Join(wanted[from:to], " ")})
		wanted = slices.Delete(wanted, from, to)
		return true
	})
	if len(unknown) == 1 && len(wanted) == 1 && isWord(wanted[0]) {
		found = append(found, Proposal{Text: unknown[0], Words: wanted[0], Synonym: true})
	}
	return found
}

// abbreviated returns the part of the words for which a text is short: their initials, or the letters of one of them
// in their order.
func abbreviated(text string, words []string) (from, to int) {
	for from := range words {
		if n := len(text); n > 1 && from+n <= len(words) {
			initials := ""
			for _, w := range words[from : from+n] {
				initials += w[:1]
			}
			if initials == text {
				return from, from + n
			}
		}
	}
	for at, w := range words {
		if len(text) < len(w) && isShort(text, w) {
			return at, at + 1
		}
	}
	return 0, 0
}

// isShort reports whether a text has the first letter of a word, and its other letters are in the word in their order.
func isShort(text, word string) bool {
	if text[0] != word[0] {
		return false
	}
	at := 0
	for i := range len(text) {
		next := strings.IndexByte(word[at:], text[i])
		if next < 0 {
			return false
		}
		at += next + 1
	}
	return true
}

func isWord(text string) bool {
	return len(text) > 1 && !strings.ContainsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' })
}

// isJoining reports whether a word only joins others.
func isJoining(word string) bool {
	switch word {
	case "of", "the", "a", "an", "and", "or", "for", "to", "in", "on", "at", "by", "is", "with", "from":
		return true
	default:
		return false
	}
}
