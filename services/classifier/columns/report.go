package columns

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Report ranks the columns for the attributes of one report. It adds two kinds of evidence to those of an [Index]:
// which tables the report is about, and which columns suit another attribute better. Both are computed once from all
// attributes and columns, so that a result does not depend on the order of the calls. A Report is immutable and safe
// for concurrent use.
type Report struct {
	ix *Index
	// focus has, by table number, how much of the report the table feeds, 0 to 1.
	focus []float64
	// claims has the score of the attribute that a column suits best, by column, for the columns that are the best for
	// an attribute.
	claims map[int]float64
}

// Report returns the ranking for a report with these attributes, and no others.
func (ix *Index) Report(attributes []schema.Attribute) *Report {
	r := &Report{ix: ix, focus: make([]float64, ix.tables), claims: map[int]float64{}}
	w, _ := ix.workspaces.Get().(*workspace)
	defer ix.workspaces.Put(w)
	sorted := slices.Clone(attributes) // sums of floating-point numbers depend on the order
	slices.SortFunc(sorted, func(a, b schema.Attribute) int {
		return cmp.Or(strings.Compare(a.AttributeName, b.AttributeName), strings.Compare(a.DataType, b.DataType),
			strings.Compare(a.TechnicalLineItemName, b.TechnicalLineItemName),
			strings.Compare(a.Description, b.Description))
	})
	for i := range sorted {
		w.compare(ix, &sorted[i], nil)
		r.claim(w.verdicts)
		w.reset()
	}
	most := slices.Max(append(r.focus, 0))
	for i := range r.focus {
		if most == 0 { // nothing is known of the report
			r.focus[i] = 1
			continue
		}
		r.focus[i] = math.Sqrt(r.focus[i] / most)
	}
	return r
}

// claim records the best column of an attribute. If several score the same, none of them is claimed.
func (r *Report) claim(verdicts []verdict) {
	if len(verdicts) == 0 || verdicts[0].score < minScore {
		return
	}
	best := verdicts[0]
	c := &r.ix.columns[best.column]
	r.focus[c.tableNumber] += best.score
	if len(verdicts) == 1 || best.score > verdicts[1].score {
		r.claims[best.column] = max(r.claims[best.column], best.score)
	}
}

// Rank returns the column that feeds an attribute of the report best, or that none does.
func (r *Report) Rank(a schema.Attribute) Ranking {
	w, _ := r.ix.workspaces.Get().(*workspace)
	defer func() {
		w.reset()
		r.ix.workspaces.Put(w)
	}()
	return w.rank(r.ix, &a, r)
}

// weigh adjusts the score of a column by the evidence of the whole report.
func (r *Report) weigh(v *verdict) {
	claim, c := r.claims[v.column], &r.ix.columns[v.column]
	if c.role != lookupTable { // which belongs to the tables that refer to it
		v.score *= 1 - focusShare + focusShare*r.focus[c.tableNumber]
	}
	if claim > v.score+claimMargin {
		v.score *= afterClaim
		v.claimed = true
	}
}
