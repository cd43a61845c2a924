package eval

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// labelledCriticality is an answer with a criticality and its label.
func labelledCriticality(got schema.Level, confidence int, want ...string) Answer {
	a := Answer{Label: tabular.GoldRow{Criticality: want}}
	a.Attribute.AttributeName = "a"
	a.Class.Criticality, a.Class.Confidence = got, confidence
	return a
}

func TestField_JudgesByTheLabel(t *testing.T) {
	t.Parallel()
	criticality := fields()[2]
	for _, tt := range []struct {
		name                     string
		answer                   Answer
		judged, best, defensible bool
	}{
		{"no label", labelledCriticality(schema.LevelHigh, 0), false, false, false},
		{"the best answer", labelledCriticality(schema.LevelHigh, 0, "High", "Medium"), true, true, true},
		{"a defensible answer", labelledCriticality(schema.LevelMedium, 0, "High", "Medium"), true, false, true},
		{"a wrong answer", labelledCriticality(schema.LevelLow, 0, "High", "Medium"), true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			judged, best := criticality.judged(tt.answer), criticality.best(tt.answer)
			defensible := criticality.defensible(tt.answer)
			if judged != tt.judged || best != tt.best || defensible != tt.defensible {
				t.Errorf("judged, best, defensible: got %t, %t, %t, want %t, %t, %t",
					judged, best, defensible, tt.judged, tt.best, tt.defensible)
			}
		})
	}
}

func TestWorst_ListsTheMostConfidentMistakes(t *testing.T) {
	t.Parallel()
	answers := []Answer{
		labelledCriticality(schema.LevelLow, 40, "High"),
		labelledCriticality(schema.LevelHigh, 99, "High"), // right
		labelledCriticality(schema.LevelLow, 90, "High"),
		labelledCriticality(schema.LevelLow, 95), // not judged
		labelledCriticality(schema.LevelLow, 70, "Medium"),
	}
	for limit, want := range map[int][]int{0: nil, 2: {90, 70}, 9: {90, 70, 40}} {
		var got []int
		for _, m := range worst(answers, limit) {
			if m.Field != "criticality" || m.Got != "Low" {
				t.Errorf("mistake: got %s %s, want criticality Low", m.Field, m.Got)
			}
			got = append(got, m.Confidence)
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v, want %v", limit, got, want)
		}
	}
}

func TestCompare_Effect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		first, second schema.Level
		want          string
	}{
		{"better", schema.LevelLow, schema.LevelHigh, "better"},
		{"worse", schema.LevelMedium, schema.LevelLow, "worse"},
		{"both defensible", schema.LevelHigh, schema.LevelMedium, "same"},
		{"the same answer", schema.LevelLow, schema.LevelLow, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			effect := ""
			for _, d := range Compare([]Answer{labelledCriticality(tt.first, 0, "High", "Medium")},
				[]Answer{labelledCriticality(tt.second, 0, "High", "Medium")}) {
				effect = d.Effect
			}
			if effect != tt.want {
				t.Errorf("effect: got %q, want %q", effect, tt.want)
			}
		})
	}
}
