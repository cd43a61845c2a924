package concepts

import (
	"strings"
	"testing"
)

func TestShortFormsOfWhatIsAskedAreGuessed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		short, word string
		want        bool
	}{
		{"rnwl", "renewal", true},
		{"cvrg", "coverage", true},
		{"chptr", "chapter", true},
		{"rsdn", "residence", true},
		{"cum", "cumulative", true},
		{"partcp", "participation", true},
		{"renewal", "renewal", false},
		{"rl", "renewal", false},
		{"wnr", "renewal", false},
		{"cst", "construction", false},
		{"mbr", "market", false},
	} {
		t.Run(tt.short, func(t *testing.T) {
			t.Parallel()
			if got := Abbreviates(tt.short, tt.word); got != tt.want {
				t.Errorf("%s for %s: got %v, want %v", tt.short, tt.word, got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		letters, words string
		want           int
	}{
		{"lob", "line of business", 3},
		{"pti", "payment to income ratio", 3},
		{"upb", "unpaid principal balance", 3},
		{"upb", "unpaid balance", 0},
		{"u", "unpaid", 0},
	} {
		t.Run(tt.letters, func(t *testing.T) {
			t.Parallel()
			if got := Initials(tt.letters, strings.Fields(tt.words)); got != tt.want {
				t.Errorf("%s for %q: got %d words, want %d", tt.letters, tt.words, got, tt.want)
			}
		})
	}
}

func TestIsMisspelling(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"escrwe", "escrow", false}, // two letters differ
		{"escow", "escrow", true},
		{"escrew", "escrow", true},
		{"rate", "date", false}, // too short to be sure
		{"balance", "balance", false},
	} {
		t.Run(tt.a+" "+tt.b, func(t *testing.T) {
			t.Parallel()
			if got := IsMisspelling(tt.a, tt.b); got != tt.want {
				t.Errorf("IsMisspelling(%q, %q): got %t, want %t", tt.a, tt.b, got, tt.want)
			}
		})
	}
}
