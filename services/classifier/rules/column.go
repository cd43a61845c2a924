package rules

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// raise classifies the chosen column like an attribute and lets it raise the tier: what feeds a harmless line may be more than the line says.
// A column that the policy does not know well raises nothing, and no column lowers anything.
func (p *Policy) raise(a *Answer, d *derivation, in Input) {
	column := in.Column
	c := p.derive(Input{
		Attribute: schema.Attribute{
			AttributeName: column.ColumnName, Description: column.Description, DataType: column.DataType,
			MDRM: in.Attribute.MDRM, // a filing that is known by its codes is the column's filing too
		},
		Table:  column.TableName,
		Report: in.Report,
	})
	from, to := d.facts.tier.value, c.facts.tier.value
	confidence, _, _ := p.confidence(c)
	if len(c.fitting) == 0 || confidence < p.raisesFrom || !to.Protects(from) {
		return
	}
	of := p.answer(c)
	a.Raised = &Raise{SourceField: sourceField(column), From: from, To: to, Rule: of.Rule, Matched: of.Matched}
	a.InformationSecurityClassification = to
	a.PIIFlag = a.PIIFlag || of.PIIFlag
	a.RegulatoryFlag = a.RegulatoryFlag || of.RegulatoryFlag
	f := d.facts
	f.tier, f.leak = c.facts.tier, c.facts.leak
	if level := p.riskOf(f, d.reading.facet).level(); level.Above(a.RiskLevel) {
		a.RiskLevel = level
	}
	for _, reference := range of.RegulatoryReferences {
		if !slices.Contains(a.RegulatoryReferences, reference) {
			a.RegulatoryReferences = append(a.RegulatoryReferences, reference)
		}
	}
	a.Confidence = min(a.Confidence, of.Confidence)
}

// sourceField is the column's name without the parts that are not known.
func sourceField(c *schema.SourceColumn) string { return strings.TrimLeft(c.SourceField(), ".") }
