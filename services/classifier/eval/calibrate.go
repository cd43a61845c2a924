package eval

import (
	"math"

	"github.com/pdeflow/pdeflow/services/classifier/llm"
)

// prior is the weight of the assumption that a confidence needs no correction, in answers that confirm it.
const prior = 4

// Calibrate returns the corrections after which the confidences of a model fit to the labels of these answers, which
// must be those of a model without corrections. A class is right if all labelled fields are.
func Calibrate(answers []Answer) llm.Calibration {
	decided := map[llm.Evidence][]decision{}
	all := fields()
	for _, a := range answers {
		if a.ColumnAgreement != "" && all[0].judged(a) {
			of := llm.Evidence{Result: llm.ResultColumn, Agreement: a.ColumnAgreement}
			decided[of] = append(decided[of], newDecision(a.Ranking.Confidence, all[0].defensible(a)))
		}
		judged, right := false, true
		for _, f := range all[1:] {
			if f.judged(a) {
				judged, right = true, right && f.defensible(a)
			}
		}
		if a.ClassAgreement != "" && judged {
			of := llm.Evidence{Result: llm.ResultClass, Agreement: a.ClassAgreement}
			decided[of] = append(decided[of], newDecision(a.Class.Confidence, right))
		}
	}
	c := llm.Calibration{}
	for of, decisions := range decided {
		c[of] = llm.Correction{Shift: fitShift(decisions), Decisions: len(decisions)}
	}
	return c
}

// decision is the confidence of an answer, 0 to 1, and whether the answer is right.
type decision struct {
	confidence float64
	right      bool
}

func newDecision(percent int, right bool) decision {
	return decision{confidence: min(max(float64(percent)/100, 0.02), 0.98), right: right}
}

// fitShift returns the shift of the log-odds with which the decisions are most probable, at most [llm.MaxShift]. The
// prior pulls it to 0, so that few decisions correct little. The gradient falls with the shift, so halving the interval
// finds its zero; steps by its slope do not where nearly all probabilities are 0 or 1.
func fitShift(decisions []decision) float64 {
	low, high := -float64(llm.MaxShift), float64(llm.MaxShift)
	for high-low > 0.0001 {
		shift := (low + high) / 2
		gradient := -prior * shift / 4
		for _, d := range decisions {
			if d.right {
				gradient++
			}
			gradient -= llm.Shifted(d.confidence, shift)
		}
		if gradient > 0 {
			low = shift
		} else {
			high = shift
		}
	}
	return math.Round((low+high)/2*1000) / 1000
}
