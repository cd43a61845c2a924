package columns

import (
	"fmt"
	"testing"

	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

func TestMarginOf(t *testing.T) {
	t.Parallel()
	ix := &Index{columns: []column{
		{kind: concepts.KindDate, tableNumber: 1, name: []int{1, 2}},
		{kind: concepts.KindDate, tableNumber: 2, name: []int{1, 2}}, // a copy of the first
		{kind: concepts.KindDate, tableNumber: 1, name: []int{1, 3}},
	}}
	for _, tt := range []struct {
		name     string
		verdicts []verdict
		margin   float64
		lead     float64
	}{
		{"alone", []verdict{{column: 0, score: 0.75}}, 0.75, 0.75},
		{"a near twin", []verdict{{column: 0, score: 0.75}, {column: 2, score: 0.6875}}, 0.0625, 0.0625},
		{
			"a copy, then a near twin",
			[]verdict{{column: 0, score: 0.75}, {column: 1, score: 0.75}, {column: 2, score: 0.6875}},
			0.0625, 0,
		},
		{"only a copy", []verdict{{column: 0, score: 0.75}, {column: 1, score: 0.75}}, 0.75, 0},
		{"a copy with a much lower score", []verdict{{column: 0, score: 0.75}, {column: 1, score: 0.5}}, 0.25, 0.25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, lead := marginOf(ix, tt.verdicts), leadOf(tt.verdicts); got != tt.margin || lead != tt.lead {
				t.Errorf("margin and lead: got %g, %g, want %g, %g", got, lead, tt.margin, tt.lead)
			}
		})
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{-1: 0, 0: 0, 0.004: 0, 0.005: 1, 0.5: 50, 0.95: 95, 1: 99, 7: 99} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			t.Parallel()
			if got := percent(share); got != want {
				t.Errorf("percent(%g): got %d, want %d", share, got, want)
			}
		})
	}
}
