package columns

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// whyChosen says why the first of the judged columns is chosen.
func (ix *Index) whyChosen(r *request, s *scratch, lead float64) string {
	best := s.judged[0]
	c := &ix.columns[best.column]
	e := ix.collect(r, s, best)
	var b strings.Builder
	b.Grow(256)
	b.WriteString(c.columnName)
	for at, opening := range [...]string{" says ", "its table's name says ", "its description says "} {
		if len(e.found[at]) == 0 {
			continue
		}
		if field(at) != inName {
			if len(e.found[inName]) > 0 || at > int(inTable) && len(e.found[inTable]) > 0 {
				b.WriteString(", ")
			} else {
				b.WriteString(": ")
			}
		}
		b.WriteString(opening)
		writeList(&b, e.found[at])
	}
	if len(e.missing) > 0 {
		b.WriteString("; it does not say ")
		writeList(&b, e.missing)
	}
	if len(e.extra) > 0 {
		b.WriteString("; it also says ")
		writeList(&b, e.extra)
		b.WriteString(", which is not asked")
	}
	b.WriteString(". ")
	ix.writeType(&b, r, best)
	ix.writeNext(&b, r, s, lead)
	return b.String()
}

// writeType says how the column's values fit.
func (ix *Index) writeType(b *strings.Builder, r *request, v verdict) {
	c := &ix.columns[v.column]
	declared := c.declaredText
	if declared == "" {
		declared = "Its untyped " + c.kind.String()
	}
	b.WriteString(declared)
	switch {
	case r.kind == c.kind || r.kind == anyKind || c.kind == anyKind:
		if v.fit >= 0.9 {
			b.WriteString(" fits")
		} else {
			b.WriteString(" fits not quite")
		}
		if r.kind != anyKind {
			b.WriteString(" the " + r.kind.String())
		}
	case v.how == schema.Direct:
		b.WriteString(" holds " + article(c.kind.String()) + ", which serves as the " + r.kind.String())
	default:
		b.WriteString(" holds " + article(c.kind.String()) + ", from which the " + r.kind.String() + " must be derived")
	}
	b.WriteByte('.')
}

// writeNext says what was considered besides.
func (ix *Index) writeNext(b *strings.Builder, r *request, s *scratch, lead float64) {
	if len(s.judged) < 2 || s.judged[1].score < leastAlternative {
		b.WriteString(" No other column comes near.")
		return
	}
	next := s.judged[1]
	if lead < clearLead && !ix.sameElement(s.judged[0].column, next.column) {
		b.WriteString(" Near twin ")
	} else {
		b.WriteString(" Next is ")
	}
	b.WriteString(ix.columns[next.column].field)
	b.WriteString(", which ")
	b.WriteString(ix.whyNot(r, s, next))
	b.WriteByte('.')
}

// whyNothing says why no column is chosen.
func (ix *Index) whyNothing(r *request, s *scratch) string {
	if len(s.judged) == 0 || s.judged[0].score < leastAlternative {
		var unheard []string
		for _, a := range r.asked {
			if a.whole == 0 && !a.aside && (a.id < 0 || len(ix.postings[a.id]) == 0) && !a.weak {
				unheard = append(unheard, quote(ix.asked(r, a)))
			}
		}
		if len(unheard) == 0 {
			return "Nothing fits: no column says enough of what is asked."
		}
		var b strings.Builder
		b.WriteString("Nothing fits: no column says ")
		writeList(&b, unheard)
		b.WriteByte('.')
		return b.String()
	}
	best := s.judged[0]
	return "Nothing fits. The nearest, " + ix.columns[best.column].field + ", " + ix.whyNot(r, s, best) + "."
}

// whyNot says in half a sentence what speaks against a column.
func (ix *Index) whyNot(r *request, s *scratch, v verdict) string {
	c := &ix.columns[v.column]
	e := ix.collect(r, s, v)
	switch {
	case v.against >= 0:
		where := inName
		if !slices.Contains(c.name, v.against) {
			where = inTable
		}
		return "says " + quote(ix.said(c, where, ix.terms[v.against].text)) + " where " + quote(ix.asked(r, r.asked[v.insteadOf])) + " is asked"
	case v.fit < 0.6 && r.kind != c.kind:
		return "holds " + article(c.kind.String()) + " where " + article(r.kind.String()) + " is asked"
	case len(e.missing) > 0:
		return "does not say " + joined(e.missing)
	case len(e.extra) > 0:
		return "says " + joined(e.extra) + ", which is not asked"
	case c.role != recordTable:
		return "stands in " + article(c.role.String())
	case len(s.judged) > 0 && v.column != s.judged[0].column && ix.sameElement(v.column, s.judged[0].column):
		return "is the same element in another table"
	case v.fit < 0.95 && r.kind != c.kind:
		return "holds " + article(c.kind.String()) + " where " + article(r.kind.String()) + " is asked"
	case len(e.slight) > 0:
		return "says " + joined(e.slight) + ", which is not asked"
	case v.fit < 0.95:
		return "has a type that fits less, " + c.declaredText
	default:
		return "matches less exactly"
	}
}

func joined(items []string) string {
	var b strings.Builder
	writeList(&b, items)
	return b.String()
}

// most is how many items of a list are read.
const most = 4

func writeList(b *strings.Builder, items []string) {
	shown := items[:min(most, len(items))]
	for i, item := range shown {
		switch {
		case i == 0:
		case i == len(shown)-1 && len(shown) == len(items):
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(item)
	}
	if more := len(items) - len(shown); more > 0 {
		b.WriteString(" and " + strconv.Itoa(more) + " more")
	}
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
