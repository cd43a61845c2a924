package policy

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestDefault_IsParsedOnce(t *testing.T) {
	t.Parallel()
	first, second := Default(), Default()
	if first != second {
		t.Errorf("Default: got the policies %p and %p, want one", first, second)
	}
}

func TestDefault_UsesEveryFacetAndParty(t *testing.T) {
	t.Parallel()
	p := Default()
	var facets, parties, kinds Set
	for _, r := range slices.Concat(p.Rules, p.Refinements) {
		facets |= r.Is | r.IsNot
		parties |= r.Of | r.OfNot
		kinds |= r.In | r.InNot
	}
	facets |= p.Columns.Sums | p.Columns.Signs
	for _, set := range p.Risk.Errors {
		facets |= set
	}
	for i, f := range p.Facets {
		if !facets.Has(i) {
			t.Errorf("facet %q: got no rule that uses it, want one", f.Name)
		}
	}
	for i, name := range p.Parties {
		if !parties.Has(i) {
			t.Errorf("party %q: got no rule that uses it, want one", name)
		}
	}
	if kinds == 0 {
		t.Error("no rule uses a kind of report")
	}
}

func TestDefault_RulesAreComplete(t *testing.T) {
	t.Parallel()
	p := Default()
	for _, r := range p.Rules {
		if r.Tier == "" || r.Criticality == "" || r.Personal == FlagUnset || r.Because == "" || r.Group == "" {
			t.Errorf("rule %q in line %d: got %+v, want a tier, a criticality, personal, a reason and a group",
				r.Name, r.Line, r)
		}
		if r.TierLimit != LimitExact || r.CriticalityLimit != LimitExact || r.Refinement {
			t.Errorf("rule %q in line %d: got the limits of a refinement, want exact ones", r.Name, r.Line)
		}
	}
	for _, r := range p.Refinements {
		if !r.Refinement || r.Because == "" {
			t.Errorf("refinement %q in line %d: got no reason, want one", r.Name, r.Line)
		}
	}
	for _, tier := range schema.Tiers() {
		if p.Risk.Leak[tier] == "" {
			t.Errorf("leak of %s: got no risk, want one", tier)
		}
	}
}

func TestDigest_ChangesWithTheText(t *testing.T) {
	t.Parallel()
	p, err := Parse("same", defaultText)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Digest, Default().Digest; got != want {
		t.Errorf("digest of the same text: got %s, want %s", got, want)
	}
	changed, err := Parse("changed", slices.Concat(defaultText, []byte("# a comment\n")))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Digest == p.Digest || changed.Version != p.Version {
		t.Errorf("digest and version of another text: got %s, %s, want another digest and the same version",
			changed.Digest, changed.Version)
	}
}

func TestTermName(t *testing.T) {
	t.Parallel()
	p := &Policy{Concepts: []string{"a", "score"}, Facets: []Facet{{Name: "date"}}, Parties: []string{"person"}}
	for _, tt := range []struct {
		term Term
		want string
	}{
		{Term{Kind: TermConcept, ID: 1}, "score"},
		{Term{Kind: TermFacet}, "date"},
		{Term{Kind: TermParty}, "person"},
		{Term{Kind: TermFiller}, "filler"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if got := p.TermName(tt.term); got != tt.want {
				t.Errorf("TermName: got %q, want %q", got, tt.want)
			}
		})
	}
}
