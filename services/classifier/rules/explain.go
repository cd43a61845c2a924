package rules

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
)

// maxExplained is the number of rules of each kind that an explanation lists.
const maxExplained = 6

// explain writes the derivation of the answer for an input, without its column.
func (d *derivation) explain(b *strings.Builder, in Input) {
	d.explainInput(b, in)
	d.explainReading(b)
	d.explainRules(b)
	d.explainFields(b)
	d.explainConfidence(b)
}

func (d *derivation) explainInput(b *strings.Builder, in Input) {
	name := d.reading.Name
	if strings.TrimSpace(name) == "" {
		name = "(no name)"
	}
	b.WriteString(name)
	if in.Attribute.DataType != "" {
		fmt.Fprintf(b, ", %s", in.Attribute.DataType)
		if d.reading.Class != 0 {
			fmt.Fprintf(b, " (%s)", d.reading.Class)
		}
	}
	if in.Table != "" {
		fmt.Fprintf(b, ", in the table %s", in.Table)
	}
	if d.reading.Report != nil {
		fmt.Fprintf(b, ", of the filing %s", d.reading.Report.Name)
	}
	p := d.policy
	fmt.Fprintf(b, "\npolicy %s, %d rules, digest %s\n", p.Version, len(p.Rules)+len(p.Refinements), p.Digest)
}

func (d *derivation) explainReading(b *strings.Builder) {
	r := d.reading
	b.WriteString("\nRecognised\n")
	w := newTable(b)
	for i, o := range r.Occurrences {
		if o.Term.Kind == policy.TermFiller || o.Place > reading.InTechnicalName && !d.uses(i) {
			continue
		}
		fmt.Fprintf(w, "  %q\t%s\t%s\t%s\n", r.Text(o), o.Place, o.Term.Kind, d.policy.TermName(o.Term))
	}
	flush(w)
	if r.Facet >= 0 {
		fmt.Fprintf(b, "  facet: %s (from %s)\n", d.policy.Facets[r.Facet].Name, r.FacetFrom)
	}
	if r.Excluded >= 0 {
		fmt.Fprintf(b, "  the data type excludes: %s\n", d.policy.Facets[r.Excluded].Name)
	}
	if r.Party >= 0 {
		fmt.Fprintf(b, "  party: %s\n", d.policy.Parties[r.Party])
	}
	if unknown := r.Unknown(); len(unknown) > 0 {
		fmt.Fprintf(b, "  unknown words: %s\n", strings.Join(unknown, ", "))
	}
}

// uses reports whether one of the rules that fit, the facet or the party depends on an occurrence.
func (d *derivation) uses(at int) bool {
	return at == d.reading.FacetAt || at == d.reading.PartyAt ||
		slices.ContainsFunc(d.fitting, func(m ruleMatch) bool { return slices.Contains(m.occurrences(), at) })
}

func (d *derivation) explainRules(b *strings.Builder) {
	b.WriteString("\nRules that fit\n")
	if len(d.fitting) == 0 {
		fmt.Fprintf(b, "  none: %s\n", d.policy.Fallback.Because)
	}
	w := newTable(b)
	for i, m := range d.fitting[:min(len(d.fitting), maxExplained)] {
		result := "wins: " + m.rule.Because
		if i > 0 {
			result = d.whyNotFirst(m)
		}
		fmt.Fprintf(w, "  %s\t%q\t%s\t%s\n", pointsText(m.points), m.rule.Name, m.rule.Tier, result)
	}
	flush(w)
	if len(d.refined) > 0 {
		b.WriteString("\nRefined by\n")
	}
	for _, m := range d.refined {
		fmt.Fprintf(b, "  %q: %s\n", m.rule.Name, m.rule.Because)
	}
	if len(d.failed) > 0 {
		b.WriteString("\nRules whose words occur, but which do not fit\n")
	}
	w = newTable(b)
	for _, m := range d.failed[:min(len(d.failed), maxExplained)] {
		fmt.Fprintf(w, "  %q\t%s\t%s\n", m.rule.Name, m.rule.Tier, d.whyFailed(m))
	}
	flush(w)
}

func (d *derivation) explainFields(b *strings.Builder) {
	v := d.values
	b.WriteString("\nAnswer\n")
	w := newTable(b)
	fmt.Fprintf(w, "  information_security_classification\t%s\t%s\n", v.tier.value, ruleTitle(v.tier.by))
	fmt.Fprintf(w, "  criticality\t%s\t%s\n", v.criticality.value, ruleTitle(v.criticality.by))
	r := riskOf(d.policy, v, d.reading.Facet)
	fmt.Fprintf(w, "  risk_level\t%s\t%s\n", r.level(), r.reason(v))
	regulated, why := d.regulated()
	if regulated {
		why += ": " + strings.Join(d.references(), "; ")
	}
	fmt.Fprintf(w, "  regulatory_flag\t%s\t%s\n", yesOrNo(regulated), strings.TrimSuffix(why, ": "))
	personal := v.personal.value == policy.FlagYes
	fmt.Fprintf(w, "  pii_flag\t%s\t%s\n", yesOrNo(personal), ruleTitle(v.personal.by))
	flush(w)
}

// ruleTitle returns the name of the rule or refinement that assigned a value.
func ruleTitle(r *policy.Rule) string {
	switch {
	case r == nil:
		return "the policy's default"
	case r.Refinement:
		return fmt.Sprintf("refinement %q", r.Name)
	default:
		return fmt.Sprintf("rule %q", r.Name)
	}
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (d *derivation) explainConfidence(b *strings.Builder) {
	c := d.confidence
	fmt.Fprintf(b, "\nConfidence %d\n", c.percent)
	for _, one := range c.parts {
		fmt.Fprintf(b, "  %+3d %s\n", one.points, one.why)
	}
	if c.certainty < 100 {
		fmt.Fprintf(b, "  times %d%%, because the answer of the rule is debatable\n", c.certainty)
	}
}

// explainColumn writes how the column that feeds an attribute changes its answer a.
func explainColumn(b *strings.Builder, column *schema.SourceColumn, a Answer) {
	fmt.Fprintf(b, "\nColumn %s\n", sourceField(column))
	if r := a.Raised; r != nil {
		fmt.Fprintf(
			b,
			"  raises the tier from %s to %s: rule %q, based on %s\n",
			r.From,
			r.To,
			r.Rule,
			describeMatches(r.Matched),
		)
		fmt.Fprintf(b, "  with it: risk_level %s, regulatory_flag %s, pii_flag %s, confidence %d\n",
			a.RiskLevel, yesOrNo(a.RegulatoryFlag), yesOrNo(a.PIIFlag), a.Confidence)
		return
	}
	b.WriteString("  does not raise the tier\n")
}

func newTable(b *strings.Builder) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

// flush ends a table. A strings.Builder returns no errors.
func flush(w *tabwriter.Writer) { _ = w.Flush() }
