package columns

import (
	"math"
	"slices"
)

// The curve from scores to shares of right answers, fitted to the schemas in testdata and left a little below what they show, because other
// banks' schemas hold surprises that these do not.
const (
	evenScore = 0.4
	steepness = 10.5
)

// likelihood is the share of columns with this score that are right, 0 to 1.
func likelihood(score float64) float64 {
	return 1 / (1 + math.Exp(-steepness*(score-evenScore)))
}

const (
	// clearLead is a lead at which the next column no longer casts doubt.
	clearLead = 0.12
	// withoutLead and withCopy are what is left of the confidence beside an equal column, and beside a copy of the same element.
	withoutLead = 0.7
	withCopy    = 0.93
)

// certainty is what the next column leaves of the confidence.
func certainty(lead float64, copied bool) float64 {
	left := withoutLead + (1-withoutLead)*min(1, lead/clearLead)
	if copied {
		left = min(left, withCopy)
	}
	return left
}

// lead is how far the first is ahead of the next that means something else, and whether a copy of it stands in another table.
func (ix *Index) lead(judged []verdict) (lead float64, copied bool) {
	best := judged[0]
	for _, v := range judged[1:] {
		if best.score-v.score >= clearLead {
			return best.score - v.score, copied
		}
		if !ix.sameElement(best.column, v.column) {
			return best.score - v.score, copied
		}
		copied = true
	}
	return best.score, copied
}

// sameElement reports whether two columns of different tables say and hold the same.
func (ix *Index) sameElement(a, b int) bool {
	x, y := &ix.columns[a], &ix.columns[b]
	return x.kind == y.kind && x.tableNumber != y.tableNumber && slices.Equal(x.name, y.name)
}

// mostCertain is the most that a comparison of names can be sure of, of what fits as of nothing.
const mostCertain = 0.95

// percent is a share as a whole number from 0 to 99.
func percent(share float64) int {
	return int(min(max(share, 0), 0.99)*100 + 0.5)
}
