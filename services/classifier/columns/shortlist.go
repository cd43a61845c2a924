package columns

import (
	"cmp"
	"slices"
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
