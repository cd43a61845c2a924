package rules

import "testing"

func TestPointsReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 points", 1: "1 point", 2: "2 points"} {
		if got := pointsText(n); got != want {
			t.Errorf("%d reads %q, not %q", n, got, want)
		}
	}
}
