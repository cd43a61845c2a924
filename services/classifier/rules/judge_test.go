package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// mechanics is a policy of made-up words that shows how rules are weighed, whatever the default policy says.
const mechanics = `policy 1
facet date
  words: date
  types: date, text
  implied-by: date
facet amount
  words: amount, balance
  types: amount
  implied-by: amount
facet name
  words: name
party person
  words: borrower
party staff
  words: teller
concept apple
  words: apple
concept apple pie
  words: apple pie
concept pear
  words: pear
concept whole
  words: whole
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
  error Medium: amount
report special
  names: FORM 7 * S.2
  kind: special
report general
  names: FORM 7
  kind: general
rule apple
  any: [apple]
  tier: Confidential
  personal: no
  criticality: High
  because: x
rule pear
  any: [pear]
  tier: Proprietary
  personal: no
  criticality: Low
  because: x
rule pie
  any: [apple pie]
  tier: Public
  personal: no
  criticality: Low
  because: x
rule some date
  says: date
  tier: Confidential
  personal: no
  criticality: Medium
  because: x
rule some name
  says: name
  tier: Proprietary
  personal: no
  criticality: Low
  because: x
rule name of a person
  says: name
  of: person
  tier: Confidential
  personal: yes
  criticality: Low
  leak: High
  because: x
refine at least
  any: [whole]
  says: date
  tier: at least Proprietary
  criticality: at most Medium
  because: x
refine special
  in: special
  certainty: 50
  because: x
refine general
  in: general
  criticality: Low
  because: x
`

