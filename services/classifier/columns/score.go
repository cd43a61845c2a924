package columns

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// verdict is the result of comparing one column with a request.
type verdict struct {
	column int
	score  float64
	// fit is how well the column's values fit, 0 to 1, and how in which way they become what is asked.
	fit float64
	how schema.MappingType
	// against is the column's term that contradicts what is asked, or -1; insteadOf is the ask that it contradicts.
	against, insteadOf int
}

// isDerived reports whether what is asked must be made from the column's values.
func (v *verdict) isDerived() bool { return v.how == schema.Conditional || v.how == schema.Calculated }

// scorer compares columns with a request.
type scorer struct {
	ix      *Index
	request *request
	// answered is, by ask, how well the present column answers it.
	answered []float64
}

// score compares a column with the request. The score is the product of what the column answers (recall), of what it
// has besides (precision), of its table, its kind and type, and of what qualifiers leave of it.
func (s *scorer) score(number int) verdict {
	c := &s.ix.columns[number]
	v := verdict{column: number, against: -1}
	v.fit, v.how = fit(s.request.kind, c.kind)
	v.fit *= room(s.request.declared, c.declared)
	recall := s.recall(c, &v)
	precision := s.limitPrecision(c, recall, s.precision(c, &v))

	table := (1 - tableShare - sizeShare) + tableShare*s.tableShare(c) + sizeShare*c.size
	v.score = recall * ((1 - precisionShare) + precisionShare*precision) * table * v.fit
	v.score += descriptionBonus * s.explainedShare(c.description) * v.fit * recall
	v.score *= s.qualifierFactor(c, &v) * s.silenceFactor(c) * roleFactor(s.request, c)
	return v
}

// recall is the share, by weight, of what is asked that the column answers.
func (s *scorer) recall(c *column, v *verdict) float64 {
	r := s.request
	s.answered = append(s.answered[:0], make([]float64, len(r.asked))...)
	s.answer(c.name, answeredInName)
	s.answer(c.table, answeredInTable)
	s.answer(c.description, answeredInDescription)
	s.answerPhrases()
	var got, all float64
	for i, a := range r.asked {
		all += a.weight
		got += a.weight * max(s.answered[i], answeredUnsaid(r, a, c, v))
	}
	if all == 0 {
		return 0
	}
	return got / all
}

// answer notes what the terms of one of the column's texts answer.
func (s *scorer) answer(terms []int, degree float64) {
	for _, id := range terms {
		answers := s.request.answers[id]
		exact := slices.ContainsFunc(answers, func(a answer) bool {
			return a.degree == 1 && s.request.asked[a.ask].phrase == 0
		})
		for _, a := range answers {
			if exact && a.degree < 1 {
				a.degree *= besidesExact
			}
			s.answered[a.ask] = max(s.answered[a.ask], a.degree*degree)
		}
	}
}

// answerPhrases lets the words of a phrase answer for it, each for its part.
func (s *scorer) answerPhrases() {
	asked := s.request.asked
	for i := 0; i < len(asked); {
		phrase, sum, n := asked[i].phrase, 0.0, 0
		for ; i < len(asked) && asked[i].phrase == phrase; i++ {
			sum += s.answered[i]
			n++
		}
		if phrase > 0 {
			s.answered[phrase-1] = max(s.answered[phrase-1], inPhraseDegree*sum/float64(n))
		}
	}
}

// answeredUnsaid is how well the column answers an ask without a word for it: a date column need not be called one,
// nor a current one current, and a column from which the value is to be derived cannot have its name.
func answeredUnsaid(r *request, a ask, c *column, v *verdict) float64 {
	if a.announces.strong && a.announces.kind == r.kind {
		if v.isDerived() || a.weak && c.kind == r.kind {
			return answeredByKind * v.fit
		}
	}
	if a.assumed {
		return answeredByDefault
	}
	return 0
}

