package columns

import "cmp"

const (
	// shortlist is how many columns are compared whole.
	shortlist = 48
	// commonShare of the columns, and at least commonLeast, may have a term before it no longer helps to find candidates.
	commonShare = 8
	commonLeast = 512
)

// gather notes what answers the request and appends the most promising columns to the shortlist.
func (ix *Index) gather(r *request, s *scratch) []int {
	for i, a := range r.asked {
		if a.id < 0 {
			continue
		}
		for _, l := range ix.terms[a.id].related {
			s.answer(l.id, i, l.degree)
		}
	}
	for _, g := range s.guesses {
		s.answer(g.id, g.ask, g.degree)
	}
	limit := max(len(ix.columns)/commonShare, commonLeast)
	for again := true; again && len(s.touched) == 0; limit *= 64 {
		again = limit < len(ix.columns)
		for i, a := range r.asked {
			if a.id < 0 {
				continue
			}
			for _, l := range ix.terms[a.id].related {
				ix.promise(s, l.id, r.promising(i)*l.degree, limit)
			}
		}
		for _, g := range s.guesses {
			ix.promise(s, g.id, r.promising(g.ask)*g.degree, limit)
		}
	}
	byPromise := func(a, b int) int { return cmp.Or(cmp.Compare(s.promise[b], s.promise[a]), cmp.Compare(a, b)) }
	if len(s.touched) > shortlist {
		selectFirst(s.touched, shortlist, byPromise)
	}
	return s.touched[:min(shortlist, len(s.touched))]
}

// promising is what an answer to an ask promises: its weight, and of a word of a phrase half the phrase's.
func (r *request) promising(ask int) float64 {
	if whole := r.asked[ask].whole; whole > 0 {
		return r.asked[whole-1].weight / 2
	}
	return max(r.asked[ask].weight, leastWeight)
}

// promise adds to what every column with the term promises, unless those are too many.
func (ix *Index) promise(s *scratch, id int, much float64, limit int) {
	if len(ix.postings[id]) > limit {
		return
	}
	for _, c := range ix.postings[id] {
		s.promises(c, much)
	}
}

// selectFirst moves the first n of items by order to the front, in no order.
func selectFirst(items []int, n int, order func(a, b int) int) {
	for low, high := 0, len(items)-1; low < high; {
		pivot := items[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for order(items[i], pivot) < 0 {
				i++
			}
			for order(items[j], pivot) > 0 {
				j--
			}
			if i <= j {
				items[i], items[j] = items[j], items[i]
				i++
				j--
			}
		}
		switch {
		case n <= j+1:
			high = j
		case n > i:
			low = i
		default:
			return
		}
	}
}
