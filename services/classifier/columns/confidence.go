package columns

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
