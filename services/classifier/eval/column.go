package eval

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// listed is the number of columns, the chosen one and the first alternatives, among which a right one counts as listed.
const listed = 5

// ColumnScore counts the results of column mapping.
type ColumnScore struct {
	// Fitting is the number of attributes with a right column. The answer for them was a right column, another one, or
	// none.
	Fitting int `json:"with_a_column"`
	Right   int `json:"right"`
	Other   int `json:"wrong_column"`
	None    int `json:"wrongly_none"`
	// Listed counts those with a right column among the first five. Top1 and Top5 are the shares of Right and Listed.
	Listed int     `json:"listed"`
	Top1   float64 `json:"top_1"`
	Top5   float64 `json:"top_5"`
	// Unfitting is the number of attributes that no column fits. Recognised are those of them without a column in the
	// answer.
	Unfitting  int `json:"without_a_column"`
	Recognised int `json:"none_recognised"`
}

// columnScore returns nil if no column is labelled.
func columnScore(answers []Answer) *ColumnScore {
	var s ColumnScore
	for _, a := range answers {
		switch want := a.Label.SourceField; {
		case len(want) == 0:
		case want[0] == tabular.NoColumn:
			s.Unfitting++
			if slices.Contains(want, a.column()) {
				s.Recognised++
			}
		default:
			s.Fitting++
			s.countFitting(a)
		}
	}
	if s.Fitting+s.Unfitting == 0 {
		return nil
	}
	s.Top1, s.Top5 = share(s.Right, s.Fitting), share(s.Listed, s.Fitting)
	return &s
}

func (s *ColumnScore) countFitting(a Answer) {
	want := a.Label.SourceField
	switch {
	case slices.Contains(want, a.column()):
		s.Right++
	case a.Ranking.Column < 0:
		s.None++
	default:
		s.Other++
	}
	alternatives := a.Ranking.Alternatives
	if a.Ranking.Column >= 0 {
		alternatives = alternatives[:min(listed-1, len(alternatives))]
	}
	if slices.Contains(want, a.column()) || slices.ContainsFunc(alternatives, func(x schema.Alternative) bool {
		return slices.Contains(want, x.SourceField)
	}) {
		s.Listed++
	}
}
