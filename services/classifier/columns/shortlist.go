package columns

import (
	"cmp"
	"slices"
)

// promises adds up, by column, how much of a request its terms answer. It is a cheap bound for choosing the columns
// to score.
type promises struct {
	byColumn []float64
	// touched are the columns with a promise, first those found first.
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

// shortlist returns the most promising columns. It looks for columns through the rarer terms, and through commoner
// ones as long as it finds none.
func (p *promises) shortlist(ix *Index, r *request) []int {
	limit := max(len(ix.columns)/commonShare, commonLeast)
	for again := true; again && len(p.touched) == 0; limit *= widening {
		again = limit < len(ix.columns)
		for i, a := range r.asked {
			if a.id < 0 {
				continue
			}
			for _, l := range ix.terms[a.id].related {
				p.add(ix.postings[l.id], promising(r, i)*l.degree, limit)
			}
		}
		for _, g := range r.guesses {
			p.add(ix.postings[g.term], promising(r, g.ask)*g.degree, limit)
		}
	}
	return p.first(shortlistSize)
}

// promising is what an answer to an ask promises: its weight, and of a word of a phrase a share of the phrase's.
func promising(r *request, ask int) float64 {
	if phrase := r.asked[ask].phrase; phrase > 0 {
		return r.asked[phrase-1].weight * phraseWordShare
	}
	return max(r.asked[ask].weight, leastWeight)
}

// add raises the promise of columns that share a term, unless they are more than the limit.
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

// first returns the n columns that promise most, best first; of equals the first candidates.
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
