package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// guess says that a term of the columns that nobody knows looks like a short form of something that is asked.
type guess struct {
	ask    int
	id     int
	degree float64
}

// How much a guess counts beside a word that is known.
const (
	guessedInitials = 0.9
	guessedShort    = 0.85
)

const shortestAbbreviation, longestInitials = 3, 6

// collectOpaque files the terms of the columns that the dictionary does not know by their first letter.
func (ix *Index) collectOpaque() {
	for i := range ix.terms {
		t := &ix.terms[i]
		first := t.text[0]
		if len(ix.postings[i]) == 0 || first < 'a' || first > 'z' || strings.Contains(t.text, " ") || words.Known(t.text) {
			continue
		}
		t.opaque = true
		ix.opaque[first-'a'] = append(ix.opaque[first-'a'], i)
	}
}

// guess notes which unknown terms of the columns may be abbreviations of what is asked, or the initials of several words of the name.
func (ix *Index) guess(asked []ask, s *scratch, name string) {
	for i, a := range asked {
		if first := a.text[0]; 'a' <= first && first <= 'z' {
			for _, id := range ix.opaque[first-'a'] {
				if abbreviates(ix.terms[id].text, a.text) {
					s.guesses = append(s.guesses, guess{i, id, guessedShort})
				}
			}
		}
	}
	s.words = words.Append(s.words[:0], name)
	for from, w := range s.words {
		first := w[0]
		if first < 'a' || first > 'z' {
			continue
		}
		for _, id := range ix.opaque[first-'a'] {
			if to := initials(ix.terms[id].text, s.words[from:]); to > 0 {
				ix.guessInitials(asked, s, id, s.words[from:from+to])
			}
		}
	}
}

// guessInitials notes that a term stands for these words of the name.
func (ix *Index) guessInitials(asked []ask, s *scratch, id int, of []string) {
	for i, a := range asked {
		within := true
		for w := range strings.SplitSeq(a.text, " ") {
			within = within && slices.Contains(of, w)
		}
		if within {
			s.guesses = append(s.guesses, guess{i, id, guessedInitials})
		}
	}
}

// initials tells how many of the words the letters are the initials of, words that only hold a sentence together counted or left out;
// 0 if they are not.
func initials(letters string, of []string) int {
	if len(letters) < 2 || len(letters) > longestInitials {
		return 0
	}
	at := 0
	for i, w := range of {
		switch {
		case w[0] == letters[at]:
			at++
		case !empty(w):
			return 0
		}
		if at == len(letters) {
			return i + 1
		}
	}
	return 0
}

// abbreviates reports whether short looks like an abbreviation of word: its start, or its first letter with others of its letters in their
// order, up to one near its end.
func abbreviates(short, word string) bool {
	if len(short) < shortestAbbreviation || len(short) >= len(word) || short[0] != word[0] {
		return false
	}
	if strings.HasPrefix(word, short) {
		return true
	}
	at := 1
	for i := 1; i < len(word); i++ {
		if word[i] == short[at] {
			at++
			if at == len(short) {
				// What is left of the word may hold one more consonant sound, no more: "cvrg" is coverage, "cov" with a tail is not covenant.
				return consonants(word[i+1:]) <= 1+len(short)/4 && consonants(word) <= 2*len(short)
			}
		}
	}
	return false
}

func consonants(text string) int {
	n := 0
	for i := range len(text) {
		if !strings.ContainsRune("aeiouy", rune(text[i])) {
			n++
		}
	}
	return n
}
