package classifier

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

const (
	// agreedConfidence is the least confidence in a column that a person has confirmed for the same attribute, and that
	// also ranks first. disputedConfidence is the confidence if the two differ, so that a person decides.
	agreedConfidence, disputedConfidence = 90, 80
	// sureRanking is the confidence from which a chosen column is kept although a decision on another report differs.
	sureRanking = 85
	// maxClassConfidence and agreementBonus limit the confidence of a class that a person has confirmed for the same
	// column. disputedClass is the most if the two differ.
	maxClassConfidence, agreementBonus, disputedClass = 97, 5, 60
	maxAlternatives                                   = 5
)

// precedents are the decisions of people on similar mappings of other reports and cycles.
type precedents struct {
	// byAttribute are the decisions by the attribute's name in lower case, byColumn by the column.
	byAttribute, byColumn map[string][]schema.Precedent
}

func newPrecedents(all []schema.Precedent) precedents {
	p := precedents{byAttribute: map[string][]schema.Precedent{}, byColumn: map[string][]schema.Precedent{}}
	for _, one := range all {
		name := strings.ToLower(one.AttributeName)
		p.byAttribute[name] = append(p.byAttribute[name], one)
		p.byColumn[one.SourceField] = append(p.byColumn[one.SourceField], one)
	}
	return p
}

// followPrecedent changes a ranking by what people have confirmed for the same attribute in other reports, if they
// agree on one of the candidates.
func (c *candidates) followPrecedent(r columns.Ranking, attribute schema.Attribute) columns.Ranking {
	var confirmed *schema.Precedent
	for _, p := range c.precedents.byAttribute[strings.ToLower(attribute.AttributeName)] {
		switch {
		case len(c.byField[p.SourceField]) == 0:
		case confirmed == nil:
			confirmed = &p
		case confirmed.SourceField != p.SourceField:
			return r
		}
	}
	if confirmed == nil {
		return r
	}
	why := fmt.Sprintf("A person confirmed %s for the same attribute in report %s of cycle %s.",
		confirmed.SourceField, confirmed.ReportID, confirmed.CycleID)
	if r.SourceField == confirmed.SourceField {
		r.Confidence, r.Rationale = max(r.Confidence, agreedConfidence), why+" "+r.Rationale
		return r
	}
	r.Alternatives = slices.DeleteFunc(slices.Clone(r.Alternatives), func(a schema.Alternative) bool {
		return a.SourceField == confirmed.SourceField
	})
	other := schema.Alternative{SourceField: confirmed.SourceField, Score: disputedConfidence, Reason: why}
	if r.Confidence < sureRanking || r.SourceField == "" {
		other = schema.Alternative{
			SourceField: r.SourceField, Score: r.Confidence, Reason: "It ranks first by its name.",
		}
		r.SourceField, r.Column = confirmed.SourceField, c.byField[confirmed.SourceField][0]
		r.MappingType = cmp.Or(confirmed.MappingType, schema.MappingTypeDirect)
	}
	if other.SourceField != "" {
		r.Alternatives = slices.Insert(r.Alternatives, 0, other)
		r.Alternatives = r.Alternatives[:min(len(r.Alternatives), maxAlternatives)]
	}
	r.Confidence, r.Rationale = disputedConfidence, why+" The ranking differs: "+r.Rationale
	return r
}

// ofColumn returns the latest decision on the class of a column, or nil if there is none.
func (p precedents) ofColumn(sourceField string) *schema.Precedent {
	for _, one := range p.byColumn[sourceField] {
		if one.InformationSecurityClassification != "" {
			return &one
		}
	}
	return nil
}

// weighPrecedent adds to an answer what a person has confirmed for the same column in another report. It changes no
// class: a decision that differs lowers the confidence, so that a person compares them.
func (c *candidates) weighPrecedent(a *rules.Answer, sourceField string) {
	p := c.precedents.ofColumn(sourceField)
	if p == nil {
		return
	}
	a.Rationale += fmt.Sprintf(" A person confirmed the same column as %s in report %s of cycle %s.",
		p.InformationSecurityClassification, p.ReportID, p.CycleID)
	if p.InformationSecurityClassification == a.InformationSecurityClassification {
		a.Confidence = max(a.Confidence, min(a.Confidence+agreementBonus, maxClassConfidence))
	} else {
		a.Confidence = min(a.Confidence, disputedClass)
	}
}
