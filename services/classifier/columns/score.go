package columns

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// verdict is the result of comparing one column with a request.
type verdict struct {
	column int
	score  float64
	// fit is how well the column's values fit the attribute, 0 to 1, and how is the way in which they feed it.
	fit float64
	how schema.MappingType
	// against is the column's term that contradicts the attribute, or -1. insteadOf is the requirement that it
	// contradicts.
	against, insteadOf int
	// claimed is true if the column suits another attribute of the report better.
	claimed bool
}

// isDerived reports whether the attribute's values must be computed from the column's.
func (v *verdict) isDerived() bool {
	return v.how == schema.MappingTypeConditional || v.how == schema.MappingTypeCalculated
}

// scorer compares columns with a request.
type scorer struct {
	ix      *Index
	request *request
	// answered has, by requirement, the degree to which the present column answers it.
	answered []float64
}

// score compares a column with the request. The score is the product of five factors: the share of the requirements
// that the column answers (recall), the share of its name that the attribute explains (precision), the table, the
// kind and type, and the qualifiers.
func (s *scorer) score(number int) verdict {
	c := &s.ix.columns[number]
	v := verdict{column: number, against: -1}
	v.fit, v.how = concepts.Fit(s.request.kind, c.kind)
	v.fit *= concepts.CapacityFit(s.request.declared, c.declared)
	recall := s.recall(c, &v)
	precision := s.limitPrecision(c, recall, s.precision(c, &v))
	precision = max(precision, answeredAsKey*s.explainedShare(c.identified))
	if !excludes(s.request, c) {
		v.fit += (1 - v.fit) * trust(s.request, c) * recall * precision
	}

	table := (1 - tableShare - sizeShare) + tableShare*s.tableShare(c) + sizeShare*c.size
	v.score = recall * ((1 - precisionShare) + precisionShare*precision) * table * v.fit
	v.score += descriptionBonus * s.explainedShare(c.description) * v.fit * recall
	v.score *= s.qualifierFactor(c, &v) * s.omissionFactor(c) * roleFactor(s.request, c) * keyFactor(s.request, c)
	return v
}

// recall returns the weighted share of the requirements that the column answers, 0 to 1.
func (s *scorer) recall(c *column, v *verdict) float64 {
	r := s.request
	s.answered = append(s.answered[:0], make([]float64, len(r.requirements))...)
	s.answer(c.name, answeredInName)
	s.answer(c.table, answeredInTable)
	s.answer(c.description, answeredInDescription)
	s.answer(c.identified, answeredAsKey)
	s.answerPhrases()
	var got, all float64
	for i, a := range r.requirements {
		all += a.weight
		got += a.weight * max(s.answered[i], impliedDegree(r, a, c, v))
	}
	if all == 0 {
		return 0
	}
	return got / all
}

// answer records what the terms of one of the column's texts answer, times the degree of that text.
func (s *scorer) answer(terms []int, degree float64) {
	for _, id := range terms {
		answers := s.request.answers[id]
		exact := slices.ContainsFunc(answers, func(a answer) bool {
			return a.degree == 1 && s.request.requirements[a.requirement].phrase == 0
		})
		for _, a := range answers {
			if exact && a.degree < 1 {
				a.degree *= inexactShare
			}
			s.answered[a.requirement] = max(s.answered[a.requirement], a.degree*degree)
		}
	}
}

// answerPhrases counts the words of a phrase as partial answers to it.
func (s *scorer) answerPhrases() {
	all := s.request.requirements
	for i := 0; i < len(all); {
		phrase, sum, n := all[i].phrase, 0.0, 0
		for ; i < len(all) && all[i].phrase == phrase; i++ {
			sum += s.answered[i]
			n++
		}
		if phrase > 0 {
			s.answered[phrase-1] = max(s.answered[phrase-1], inPhraseDegree*sum/float64(n))
		}
	}
}

// impliedDegree returns how well the column answers a requirement without a word for it. A date column need not have
// "date" in its name, nor a current one "current"; a column from which the value is computed has another name.
func impliedDegree(r *request, a requirement, c *column, v *verdict) float64 {
	if a.announces.Strong && a.announces.Kind == r.kind {
		if v.isDerived() || a.weak && c.kind == r.kind {
			return answeredByKind * v.fit
		}
	}
	switch {
	case a.assumed:
		return answeredByDefault
	case a.omitted && v.against < 0:
		return answeredByOmission
	}
	return 0
}

