package schema_test

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"rule", "rule", 0},
		{"rule", "rules", 1},
		{"rule", "role", 1},
		{"tier", "teir", 2},
		{"kitten", "sitting", 3},
	} {
		t.Run(tt.a+" to "+tt.b, func(t *testing.T) {
			t.Parallel()
			if got := schema.EditDistance(tt.a, tt.b); got != tt.want {
				t.Errorf("EditDistance(%q, %q): got %d, want %d", tt.a, tt.b, got, tt.want)
			}
		})
	}
}
