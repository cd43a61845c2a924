package eval

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
)

func TestCalibrate_MovesConfidencesTowardsTheShareOfRightAnswers(t *testing.T) {
	t.Parallel()
	answers := func(n, right, confidence int, agreement llm.Agreement) (all []Answer) {
		for i := range n {
			a := Answer{
				Ranking:         columns.Ranking{SourceField: "s.t.right", Confidence: confidence},
				Label:           tabular.GoldRow{SourceField: []string{"s.t.right"}},
				ColumnAgreement: agreement,
			}
			if i >= right {
				a.Ranking.SourceField = "s.t.other"
			}
			all = append(all, a)
		}
		return all
	}
	all := answers(100, 60, 90, llm.AgreementFull)
	all = append(all, answers(100, 50, 50, llm.AgreementNone)...)
	all = append(all, answers(2, 0, 50, llm.AgreementAlone)...)
	all = append(all, answers(100, 50, 97, llm.AgreementPartial)...)
	all = append(all, answers(50, 0, 90, "")...) // by the rules
	c := Calibrate(all)
	of := func(a llm.Agreement) llm.Correction { return c[llm.Evidence{Result: llm.ResultColumn, Agreement: a}] }
	if got := of(llm.AgreementFull); got.Decisions != 100 || llm.Shifted(0.9, got.Shift) < 0.58 ||
		llm.Shifted(0.9, got.Shift) > 0.65 {
		t.Errorf("60 of 100 are right: got %+v, which makes 0.9 to %.2f, want about 0.6", got,
			llm.Shifted(0.9, got.Shift))
	}
	if got := llm.Shifted(0.97, of(llm.AgreementPartial).Shift); got < 0.48 || got > 0.56 {
		t.Errorf("50 of 100 are right: got %.2f, want a correction of 0.97 to about 0.5", got)
	}
	if got := of(llm.AgreementNone).Shift; got != 0 {
		t.Errorf("50 of 100 are right: got %v, want no correction of 0.5", got)
	}
	if got := llm.Shifted(0.5, of(llm.AgreementAlone).Shift); got < 0.25 || got > 0.45 {
		t.Errorf("2 wrong answers: got %.2f, want a small correction of 0.5", got)
	}
	if len(c) != 4 {
		t.Errorf("got %v, want four corrections: those of the model's answers", c)
	}
}
