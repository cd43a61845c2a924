package concepts

import (
	"slices"
	"strings"
	"testing"
)

func TestParts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"Current Balance":                    {"Current Balance"},
		"Race of Applicant: 2":               {"Race of Applicant", "2"},
		"Debt Service Coverage - DSC":        {"Debt Service Coverage", "DSC"},
		"Co-borrower Income":                 {"Co-borrower Income"},
		"Exposure at Default (EAD), current": {"Exposure at Default", "EAD", "current"},
		" ( ) ":                              nil,
		"":                                   nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Parts(name); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestIsAcronym(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		part, phrase string
		want         bool
	}{
		{"LGD", "Loss Given Default", true},
		{"EAD", "Exposure at Default", true},
		{"PoD", "Probability of Default", true},
		{"DSC", "Annual Debt Service Coverage", true},
		{"LGD", "Probability of Default", false},
		{"2", "Applicant", false},
		{"D", "Default", false},
		{"Actual", "Account Closed", false},
		{"AAAAAAAA", strings.Repeat("a ", 10_000) + "b", false}, // in a moment, not in hours
	} {
		t.Run(tt.part, func(t *testing.T) {
			t.Parallel()
			if got := IsAcronym(tt.part, tt.phrase); got != tt.want {
				t.Errorf("%q of %.40q: got %t, want %t", tt.part, tt.phrase, got, tt.want)
			}
		})
	}
}

func TestCutPreposition(t *testing.T) {
	t.Parallel()
	for part, want := range map[string][2]string{
		"Balance at Cycle End": {"Balance ", " Cycle End"},
		"Date of Birth":        {"Date ", " Birth"},
		"Current Balance":      {"Current Balance", ""},
		"Of Interest":          {"Of Interest", ""},
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			if before, after := CutPreposition(part); before != want[0] || after != want[1] {
				t.Errorf("got %q and %q, want %q", before, after, want)
			}
		})
	}
}

func TestStripHungarian(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"strLastName": "LastName", "dtBirth": "Birth", "intAge": "Age", "interest": "interest", "dtBIRTH": "dtBIRTH",
		"str": "str", "decision": "decision", "curBal": "Bal",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := StripHungarian(name); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
