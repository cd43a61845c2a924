package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestDescribeMatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		matched []Match
		want    string
	}{
		{nil, ""},
		{[]Match{{Text: "FICO", Place: "name"}}, `"FICO" in the name`},
		{[]Match{{Text: "FICO", Place: "name"}, {Text: "Score", Place: "name"}}, `"FICO", "Score" in the name`},
		{[]Match{{Text: "FICO Score", Place: "name"}, {Text: "Score", Place: "name"}}, `"FICO Score" in the name`},
		{
			[]Match{{Text: "FICO", Place: "name"}, {Text: "N3", Place: "data type"}},
			`"FICO" in the name and "N3" in the data type`,
		},
		{
			[]Match{{Text: "FICO", Place: "name"}, {Text: "score", Place: "description", Again: true}},
			`"FICO" in the name, also "score" in the description`,
		},
		{
			[]Match{{Text: "score", Place: "table"}, {Text: "FICO", Place: "technical name"}},
			`"FICO" in the technical name and "score" in the table`,
		},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if got := describeMatches(tt.matched); got != tt.want {
				t.Errorf("describeMatches(%v): got %q, want %q", tt.matched, got, tt.want)
			}
		})
	}
}

func TestLongest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ texts, listed, want []string }{
		{nil, nil, nil},
		{[]string{"Score", "FICO Score"}, nil, []string{"FICO Score"}},
		{[]string{"Score", "Score"}, nil, []string{"Score"}},
		{[]string{"Score"}, []string{"FICO Score"}, nil},
		{[]string{"age"}, []string{"mortgage"}, []string{"age"}}, // the letters, but not the word
	} {
		t.Run(strings.Join(tt.texts, "+"), func(t *testing.T) {
			t.Parallel()
			if got := longest(tt.texts, tt.listed); !slices.Equal(got, tt.want) {
				t.Errorf("longest(%q, %q): got %q, want %q", tt.texts, tt.listed, got, tt.want)
			}
		})
	}
}

func TestDescribeMismatch(t *testing.T) {
	t.Parallel()
	names := []string{"date", "amount", "name"}
	for _, tt := range []struct {
		required policy.Set
		got      int
		want     string
	}{
		{1 << 1, 0, "applies to: amount; this attribute: date"},
		{1<<0 | 1<<2, 1, "applies to: date, name; this attribute: amount"},
		{1 << 1, -1, "applies to: amount; this attribute: unknown"},
		{0, 2, "does not apply to: name"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			name := func(i int) string { return names[i] }
			if got := describeMismatch(name, len(names), tt.required, tt.got); got != tt.want {
				t.Errorf("describeMismatch(%b, %d): got %q, want %q", tt.required, tt.got, got, tt.want)
			}
		})
	}
}

func TestPointsText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 points", 1: "1 point", 2: "2 points"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := pointsText(n); got != want {
				t.Errorf("pointsText(%d): got %q, want %q", n, got, want)
			}
		})
	}
}

func TestConsidered_GivesTheReasonsOfOtherRules(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	for _, tt := range []struct{ name, want string }{
		{"Zyx for Pear, Apple", `"pear" (Proprietary, fits less well: 3 points against 3)`},
		{"Apple Date", `"some date" (Confidential, fits less well: 3 points against 7)`},
		{"Apple Whole", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := e.Classify(Input{Attribute: attribute(tt.name, "")}).Rationale; !strings.Contains(got, tt.want) {
				t.Errorf("rationale: got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRationale_QuotesTheWordsThatCount(t *testing.T) {
	t.Parallel()
	e := New(mechanicsForTest(t))
	for _, tt := range []struct {
		attribute schema.Attribute
		want      string
	}{
		{schema.Attribute{AttributeName: "Apple"}, `Based on "Apple" in the name.`},
		{
			schema.Attribute{AttributeName: "Apple", TechnicalLineItemName: "RedApple", Description: "an apple"},
			`Based on "Apple" in the name, also "apple" in the technical name, also "apple" in the description.`,
		},
		{schema.Attribute{AttributeName: "Apple Apple"}, `Based on "Apple" in the name.`},
		{
			schema.Attribute{AttributeName: "Zyx", Description: "The date of it"},
			`Based on "date" in the description.`,
		},
		{
			schema.Attribute{AttributeName: "Borrower Zyx", Description: "The name of a borrower"},
			`Based on "Borrower" in the name and "name" in the description, also "borrower" in the description.`,
		},
		{schema.Attribute{AttributeName: "Zyx", DataType: "DATE"}, `Based on "DATE" in the data type.`},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if a := e.Classify(Input{Attribute: tt.attribute}); !strings.Contains(a.Rationale, tt.want) {
				t.Errorf("rationale: got %s, want %s", a.Rationale, tt.want)
			}
		})
	}
}

func TestRationale_QuotesAWordWhoseLettersAreInAnother(t *testing.T) {
	t.Parallel()
	a := New(policy.Default()).Classify(Input{Attribute: attribute("MORTGAGE_AGE", "N3")})
	if want := `Based on "MORTGAGE", "AGE" in the name.`; !strings.Contains(a.Rationale, want) {
		t.Errorf("rationale: got %s, want %s", a.Rationale, want)
	}
}
