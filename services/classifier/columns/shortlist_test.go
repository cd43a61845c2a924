package columns

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPromises_First(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 40; n++ {
		p := newPromises(30)
		for c := range 30 {
			p.add([]int{c}, float64(1+random.IntN(5)), 1)
		}
		want := slices.Clone(p.touched)
		slices.SortStableFunc(want, func(a, b int) int {
			if p.byColumn[a] != p.byColumn[b] {
				return int(p.byColumn[b] - p.byColumn[a])
			}
			return a - b
		})
		want = want[:min(n, len(want))]
		if got := p.first(n); !slices.Equal(got, want) {
			t.Errorf("first(%d): got %v, want %v", n, got, want)
		}
	}
}

func TestPromises_AddLeavesOutWhatTooManyHave(t *testing.T) {
	t.Parallel()
	p := newPromises(4)
	p.add([]int{0, 1, 2}, 1, 2)
	p.add([]int{3, 1}, 0.5, 2)
	p.add([]int{1}, 0.25, 2)
	if want := []float64{0, 0.75, 0, 0.5}; !slices.Equal(p.byColumn, want) {
		t.Errorf("promises: got %v, want %v", p.byColumn, want)
	}
	if want := []int{3, 1}; !slices.Equal(p.touched, want) {
		t.Errorf("touched: got %v, want %v", p.touched, want)
	}
	p.reset()
	if len(p.touched) > 0 || slices.Max(p.byColumn) > 0 {
		t.Errorf("after a reset: got promises %v, touched %v, want none", p.byColumn, p.touched)
	}
}