func mechanicsForTest(t *testing.T) *Policy {
	t.Helper()
	p, err := Parse("mechanics", []byte(mechanics))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheRuleThatIsNearestToTheHeadOfTheNameAnswers(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for _, tt := range []struct{ name, technical, description, table, want string }{
		{"Apple", "", "", "", "apple"},
		{"Apple Pear", "", "", "", "pear"},
		{"Pear Apple", "", "", "", "apple"},
		{"Pear for the Apple", "", "", "", "pear"},
		{"Pear", "AppleApple", "apple of apple", "APPLE", "pear"},
		{"Zyx", "Pear", "an apple", "APPLE", "pear"},
		{"Zyx", "", "an apple", "", "apple"},
		{"Zyx", "", "", "APPLE", "apple"},
		{"Apple Pie", "", "", "", "pie"}, // the longer phrase hides the shorter
		{"Pie of Apple", "", "", "", "apple"},
	} {
		a := p.Classify(Input{Attribute: schema.Attribute{AttributeName: tt.name, TechnicalLineItemName: tt.technical, Description: tt.description}, Table: tt.table})
		if a.Rule != tt.want {
			t.Errorf("%+v is answered by %q", tt, a.Rule)
		}
	}
}

func TestAWordThatMeansAThingAloneMeansNothingInCompany(t *testing.T) {
	t.Parallel()
	p, err := Parse("alone", []byte(strings.Replace(mechanics, "concept pear\n  words: pear\n", "filler\n  words: ripe\nconcept pear\n  words: pear\n  alone: quince\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, technical, description, want string }{
		{"Quince", "", "", "pear"},
		{"Ripe Quinces", "", "", "pear"},
		{"The Quince (ripe)", "", "", "pear"},
		{"Quince Zyx", "", "", ""},
		{"Quince Date", "", "", "pear"},
		{"Borrower Quince", "", "", "pear"},
		{"Quince Zyx Date", "", "", "some date"},
		{"Zyx", "Quince", "quince", ""},
		{"Pear Quince", "", "", "pear"},
	} {
		a := p.Classify(Input{Attribute: schema.Attribute{AttributeName: tt.name, TechnicalLineItemName: tt.technical, Description: tt.description}})
		if a.Rule != tt.want {
			t.Errorf("%q is answered by %q, want %q", tt.name, a.Rule, tt.want)
		}
	}
}

func TestARuleThatYieldsGoesBehindEveryRuleWithWords(t *testing.T) {
	t.Parallel()
	for yields, want := range map[string]string{"": "pie", "  yields: yes\n": "apple"} {
		source := strings.Replace(mechanics, "rule pie\n  any: [apple pie]\n", "rule pie\n  any: [apple pie]\n"+yields, 1)
		p, err := Parse("yields", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		if a := p.Classify(Input{Attribute: attribute("Apple Pie, Apple", "")}); a.Rule != want {
			t.Errorf("with %q it is answered by %q, want %q", yields, a.Rule, want)
		}
		if a := p.Classify(Input{Attribute: attribute("Apple Pie Date", "")}); a.Rule != "pie" {
			t.Errorf("with %q it is not answered before a rule without words: %q", yields, a.Rule)
		}
	}
}

func TestOfEqualPointsTheRuleThatProtectsMoreAnswers(t *testing.T) {
	t.Parallel()
	a := mechanicsForTest(t).Classify(Input{Attribute: attribute("Zyx for Pear, Apple", "")})
	if a.Rule != "apple" || len(a.Considered) == 0 || a.Considered[0].Rule != "pear" {
		t.Errorf("%q answers beside %v", a.Rule, a.Considered)
	}
}

func TestTheFacetIsReadFromTheNameThenTheTypeThenTheDescription(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for _, tt := range []struct{ name, technical, dataType, description, want string }{
		{"Apple Date", "", "", "", "date"},
		{"Date of the Name", "", "", "", "date"},
		{"Balance Date", "", "", "", "date"},
		{"Date Balance Changed", "", "", "", "amount"},
		{"Name - Closing Date", "", "", "", "date"},
		{"Name (Date)", "", "", "", "name"},
		{"Apple (Date)", "", "", "", "date"},
		{"Apple since Date", "", "", "", "date"},
		{"Apple", "AppleDate", "", "", "date"},
		{"Name Apple", "", "C10", "", "name"},              // a facet without types can be any, a short text too
		{"Apple Balance", "", "Date", "", "date"},          // the type rules an amount out
		{"Apple Balance", "AppleName", "Date", "", "name"}, // the technical name says what the type allows
		{"Apple", "", "N12.2", "the date", "amount"},
		{"Apple", "", "", "The date on which it fell", "date"},
		{"Apple", "", "", "It fell from the tree on this very day or on the date before", ""},
	} {
		d := derive(p, Input{Attribute: schema.Attribute{
			AttributeName: tt.name, TechnicalLineItemName: tt.technical, DataType: tt.dataType, Description: tt.description,
		}})
		got := ""
		if d.reading.facet >= 0 {
			got = p.facets[d.reading.facet].name
		}
		if got != tt.want {
			t.Errorf("%+v says %q", tt, got)
		}
	}
}

func TestADescriptionDoesNotLowerWhatTheNameIs(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	a := p.Classify(Input{Attribute: schema.Attribute{AttributeName: "Zyx Date", Description: "When the pear fell"}})
	if a.Rule != "some date" || a.InformationSecurityClassification != schema.Confidential {
		t.Errorf("%q answers %s", a.Rule, a.InformationSecurityClassification)
	}
	a = p.Classify(Input{Attribute: schema.Attribute{AttributeName: "Zyx Name", Description: "Name of the apple"}})
	if a.Rule != "apple" {
		t.Errorf("a description that protects more is not heard: %q", a.Rule)
	}
}

func TestThePartyNearestToTheHeadCounts(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for name, want := range map[string]bool{"Borrower Name": true, "Name of the Borrower": true, "Borrower Teller Name": false, "Teller Name for the Borrower": false, "Name": false} {
		if a := p.Classify(Input{Attribute: attribute(name, "")}); a.PIIFlag != want {
			t.Errorf("%q: personal is %v by %q", name, a.PIIFlag, a.Rule)
		}
	}
}

func TestRefinementsKeepToTheirLimits(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for _, tt := range []struct {
		name        string
		tier        schema.InformationSecurityClassification
		criticality schema.Level
	}{
		{"Apple Whole Date", schema.Confidential, schema.Medium}, // at least Proprietary leaves Confidential; at most Medium lowers High
		{"Apple Pie Whole Date", schema.Proprietary, schema.Low}, // raises Public; leaves Low
		{"Apple Pie Whole", schema.Public, schema.Low},           // says no date
	} {
		a := p.Classify(Input{Attribute: attribute(tt.name, "")})
		if a.InformationSecurityClassification != tt.tier || a.Criticality != tt.criticality {
			t.Errorf("%q is %s and %s by %q, %v", tt.name, a.InformationSecurityClassification, a.Criticality, a.Rule, a.Refined)
		}
	}
	a := p.Classify(Input{Attribute: schema.Attribute{AttributeName: "Apple Date", Description: "of the whole"}})
	if len(a.Refined) != 0 {
		t.Errorf("a description refines: %v", a.Refined)
	}
}

func TestARefinementOfWhichNothingIsLeftIsNotCited(t *testing.T) {
	t.Parallel()
	const twice = "refine first\n  any: [pear]\n  tier: HRCI\n  because: first\nrefine second\n  any: [pear]\n  tier: Public\n  because: second\n"
	p, err := Parse("twice", []byte(mechanics+twice))
	if err != nil {
		t.Fatal(err)
	}
	a := p.Classify(Input{Attribute: attribute("Pear", "")})
	if !slices.Equal(a.Refined, []string{"second"}) || strings.Contains(a.Rationale, "first") {
		t.Errorf("refined by %v: %s", a.Refined, a.Rationale)
	}
}

func TestNoPolicyMakesTheDataOfACustomerLessThanConfidential(t *testing.T) {
	t.Parallel()
	const open = "refine open\n  says: name\n  of: person\n  tier: Public\n  because: x\n"
	for leak, want := range map[string]schema.InformationSecurityClassification{
		"": schema.Confidential, "  leak: High\n": schema.Confidential, "  leak: Low\n": schema.Confidential,
	} {
		p, err := Parse("open", []byte(mechanics+open+leak))
		if err != nil {
			t.Fatal(err)
		}
		a := p.Classify(Input{Attribute: attribute("Borrower Name", "")})
		if a.InformationSecurityClassification != want || !a.PIIFlag || a.RiskLevel != schema.High {
			t.Errorf("with %q it is %s, personal %v, by %q: %s", leak, a.InformationSecurityClassification, a.PIIFlag, a.Rule, a.Rationale)
		}
	}
}

func TestAnErrorCostsByTheHighestLevelThatNamesIt(t *testing.T) {
	t.Parallel()
	p, err := Parse("errors", []byte(strings.Replace(mechanics, "  error Medium: amount\n", "  error High: amount\n  error Medium: amount, date\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]schema.Level{"Apple Balance": schema.High, "Apple Date": schema.Medium, "Apple Name": schema.Medium} {
		if a := p.Classify(Input{Attribute: attribute(name, "")}); a.RiskLevel != want {
			t.Errorf("%q has risk %s", name, a.RiskLevel)
		}
	}
}

func TestAnAnswerSaysWhichWordsItRestsOnAndWhichOnlyRepeatThem(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for _, tt := range []struct {
		attribute schema.Attribute
		want      string
	}{
		{schema.Attribute{AttributeName: "Apple"}, `It rests on "Apple" in the name.`},
		{
			schema.Attribute{AttributeName: "Apple", TechnicalLineItemName: "RedApple", Description: "an apple"},
			`It rests on "Apple" in the name, also "apple" in the technical name, also "apple" in the description.`,
		},
		{schema.Attribute{AttributeName: "Apple Apple"}, `It rests on "Apple" in the name.`},
		{schema.Attribute{AttributeName: "Zyx", Description: "The date of it"}, `It rests on "date" in the description.`},
		{schema.Attribute{AttributeName: "Borrower Zyx", Description: "The name of a borrower"}, `It rests on "Borrower" in the name and "name" in the description, also "borrower" in the description.`},
		{schema.Attribute{AttributeName: "Zyx", DataType: "DATE"}, `It rests on "DATE" in the data type.`},
	} {
		if a := p.Classify(Input{Attribute: tt.attribute}); !strings.Contains(a.Rationale, tt.want) {
			t.Errorf("%+v: %s\n\twant %s", tt.attribute.AttributeName, a.Rationale, tt.want)
		}
	}
}

func TestAWordThatStandsInAnotherByItsLettersIsStillCited(t *testing.T) {
	t.Parallel()
	a := defaultForTest(t).Classify(Input{Attribute: attribute("MORTGAGE_AGE", "N3")})
	if want := `It rests on "MORTGAGE", "AGE" in the name.`; !strings.Contains(a.Rationale, want) {
		t.Errorf("%s\n\twant %s", a.Rationale, want)
	}
}

func TestConfidenceFollowsTheEvidence(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	confidenceIn := func(a schema.Attribute) int { return p.Classify(Input{Attribute: a}).Confidence }
	for _, tt := range []struct {
		why           string
		more, less    schema.Attribute
		lessRationale string
	}{
		{why: "a name beats a technical name", more: schema.Attribute{AttributeName: "Apple"}, less: schema.Attribute{AttributeName: "", TechnicalLineItemName: "Apple"}},
		{why: "a technical name beats a description", more: schema.Attribute{TechnicalLineItemName: "Apple"}, less: schema.Attribute{Description: "Apple"}},
		{why: "known words beat unknown ones", more: attribute("Apple", ""), less: attribute("Zyx Apple", "")},
		{why: "a word beats a type", more: attribute("Zyx Date", ""), less: attribute("Zyx", "Date")},
		{why: "a type that agrees adds", more: attribute("Zyx Date", "Date"), less: attribute("Zyx Date", "")},
		{why: "a word that the type rules out costs", more: attribute("Zyx", "Date"), less: attribute("Zyx Balance", "Date"), lessRationale: "rules out that it is: amount"},
		{why: "another answer that comes near costs", more: attribute("Apple", ""), less: attribute("Zyx for Apple, Pear", "")},
		{why: "any rule beats none", more: attribute("Zyx Date", ""), less: attribute("Zyx", "")},
	} {
		more, less := confidenceIn(tt.more), confidenceIn(tt.less)
		if more <= less {
			t.Errorf("%s: %d against %d", tt.why, more, less)
		}
		if rationale := p.Classify(Input{Attribute: tt.less}).Rationale; !strings.Contains(rationale, tt.lessRationale) {
			t.Errorf("%s: %s", tt.why, rationale)
		}
	}
	plain := p.Classify(Input{Attribute: attribute("Apple", "")})
	halved := p.Classify(Input{Attribute: attribute("Apple", ""), Report: "Form 7 S.2"})
	if halved.Confidence != plain.Confidence/2 {
		t.Errorf("a certainty of 50%% makes %d of %d", halved.Confidence, plain.Confidence)
	}
	near, alone := derive(p, Input{Attribute: attribute("Zyx for Apple, Pear", "")}), derive(p, Input{Attribute: attribute("Zyx for Apple, Zyx", "")})
	if _, parts, _ := confidence(p, near); !slices.ContainsFunc(parts, func(one part) bool { return one.points == -nearTwinCosts }) {
		t.Errorf("a twin costs nothing: %v", parts)
	}
	if _, parts, _ := confidence(p, alone); slices.ContainsFunc(parts, func(one part) bool { return one.points < 0 }) {
		t.Errorf("something costs where nothing is near: %v", parts)
	}
	var bases []int
	for _, a := range []schema.Attribute{{AttributeName: "Apple"}, {TechnicalLineItemName: "Apple"}, {Description: "apple"}, {AttributeName: "Date"}} {
		d := derive(p, Input{Attribute: a})
		bases = append(bases, base(d.reading, d.fitting[0]).points)
	}
	if want := []int{namedBase, technicalBase, describedBase, wordlessBase}; !slices.Equal(bases, want) || !slices.IsSortedFunc(bases, func(a, b int) int { return b - a }) {
		t.Errorf("bases %v, want %v", bases, want)
	}
}
