package rules

import (
	"slices"
	"testing"
)

func TestRestsOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		matched []Match
		want    string
	}{
		{nil, ""},
		{[]Match{{Text: "FICO", Place: "name"}}, `"FICO" in the name`},
		{[]Match{{Text: "FICO", Place: "name"}, {Text: "Score", Place: "name"}}, `"FICO", "Score" in the name`},
		{[]Match{{Text: "FICO Score", Place: "name"}, {Text: "Score", Place: "name"}}, `"FICO Score" in the name`},
		{[]Match{{Text: "FICO", Place: "name"}, {Text: "N3", Place: "data type"}}, `"FICO" in the name and "N3" in the data type`},
		{
			[]Match{{Text: "FICO", Place: "name"}, {Text: "score", Place: "description", Again: true}},
			`"FICO" in the name, also "score" in the description`,
		},
		{[]Match{{Text: "score", Place: "table"}, {Text: "FICO", Place: "technical name"}}, `"FICO" in the technical name and "score" in the table`},
	} {
		if got := restsOn(tt.matched); got != tt.want {
			t.Errorf("restsOn(%v) = %q, want %q", tt.matched, got, tt.want)
		}
	}
}

func TestLongest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ texts, told, want []string }{
		{nil, nil, nil},
		{[]string{"Score", "FICO Score"}, nil, []string{"FICO Score"}},
		{[]string{"Score", "Score"}, nil, []string{"Score"}},
		{[]string{"Score"}, []string{"FICO Score"}, nil},
		{[]string{"age"}, []string{"mortgage"}, []string{"age"}}, // its letters, but not its word
	} {
		if got := longest(tt.texts, tt.told); !slices.Equal(got, tt.want) {
			t.Errorf("longest(%q, %q) = %q, want %q", tt.texts, tt.told, got, tt.want)
		}
	}
}

func TestMismatch(t *testing.T) {
	t.Parallel()
	names := []string{"date", "amount", "name"}
	for _, tt := range []struct {
		want   uint64
		got    int
		reason string
	}{
		{1 << 1, 0, "is for: amount; this is: date"},
		{1<<0 | 1<<2, 1, "is for: date, name; this is: amount"},
		{1 << 1, -1, "is for: amount; nothing says what this is"},
		{0, 2, "does not hold where this is: name"},
	} {
		if got := mismatch(names, tt.want, tt.got); got != tt.reason {
			t.Errorf("mismatch(%b, %d) = %q, want %q", tt.want, tt.got, got, tt.reason)
		}
	}
}
