package concepts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestVocabulary_Terms(t *testing.T) {
	t.Parallel()
	v := Default()
	for _, tt := range []struct{ text, want string }{
		{"APR", "apr"},
		{"annual percentage rate", "apr"},
		{"ANN_PCT_RT", "apr"},
		{"Credit bureau score", "bureau score"},
		{"FICO_SCR", "bureau score"},
		{"postal code", "zip"},
		{"ZIP", "zip"},
		{"delinquent", "past due"},
		{"the end of the month", "month end"},
		{"card scheme", "network"},
		{"primary account holder", "primary borrower"},
		{"as of date", "as date"},
		{"as agreed", "agreed"},
		{"of the", ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(v.Terms(nil, tt.text), ", "); got != tt.want {
				t.Errorf("terms(%q): got %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestParseVocabulary_NamesTheLineOfAnError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{
			"\nsame: zip = postal code\nsame: post = postal code",
			`line 3: "postal code" is the same as both "zip" and "post"`,
		},
		{"same: zip = of the", `line 1: "of the" has too few words`},
		{"near 2: a1 = b1", `degree "2" is not between 0 and 1`},
		{"near: rate = ratio", "near needs a degree"},
		{"kind number: rate", `unknown kind "number"`},
		{"kind rate weak: rate", "nothing but strong"},
		{"likes: rate = ratio", `unknown line "likes"`},
		{"weak: of", `"of" is not one term but []`},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			_, err := parseVocabulary(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parseVocabulary(%q): got %v, want %q", tt.text, err, tt.want)
			}
		})
	}
}

func TestVocabulary_AnnouncedKind(t *testing.T) {
	t.Parallel()
	v := Default()
	for _, tt := range []struct {
		terms []string
		want  Kind
	}{
		{nil, KindAny},
		{[]string{"zyxwv"}, KindAny},
		{[]string{"date"}, KindDate},
		{[]string{"status", "date"}, KindDate},
		{[]string{"number", "zyxwv"}, KindCount},
		{[]string{"zyxwv", "number"}, KindIdentifier},
		{[]string{"number"}, KindIdentifier},
	} {
		t.Run(fmt.Sprint(tt.terms), func(t *testing.T) {
			t.Parallel()
			if got, _ := v.AnnouncedKind(tt.terms); got != tt.want {
				t.Errorf("announcedKind(%q): got %s, want %s", tt.terms, got, tt.want)
			}
		})
	}
}

func TestVocabulary_OriginalWords(t *testing.T) {
	t.Parallel()
	v := Default()
	for _, tt := range []struct{ text, term, want string }{
		{"FICO_SCR", "bureau score", "fico score"},
		{"Score of the credit bureau", "bureau score", "bureau score"}, // the text has no such phrase
		{"Delinquent", "past due", "delinquency"},
		{"Account Open Date", "open", "open"},
		{"", "open", "open"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := v.OriginalWords(tt.text, tt.term); got != tt.want {
				t.Errorf("originalWords(%q, %q): got %q, want %q", tt.text, tt.term, got, tt.want)
			}
		})
	}
}

// small is a vocabulary with one line of each sort.
const small = `
same: zip = postal code
near 0.8: open = origination
against: original | (current)
against: purchase | [cash]
alters: waived
weak: amount, date, number
key: number
kind date strong: date
kind amount: amount
`

func TestParseVocabulary(t *testing.T) {
	t.Parallel()
	v, err := parseVocabulary(small)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"zip", "origination"}
	if got := v.Terms(nil, "postal code of the origination"); !slices.Equal(got, want) {
		t.Errorf("terms: got %q, want %q", got, want)
	}
	if got, want := v.Related["open"], []Relation{{"origination", 0.8}}; !slices.Equal(got, want) {
		t.Errorf("terms related to open: got %v, want %v", got, want)
	}
	if len(v.Groups["original"]) != 1 || !slices.Equal(v.Groups["original"], v.Groups["current"]) {
		t.Errorf("groups of original and current: got %v and %v, want the same one",
			v.Groups["original"], v.Groups["current"])
	}
	if slices.Equal(v.Groups["original"], v.Groups["purchase"]) {
		t.Error("two lines are one group")
	}
	for _, tt := range []struct {
		term                     string
		assumed, opposes, alters bool
	}{
		{"current", true, false, false},
		{"original", false, true, false},  // a name with neither means current
		{"cash", true, false, false},      // a name may omit it
		{"purchase", false, false, false}, // a name with neither need not mean cash
		{"waived", false, false, true},
	} {
		t.Run(tt.term, func(t *testing.T) {
			t.Parallel()
			if v.Assumed[tt.term] != tt.assumed || v.OpposesAssumed(tt.term) != tt.opposes ||
				v.Alters[tt.term] != tt.alters {
				t.Errorf("%s: got assumed %t, opposes an assumed term %t, alters %t, want %t, %t, %t",
					tt.term, v.Assumed[tt.term], v.OpposesAssumed(tt.term), v.Alters[tt.term],
					tt.assumed, tt.opposes, tt.alters)
			}
		})
	}
	if !v.Weak["amount"] || !v.Weak["number"] || v.Weak["open"] || !v.Keys["number"] || v.Keys["amount"] {
		t.Errorf("got weak %v and keys %v, want amount and number weak, and number a key", v.Weak, v.Keys)
	}
	if v.Kinds["date"] != (Announcement{KindDate, true}) || v.Kinds["amount"] != (Announcement{KindAmount, false}) {
		t.Errorf("kinds: got %v, want date strong and amount", v.Kinds)
	}
}

func TestIsStopWord(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]bool{
		"of": true, "the": true, "as": false, "to": false, "balance": false, "": false,
	} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			if got := IsStopWord(word); got != want {
				t.Errorf("isStopWord(%q): got %t, want %t", word, got, want)
			}
		})
	}
}
