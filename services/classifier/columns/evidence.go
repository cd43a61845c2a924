package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// field is where a column says something.
type field int

const (
	inName field = iota
	inTable
	inDescription
)

// evidence is what a comparison found, for a reviewer to read.
type evidence struct {
	found [inDescription + 1][]string // by field
	// missing is what is asked and not said, extra what the column's name says and is not asked, slight what of that matters little.
	missing, extra, slight []string
}

const (
	// noteworthy is the weight, beside the weightiest, from which a missing or extra term is mentioned.
	noteworthy = 0.3
	// well is how well a term must be answered or explained to count as said.
	well = 0.3
)

// collect finds the evidence for a verdict.
func (ix *Index) collect(r *request, s *scratch, v verdict) evidence {
	c := &ix.columns[v.column]
	var e evidence
	heaviest := 0.0
	for _, a := range r.asked {
		heaviest = max(heaviest, a.weight)
	}
	for i, a := range r.asked {
		if a.whole > 0 || a.weight == 0 || a.aside {
			continue
		}
		where, as, degree := ix.whereSaid(s, c, i)
		switch {
		case degree >= well:
			e.found[where] = append(e.found[where], quoteAs(ix.asked(r, a), ix.said(c, where, as)))
		case a.weight >= noteworthy*heaviest && (!r.specific || !a.weak) && r.answeredUnsaid(a, c, &v) == 0 && !ix.partlySaid(r, s, c, i):
			e.missing = append(e.missing, quote(ix.asked(r, a)))
		}
	}
	for i, id := range c.name {
		t := &ix.terms[id]
		switch {
		case s.explained[id] >= well || t.announces.kind == c.kind && t.announces.strong:
		case t.weak || t.assumed || c.shared[i]:
			e.slight = append(e.slight, quote(ix.said(c, inName, t.text)))
		default:
			e.extra = append(e.extra, quote(ix.said(c, inName, t.text)))
		}
	}
	return e
}

// asked is the term in the words of the attribute, which a reviewer looks for there.
func (ix *Index) asked(r *request, a ask) string {
	if a.aside {
		return ix.vocabulary.surface(r.technical, a.text)
	}
	return ix.vocabulary.surface(r.name, a.text)
}

// said is the term in the words of the column, its table or its description.
func (ix *Index) said(c *column, where field, term string) string {
	return ix.vocabulary.surface(c.says[where], term)
}

// whereSaid finds where the column says best what is asked, and in which word.
func (ix *Index) whereSaid(s *scratch, c *column, ask int) (where field, as string, degree float64) {
	for at, terms := range [...][]int{c.name, c.table, c.description} {
		for _, id := range terms {
			for next := s.heads[id]; next > 0; next = s.chain[next-1].next {
				if a := s.chain[next-1]; a.ask == ask && a.degree > degree {
					where, as, degree = field(at), ix.terms[id].text, a.degree
				}
			}
		}
		if degree > 0 {
			return where, as, degree
		}
	}
	return where, as, degree
}

// partlySaid reports whether the column says some of the words of a phrase.
func (ix *Index) partlySaid(r *request, s *scratch, c *column, ask int) bool {
	for i, a := range r.asked {
		if a.whole == ask+1 {
			if _, _, degree := ix.whereSaid(s, c, i); degree >= well {
				return true
			}
		}
	}
	return false
}

func quote(term string) string { return "'" + term + "'" }

// quoteAs quotes what is asked with the word that the column has for it.
func quoteAs(asked, as string) string {
	if asked == as {
		return quote(asked)
	}
	return quote(asked) + " (as " + quote(as) + ")"
}

// wantsNumberFor reports whether the attribute is a number and the column's codes are letters.
func (r *request) wantsNumberFor(c *column) bool {
	return r.kind == codeKind && r.declared.Kind == datatype.Number && c.declared.Kind == datatype.Text
}

// explainsCode reports whether a lookup table has the column as its key.
func (ix *Index) explainsCode(c *column) bool {
	return slices.Contains(ix.lookups, strings.ToLower(c.columnName))
}
