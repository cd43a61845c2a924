package columns

import (
	"cmp"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// Ranking is the result for one attribute.
type Ranking struct {
	// SourceField is the chosen column as schema.table.column, empty if nothing fits.
	SourceField string
	// Column is the position of the chosen column among the candidates, -1 if nothing fits.
	Column int
	// Confidence, 0 to 95, is the probability in percent that the result is right, be it a column or that nothing
	// fits. It is 0 if there are no candidates.
	Confidence int
	// MappingType is how the chosen column feeds the attribute, empty if nothing fits.
	MappingType schema.MappingType
	// Rationale explains the result to a reviewer, in whole sentences.
	Rationale string
	// Margin is the difference to the score of the next column, 0 to 99. Copies of the same element in other tables
	// do not count. It is 0 if nothing fits.
	Margin int
	// Alternatives are at most five columns that were not chosen, the best first.
	Alternatives []schema.Alternative
}

// workspace is the memory of one call of Rank, reused by later calls.
type workspace struct {
	request  request
	promises promises
	answered []float64
	verdicts []verdict
}

func newWorkspace(columns, terms int) *workspace {
	return &workspace{request: newRequest(terms), promises: newPromises(columns)}
}

func (w *workspace) reset() {
	w.request.reset()
	w.promises.reset()
	w.verdicts = w.verdicts[:0]
}

// rank reads an attribute, shortlists columns, scores them and explains the result.
func (w *workspace) rank(ix *Index, a *schema.Attribute) Ranking {
	w.request.read(ix, a)
	s := scorer{ix: ix, request: &w.request, answered: w.answered}
	for _, number := range w.promises.shortlist(ix, &w.request) {
		w.verdicts = append(w.verdicts, s.score(number))
	}
	w.answered = s.answered
	slices.SortFunc(w.verdicts, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.column, b.column))
	})
	x := explainer{ix: ix, request: &w.request, verdicts: w.verdicts}
	if len(w.verdicts) == 0 || w.verdicts[0].score < minScore {
		return rankNothing(x)
	}
	return rankFirst(x)
}

// rankNothing returns the result if no column scores enough.
func rankNothing(x explainer) Ranking {
	if len(x.ix.columns) == 0 {
		return Ranking{Column: -1, Rationale: "Nothing could be compared: the report's data sources have no columns."}
	}
	best := 0.0
	if len(x.verdicts) > 0 {
		best = x.verdicts[0].score
	}
	return Ranking{
		Column:       -1,
		Confidence:   percent(min(maxCertainty, 1-likelihood(best))),
		Rationale:    x.whyNothing(),
		Alternatives: alternatives(x, x.verdicts, likelihood),
	}
}

// rankFirst returns the result if the first of the scored columns is chosen.
func rankFirst(x explainer) Ranking {
	best := x.verdicts[0]
	margin, copied := marginOf(x.ix, x.verdicts)
	confidence := min(maxCertainty, likelihood(best.score)*certainty(margin, copied))
	return Ranking{
		SourceField: x.ix.columns[best.column].field,
		Column:      best.column,
		Confidence:  percent(confidence),
		MappingType: mappingType(x.ix, x.request, best),
		Rationale:   x.whyFirst(margin),
		Margin:      percent(margin),
		Alternatives: alternatives(x, x.verdicts[1:], func(score float64) float64 {
			return confidence * (score / best.score) * (score / best.score)
		}),
	}
}

// mappingType returns how a column feeds the attribute: by the kinds of value, or through a lookup table if the
// column is in one, or if one has the letters that become the form's number.
func mappingType(ix *Index, r *request, v verdict) schema.MappingType {
	c := &ix.columns[v.column]
	if c.role == lookupTable || v.how == schema.MappingTypeDirect && r.isNumberOf(c) && ix.explainsCode(c) {
		return schema.MappingTypeLookup
	}
	return v.how
}

func alternatives(x explainer, verdicts []verdict, worth func(score float64) float64) []schema.Alternative {
	n := 0
	for n < len(verdicts) && n < maxAlternatives && verdicts[n].score >= minAlternative {
		n++
	}
	if n == 0 {
		return nil
	}
	all := make([]schema.Alternative, n)
	for i, v := range verdicts[:n] {
		all[i] = schema.Alternative{
			SourceField: x.ix.columns[v.column].field,
			Score:       percent(worth(v.score)),
			Reason:      x.whyNot(v),
		}
	}
	return all
}
