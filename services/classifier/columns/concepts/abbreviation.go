package concepts

import (
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

const shortestAbbreviation, longestInitials = 3, 6

// Initials returns the number of leading words whose initials the letters are, or 0 if they are not. Stop words may
// be skipped.
func Initials(letters string, of []string) int {
	if len(letters) < 2 || len(letters) > longestInitials {
		return 0
	}
	at := 0
	for i, w := range of {
		switch {
		case w[0] == letters[at]:
			at++
		case !IsStopWord(w):
			return 0
		}
		if at == len(letters) {
			return i + 1
		}
	}
	return 0
}

// Abbreviates reports whether short looks like an abbreviation of word: its start, or its first letter with others of
// its letters in their order, up to one near its end.
func Abbreviates(short, word string) bool {
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
				// The rest of the word may have only a few consonants more: "cvrg" is coverage, and "cst" is not
				// construction.
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

// shortestMisspelled is the minimum length of a word in which one letter may be wrong.
const shortestMisspelled = 5

// IsMisspelling reports whether two words differ in one letter.
func IsMisspelling(a, b string) bool {
	if len(a) < shortestMisspelled || len(a)-len(b) > 1 || len(b)-len(a) > 1 {
		return false
	}
	return schema.EditDistance(a, b) == 1
}
