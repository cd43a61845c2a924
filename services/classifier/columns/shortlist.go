package columns

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

// promises sums up, by column, the weights of the requirements that its terms answer. It is a cheap estimate that
// selects the columns to score.
type promises struct {
	byColumn []float64
	// touched has the columns with a promise, in the order in which they were found.
	touched []int
	best    []int // buffer
}

func newPromises(columns int) promises { return promises{byColumn: make([]float64, columns)} }

func (p *promises) reset() {
	for _, c := range p.touched {
		p.byColumn[c] = 0
	}
	p.touched = p.touched[:0]
}

// shortlist returns the most promising columns. It uses the rare terms, and more common ones only if no column has a
// rare one.
func (p *promises) shortlist(ix *Index, r *request) []int {
	limit := max(len(ix.columns)/commonShare, minCommon)
	for again := true; again && len(p.touched) == 0; limit *= widening {
		again = limit < len(ix.columns)
		for i, a := range r.requirements {
			if a.id < 0 {
				continue
			}
			for _, l := range ix.terms[a.id].related {
				p.add(ix.postings[l.id], promising(r, i)*l.degree, limit)
			}
		}
		for _, g := range r.guesses {
			p.add(ix.postings[g.term], promising(r, g.requirement)*g.degree, limit)
		}
	}
	return p.first(shortlistSize)
}

// promising returns the promise of an answer to a requirement: its weight, or a share of its phrase's weight.
func promising(r *request, requirement int) float64 {
	if phrase := r.requirements[requirement].phrase; phrase > 0 {
		return r.requirements[phrase-1].weight * phraseWordShare
	}
	return max(r.requirements[requirement].weight, minWeight)
}

// add adds to the promises of columns that share a term, unless there are more of them than the limit.
func (p *promises) add(columns []int, much float64, limit int) {
	if len(columns) > limit {
		return
	}
	for _, c := range columns {
		if p.byColumn[c] == 0 {
			p.touched = append(p.touched, c)
		}
		p.byColumn[c] += much
	}
}

// first returns the n most promising columns, the best first. Of equal ones, the earlier candidate comes first.
func (p *promises) first(n int) []int {
	order := func(a, b int) int { return cmp.Or(cmp.Compare(p.byColumn[b], p.byColumn[a]), cmp.Compare(a, b)) }
	best := p.best[:0]
	for _, c := range p.touched {
		if len(best) == n {
			if order(c, best[n-1]) > 0 {
				continue
			}
			best = best[:n-1]
		}
		at, _ := slices.BinarySearchFunc(best, c, order)
		best = slices.Insert(best, at, c)
	}
	p.best = best
	return best
}

// guess is a term of the columns that is in no dictionary and looks like a short form of a requirement.
type guess struct {
	requirement, term int
	degree            float64
}

// guess finds terms of the columns that the dictionary does not have and that may abbreviate a requirement, or be the
// initials of several words of the name.
func (r *request) guess(ix *Index) {
	for i, a := range r.requirements {
		for _, id := range ix.opaque[a.text[0]] {
			switch text := ix.terms[id].text; {
			case concepts.Abbreviates(text, a.text):
				r.guesses = append(r.guesses, guess{i, id, guessedShort})
			case concepts.IsMisspelling(text, a.text):
				r.guesses = append(r.guesses, guess{i, id, guessedSpelling})
			}
		}
		r.guessJoined(ix, i)
		r.guessStem(ix, i)
	}
	r.guessAcronyms(ix)
	r.words = ix.vocabulary.Organisation.Append(r.words[:0], r.name)
	for from, w := range r.words {
		for _, id := range ix.opaque[w[0]] {
			if n := concepts.Initials(ix.terms[id].text, r.words[from:]); n > 0 {
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
	s := concepts.Stem(a.text)
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
