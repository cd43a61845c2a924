package words

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:embed translations.txt
var translationText string

// translations has the entries of translations.txt.
type translations struct {
	entries map[string]*entry
	pairs   map[pair]*entry
	// ambiguous are the words that are also English.
	ambiguous map[string]bool
}

// language is a section of translations.txt.
type language struct {
	// headFirst languages put the noun first: "numéro de sécurité sociale" is the number of social security.
	headFirst bool
	// compound languages write words together: "Steuernummer".
	compound bool
}

// parseTranslations parses translations and adds them to the dictionary. translations.txt describes the format.
func (d *dictionary) parseTranslations(text string) error {
	d.foreign = translations{entries: map[string]*entry{}, pairs: map[pair]*entry{}, ambiguous: map[string]bool{}}
	var current *language
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case strings.HasPrefix(line, "language "):
			current = &language{
				headFirst: strings.Contains(line, ", head first"),
				compound:  strings.Contains(line, ", compounds"),
			}
			continue
		case current == nil:
			return fmt.Errorf("translations line %d: %q comes before the first language", number, line)
		}
		if err := d.addTranslation(line, current); err != nil {
			return fmt.Errorf("translations line %d: %w", number, err)
		}
	}
	return nil
}

// addTranslation adds a line such as "nachname, familienname: last name".
func (d *dictionary) addTranslation(line string, l *language) error {
	foreign, english, found := strings.Cut(line, ":")
	if !found {
		return fmt.Errorf("%q has no colon", line)
	}
	e := &entry{text: strings.TrimSpace(foreign), language: l}
	if english = strings.TrimSpace(english); english == "-" {
		e.particle = true
	} else {
		e.meanings = []meaning{{words: d.append(nil, english)}}
		if len(e.meanings[0].words) == 0 {
			return fmt.Errorf("%q has no English words", line)
		}
	}
	for spelling := range strings.SplitSeq(foreign, ",") {
		spelling, ambiguous := strings.CutSuffix(spelling, "?")
		parts := strings.Fields(fold(spelling))
		switch len(parts) {
		case 1:
			if _, exists := d.foreign.entries[parts[0]]; exists {
				return fmt.Errorf("%q is translated twice", parts[0])
			}
			d.foreign.entries[parts[0]] = e
			if ambiguous {
				d.foreign.ambiguous[parts[0]] = true
			}
		case 2:
			if _, exists := d.foreign.pairs[pair{parts[0], parts[1]}]; exists {
				return fmt.Errorf("%q is translated twice", spelling)
			}
			d.foreign.pairs[pair{parts[0], parts[1]}] = e
		default:
			return fmt.Errorf("%q has more than two words", spelling)
		}
	}
	return nil
}

// lookup returns the entry of a word in the singular or plural.
func (t translations) lookup(word string) (*entry, bool) {
	if e, ok := t.entries[word]; ok {
		return e, true
	}
	stem, plural := singular([]byte(word))
	if !plural {
		return nil, false
	}
	e, ok := t.entries[string(stem)]
	return e, ok
}

// isForeign reports whether the piece is a word of another language.
func (p piece) isForeign() bool { return p.entry != nil && p.entry.language != nil }

// isDoubtful reports whether a word is not enough evidence of another language: it is also English, or so short that it
// is more often an abbreviation.
func (t translations) isDoubtful(word, run string) bool {
	const minLength = 4
	short := len(run) < minLength && word == strings.ToLower(run)
	return short || t.ambiguous[word] || t.ambiguous[strings.TrimSuffix(word, "s")]
}

// cutForeign appends the words of a run that is not English, if the translations have them.
func (d *dictionary) cutForeign(pieces []piece, run string) ([]piece, bool) {
	word := fold(run)
	if e, ok := d.foreign.lookup(word); ok && !e.particle && !d.foreign.isDoubtful(word, run) {
		return append(pieces, piece{text: word, entry: e}), true
	}
	if first, _ := utf8.DecodeRuneInString(word); hasNoSpaces(first) {
		return d.foreign.cutLongest(pieces, word)
	}
	return pieces, false
}

// cutCompound appends the words of a compound, if the translations have all of them.
func (d *dictionary) cutCompound(pieces []piece, run string) ([]piece, bool) {
	word := fold(run)
	var ends [maxRun + 1]int
	known := func(part string, _ bool) bool {
		e, ok := d.foreign.entries[part]
		return ok && len(part) >= minWord && !e.particle && e.language.compound
	}
	if !segment(word, known, &ends) {
		return pieces, false
	}
	for from := 0; from < len(word); from = ends[from] {
		part := word[from:ends[from]]
		pieces = append(pieces, piece{text: part, entry: d.foreign.entries[part]})
	}
	return pieces, true
}

// maxWord is the number of bytes of the longest word that cutLongest looks for.
const maxWord = 48

// cutLongest cuts a run of a script without spaces at the longest known words. The letters between two of them are a
// word.
func (t translations) cutLongest(pieces []piece, run string) ([]piece, bool) {
	first, unknown := len(pieces), 0
	for from := 0; from < len(run); {
		end := t.longest(run[from:])
		if end == 0 {
			_, size := utf8.DecodeRuneInString(run[from:])
			from += size
			continue
		}
		if unknown < from {
			pieces = append(pieces, piece{text: run[unknown:from]})
		}
		pieces = append(pieces, piece{text: run[from : from+end], entry: t.entries[run[from:from+end]]})
		from += end
		unknown = from
	}
	if len(pieces) == first {
		return pieces, false
	}
	if unknown < len(run) {
		pieces = append(pieces, piece{text: run[unknown:]})
	}
	return pieces, true
}

// longest returns the length of the longest known word at the beginning of a run, or 0.
func (t translations) longest(run string) int {
	for end := min(len(run), maxWord); end > 0; end-- {
		if _, ok := t.entries[run[:end]]; ok {
			return end
		}
	}
	return 0
}

// hasNoSpaces reports whether a script has no spaces between words.
func hasNoSpaces(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// translate rewrites the pieces of a name that has a word of another language. Its other words are looked up in the
// translations first, particles are dropped, and the order is reversed if the noun comes first in the language.
func (d *dictionary) translate(pieces []piece) []piece {
	headFirst := false
	kept := pieces[:0]
	for _, p := range pieces {
		if !p.isForeign() {
			if e, ok := d.foreign.lookup(p.text); ok {
				p.entry = e
			}
		}
		if p.isForeign() && p.entry.particle {
			continue
		}
		headFirst = headFirst || p.isForeign() && p.entry.language.headFirst
		kept = append(kept, p)
	}
	kept = joinPairs(kept, d.foreign.pairs)
	if headFirst {
		slices.Reverse(kept)
	}
	return kept
}

// fold returns a text in lower case without accents, so that "Número", "NUMERO" and a decomposed "número" are the same.
func fold(text string) string {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < utf8.RuneSelf
	}
	text = strings.ToLower(text)
	if ascii {
		return text
	}
	plain := strings.Map(func(r rune) rune {
		if 0x300 <= r && r <= 0x36f || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	return letters.Replace(strings.ToLower(norm.NFKC.String(plain)))
}

// letters are letters that do not decompose, and their usual spelling.
var letters = strings.NewReplacer(
	"ß", "ss", "ø", "o", "æ", "ae", "œ", "oe", "ł", "l", "đ", "d", "ı", "i", "ð", "d", "þ", "th",
)
