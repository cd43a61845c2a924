package columns

import (
	"cmp"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// Ranking is the answer for one attribute.
type Ranking struct {
	// SourceField is the chosen column as schema.table.column, empty where nothing fits.
	SourceField string
	// Column is the position of the chosen column among the candidates, -1 where nothing fits.
	Column int
	// Confidence is 0 to 95: how sure the answer is, "nothing fits" included. It is 0 where there are no columns to compare.
	Confidence int
	// MappingType says how the chosen column feeds the attribute, empty where nothing fits.
	MappingType schema.MappingType
	// Rationale says to a reviewer why.
	Rationale string
	// Margin is the lead over the next column that means something else, 0 to 100; of copies of the same element in other tables it takes
	// no notice. It is 0 where nothing fits.
	Margin int
	// Alternatives are the next best columns, best first, the chosen one not among them.
	Alternatives []schema.Alternative
}

const (
	// enough is the least score of a column that is offered.
	enough = 0.4
	// mostAlternatives are shown, none of them with a score below leastAlternative.
	mostAlternatives = 5
	leastAlternative = 0.05
)

// Rank finds the column that feeds an attribute, or says that nothing fits.
func (ix *Index) Rank(a schema.Attribute) Ranking {
	s, _ := ix.scratch.Get().(*scratch)
	defer func() {
		s.reset()
		ix.scratch.Put(s)
	}()
	r := ix.read(&a, s)
	for _, number := range ix.gather(&r, s) {
		s.judged = append(s.judged, ix.judge(&r, s, number))
	}
	slices.SortFunc(s.judged, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.column, b.column))
	})
	if len(s.judged) == 0 || s.judged[0].score < enough {
		return ix.nothing(&r, s)
	}
	return ix.chosen(&r, s)
}

func (ix *Index) nothing(r *request, s *scratch) Ranking {
	if len(ix.columns) == 0 {
		return Ranking{Column: -1, Rationale: "Nothing could be compared: the report's data sources have no columns."}
	}
	best := 0.0
	if len(s.judged) > 0 {
		best = s.judged[0].score
	}
	return Ranking{
		Column:       -1,
		Confidence:   percent(min(mostCertain, 1-likelihood(best))),
		Rationale:    ix.whyNothing(r, s),
		Alternatives: ix.alternatives(r, s, s.judged, likelihood),
	}
}

func (ix *Index) chosen(r *request, s *scratch) Ranking {
	best := s.judged[0]
	lead, copied := ix.lead(s.judged)
	confidence := min(mostCertain, likelihood(best.score)*certainty(lead, copied))
	return Ranking{
		SourceField: ix.columns[best.column].field,
		Column:      best.column,
		Confidence:  percent(confidence),
		MappingType: ix.mappingType(r, best),
		Rationale:   ix.whyChosen(r, s, lead),
		Margin:      percent(lead),
		Alternatives: ix.alternatives(r, s, s.judged[1:], func(score float64) float64 {
			return confidence * (score / best.score) * (score / best.score)
		}),
	}
}

// mappingType says how a column feeds the attribute: by the kinds of value, and through a lookup table where the column stands in one or
// where one explains the letters that must become the form's number.
func (ix *Index) mappingType(r *request, v verdict) schema.MappingType {
	c := &ix.columns[v.column]
	if c.role == lookupTable || v.how == schema.Direct && r.wantsNumberFor(c) && ix.explainsCode(c) {
		return schema.Lookup
	}
	return v.how
}

func (ix *Index) alternatives(r *request, s *scratch, judged []verdict, worth func(score float64) float64) []schema.Alternative {
	n := 0
	for n < len(judged) && n < mostAlternatives && judged[n].score >= leastAlternative {
		n++
	}
	if n == 0 {
		return nil
	}
	alternatives := make([]schema.Alternative, n)
	for i, v := range judged[:n] {
		alternatives[i] = schema.Alternative{
			SourceField: ix.columns[v.column].field,
			Score:       percent(worth(v.score)),
			Reason:      ix.whyNot(r, s, v),
		}
	}
	return alternatives
}
