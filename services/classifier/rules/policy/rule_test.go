package policy

import (
	"fmt"
	"testing"
)

func TestSet_Has(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		set   Set
		index int
		want  bool
	}{
		{0, 0, false},
		{1, 0, true},
		{1, 1, false},
		{1 << 63, 63, true},
		{^Set(0), -1, false},
	} {
		t.Run(fmt.Sprintf("%d in %x", tt.index, uint64(tt.set)), func(t *testing.T) {
			t.Parallel()
			if got := tt.set.Has(tt.index); got != tt.want {
				t.Errorf("Has: got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestLimit_Replaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		limit        Limit
		above, below bool
		want         bool
	}{
		{"exactly above", LimitExact, true, false, true},
		{"exactly below", LimitExact, false, true, true},
		{"exactly the same", LimitExact, false, false, false},
		{"at least above", LimitAtLeast, true, false, true},
		{"at least below", LimitAtLeast, false, true, false},
		{"at most above", LimitAtMost, true, false, false},
		{"at most below", LimitAtMost, false, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.limit.Replaces(tt.above, tt.below); got != tt.want {
				t.Errorf("Replaces: got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestCutLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value string
		limit Limit
		rest  string
	}{
		{"HRCI", LimitExact, "HRCI"},
		{"at least HRCI", LimitAtLeast, "HRCI"},
		{"at most HRCI", LimitAtMost, "HRCI"},
		{"at mostHRCI", LimitExact, "at mostHRCI"},
	} {
		t.Run(tt.value, func(t *testing.T) {
			t.Parallel()
			if limit, rest := cutLimit(tt.value); limit != tt.limit || rest != tt.rest {
				t.Errorf("cutLimit(%q): got %d, %q, want %d, %q", tt.value, limit, rest, tt.limit, tt.rest)
			}
		})
	}
}
