package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// dataTypePlace is the [Match.Place] of a data type that implies the facet.
const dataTypePlace = "data type"

// rationale returns the reasons for an answer in a few sentences. Mappings store it.
func rationale(d *derivation, a *Answer) string {
	var b strings.Builder
	if a.Rule == "" {
		fmt.Fprintf(&b, "No rule matched: %s.", d.policy.Fallback.Because)
	} else {
		fmt.Fprintf(&b, "Rule %q: %s.", a.Rule, d.fitting[0].rule.Because)
	}
	if len(a.Matched) > 0 {
		fmt.Fprintf(&b, " Based on %s.", describeMatches(a.Matched))
	}
	if d.reading.Excluded >= 0 {
		fmt.Fprintf(&b, " The data type excludes: %s.", d.policy.Facets[d.reading.Excluded].Name)
	}
	for _, m := range d.refined {
		fmt.Fprintf(&b, " Refined by %q: %s.", m.rule.Name, m.rule.Because)
	}
	for i, c := range a.Considered {
		lead := ", "
		if i == 0 {
			lead = " Also considered: "
		}
		fmt.Fprintf(&b, "%s%q (%s, %s)", lead, c.Rule, c.Tier, c.Why)
	}
	if len(a.Considered) > 0 {
		b.WriteByte('.')
	}
	if r := a.Raised; r != nil {
		fmt.Fprintf(&b, " The column %s raises the tier from %s to %s: rule %q, based on %s.",
			r.SourceField, r.From, r.To, r.Rule, describeMatches(r.Matched))
	}
	return b.String()
}

// describeMatches lists matches by place: first those that earned points, then those that only repeat them.
func describeMatches(matched []Match) string {
	places := []string{
		reading.InHead.String(), reading.InTechnicalName.String(), reading.InDescription.String(),
		reading.InTable.String(), dataTypePlace,
	}
	var b strings.Builder
	listed := map[string][]string{}
	for _, again := range []bool{false, true} {
		byPlace := map[string][]string{}
		for _, m := range matched {
			if m.Again == again {
				byPlace[m.Place] = append(byPlace[m.Place], m.Text)
			}
		}
		for _, place := range places {
			texts := longest(byPlace[place], listed[place])
			if len(texts) == 0 {
				continue
			}
			listed[place] = texts
			switch {
			case b.Len() > 0 && again:
				b.WriteString(", also ")
			case b.Len() > 0:
				b.WriteString(" and ")
			}
			fmt.Fprintf(&b, "%s in the %s", quoted(texts), place)
		}
	}
	return b.String()
}

// longest returns the texts whose words are in none of the others and in none that are listed already, each once.
func longest(texts, listed []string) []string {
	var out []string
	for i, text := range texts {
		within := slices.ContainsFunc(texts, func(other string) bool {
			return len(other) > len(text) && containsWords(other, text)
		})
		before := slices.ContainsFunc(listed, func(other string) bool { return containsWords(other, text) })
		if !within && !before && !slices.Contains(texts[:i], text) {
			out = append(out, text)
		}
	}
	return out
}

// containsWords reports whether a text contains the words of another in a row. "mortgage" does not contain "age".
func containsWords(text, part string) bool {
	all, some := words.Split(text), words.Split(part)
	for len(all) >= len(some) {
		if slices.Equal(all[:len(some)], some) {
			return true
		}
		all = all[1:]
	}
	return false
}

func quoted(texts []string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = fmt.Sprintf("%q", text)
	}
	return strings.Join(all, ", ")
}

// matches returns the parts of the input that the winning rule or a refinement requires, in the order of the input.
// They include repeated words, so that the answer would be less certain without them.
func matches(d *derivation) []Match {
	r := d.reading
	var out []Match
	for i := range r.Occurrences {
		if isRequired(d, i) {
			o := r.Occurrences[i]
			out = append(out, Match{Text: r.Text(o), Place: o.Place.String(), Again: !earnsPoints(d, i)})
		}
	}
	if r.FacetFrom == reading.FromType && len(d.fitting) > 0 && d.fitting[0].rule.Is != 0 {
		out = append(out, Match{Text: r.DataType, Place: dataTypePlace})
	}
	return out
}

