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

// explanation is a text for a terminal that shows a derivation.
type explanation struct {
	*derivation
	b strings.Builder
}

// explain writes the derivation of the answer for an input, without its column.
func (x *explanation) explain(in Input) {
	x.explainInput(in)
	x.explainReading()
	x.explainRules()
	x.explainFields()
	x.explainConfidence()
}

func (x *explanation) explainInput(in Input) {
	name := x.reading.Name
	if strings.TrimSpace(name) == "" {
		name = "(no name)"
	}
	x.b.WriteString(name)
	if in.Attribute.DataType != "" {
		fmt.Fprintf(&x.b, ", %s", in.Attribute.DataType)
		if x.reading.Class != 0 {
			fmt.Fprintf(&x.b, " (%s)", x.reading.Class)
		}
	}
	if in.Table != "" {
		fmt.Fprintf(&x.b, ", in the table %s", in.Table)
	}
	if x.reading.Report != nil {
		fmt.Fprintf(&x.b, ", of the filing %s", x.reading.Report.Name)
	}
	p := x.policy
	fmt.Fprintf(&x.b, "\npolicy %s, %d rules, digest %s\n", p.Version, len(p.Rules)+len(p.Refinements), p.Digest)
}

func (x *explanation) explainReading() {
	r := x.reading
	x.b.WriteString("\nRecognised\n")
	w := newTable(&x.b)
	for i, o := range r.Occurrences {
		if o.Term.Kind == policy.TermFiller || o.Place > reading.InTechnicalName && !x.uses(i) {
			continue
		}
		fmt.Fprintf(w, "  %q\t%s\t%s\t%s\n", r.Text(o), o.Place, o.Term.Kind, x.policy.TermName(o.Term))
	}
	flush(w)
	if r.Facet >= 0 {
		fmt.Fprintf(&x.b, "  facet: %s (from %s)\n", x.policy.Facets[r.Facet].Name, r.FacetFrom)
	}
	if r.Excluded >= 0 {
		fmt.Fprintf(&x.b, "  the data type excludes: %s\n", x.policy.Facets[r.Excluded].Name)
	}
	if r.Party >= 0 {
		fmt.Fprintf(&x.b, "  party: %s\n", x.policy.Parties[r.Party])
	}
	if unknown := r.Unknown(); len(unknown) > 0 {
		fmt.Fprintf(&x.b, "  unknown words: %s\n", strings.Join(unknown, ", "))
	}
}

// uses reports whether one of the rules that fit, the facet or the party depends on an occurrence.
func (x *explanation) uses(at int) bool {
	return at == x.reading.FacetAt || at == x.reading.PartyAt ||
		slices.ContainsFunc(x.fitting, func(m ruleMatch) bool { return slices.Contains(m.occurrences(), at) })
}

func (x *explanation) explainRules() {
	x.b.WriteString("\nRules that fit\n")
	if len(x.fitting) == 0 {
		fmt.Fprintf(&x.b, "  none: %s\n", x.policy.Fallback.Because)
	}
	w := newTable(&x.b)
	for i, m := range x.fitting[:min(len(x.fitting), maxExplained)] {
		result := "wins: " + m.rule.Because
		if i > 0 {
			result = whyNotFirst(x.derivation, m)
		}
		fmt.Fprintf(w, "  %s\t%q\t%s\t%s\n", pointsText(m.points), m.rule.Name, m.rule.Tier, result)
	}
	flush(w)
	if len(x.refined) > 0 {
		x.b.WriteString("\nRefined by\n")
	}
	for _, m := range x.refined {
		fmt.Fprintf(&x.b, "  %q: %s\n", m.rule.Name, m.rule.Because)
	}
	if len(x.failed) > 0 {
		x.b.WriteString("\nRules whose words occur, but which do not fit\n")
	}
	w = newTable(&x.b)
	for _, m := range x.failed[:min(len(x.failed), maxExplained)] {
		fmt.Fprintf(w, "  %q\t%s\t%s\n", m.rule.Name, m.rule.Tier, whyFailed(x.derivation, m))
	}
	flush(w)
}

func (x *explanation) explainFields() {
	v := x.values
	x.b.WriteString("\nAnswer\n")
	w := newTable(&x.b)
	fmt.Fprintf(w, "  information_security_classification\t%s\t%s\n", v.tier.value, ruleTitle(v.tier.by))
	fmt.Fprintf(w, "  criticality\t%s\t%s\n", v.criticality.value, ruleTitle(v.criticality.by))
	r := riskOf(x.policy, v, x.reading.Facet)
	fmt.Fprintf(w, "  risk_level\t%s\t%s\n", r.level(), r.reason(v))
	regulated, why := x.regulated()
	if regulated {
		why += ": " + strings.Join(x.references(), "; ")
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

func (x *explanation) explainConfidence() {
	c := x.confidence
	fmt.Fprintf(&x.b, "\nConfidence %d\n", c.percent)
	for _, one := range c.parts {
		fmt.Fprintf(&x.b, "  %+3d %s\n", one.points, one.why)
	}
	if c.certainty < 100 {
		fmt.Fprintf(&x.b, "  times %d%%, because the answer of the rule is debatable\n", c.certainty)
	}
}

// explainColumn writes how the column that feeds an attribute changes its answer a.
func (x *explanation) explainColumn(column *schema.SourceColumn, a Answer) {
	fmt.Fprintf(&x.b, "\nColumn %s\n", sourceField(column))
	if r := a.Raised; r != nil {
		fmt.Fprintf(
			&x.b,
			"  raises the tier from %s to %s: rule %q, based on %s\n",
			r.From,
			r.To,
			r.Rule,
			describeMatches(r.Matched),
		)
		fmt.Fprintf(&x.b, "  with it: risk_level %s, regulatory_flag %s, pii_flag %s, confidence %d\n",
			a.RiskLevel, yesOrNo(a.RegulatoryFlag), yesOrNo(a.PIIFlag), a.Confidence)
		return
	}
	x.b.WriteString("  does not raise the tier\n")
}

func newTable(b *strings.Builder) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

// flush ends a table. A strings.Builder returns no errors.
func flush(w *tabwriter.Writer) { _ = w.Flush() }
