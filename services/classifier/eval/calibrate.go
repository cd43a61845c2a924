package eval

import (
	"math"

	"github.com/pdeflow/pdeflow/services/classifier/llm"
)

// prior is the weight of the assumption that a confidence needs no correction, in answers that confirm it.
const prior = 4

// iterations of Newton's method; it converges in fewer.
const iterations = 50

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

// fitShift returns the shift of the log-odds with which the decisions are most probable, by Newton's method. The prior
// pulls it to 0, so that few decisions correct little.
func fitShift(decisions []decision) float64 {
	shift := 0.0
	for range iterations {
		gradient, curvature := -prior*shift/4, prior/4.0
		for _, d := range decisions {
			p := llm.Shifted(d.confidence, shift)
			if d.right {
				gradient++
			}
			gradient -= p
			curvature += p * (1 - p)
		}
		shift += gradient / curvature
	}
	return math.Round(shift*1000) / 1000
}
