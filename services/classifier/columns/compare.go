package columns

import "slices"

// How much an answer counts by where the column gives it.
const (
	answeredInName        = 1.0
	answeredInTable       = 0.8
	answeredInDescription = 0.8
	// answeredByKind is for a word such as "date" that the column's kind makes superfluous.
	answeredByKind = 0.9
	// answeredByDefault is for a qualifier such as "current" that goes without saying.
	answeredByDefault = 0.75
	// besidesExact is for a word that is asked for as well, and so is already spoken for.
	besidesExact = 0.5
)

// opaqueShare is what a word that nobody can read counts among those that the attribute does not explain.
const opaqueShare = 0.5

// recall is the share, by weight, of what is asked that the column answers.
func (r *request) recall(s *scratch, c *column, v *verdict) float64 {
	s.answers = append(s.answers[:0], make([]float64, len(r.asked))...)
	r.fill(s, c.name, answeredInName)
	r.fill(s, c.table, answeredInTable)
	r.fill(s, c.description, answeredInDescription)
	r.answerWholes(s)
	var got, all float64
	for i, a := range r.asked {
		all += a.weight
		got += a.weight * max(s.answers[i], r.answeredUnsaid(a, c, v))
	}
	if all == 0 {
		return 0
	}
	return got / all
}

// answerWholes lets the words of a phrase answer for it, each for its part.
func (r *request) answerWholes(s *scratch) {
	for i := 0; i < len(r.asked); {
		whole, sum, n := r.asked[i].whole, 0.0, 0
		for ; i < len(r.asked) && r.asked[i].whole == whole; i++ {
			sum += s.answers[i]
			n++
		}
		if whole > 0 {
			s.answers[whole-1] = max(s.answers[whole-1], saidInPart*sum/float64(n))
		}
	}
}

// fill notes in s.answers what the terms of one of the column's texts answer.
func (r *request) fill(s *scratch, terms []int, degree float64) {
	for _, id := range terms {
		exact := false
		for next := s.heads[id]; next > 0; next = s.chain[next-1].next {
			exact = exact || s.chain[next-1].degree == 1 && r.asked[s.chain[next-1].ask].whole == 0
		}
		for next := s.heads[id]; next > 0; next = s.chain[next-1].next {
			a := s.chain[next-1]
			if exact && a.degree < 1 {
				a.degree *= besidesExact
			}
			s.answers[a.ask] = max(s.answers[a.ask], a.degree*degree)
		}
	}
}

// answeredUnsaid is how well the column answers a term without saying it: a date column need not be called one, nor a current one current,
// and what is yet to be derived cannot be called by its name.
func (r *request) answeredUnsaid(a ask, c *column, v *verdict) float64 {
	if a.announces.strong && a.announces.kind == r.kind {
		if v.derived() || a.weak && c.kind == r.kind {
			return answeredByKind * v.fit
		}
	}
	if a.assumed {
		return answeredByDefault
	}
	return 0
}

// precision is the share, by weight, of what the column's name says that the attribute explains.
func (ix *Index) precision(r *request, s *scratch, c *column, v *verdict) float64 {
	var got, all float64
	for i, id := range c.name {
		t := &ix.terms[id]
		weight, explained := t.weightIn(c.kind), s.explained[id]
		if c.shared[i] {
			weight *= weakShare
		}
		switch {
		case explained > 0:
		case t.assumed:
			weight *= weakShare
		case t.opaque:
			weight *= opaqueShare
		}
		if r.goesWithoutSaying(c, v, t) {
			explained = 1
		}
		all += weight
		got += weight * explained
	}
	if all == 0 {
		return 0
	}
	return got / all
}

// goesWithoutSaying reports whether a word of the column's name only says what sort of value it holds, where that is the sort that is
// asked or from which it is to be derived.
func (r *request) goesWithoutSaying(c *column, v *verdict, t *term) bool {
	a := t.announces
	switch {
	case a.kind == anyKind || a.kind != c.kind:
		return false
	case t.weak:
		return c.kind == r.kind || v.derived()
	default:
		return c.kind == r.kind && a.kind == rateKind && a.strong
	}
}

// ownWords counts the words of the column's name that could set it apart, and those of them that the attribute explains.
func (ix *Index) ownWords(s *scratch, c *column) (own, explained int) {
	for i, id := range c.name {
		switch t := &ix.terms[id]; {
		case t.weak || t.assumed || c.shared[i]:
		case s.explained[id] > 0:
			own++
			explained++
		case !t.opaque:
			own++
		}
	}
	return own, explained
}

// tableShare is the share of what the table's name says that the attribute explains; a name that nobody can read speaks neither for nor
// against.
func (ix *Index) tableShare(s *scratch, c *column) float64 {
	if !slices.ContainsFunc(c.table, func(id int) bool { return !ix.terms[id].opaque }) {
		return 0.5
	}
	return ix.share(s, c.table)
}

// share is the share of terms, by weight, that the attribute explains, words that nobody can read left out.
func (ix *Index) share(s *scratch, terms []int) float64 {
	got, all := 0.0, 0.0
	for _, id := range terms {
		if t := &ix.terms[id]; !t.opaque {
			all += t.weight
			got += t.weight * s.explained[id]
		}
	}
	if all == 0 {
		return 0
	}
	return got / all
}
