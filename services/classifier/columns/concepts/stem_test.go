package concepts

import "testing"

func TestStem(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"schedule", "scheduled"},
		{"assumable", "assumability"},
		{"add", "added"},
		{"recovery", "recoveries"},
		{"insured", "insurance"},
		{"delinquent", "delinquency"},
	} {
		t.Run(same[0], func(t *testing.T) {
			t.Parallel()
			if a, b := Stem(same[0]), Stem(same[1]); a != b || a == "" {
				t.Errorf("got %q for %s and %q for %s, want the same", a, same[0], b, same[1])
			}
		})
	}
	if got := Stem("dt"); got != "" {
		t.Errorf("dt: got %q, want nothing", got)
	}
}

func TestBase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"posted", "posting", true},
		{"booking", "bookings", true},
		{"custom", "customer", false},
		{"origin", "origination", false},
		{"interest rate", "interest rates", false}, // phrases have none
		{"fee", "fees", false},                     // nor have short words
	} {
		t.Run(tt.a, func(t *testing.T) {
			t.Parallel()
			if got := Base(tt.a) != "" && Base(tt.a) == Base(tt.b); got != tt.same {
				t.Errorf("%q and %q for %s and %s: got %t, want %t", Base(tt.a), Base(tt.b), tt.a, tt.b, got, tt.same)
			}
		})
	}
}
