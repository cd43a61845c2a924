package columns

import (
	"slices"
	"strings"
)

// guess is a term of the columns that is in no dictionary and looks like a short form of a requirement.
type guess struct {
	requirement, term int
	degree            float64
}

// guess finds terms of the columns that the dictionary does not have and that may abbreviate a requirement, or be the
// initials of several words of the name.
func (r *request) guess(ix *Index) {
	for i, a := range r.requirements {
		for _, id := range ix.opaqueTerms(a.text) {
			switch text := ix.terms[id].text; {
			case abbreviates(text, a.text):
				r.guesses = append(r.guesses, guess{i, id, guessedShort})
			case isMisspelling(text, a.text):
				r.guesses = append(r.guesses, guess{i, id, guessedSpelling})
			}
		}
		r.guessJoined(ix, i)
		r.guessStem(ix, i)
	}
	r.guessAcronyms(ix)
	r.words = ix.vocabulary.organisation.Append(r.words[:0], r.name)
	for from, w := range r.words {
		for _, id := range ix.opaqueTerms(w) {
			if n := initials(ix.terms[id].text, r.words[from:]); n > 0 {
				r.guessInitials(id, r.words[from:from+n])
			}
		}
	}
}

// guessJoined finds words of the columns that contain the requirement, as in "awarddescription".
func (r *request) guessJoined(ix *Index, requirement int) {
	word := r.requirements[requirement].text
	if len(word) < shortestPart {
		return
	}
	for _, id := range ix.joined {
		if strings.Contains(ix.terms[id].text, word) {
			r.guesses = append(r.guesses, guess{requirement, id, guessedPart})
		}
	}
}

// guessStem finds words of the columns with the stem of the requirement, unless they are opposites.
func (r *request) guessStem(ix *Index, requirement int) {
	a := r.requirements[requirement]
	s := stem(a.text)
	if s == "" {
		return
	}
	for _, id := range ix.stems[s] {
		if id == a.id || a.id >= 0 && share(ix.terms[id].groups, ix.terms[a.id].groups) {
			continue
		}
		r.guesses = append(r.guesses, guess{requirement, id, guessedStem})
	}
}

// share reports whether two lists have an element in common.
func share(a, b []int) bool {
	return slices.ContainsFunc(a, func(x int) bool { return slices.Contains(b, x) })
}

// guessAcronyms records that a column's term that is an acronym of the name answers all the words of the acronym.
func (r *request) guessAcronyms(ix *Index) {
	for _, a := range r.acronyms {
		id, ok := ix.ids[a.letters]
		if !ok {
			continue
		}
		for i := a.first; i < a.last; i++ {
			r.guesses = append(r.guesses, guess{i, id, acronymDegree})
		}
	}
}

// guessInitials records that a term may be the initials of these words of the name.
func (r *request) guessInitials(id int, of []string) {
	for i, a := range r.requirements {
		within := true
		for w := range strings.SplitSeq(a.text, " ") {
			within = within && slices.Contains(of, w)
		}
		if within {
			r.guesses = append(r.guesses, guess{i, id, guessedInitials})
		}
	}
}
