package eval

import "math"

// highConfidence is the confidence from which at least 95 of 100 results must be right.
const highConfidence = 85

// Confidences measures the two confidences of the answers.
type Confidences struct {
	// Column is nil if no column is labelled.
	Column *Reliability `json:"column,omitempty"`
	Class  *Reliability `json:"class,omitempty"`
}

// Reliability compares confidences with the share of right answers.
type Reliability struct {
	Bins []Bin `json:"bins"`
	// Error is the expected calibration error, 0 to 1: the mean difference between the confidence and the share of
	// right answers in a bin, weighted by the number of answers in it.
	Error float64 `json:"expected_calibration_error"`
	// High counts the answers with a confidence of 85 or more, HighRight those of them that are right.
	High      int     `json:"high"`
	HighRight int     `json:"high_right"`
	HighShare float64 `json:"high_right_share"`
}

// Bin has the answers with a confidence from From to To, both inclusive.
type Bin struct {
	From  int `json:"from"`
	To    int `json:"to"`
	Count int `json:"count"`
	Right int `json:"right"`
	// Confidence is the mean confidence, 0 to 1, and Share the share of right answers.
	Confidence float64 `json:"mean_confidence"`
	Share      float64 `json:"right_share"`
}

func confidences(answers []Answer) Confidences {
	var c Confidences
	all := fields()
	column, class := newTally(), newTally()
	for _, a := range answers {
		if all[0].judged(a) {
			column.add(a.Ranking.Confidence, all[0].defensible(a))
		}
		judged, right := false, true
		for _, f := range all[1:] {
			if f.judged(a) {
				judged, right = true, right && f.defensible(a)
			}
		}
		if judged {
			class.add(a.Class.Confidence, right)
		}
	}
	c.Column, c.Class = column.reliability(), class.reliability()
	return c
}

// tally sums the answers of each bin. Bins are ten points wide, and the last one has the confidence 100 too.
type tally struct {
	bins            [10]Bin
	sums            [10]int
	high, highRight int
}

func newTally() *tally {
	t := &tally{}
	for i := range t.bins {
		t.bins[i].From, t.bins[i].To = 10*i, 10*i+9
	}
	t.bins[9].To = 100
	return t
}

func (t *tally) add(confidence int, right bool) {
	i := min(confidence/10, 9)
	t.bins[i].Count++
	t.sums[i] += confidence
	if right {
		t.bins[i].Right++
	}
	if confidence >= highConfidence {
		t.high++
		if right {
			t.highRight++
		}
	}
}

// reliability returns nil if nothing was added.
func (t *tally) reliability() *Reliability {
	r := &Reliability{High: t.high, HighRight: t.highRight, HighShare: share(t.highRight, t.high)}
	count := 0
	for i, b := range t.bins {
		if b.Count == 0 {
			continue
		}
		b.Confidence, b.Share = share(t.sums[i], b.Count)/100, share(b.Right, b.Count)
		r.Error += float64(b.Count) * math.Abs(b.Confidence-b.Share)
		r.Bins = append(r.Bins, b)
		count += b.Count
	}
	if count == 0 {
		return nil
	}
	r.Error /= float64(count)
	return r
}
