package policy

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
)

// everything uses each headline and key of the format.
const everything = `# a comment
policy 2026.9
law FCRA
  text: FCRA, Regulation V
law GLBA
  text: GLBA
facet date
  words: date
  types: date, text
  implied-by: date
facet flag
  begins: is
  words: flag
  words: indicator
party person
  words: borrower
party staff
  words: teller
concept score
  words: credit score
  alone: grade
filler
  words: of, the
report A
  names: FORM 7 * S.2, FORM 8
  begins: SEVEN
  mdrm: ABCD, EFGH
  kind: loan
  party: person
  laws: FCRA
report B
  names: FORM 9
  kind: trade
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
  error High: date
  error Medium: date, flag
default
  tier: Proprietary
  personal: yes
  criticality: Low
  regulatory: only filed
  because: nothing fits
  filed: GLBA
column
  raises-from: 60
  sums: date
  signs: flag
  customers: person
group Scores
rule value
  any: [score], credit grade
  all: [score]
  none: ripe
  is: date
  is-not: flag
  of: person
  of-not: staff
  in: loan
  in-not: trade
  marked: primary key, critical, mandatory
  tier: HRCI
  personal: yes
  criticality: High
  leak: High
  regulatory: yes
  because: a reason.
  laws: GLBA
  certainty: 80
  yields: yes
  by-table: no
  example: Credit Score | N3 | CUST | FORM 8 | mandatory
  counterexample: Score Date
refine less
  any: [score]
  tier: at most Confidential
  criticality: at least Medium
  personal: no
  laws: FCRA, GLBA
  because: another reason
  example: Credit Score
  counterexample: Date
`

func parseEverything(t *testing.T) *Policy {
	t.Helper()
	p, err := Parse("everything", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse_ReadsEveryKey(t *testing.T) {
	t.Parallel()
	p := parseEverything(t)
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"version", p.Version, "2026.9"},
		{"laws", p.Laws, []Law{{"FCRA", "FCRA, Regulation V"}, {"GLBA", "GLBA"}}},
		{"facets", p.Facets, []Facet{
			{Name: "date", Types: ClassDate | ClassText | ClassShortText, ImpliedBy: ClassDate},
			{Name: "flag", Begins: []string{"is"}},
		}},
		{"parties", p.Parties, []string{"person", "staff"}},
		{"concepts", p.Concepts, []string{"score", "credit grade", "ripe"}},
		{"phrases", p.Phrases, []Phrase{
			{[]string{"date"}, Term{Kind: TermFacet}},
			{[]string{"flag"}, Term{ID: 1, Kind: TermFacet}},
			{[]string{"indicator"}, Term{ID: 1, Kind: TermFacet}},
			{[]string{"is"}, Term{ID: 1, Kind: TermFacet}},
			{[]string{"borrower"}, Term{Kind: TermParty}},
			{[]string{"teller"}, Term{ID: 1, Kind: TermParty}},
			{[]string{"credit", "score"}, Term{Kind: TermConcept}},
			{[]string{"grade"}, Term{Kind: TermConcept, Alone: true}},
			{[]string{"of"}, Term{Kind: TermFiller}},
			{[]string{"the"}, Term{Kind: TermFiller}},
			{[]string{"credit", "grade"}, Term{ID: 1, Kind: TermConcept}},
			{[]string{"ripe"}, Term{ID: 2, Kind: TermConcept}},
		}},
		{"reports", p.Reports, Reports{
			{
				Name: "A", Kind: 0, Party: 0, Laws: []int{0}, MDRM: []string{"ABCD", "EFGH"},
				Patterns: []Pattern{
					{Parts: []string{"form7", "s2"}},
					{Parts: []string{"form8"}},
					{Parts: []string{"seven"}, Leading: true},
				},
			},
			{Name: "B", Kind: 1, Party: -1, Patterns: []Pattern{{Parts: []string{"form9"}}}},
		}},
		{"kinds of report", p.ReportKinds, []string{"loan", "trade"}},
		{"risk", p.Risk, Risk{
			Leak: map[schema.Tier]schema.Level{
				schema.TierHRCI: schema.LevelHigh, schema.TierConfidential: schema.LevelMedium,
				schema.TierProprietary: schema.LevelLow, schema.TierPublic: schema.LevelLow,
			},
			Errors: map[schema.Level]Set{schema.LevelHigh: 1, schema.LevelMedium: 3},
		}},
		{"default", p.Fallback, Fallback{
			Tier: schema.TierProprietary, Personal: FlagYes, Criticality: schema.LevelLow, Regulatory: FlagOnlyFiled,
			Because: "nothing fits", Filed: 1,
		}},
		{"column", p.Columns, Columns{RaisesFrom: 60, Sums: 1, Signs: 2, Customers: 1}},
		{"rule", p.Rules, []Rule{{
			Name: "value", Group: "Scores", Line: 53, Any: []int{0, 1}, All: []int{0}, None: []int{2},
			Is: 1, IsNot: 2, Of: 1, OfNot: 2, In: 1, InNot: 2,
			Marked: MarkPrimaryKey | MarkCritical | MarkMandatory,
			Tier:   schema.TierHRCI, Criticality: schema.LevelHigh, Leak: schema.LevelHigh, Personal: FlagYes,
			Regulatory: FlagYes, Laws: []int{1}, Because: "a reason", Certainty: 80, Yields: true,
			ByTable: ByTableNo, Examples: []Example{
				{Name: "Credit Score", DataType: "N3", Table: "CUST", Report: "FORM 8", Marks: MarkMandatory, Line: 74},
				{Name: "Score Date", Counter: true, Line: 75},
			},
		}}},
		{"refinement", p.Refinements, []Rule{{
			Name: "less", Group: "Scores", Line: 76, Refinement: true, Any: []int{0},
			Tier: schema.TierConfidential, TierLimit: LimitAtMost,
			Criticality: schema.LevelMedium, CriticalityLimit: LimitAtLeast,
			Personal: FlagNo, Laws: []int{0, 1}, Because: "another reason",
			Examples: []Example{{Name: "Credit Score", Line: 83}, {Name: "Date", Counter: true, Line: 84}},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("want, got:\n%s", diff)
			}
		})
	}
}

func TestParse_EverythingUsesEveryKey(t *testing.T) {
	t.Parallel()
	for kind, grammar := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			blocks := readBlocks([]byte(everything), 0, &problems{})
			for _, key := range grammar.keys {
				used := slices.ContainsFunc(blocks, func(b block) bool {
					_, ok := b.entry(key)
					sameKeys := b.kind == kind || kind == "refine" && b.kind == "rule" // they have the same conditions
					return sameKeys && ok
				})
				if !used {
					t.Errorf("the policy of these tests has no %s with the key %q", kind, key)
				}
			}
		})
	}
}
