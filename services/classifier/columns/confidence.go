package columns

import "math"

// likelihood is the share of columns with this score that are right, 0 to 1.
func likelihood(score float64) float64 {
	return 1 / (1 + math.Exp(-steepness*(score-evenScore)))
}

// certainty is what the next column leaves of the confidence.
func certainty(lead float64, copied bool) float64 {
	left := withoutLead + (1-withoutLead)*min(1, lead/clearLead)
	if copied {
		left = min(left, withCopy)
	}
	return left
}

// lead is how far the first verdict is ahead of the next about another element, and whether a copy of its column
// stands in another table.
func lead(ix *Index, verdicts []verdict) (lead float64, copied bool) {
	best := verdicts[0]
	for _, v := range verdicts[1:] {
		if best.score-v.score >= clearLead {
			return best.score - v.score, copied
		}
		if !ix.columns[best.column].copies(&ix.columns[v.column]) {
			return best.score - v.score, copied
		}
		copied = true
	}
	return best.score, copied
}

// percent is a share as a whole number from 0 to 99.
func percent(share float64) int {
	return int(min(max(share, 0), 0.99)*100 + 0.5)
}
