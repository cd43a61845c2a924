package rules

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// raise classifies the chosen column and lets it raise the tier: what feeds a harmless line may be more than the line says. The column is
// judged as what it is and not as a line of the filing, whose refinements speak of totals and signatures and not of the rows that these are
// made of. A column that the policy does not know well raises nothing, and no column lowers anything.
func (p *Policy) raise(a *Answer, d *derivation, in Input) {
	column := in.Column
	c := p.derive(Input{
		Attribute: schema.Attribute{AttributeName: column.ColumnName, Description: column.Description, DataType: column.DataType},
		Table:     column.TableName,
	})
	from, to := d.facts.tier.value, c.facts.tier.value
	confidence, _, _ := p.confidence(c)
	if len(c.fitting) == 0 || confidence < p.raisesFrom || !to.Protects(from) || d.sums(c) {
		return
	}
	of := p.answer(c)
	a.Raised = &Raise{SourceField: sourceField(column), From: from, To: to, Rule: of.Rule, Matched: of.Matched}
	a.InformationSecurityClassification = to
	a.PIIFlag = a.PIIFlag || of.PIIFlag
	f := d.facts
	f.tier, f.leak = c.facts.tier, c.facts.leak
	if level := p.riskOf(f, d.reading.facet).level(); level.Above(a.RiskLevel) {
		a.RiskLevel = level
	}
	if of.RegulatoryFlag && !a.RegulatoryFlag {
		a.RegulatoryFlag = true
		a.RegulatoryReferences = p.filing(d.reading)
	}
	for _, reference := range of.RegulatoryReferences {
		if !slices.Contains(a.RegulatoryReferences, reference) {
			a.RegulatoryReferences = append(a.RegulatoryReferences, reference)
		}
	}
	a.Confidence = min(a.Confidence, of.Confidence)
}

// sums reports whether the attribute is a figure that its filing publishes, and the column one of the many that such a figure is the sum of:
// unpublished as every row is, and neither personal nor highly restricted.
func (d *derivation) sums(c *derivation) bool {
	by := d.facts.tier.by
	return by != nil && by.refinement && by.in != 0 && by.says != 0 && holds(by.says, by.saysNot, c.reading.facet) &&
		c.facts.tier.value != schema.HRCI && c.facts.personal.value != yes
}

// sourceField is the column's name without the parts that are not known.
func sourceField(c *schema.SourceColumn) string { return strings.TrimLeft(c.SourceField(), ".") }
