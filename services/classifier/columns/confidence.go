package columns

import "math"

// likelihood returns the probability that a column with this score is right.
func likelihood(score float64) float64 {
	return 1 / (1 + math.Exp(-steepness*(score-midScore)))
}

// certainty returns the factor by which the next column lowers the confidence.
func certainty(margin float64, copied bool) float64 {
	left := withoutMargin + (1-withoutMargin)*min(1, margin/clearMargin)
	if copied {
		left = min(left, withCopy)
	}
	return left
}

// marginOf returns the difference between the score of the first verdict and that of the next one about another
// element, and whether another table has a copy of the first column.
func marginOf(ix *Index, verdicts []verdict) (margin float64, copied bool) {
	best := verdicts[0]
	for _, v := range verdicts[1:] {
		if best.score-v.score >= clearMargin {
			return best.score - v.score, copied
		}
		if !ix.columns[best.column].copies(&ix.columns[v.column]) {
			return best.score - v.score, copied
		}
		copied = true
	}
	return best.score, copied
}

// percent returns a share as a whole number from 0 to 99.
func percent(share float64) int {
	return int(min(max(share, 0), 0.99)*100 + 0.5)
}
