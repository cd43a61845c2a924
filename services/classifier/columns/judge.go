package columns

import (
	"cmp"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// verdict is what comparing one column with the request came to.
type verdict struct {
	column int32
	score  float64
	// recall is how much of what is asked the column answers, precision how much of what the column says is asked, both 0 to 1.
	recall, precision float64
	fit               float64
	how               schema.MappingType
	// against is the column's term that contradicts what is asked, or -1; insteadOf is the ask that it contradicts.
	against   int32
	insteadOf int
}

// derived reports whether the column's values must be made into what is asked.
func (v *verdict) derived() bool { return v.how == schema.Conditional || v.how == schema.Calculated }

// How much an answer counts by where the column gives it.
const (
	answeredInName        = 1.0
	answeredInTable       = 0.8
	answeredInDescription = 0.8
	// answeredByKind is for a word such as "date" that the column's kind makes superfluous.
	answeredByKind = 0.9
	// besidesExact is for a word that is asked for as well, and so is already spoken for.
	besidesExact = 0.5
	// asGood is how near a term must be to one that is asked to be no contradiction to it.
	asGood = 0.75
	// answeredByDefault is for a qualifier such as "current" that goes without saying.
	answeredByDefault = 0.75
)

// What is left of a score.
const (
	afterContradiction      = 0.35
	afterTableContradiction = 0.6
	afterUnaskedQualifier   = 0.85
	afterUnaskedParty       = 0.75
	afterAlteration         = 0.7
	afterOtherKey           = 0.6
	// afterSilence is for a column that does not say the qualifier that is asked, where silence means another: the primary borrower's
	// score where the co-borrower's is asked.
	afterSilence = 0.7
	// afterSayingElse is for a name whose own words are all about something that the attribute does not mention: only its table or its kind
	// speak for it. ofSayingNothing is the most that a name of common words comes to where the attribute has others.
	afterSayingElse = 0.3
	// opaqueShare is what a word that nobody can read counts among those that the attribute does not explain.
	opaqueShare = 0.5
	// withDescription is what a column's description adds that says nothing but what the attribute says.
	withDescription = 0.03
	ofSayingNothing = 0.7
	afterLookup     = 0.85
	afterPast       = 0.85
	afterPlumbing   = 0.7
)

const (
	// shortlist is how many columns are compared whole.
	shortlist = 48
	// commonShare of the columns, and at least commonLeast, may have a term before it no longer helps to find candidates.
	commonShare = 8
	commonLeast = 512
)

// gather notes what answers the request and appends the most promising columns to the shortlist.
func (ix *Index) gather(r *request, s *scratch) []int32 {
	for i, a := range r.asked {
		if a.id < 0 {
			continue
		}
		for _, l := range ix.terms[a.id].related {
			s.answer(l.id, i, l.degree)
		}
	}
	for _, g := range s.guesses {
		s.answer(g.id, g.ask, g.degree)
	}
	limit := max(len(ix.columns)/commonShare, commonLeast)
	for again := true; again && len(s.touched) == 0; limit *= 64 {
		again = limit < len(ix.columns)
		for i, a := range r.asked {
			if a.id < 0 {
				continue
			}
			for _, l := range ix.terms[a.id].related {
				ix.promise(s, l.id, r.promising(i)*l.degree, limit)
			}
		}
		for _, g := range s.guesses {
			ix.promise(s, g.id, r.promising(g.ask)*g.degree, limit)
		}
	}
	byPromise := func(a, b int32) int { return cmp.Or(cmp.Compare(s.promise[b], s.promise[a]), cmp.Compare(a, b)) }
	if len(s.touched) > shortlist {
		selectFirst(s.touched, shortlist, byPromise)
	}
	return s.touched[:min(shortlist, len(s.touched))]
}

// promising is what an answer to an ask promises: its weight, and of a word of a phrase half the phrase's.
func (r *request) promising(ask int) float64 {
	if whole := r.asked[ask].whole; whole > 0 {
		return r.asked[whole-1].weight / 2
	}
	return max(r.asked[ask].weight, leastWeight)
}

// promise adds to what every column with the term promises, unless those are too many.
func (ix *Index) promise(s *scratch, id int32, much float64, limit int) {
	if len(ix.postings[id]) > limit {
		return
	}
	for _, c := range ix.postings[id] {
		s.promises(c, much)
	}
}

// selectFirst moves the first n of items by order to the front, in no order.
func selectFirst(items []int32, n int, order func(a, b int32) int) {
	for low, high := 0, len(items)-1; low < high; {
		pivot := items[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for order(items[i], pivot) < 0 {
				i++
			}
			for order(items[j], pivot) > 0 {
				j--
			}
			if i <= j {
				items[i], items[j] = items[j], items[i]
				i++
				j--
			}
		}
		switch {
		case n <= j+1:
			high = j
		case n > i:
			low = i
		default:
			return
		}
	}
}

// judge compares one column with the request.
func (ix *Index) judge(r *request, s *scratch, number int32) verdict {
	c := &ix.columns[number]
	v := verdict{column: number, against: -1}
	v.fit, v.how = fit(r.kind, c.kind)
	v.fit *= room(r.declared, c.declared)
	v.recall = r.recall(s, c, &v)
	v.precision = ix.precision(r, s, c, &v)
	switch own, explained := ix.ownWords(s, c); {
	case own > 0 && explained == 0:
		v.precision *= afterSayingElse
	case own == 0 && r.specific:
		v.precision = min(v.precision, ofSayingNothing)
	}

	score := v.recall * (0.45 + 0.55*v.precision) * (0.86 + 0.12*ix.tableShare(s, c) + 0.02*c.size) * v.fit
	score += withDescription * ix.share(s, c.description) * v.fit * v.recall
	score *= ix.qualify(r, s, c, &v)
	for i, a := range r.asked {
		if a.id >= 0 && a.whole == 0 && !a.aside && ix.terms[a.id].party && s.answers[i] < well {
			score *= afterSilence
		}
	}
	if c.head >= 0 && s.explained[c.head] < well && r.kind == identifierKind {
		score *= afterOtherKey
	}
	switch c.role {
	case lookupTable:
		if r.kind != nameKind && r.kind != textKind {
			score *= afterLookup
			if c.first {
				score *= afterLookup
			}
		}
	case pastTable:
		score *= afterPast
	case plumbingTable:
		score *= afterPlumbing
	}
	v.score = score
	return v
}

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
func (r *request) fill(s *scratch, terms []int32, degree float64) {
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
	if !slices.ContainsFunc(c.table, func(id int32) bool { return !ix.terms[id].opaque }) {
		return 0.5
	}
	return ix.share(s, c.table)
}

// share is the share of terms, by weight, that the attribute explains, words that nobody can read left out.
func (ix *Index) share(s *scratch, terms []int32) float64 {
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

// qualify is what contradictions and unasked qualifiers leave of a score.
func (ix *Index) qualify(r *request, s *scratch, c *column, v *verdict) float64 {
	left := 1.0
	for _, id := range c.name {
		t := &ix.terms[id]
		asked, contradicted := ix.compareGroups(r, s, c, id, false, v)
		switch {
		case contradicted:
			left *= afterContradiction
		case asked || s.explained[id] > 0 || t.assumed:
		case t.alters:
			left *= afterAlteration
		case t.party:
			left *= afterUnaskedParty
		case len(t.groups) > 0:
			left *= afterUnaskedQualifier
		}
	}
	for _, id := range c.table {
		if v.against >= 0 || slices.Contains(c.name, id) {
			continue
		}
		asked, contradicted := ix.compareGroups(r, s, c, id, true, v)
		switch {
		case contradicted:
			left *= afterTableContradiction
		case !asked && s.explained[id] == 0 && ix.terms[id].party:
			left *= afterUnaskedQualifier
		}
	}
	return left
}

// compareGroups looks at the "against" lines that a term of the column stands in: whether the attribute asks for any of a line, and whether
// it asks for another than the column has.
func (ix *Index) compareGroups(r *request, s *scratch, c *column, id int32, inTable bool, v *verdict) (asked, contradicted bool) {
	for _, group := range ix.terms[id].groups {
		for i, a := range r.asked {
			if a.id < 0 || a.whole > 0 || !slices.Contains(ix.terms[a.id].groups, group) {
				continue
			}
			if s.answersAny(c.name, i) || inTable && s.answersAny(c.table, i) {
				asked, contradicted = true, false
				break
			}
			asked, contradicted = true, true
			v.against, v.insteadOf = id, i
		}
		if contradicted {
			return asked, true
		}
	}
	return asked, false
}

// answersAny reports whether one of the terms answers the ask, and not only as "code" does for "type".
func (s *scratch) answersAny(terms []int32, ask int) bool {
	for _, id := range terms {
		for next := s.heads[id]; next > 0; next = s.chain[next-1].next {
			if a := s.chain[next-1]; a.ask == ask && a.degree >= asGood {
				return true
			}
		}
	}
	return false
}
