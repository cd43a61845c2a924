package llm

import (
	"maps"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestCalibration_IsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	want := Calibration{
		{ResultColumn, AgreementFull}:   {Shift: 0.25, Decisions: 40},
		{ResultColumn, AgreementNone}:   {Shift: -1.5, Decisions: 9},
		{ResultClass, AgreementPartial}: {Shift: 0.004, Decisions: 1},
	}
	got, err := ParseCalibration(want.Format())
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("ParseCalibration: got %v (%v), want %v", got, err, want)
	}
}

func TestParseCalibration_NamesTheMistake(t *testing.T) {
	t.Parallel()
	header := "result,agreement,decisions,shift\n"
	for text, want := range map[string]string{
		"column,agreed,1,0.5\n":               "the first line must be result,agreement,decisions,shift",
		header + "column,agreed,one,0.5\n":    "line 2",
		header + "tier,agreed,1,0.5\n":        "line 2: no such result",
		header + "class,agreed,1,9\n":         "line 2: no such result, or a shift over 5",
		header + "class,agreed,1,NaN\n":       "line 2",
		header + "class,agreed,1,0.5,extra\n": "wrong number of fields",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if c, err := ParseCalibration(text); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ParseCalibration: got %v (%v), want an error with %q", c, err, want)
			}
		})
	}
}

func TestCalibration_CorrectsConfidencesWithinTheirLimits(t *testing.T) {
	t.Parallel()
	o := Opinion{ColumnCertainty: 1, TierCertainty: 1}
	for name, tt := range map[string]struct {
		agreement Agreement
		shift     float64
		low, high int
	}{
		"no correction":          {AgreementFull, 0, 93, 97},
		"less":                   {AgreementFull, -1, 80, 92},
		"more, up to the limit":  {AgreementFull, 5, maxAgreed, maxAgreed},
		"a dispute stays unsure": {AgreementNone, 5, maxDisputed, maxDisputed},
		"a lost dispute":         {AgreementNone, -2, 1, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := o
			o.calibration = Calibration{{ResultColumn, tt.agreement}: {Shift: tt.shift}}
			if got := o.ColumnConfidence(tt.agreement, 80); got < tt.low || got > tt.high {
				t.Errorf("ColumnConfidence: got %d, want %d to %d", got, tt.low, tt.high)
			}
			if got, want := o.ClassConfidence(tt.agreement, 80), assumed(tt.agreement, 80, 1); got != want {
				t.Errorf("ClassConfidence: got %d, want %d: only columns are corrected", got, want)
			}
		})
	}
	client, err := provider.New(provider.Config{Protocol: provider.OpenAI, Model: "m", APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	m := New(client, NewPrompt(policy.Default()), nil)
	calibrated := m.WithCalibration(Calibration{{ResultClass, AgreementFull}: {Shift: 1}})
	if m.Digest() == calibrated.Digest() || !strings.HasPrefix(calibrated.Digest(), m.Digest()) {
		t.Errorf("Digest: got %q and %q, want that of a calibrated model to differ", m.Digest(), calibrated.Digest())
	}
}
