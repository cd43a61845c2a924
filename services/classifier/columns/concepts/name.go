package concepts

import (
	"strings"
	"unicode"
)

// Parts cuts an attribute's name at the punctuation between its parts: "Race of Applicant: 2" has two, and so
// has "Debt Service Coverage - DSC". A hyphen within a word cuts nothing.
func Parts(name string) []string {
	var all []string
	start := 0
	cut := func(end, next int) {
		if part := strings.TrimSpace(name[start:end]); part != "" {
			all = append(all, part)
		}
		start = next
	}
	for i, r := range name {
		size := len(string(r))
		switch {
		case strings.ContainsRune("():;,[]–—", r):
			cut(i, i+size)
		case r == '-' && i > 0 && name[i-1] == ' ' && i+1 < len(name) && name[i+1] == ' ':
			cut(i, i+size)
		}
	}
	cut(len(name), len(name))
	return all
}

const (
	shortestAcronym, longestAcronym = 2, 8
	// longestPhrase is the number of words that an acronym stands for at most. It bounds the ways to leave out words.
	longestPhrase = 12
)

// IsAcronym reports whether a part is the initials of the last words of a phrase: LGD of "Loss Given Default". Small
// words may be left out, as in FAIN and EAD.
func IsAcronym(part, phrase string) bool {
	letters := strings.ToLower(part)
	if len(letters) < shortestAcronym || len(letters) > longestAcronym ||
		strings.ContainsFunc(letters, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return false
	}
	ws := strings.FieldsFunc(strings.ToLower(phrase), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	ws = ws[max(0, len(ws)-longestPhrase):]
	for from := range ws {
		if areInitials(letters, ws[from:]) {
			return true
		}
	}
	return false
}

// areInitials reports whether the letters are the initials of all words, of which stop words may be left out.
func areInitials(letters string, ws []string) bool {
	switch {
	case len(ws) == 0:
		return letters == ""
	case letters != "" && ws[0][0] == letters[0] && areInitials(letters[1:], ws[1:]):
		return true
	default:
		return IsStopWord(ws[0]) && areInitials(letters, ws[1:])
	}
}

// CutPreposition cuts a part at its first preposition, before which is what the name is about: "Balance at Cycle End".
func CutPreposition(part string) (before, after string) {
	at := 0
	for word := range strings.FieldsSeq(part) {
		i := strings.Index(part[at:], word) + at
		if i > 0 && isPreposition(strings.ToLower(word)) {
			return part[:i], part[i+len(word):]
		}
		at = i + len(word)
	}
	return part, ""
}

func isPreposition(word string) bool {
	switch word {
	case "of", "at", "on", "in", "for", "by", "from", "per", "during", "after", "before", "with", "as", "under":
		return true
	default:
		return false
	}
}

// StripHungarian removes a prefix that names the type: strFirstName, dtBirth. It is in lower case before a capital.
func StripHungarian(name string) string {
	for _, prefix := range []string{
		"str", "int", "lng", "dbl", "dec", "cur", "bln", "bool", "dt", "dtm", "txt", "num", "fld",
	} {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && len(rest) > 1 && unicode.IsUpper(rune(rest[0])) && unicode.IsLower(rune(rest[1])) {
			return rest
		}
	}
	return name
}
