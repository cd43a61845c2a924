package rules

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// raise classifies the chosen column and lets it raise the tier: what feeds a harmless line may be more than the line
// says. The column is judged as what it is and not as a line of the filing, whose refinements speak of totals and
// signatures and not of the rows that these are made of. A column that the policy does not know well raises nothing,
// and no column lowers anything.
func raise(p *Policy, a *Answer, d *derivation, in Input) {
	column := in.Column
	c := derive(p, Input{
		Attribute: schema.Attribute{AttributeName: column.ColumnName, Description: column.Description, DataType: column.DataType},
		Table:     column.TableName,
	})
	from, to := d.facts.tier.value, c.facts.tier.value
	confidence, _, _ := confidence(p, c)
	if len(c.fitting) == 0 || confidence < p.columns.raisesFrom || !to.Protects(from) || publishes(&p.columns, d, c) {
		return
	}
	of := answerOf(p, c)
	a.Raised = &Raise{SourceField: sourceField(column), From: from, To: to, Rule: of.Rule, Matched: of.Matched}
	a.InformationSecurityClassification = to
	a.PIIFlag = a.PIIFlag || of.PIIFlag
	f := d.facts
	f.tier, f.leak = c.facts.tier, c.facts.leak
	if level := riskOf(p, f, d.reading.facet).level(); level.Above(a.RiskLevel) {
		a.RiskLevel = level
	}
	if of.RegulatoryFlag && !a.RegulatoryFlag {
		a.RegulatoryFlag = true
		a.RegulatoryReferences = citedFiling(p, d.reading)
	}
	for _, reference := range of.RegulatoryReferences {
		if !slices.Contains(a.RegulatoryReferences, reference) {
			a.RegulatoryReferences = append(a.RegulatoryReferences, reference)
		}
	}
	a.Confidence = min(a.Confidence, of.Confidence)
}

// publishes reports whether the filing publishes what the column holds, so that the column says nothing against the
// line: the attribute is Public by what is said of its filing, and the column is either one of the many rows that a
// figure is the sum of, unpublished as every row is and not personal, or tells of who signs the filing and of no
// customer. What is highly restricted is neither.
func publishes(t *columnTable, d, c *derivation) bool {
	published := slices.ContainsFunc(d.refined, func(r candidate) bool { return r.rule.in != 0 && r.rule.tier == d.facts.tier.value })
	if !published || c.facts.tier.value == schema.HRCI {
		return false
	}
	line, column := d.reading.facet, c.reading.facet
	if c.facts.personal.value != yes && in(t.sums, line) && in(t.sums, column) {
		return true
	}
	return in(t.signs, line) && in(t.signs, column) && !in(t.customers, c.reading.party)
}

// in reports whether an index is in a set.
func in(set uint64, index int) bool { return index >= 0 && set&(1<<index) != 0 }

// sourceField is the column's name without the parts that are not known.
func sourceField(c *schema.SourceColumn) string { return strings.TrimLeft(c.SourceField(), ".") }
