package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Answer is a classification with everything a reviewer needs to judge it.
type Answer struct {
	schema.Classification
	// Confidence is from 0 to 100. It counts the evidence: how much of the name matched and where, how much of it no
	// rule knows, whether the data type agrees, and how near another answer came.
	Confidence int
	// Rationale says in a few sentences which rule answered, on which words, and what else was considered.
	Rationale            string
	RegulatoryReferences []string

	// Rule is the name of the rule that answered, Group where it stands in the policy. Both are empty where no rule
	// spoke.
	Rule, Group string
	// Matched are the words that the answer rests on. Without them it would be another, or less certain.
	Matched []Match
	// Refined are the names of the refinements that changed the rule's answer.
	Refined []string
	// Considered are the rules that came nearest, the best first.
	Considered []Alternative
	// Raised tells that the column raised the tier, and is nil where it did not.
	Raised *Raise
}

// Match is a piece of the input that a rule recognised.
type Match struct {
	// Text is the words as they stand in the name; words of other places are in their normal form.
	Text string
	// Place is where they stand: name, technical name, description, table or data type.
	Place string
	// Meaning is what the policy takes them for.
	Meaning string
	// Again is true for words that only say again what others have said already: no points are counted for them.
	Again bool
}

// Alternative is a rule that was considered and did not answer.
type Alternative struct {
	Rule string
	Tier schema.InformationSecurityClassification
	// Why says what it lacked.
	Why string
}

// Raise tells how a column raised the tier.
type Raise struct {
	SourceField string
	From, To    schema.InformationSecurityClassification
	// Rule is the rule that answered for the column, Matched what it rests on.
	Rule    string
	Matched []Match
}

// maxConsidered is how many other rules an answer names.
const maxConsidered = 3

func answerOf(p *Policy, d *derivation) Answer {
	regulated, _ := d.regulated()
	a := Answer{
		Classification: schema.Classification{
			InformationSecurityClassification: d.facts.tier.value,
			Criticality:                       d.facts.criticality.value,
			RiskLevel:                         riskOf(p, d.facts, d.reading.facet).level(),
			RegulatoryFlag:                    regulated,
			PIIFlag:                           d.facts.personal.value == yes,
		},
		Matched:    matches(p, d),
		Considered: considered(p, d),
	}
	a.Confidence, _, _ = confidence(p, d)
	if len(d.fitting) > 0 {
		a.Rule, a.Group = d.fitting[0].rule.name, d.fitting[0].rule.group
	}
	for _, c := range d.refined {
		a.Refined = append(a.Refined, c.rule.name)
	}
	if a.RegulatoryFlag {
		a.RegulatoryReferences = references(p, d)
	}
	return a
}

// references are the laws of the filing and then, unless only a filing asks for the attribute, those of the rules,
// each once.
func references(p *Policy, d *derivation) []string {
	texts := citedFiling(p, d.reading)
	if d.facts.regulatory.value != onlyFiled {
		for _, id := range d.laws() {
			if text := p.laws[id].text; !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// citedFiling is what is cited for a line of its filing; nothing where it is no line of any. A filing that the policy
// does not know is cited by its own name, unless its lines have codes of a dictionary that the policy names.
func citedFiling(p *Policy, r *reading) []string {
	var ids []int
	switch {
	case r.report != nil:
		ids = r.report.laws
	case r.filed && r.mdrm == "" && r.filing != "":
		return []string{r.filing}
	case r.filed && p.fallback.filed >= 0:
		ids = []int{p.fallback.filed}
	}
	texts := make([]string, 0, len(ids)+2)
	for _, id := range ids {
		texts = append(texts, p.laws[id].text)
	}
	return texts
}

// matches are the words that the answer rests on, in the order of the input: all that speak for the rule and for the
// refinements, so that the answer does not stand as firmly without them.
func matches(p *Policy, d *derivation) []Match {
	r := d.reading
	var out []Match
	for i, m := range r.mentions {
		if d.restsOn(i) {
			out = append(out, Match{r.source(m), m.place.String(), p.termName(m.term), !d.counted(i)})
		}
	}
	if r.facetFrom == fromType && len(d.fitting) > 0 && d.fitting[0].rule.says != 0 {
		out = append(out, Match{r.declared, "data type", p.facets[r.facet].name, false})
	}
	return out
}

// considered are the next best rules that fit, and those that failed on one condition though their words counted more
// than the winner's.
func considered(p *Policy, d *derivation) []Alternative {
	var out []Alternative
	if len(d.fitting) > 0 {
		for _, c := range d.fitting[1:min(len(d.fitting), maxConsidered)] {
			why := d.behind(c)
			if why == fitsLess {
				why = fmt.Sprintf("%s: %s against %d", why, pointsText(c.points), d.fitting[0].points)
			}
			out = append(out, Alternative{c.rule.name, c.rule.tier, why})
		}
	}
	for _, c := range d.failed {
		if len(out) == maxConsidered {
			break
		}
		out = append(out, Alternative{c.rule.name, c.rule.tier, why(p, d.reading, c)})
	}
	return out
}

const fitsLess = "fits less well"

// why says what a failed rule lacked.
func why(p *Policy, r *reading, c candidate) string {
	switch c.miss.kind {
	case refusesWord:
		return fmt.Sprintf("does not hold beside %q", r.source(r.mentions[c.miss.mention]))
	case wrongFacet:
		return mismatch(p.facetNames(), c.rule.says, r.facet)
	case wrongParty:
		return mismatch(p.parties, c.rule.of, r.party)
	case wrongReport:
		return "is for other reports"
	default:
		return "is for attributes with another mark"
	}
}

// mismatch says what a rule wants to be about and what the attribute is about.
func mismatch(names []string, want uint64, got int) string {
	is := "nothing says what this is"
	if got >= 0 {
		is = "this is: " + names[got]
	}
	if want == 0 {
		return "does not hold where " + is
	}
	var wanted []string
	for i, name := range names {
		if want&(1<<i) != 0 {
			wanted = append(wanted, name)
		}
	}
	return "is for: " + strings.Join(wanted, ", ") + "; " + is
}

// Input is what is to be classified. Everything but the attribute's name is optional, and so is that.
type Input struct {
	Attribute schema.Attribute
	// Column is the source column that was chosen for the attribute. It can only raise the tier.
	Column *schema.SourceColumn
	// Report is the name or id of the filing that the attribute is a line of.
	Report string
	// Table is the table that the attribute's name stands in, where a bare column is classified rather than a line of
	// a report.
	Table string
}
