package rules

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// maxExplained is how many rules of each kind an explanation lists.
const maxExplained = 6

func explainInput(p *Policy, b *strings.Builder, d *derivation, in Input) {
	fmt.Fprintf(b, "%s", orUnnamed(in.Attribute.AttributeName))
	if in.Attribute.DataType != "" {
		fmt.Fprintf(b, ", %s", in.Attribute.DataType)
		if d.reading.class != 0 {
			fmt.Fprintf(b, " (%s)", d.reading.class)
		}
	}
	if in.Table != "" {
		fmt.Fprintf(b, ", in the table %s", in.Table)
	}
	if d.reading.report != nil {
		fmt.Fprintf(b, ", of the filing %s", d.reading.report.name)
	}
	fmt.Fprintf(b, "\npolicy %s, %d rules, digest %s\n", p.version, p.Rules(), p.digest)
}

func orUnnamed(name string) string {
	if strings.TrimSpace(name) == "" {
		return "(no name)"
	}
	return cutLong(name, maxName)
}

func explainReading(p *Policy, b *strings.Builder, d *derivation) {
	r := d.reading
	b.WriteString("\nRecognised\n")
	w := columns(b)
	for i, m := range r.mentions {
		if m.term.kind == fillerTerm || m.place > inTechnicalName && !d.uses(i) {
			continue
		}
		fmt.Fprintf(w, "  %q\t%s\t%s\t%s\n", r.source(m), m.place, kindNamesOfTerms[m.term.kind], p.termName(m.term))
	}
	flush(w)
	if r.facet >= 0 {
		fmt.Fprintf(b, "  it says: %s (from %s)\n", p.facets[r.facet].name, r.facetFrom)
	}
	if r.overruled >= 0 {
		fmt.Fprintf(b, "  the data type rules out: %s\n", p.facets[r.overruled].name)
	}
	if r.party >= 0 {
		fmt.Fprintf(b, "  it is about: %s\n", p.parties[r.party])
	}
	if unknown := r.unknown(); len(unknown) > 0 {
		fmt.Fprintf(b, "  unknown words: %s\n", strings.Join(unknown, ", "))
	}
}

var kindNamesOfTerms = [...]string{conceptTerm: "concept", facetTerm: "facet", partyTerm: "party", fillerTerm: "filler"}

func explainRules(p *Policy, b *strings.Builder, d *derivation) {
	b.WriteString("\nRules that fit\n")
	if len(d.fitting) == 0 {
		fmt.Fprintf(b, "  none: %s\n", p.fallback.because)
	}
	w := columns(b)
	for i, c := range d.fitting[:min(len(d.fitting), maxExplained)] {
		verdict := "answers: " + c.rule.because
		if i > 0 {
			verdict = d.behind(c)
		}
		fmt.Fprintf(w, "  %s\t%q\t%s\t%s\n", pointsText(c.points), c.rule.name, c.rule.tier, verdict)
	}
	flush(w)
	if len(d.refined) > 0 {
		b.WriteString("\nRefined by\n")
	}
	for _, c := range d.refined {
		fmt.Fprintf(b, "  %q: %s\n", c.rule.name, c.rule.because)
	}
	if len(d.failed) > 0 {
		b.WriteString("\nRules whose words occur, but which do not fit\n")
	}
	w = columns(b)
	for _, c := range d.failed[:min(len(d.failed), maxExplained)] {
		fmt.Fprintf(w, "  %q\t%s\t%s\n", c.rule.name, c.rule.tier, why(p, d.reading, c))
	}
	flush(w)
}

func explainFields(p *Policy, b *strings.Builder, d *derivation) {
	f := d.facts
	b.WriteString("\nAnswer\n")
	w := columns(b)
	fmt.Fprintf(w, "  information_security_classification\t%s\t%s\n", f.tier.value, source(f.tier.by))
	fmt.Fprintf(w, "  criticality\t%s\t%s\n", f.criticality.value, source(f.criticality.by))
	r := riskOf(p, f, d.reading.facet)
	fmt.Fprintf(w, "  risk_level\t%s\t%s\n", r.level(), r.because(f))
	regulated, why := d.regulated()
	if regulated {
		why += ": " + strings.Join(references(p, d), "; ")
	}
	fmt.Fprintf(w, "  regulatory_flag\t%s\t%s\n", yesOrNo(regulated), strings.TrimSuffix(why, ": "))
	fmt.Fprintf(w, "  pii_flag\t%s\t%s\n", yesOrNo(f.personal.value == yes), source(f.personal.by))
	flush(w)
}

func source(r *rule) string {
	switch {
	case r == nil:
		return "the policy's default"
	case r.refinement:
		return fmt.Sprintf("refinement %q", r.name)
	default:
		return fmt.Sprintf("rule %q", r.name)
	}
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func explainConfidence(p *Policy, b *strings.Builder, d *derivation) {
	total, parts, certainty := confidence(p, d)
	fmt.Fprintf(b, "\nConfidence %d\n", total)
	for _, one := range parts {
		fmt.Fprintf(b, "  %+3d %s\n", one.points, one.why)
	}
	if certainty < 100 {
		fmt.Fprintf(b, "  of which %d%%, because the answer of the rule can be argued about\n", certainty)
	}
}

func explainColumn(p *Policy, b *strings.Builder, in Input) {
	a := p.Classify(in)
	fmt.Fprintf(b, "\nColumn %s\n", sourceField(in.Column))
	if r := a.Raised; r != nil {
		fmt.Fprintf(b, "  raises the tier from %s to %s: rule %q, on %s\n", r.From, r.To, r.Rule, restsOn(r.Matched))
		fmt.Fprintf(b, "  with it: risk_level %s, regulatory_flag %s, pii_flag %s, confidence %d\n",
			a.RiskLevel, yesOrNo(a.RegulatoryFlag), yesOrNo(a.PIIFlag), a.Confidence)
		return
	}
	b.WriteString("  does not raise the tier\n")
}

func columns(b *strings.Builder) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

// flush ends a table. A strings.Builder takes everything.
func flush(w *tabwriter.Writer) { _ = w.Flush() }

func pointsText(n int) string {
	if n == 1 {
		return "1 point"
	}
	return fmt.Sprintf("%d points", n)
}
