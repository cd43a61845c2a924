package reading

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestFind_TheLongestPhraseOfAKindCounts(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit)
	rd := NewReader(p)
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"Apple", []string{"apple=Apple"}},
		{"Apple Pie", []string{"apple pie=Apple Pie"}},
		{"Apple, Pie", []string{"apple=Apple"}}, // a phrase does not cross a comma
		{"Apple Pie Apple", []string{"apple pie=Apple Pie", "apple=Apple"}},
		{"Apple Date", []string{"apple=Apple", "date=Date"}},
		{"Pie Apple", []string{"apple=Apple"}},
		{"Number of Jam", []string{"amount=Number of", "quince=Jam"}},
		{"Zyx", []string{}},
		{"", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := terms(p, rd.Read(named(tt.name))); !slices.Equal(got, tt.want) {
				t.Errorf("occurrences: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFind_KeepsPhrasesOfOtherKinds(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit+"facet pastry\n  words: pie\n")
	r := NewReader(p).Read(named("Apple Pie"))
	if got, want := terms(p, r), []string{"apple pie=Apple Pie", "pastry=Pie"}; !slices.Equal(got, want) {
		t.Errorf("occurrences: got %q, want %q", got, want)
	}
}

func TestIndexPhrases_KeepsEveryMeaningOnce(t *testing.T) {
	t.Parallel()
	one, two := policy.Term{ID: 1}, policy.Term{ID: 2, Kind: policy.TermFacet}
	x := indexPhrases([]policy.Phrase{
		{Words: []string{"a", "b"}, Term: one},
		{Words: []string{"a"}, Term: two},
		{Words: []string{"a", "b"}, Term: one},
		{Words: []string{"a", "b"}, Term: two},
	})
	words := []Word{{id: x.id("a")}, {id: x.id("b")}, {id: x.id("c")}}
	if words[2].id != unknownWord {
		t.Errorf("id of an unknown word: got %d, want %d", words[2].id, unknownWord)
	}
	var got []policy.Term
	for _, o := range x.find(nil, words, 0, len(words)) {
		got = append(got, o.Term)
	}
	if want := []policy.Term{one, two}; !slices.Equal(got, want) {
		t.Errorf("terms: got %v, want %v", got, want)
	}
}

func TestPhrasesThatMeanAThingAlone(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit)
	rd := NewReader(p)
	for _, tt := range []struct {
		name      string
		attribute schema.Attribute
		want      bool
	}{
		{"alone", schema.Attribute{AttributeName: "Quince"}, true},
		{"with a filler", schema.Attribute{AttributeName: "Ripe Quinces"}, true},
		{"with a facet", schema.Attribute{AttributeName: "Quince Date"}, true},
		{"with a party", schema.Attribute{AttributeName: "Borrower Quince"}, true},
		{"with a number", schema.Attribute{AttributeName: "Quince 2"}, true},
		{"with an unknown word", schema.Attribute{AttributeName: "Quince Zyx"}, false},
		{"with a concept", schema.Attribute{AttributeName: "Quince Apple"}, false},
		{"outside the name", schema.Attribute{TechnicalLineItemName: "Quince"}, false},
		{"another phrase of the concept", schema.Attribute{AttributeName: "Jam Zyx"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: tt.attribute})
			got := slices.ContainsFunc(r.Occurrences, func(o Occurrence) bool { return p.TermName(o.Term) == "quince" })
			if got != tt.want {
				t.Errorf("the concept occurs: got %t, want %t", got, tt.want)
			}
		})
	}
}