// precision returns the weighted share of the column's name that the attribute explains, 0 to 1.
func (s *scorer) precision(c *column, v *verdict) float64 {
	var got, all float64
	for i, id := range c.name {
		t := &s.ix.terms[id]
		weight, explained := t.weight, s.request.explained[id]
		if c.kind == concepts.KindIdentifier {
			weight = t.strong
		}
		if c.shared[i] || i < c.borrowed && explained == 0 {
			weight *= weakShare
		}
		switch {
		case explained > 0:
		case t.assumed:
			weight *= weakShare
		case t.opaque:
			weight *= opaqueShare
		}
		if isImplied(s.request, c, v, t) {
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

// isImplied reports whether a word of the column's name only names the column's kind of value, and the attribute is
// of that kind or computed from it.
func isImplied(r *request, c *column, v *verdict, t *term) bool {
	a := t.announces
	switch {
	case a.Kind == concepts.KindAny || a.Kind != c.kind:
		return false
	case t.weak:
		return c.kind == r.kind || v.isDerived()
	default:
		return c.kind == r.kind && a.Kind == concepts.KindRate && a.Strong
	}
}

// limitPrecision lowers the precision of a name that has no distinctive word in common with the attribute.
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

// ownWords counts the distinctive words of the column's name, and those of them that the attribute explains.
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

// tableShare returns the share of the table's name that the attribute explains.
func (s *scorer) tableShare(c *column) float64 {
	if !slices.ContainsFunc(c.table, func(id int) bool { return !s.ix.terms[id].opaque }) {
		return unreadableTable
	}
	return s.explainedShare(c.table)
}

// explainedShare returns the weighted share of the terms that the attribute explains, without words that are in no
// dictionary.
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

// qualifierFactor lowers the score for qualifiers that contradict the attribute or that it does not have.
func (s *scorer) qualifierFactor(c *column, v *verdict) float64 {
	left := 1.0
	for _, id := range c.name[c.borrowed:] {
		t := &s.ix.terms[id]
		required, contradicted := s.compareGroups(c, id, false, v)
		switch {
		case contradicted:
			left *= afterContradiction
		case required || s.request.explained[id] > 0 || t.assumed:
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
		required, contradicted := s.compareGroups(c, id, true, v)
		switch {
		case contradicted:
			left *= afterTableContradiction
		case !required && s.request.explained[id] == 0 && s.ix.terms[id].party:
			left *= afterUnaskedQualifier
		}
	}
	return left
}

// compareGroups compares a term of the column with the requirements of the same "against" lines of the vocabulary. It
// reports whether there is one, and whether it contradicts the term; the contradiction is recorded in v.
func (s *scorer) compareGroups(c *column, id int, inTable bool, v *verdict) (required, contradicted bool) {
	for _, group := range s.ix.terms[id].groups {
		insteadOf := -1
		for i, a := range s.request.requirements {
			if a.id < 0 || a.phrase > 0 || !slices.Contains(s.ix.terms[a.id].groups, group) {
				continue
			}
			required = true
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
	return required, false
}

// agrees reports whether one of the terms answers the requirement well enough to be no contradiction.
func (s *scorer) agrees(terms []int, requirement int) bool {
	_, degree := s.request.answeredBy(terms, requirement)
	return degree >= noContradiction
}

// omissionFactor lowers the score of a column that lacks a required qualifier or identifies something else.
func (s *scorer) omissionFactor(c *column) float64 {
	left := 1.0
	for i, a := range s.request.requirements {
		if a.id < 0 || a.phrase > 0 || a.technical || a.omitted || a.assumed || s.answered[i] >= minFound {
			continue
		}
		switch t := &s.ix.terms[a.id]; {
		case t.party:
			left *= afterOmission
		case len(t.groups) > 0 && !a.weak && !a.head:
			left *= afterQualifierOmission
		}
	}
	if s.request.kind == concepts.KindIdentifier && s.identifiesAnother(c) {
		left *= afterOtherKey
	}
	return left
}

// identifiesAnother reports whether an identifier is of something that the attribute does not name. If it is a declared
// key, the name of the table that it identifies counts, too.
func (s *scorer) identifiesAnother(c *column) bool {
	explained := func(id int) bool { return s.request.explained[id] >= minFound }
	if c.head < 0 || explained(c.head) {
		return false
	}
	of := c.identified[:max(0, len(c.identified)-1)] // without "identifier"
	return !slices.ContainsFunc(of, explained)
}

// roleFactor lowers the score of a column by the purpose of its table. The key of a lookup table is lowered twice,
// because the records have the same column.
func roleFactor(r *request, c *column) float64 {
	switch {
	case c.role == pastTable:
		return afterPast
	case c.role == systemTable:
		return afterSystem
	case c.role != lookupTable || r.kind == concepts.KindName || r.kind == concepts.KindText:
		return 1
	case c.key:
		return afterLookup * afterLookup
	default:
		return afterLookup
	}
}

// excludes reports whether the kinds contradict each other so that no name can outweigh it: a date is no amount, and a
// flag is no balance. The declared types of both must prove it, or a strong word of the name.
func excludes(r *request, c *column) bool {
	if c.kind == concepts.KindBinary {
		return true
	}
	if !r.certain || !c.certain {
		return r.kind == concepts.KindDate && c.declared.Scale > 0 ||
			c.kind == concepts.KindDate && r.declared.Scale > 0 ||
			c.declared.Kind == datatype.Boolean && r.declared.Scale > 0
	}
	return (r.kind == concepts.KindDate) != (c.kind == concepts.KindDate) ||
		(r.kind == concepts.KindFlag) != (c.kind == concepts.KindFlag)
}

// trust returns how far a name that matches completely outweighs a kind that does not fit, 0 to 1: the less certain
// the kinds are, the more.
func trust(r *request, c *column) float64 {
	switch {
	case r.certain && c.certain:
		return trustInProven
	case r.certain || c.certain:
		return trustInHalfProven
	default:
		return trustInGuessed
	}
}
