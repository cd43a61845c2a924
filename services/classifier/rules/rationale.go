package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// rationale is the answer in a few sentences.
func rationale(p *Policy, d *derivation, a *Answer) string {
	var b strings.Builder
	if a.Rule == "" {
		fmt.Fprintf(&b, "No rule spoke: %s.", p.fallback.because)
	} else {
		fmt.Fprintf(&b, "Rule %q: %s.", a.Rule, d.fitting[0].rule.because)
	}
	if len(a.Matched) > 0 {
		fmt.Fprintf(&b, " It rests on %s.", restsOn(a.Matched))
	}
	if d.reading.overruled >= 0 {
		fmt.Fprintf(&b, " The data type rules out that it is: %s.", p.facets[d.reading.overruled].name)
	}
	for _, c := range d.refined {
		fmt.Fprintf(&b, " Refined by %q: %s.", c.rule.name, c.rule.because)
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
		fmt.Fprintf(&b, " The column %s raises the tier from %s to %s by the rule %q, which rests on %s.",
			r.SourceField, r.From, r.To, r.Rule, restsOn(r.Matched))
	}
	return b.String()
}

// restsOn lists matches by their places, those that count before those that only say it again.
func restsOn(matched []Match) string {
	var b strings.Builder
	told := map[string][]string{}
	for _, again := range []bool{false, true} {
		said := map[string][]string{}
		for _, m := range matched {
			if m.Again == again {
				said[m.Place] = append(said[m.Place], m.Text)
			}
		}
		for _, where := range []string{inHead.String(), inTechnicalName.String(), inDescription.String(), inTable.String(), "data type"} {
			texts := longest(said[where], told[where])
			if len(texts) == 0 {
				continue
			}
			told[where] = texts
			switch {
			case b.Len() > 0 && again:
				b.WriteString(", also ")
			case b.Len() > 0:
				b.WriteString(" and ")
			}
			fmt.Fprintf(&b, "%s in the %s", quoted(texts), where)
		}
	}
	return b.String()
}

// longest are the texts whose words stand in none of the others and none of those told before, each once.
func longest(texts, told []string) []string {
	var out []string
	for i, text := range texts {
		within := slices.ContainsFunc(texts, func(other string) bool { return len(other) > len(text) && has(other, text) })
		before := slices.ContainsFunc(told, func(other string) bool { return has(other, text) })
		if !within && !before && !slices.Contains(texts[:i], text) {
			out = append(out, text)
		}
	}
	return out
}

// has reports whether the words of a text stand in another, one after the other. An age stands in no mortgage.
func has(text, part string) bool {
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