// isRequired reports whether the winning rule or a refinement requires the term of an occurrence.
func isRequired(d *derivation, at int) bool {
	if len(d.fitting) > 0 && requires(d.fitting[0].rule, d.reading, at) {
		return true
	}
	return slices.ContainsFunc(d.refined, func(m ruleMatch) bool { return requires(m.rule, d.reading, at) })
}

// requires reports whether a rule requires the term of an occurrence.
func requires(rule *policy.Rule, r *reading.Reading, at int) bool {
	switch o := &r.Occurrences[at]; o.Term.Kind {
	case policy.TermConcept:
		return slices.Contains(rule.Any, o.Term.ID) || slices.Contains(rule.All, o.Term.ID)
	case policy.TermFacet:
		named := o.Place <= reading.InTechnicalName || at == r.FacetAt
		return rule.Is != 0 && o.Term.ID == r.Facet && named
	case policy.TermParty:
		return rule.Of != 0 && o.Term.ID == r.Party
	default:
		return false
	}
}

// earnsPoints reports whether an occurrence earned the winning rule or a refinement points.
func earnsPoints(d *derivation, at int) bool {
	earns := func(m ruleMatch) bool {
		return slices.Contains(m.occurrences(), at) ||
			m.rule.Is != 0 && at == d.reading.FacetAt || m.rule.Of != 0 && at == d.reading.PartyAt
	}
	return len(d.fitting) > 0 && earns(d.fitting[0]) || slices.ContainsFunc(d.refined, earns)
}

const (
	// maxConsidered is the maximum number of other rules that an answer lists, of which at most two fit.
	maxConsidered = 3
	fitsLess      = "fits less well"
)

// considered returns the rules that fit less well, and then the rules that fail although their words occur.
func considered(d *derivation) []Alternative {
	var out []Alternative
	if len(d.fitting) > 0 {
		for _, m := range d.fitting[1:min(len(d.fitting), maxConsidered)] {
			why := whyNotFirst(d, m)
			if why == fitsLess {
				why = fmt.Sprintf("%s: %s against %d", why, pointsText(m.points), d.fitting[0].points)
			}
			out = append(out, Alternative{m.rule.Name, m.rule.Tier, why})
		}
	}
	for _, m := range d.failed {
		if len(out) == maxConsidered {
			break
		}
		out = append(out, Alternative{m.rule.Name, m.rule.Tier, whyFailed(d, m)})
	}
	return out
}

// whyNotFirst returns the reason why a rule that fits does not win.
func whyNotFirst(d *derivation, m ruleMatch) string {
	if compare(m, d.fitting[0]) < 0 {
		return "protects less and depends on a guess"
	}
	return fitsLess
}

// whyFailed returns the condition that a rule fails.
func whyFailed(d *derivation, m ruleMatch) string {
	switch m.failure.reason {
	case hasExcludedWord:
		return fmt.Sprintf("excluded by %q", d.reading.Text(d.reading.Occurrences[m.failure.at]))
	case wrongFacet:
		facet := func(i int) string { return d.policy.Facets[i].Name }
		return describeMismatch(facet, len(d.policy.Facets), m.rule.Is, d.reading.Facet)
	case wrongParty:
		party := func(i int) string { return d.policy.Parties[i] }
		return describeMismatch(party, len(d.policy.Parties), m.rule.Of, d.reading.Party)
	case wrongReport:
		return "applies to other reports"
	default:
		return "applies to attributes with another mark"
	}
}

// describeMismatch compares the facets or parties that a rule requires with the one that the attribute has. name
// returns the name of one of the n facets or parties.
func describeMismatch(name func(int) string, n int, required policy.Set, got int) string {
	if required == 0 {
		return "does not apply to: " + name(got)
	}
	actual := "unknown"
	if got >= 0 {
		actual = name(got)
	}
	var names []string
	for i := range n {
		if required.Has(i) {
			names = append(names, name(i))
		}
	}
	return "applies to: " + strings.Join(names, ", ") + "; this attribute: " + actual
}

func pointsText(n int) string {
	if n == 1 {
		return "1 point"
	}
	return fmt.Sprintf("%d points", n)
}
