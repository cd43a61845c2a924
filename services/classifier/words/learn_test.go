package words

import (
	"strings"
	"testing"
)

func TestAbbreviated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, words, want string }{
		{"apr", "annual percentage rate", "annual percentage rate"}, // initials
		{"pr", "annual percentage rate", "percentage rate"},
		{"prcntg", "annual percentage rate", "percentage"}, // letters in their order
		{"rat", "annual percentage rate", "rate"},
		{"rate", "rate", ""}, // the word itself is not short for it
		{"etar", "rate", ""},
		{"r", "annual rate", "rate"},
		{"x", "annual rate", ""},
		{"ar", "", ""},
	} {
		t.Run(tt.text+" for "+tt.words, func(t *testing.T) {
			t.Parallel()
			all := strings.Fields(tt.words)
			from, to := abbreviated(tt.text, all)
			if got := strings.Join(all[from:to], " "); got != tt.want {
				t.Errorf("abbreviated(%q, %q): got %q, want %q", tt.text, tt.words, got, tt.want)
			}
		})
	}
}

func TestLearn_NeedsSupport(t *testing.T) {
	t.Parallel()
	pair := func(attribute, column string) Pair { return Pair{Attribute: attribute, Column: column} }
	for _, tt := range []struct {
		name  string
		pairs []Pair
		want  string
	}{
		{"nothing", nil, ""},
		{"one pair for an abbreviation", []Pair{pair("Zyxwv Balance", "ZXV_BAL")}, "zxv=zyxwv"},
		{"one pair for a synonym", []Pair{pair("Zyxwv Balance", "QUX_BAL")}, ""},
		{
			"two pairs for a synonym",
			[]Pair{pair("Zyxwv Balance", "QUX_BAL"), pair("Zyxwv Date", "QUX_DT")},
			"qux=zyxwv",
		},
		{
			"as many pairs for another meaning",
			[]Pair{pair("Zyxwv Balance", "ZXV_BAL"), pair("Zorxov Balance", "ZXV_BAL")},
			"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range (*Vocabulary)(nil).Learn(tt.pairs) {
				got = append(got, p.Text+"="+p.Words)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("Learn: got %q, want %q", got, tt.want)
			}
		})
	}
}