// precision is the share, by weight, of the words of the column's name that the attribute explains.
func (s *scorer) precision(c *column, v *verdict) float64 {
	var got, all float64
	for i, id := range c.name {
		t := &s.ix.terms[id]
		weight, explained := t.weightIn(c.kind), s.request.explained[id]
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
		if goesWithoutSaying(s.request, c, v, t) {
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

// goesWithoutSaying reports whether a word of the column's name only names the sort of value that it holds, if that
// is the sort that is asked or from which it is to be derived.
func goesWithoutSaying(r *request, c *column, v *verdict, t *term) bool {
	a := t.announces
	switch {
	case a.kind == anyKind || a.kind != c.kind:
		return false
	case t.weak:
		return c.kind == r.kind || v.isDerived()
	default:
		return c.kind == r.kind && a.kind == rateKind && a.strong
	}
}

// limitPrecision lowers the precision of a name that has no word of its own, or only other ones than the attribute.
func (s *scorer) limitPrecision(c *column, recall, precision float64) float64 {
	switch own, explained := s.ownWords(c); {
	case own > 0 && explained == 0 && recall >= describedRecall && len(c.description) > 0:
		return precision * afterDescription
	case own > 0 && explained == 0:
		return precision * afterOtherWords
	case own == 0 && s.request.specific:
		return min(precision, commonWordsLimit)
	default:
		return precision
	}
}

// ownWords counts the words of the column's name that could set it apart, and those of them that the attribute
// explains.
func (s *scorer) ownWords(c *column) (own, explained int) {
	for i, id := range c.name {
		switch t := &s.ix.terms[id]; {
		case t.weak || t.assumed || c.shared[i]:
		case s.request.explained[id] > 0:
			own++
			explained++
		case !t.opaque:
			own++
		}
	}
	return own, explained
}

// tableShare is the share of the words of the table's name that the attribute explains.
func (s *scorer) tableShare(c *column) float64 {
	if !slices.ContainsFunc(c.table, func(id int) bool { return !s.ix.terms[id].opaque }) {
		return unreadableTable
	}
	return s.explainedShare(c.table)
}

// explainedShare is the share of terms, by weight, that the attribute explains, words that the dictionary does not
// have left out.
func (s *scorer) explainedShare(terms []int) float64 {
	got, all := 0.0, 0.0
	for _, id := range terms {
		if t := &s.ix.terms[id]; !t.opaque {
			all += t.weight
			got += t.weight * s.request.explained[id]
		}
	}
	if all == 0 {
		return 0
	}
	return got / all
}

// qualifierFactor is what contradictions and unasked qualifiers leave of a score.
func (s *scorer) qualifierFactor(c *column, v *verdict) float64 {
	left := 1.0
	for _, id := range c.name {
		t := &s.ix.terms[id]
		asked, contradicted := s.compareGroups(c, id, false, v)
		switch {
		case contradicted:
			left *= afterContradiction
		case asked || s.request.explained[id] > 0 || t.assumed:
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
		asked, contradicted := s.compareGroups(c, id, true, v)
		switch {
		case contradicted:
			left *= afterTableContradiction
		case !asked && s.request.explained[id] == 0 && s.ix.terms[id].party:
			left *= afterUnaskedQualifier
		}
	}
	return left
}

// compareGroups looks at the "against" lines that a term of the column stands in: whether the attribute asks for any
// term of a line, and whether it asks for another than the column has, which it notes in v.
func (s *scorer) compareGroups(c *column, id int, inTable bool, v *verdict) (asked, contradicted bool) {
	for _, group := range s.ix.terms[id].groups {
		insteadOf := -1
		for i, a := range s.request.asked {
			if a.id < 0 || a.phrase > 0 || !slices.Contains(s.ix.terms[a.id].groups, group) {
				continue
			}
			asked = true
			if s.agrees(c.name, i) || inTable && s.agrees(c.table, i) {
				insteadOf = -1
				break
			}
			insteadOf = i
		}
		if insteadOf >= 0 {
			v.against, v.insteadOf = id, insteadOf
			return true, true
		}
	}
	return asked, false
}

// agrees reports whether one of the terms answers the ask as well as no contradiction would.
func (s *scorer) agrees(terms []int, ask int) bool {
	_, degree := s.request.answeredBy(terms, ask)
	return degree >= noContradiction
}

// silenceFactor is what is left of a score if the column lacks a qualifier, or is the identifier of something else.
func (s *scorer) silenceFactor(c *column) float64 {
	left := 1.0
	for i, a := range s.request.asked {
		if a.id >= 0 && a.phrase == 0 && !a.technical && s.ix.terms[a.id].party && s.answered[i] < answeredWell {
			left *= afterSilence
		}
	}
	if c.head >= 0 && s.request.explained[c.head] < answeredWell && s.request.kind == identifierKind {
		left *= afterOtherKey
	}
	return left
}

// roleFactor is what the table's purpose leaves of a score. A key of a lookup table stands in the records too, where
// it belongs.
func roleFactor(r *request, c *column) float64 {
	switch {
	case c.role == pastTable:
		return afterPast
	case c.role == plumbingTable:
		return afterPlumbing
	case c.role != lookupTable || r.kind == nameKind || r.kind == textKind:
		return 1
	case c.key:
		return afterLookup * afterLookup
	default:
		return afterLookup
	}
}
