package columns

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// explainer writes the reasons for verdicts, which are sorted by score.
type explainer struct {
	ix       *Index
	request  *request
	verdicts []verdict
}

// evidence is what a comparison found, quoted for a reviewer.
type evidence struct {
	found [fields][]string
	// missing is what is asked and not found, extra what the column's name has and is not asked, slight what of that
	// matters little.
	missing, extra, slight []string
}

// collect finds the evidence for a verdict.
func (x explainer) collect(v verdict) evidence {
	c := &x.ix.columns[v.column]
	var e evidence
	x.collectAsked(&e, c, v)
	for i, id := range c.name {
		t := &x.ix.terms[id]
		switch {
		case x.request.explained[id] >= answeredWell || t.announces.kind == c.kind && t.announces.strong:
		case t.weak || t.assumed || c.shared[i]:
			e.slight = append(e.slight, quote(x.wordsOfColumn(c, inName, t.text)))
		default:
			e.extra = append(e.extra, quote(x.wordsOfColumn(c, inName, t.text)))
		}
	}
	return e
}

// collectAsked finds which asks the column answers, and which it lacks.
func (x explainer) collectAsked(e *evidence, c *column, v verdict) {
	r, heaviest := x.request, 0.0
	for _, a := range r.asked {
		heaviest = max(heaviest, a.weight)
	}
	for i, a := range r.asked {
		if a.phrase > 0 || a.weight == 0 || a.technical {
			continue
		}
		where, id, degree := x.find(c, i)
		switch {
		case degree >= answeredWell:
			e.found[where] = append(e.found[where], quoteAs(x.wordsAsked(a), x.wordsOfColumn(c, where, x.ix.terms[id].text)))
		case a.weight < noteworthy*heaviest || r.specific && a.weak:
		case answeredUnsaid(r, a, c, &v) == 0 && !x.findsPart(c, i):
			e.missing = append(e.missing, quote(x.wordsAsked(a)))
		}
	}
}

// find returns the first text of the column that answers an ask, with the term that answers it best there.
func (x explainer) find(c *column, ask int) (where field, id int, degree float64) {
	for in := inName; in < fields; in++ {
		if id, degree := x.request.answeredBy(c.terms(in), ask); degree > 0 {
			return in, id, degree
		}
	}
	return inName, -1, 0
}

// findsPart reports whether the column has some of the words of a phrase.
func (x explainer) findsPart(c *column, ask int) bool {
	for i, a := range x.request.asked {
		if a.phrase == ask+1 {
			if _, _, degree := x.find(c, i); degree >= answeredWell {
				return true
			}
		}
	}
	return false
}

// wordsAsked returns an ask in the words of the attribute, which a reviewer looks for there.
func (x explainer) wordsAsked(a ask) string {
	if a.technical {
		return x.ix.vocabulary.surface(x.request.technical, a.text)
	}
	return x.ix.vocabulary.surface(x.request.name, a.text)
}

// wordsOfColumn returns a term in the words of the column, its table or its description.
func (x explainer) wordsOfColumn(c *column, in field, term string) string {
	return x.ix.vocabulary.surface(c.texts[in], term)
}

// whyFirst explains the choice of the first verdict.
func (x explainer) whyFirst(lead float64) string {
	c := &x.ix.columns[x.verdicts[0].column]
	e := x.collect(x.verdicts[0])
	var b strings.Builder
	b.Grow(256)
	b.WriteString(c.columnName)
	for in, opening := range [fields]string{" says ", "its table's name says ", "its description says "} {
		if len(e.found[in]) == 0 {
			continue
		}
		if field(in) != inName {
			if len(e.found[inName]) > 0 || field(in) > inTable && len(e.found[inTable]) > 0 {
				b.WriteString(", ")
			} else {
				b.WriteString(": ")
			}
		}
		b.WriteString(opening)
		writeList(&b, e.found[in])
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
	x.writeType(&b, x.verdicts[0])
	x.writeNext(&b, lead)
	return b.String()
}

// writeType explains how the column's values fit.
func (x explainer) writeType(b *strings.Builder, v verdict) {
	r, c := x.request, &x.ix.columns[v.column]
	declared := c.declaredText
	if declared == "" {
		declared = "Its untyped " + c.kind.String()
	}
	b.WriteString(declared)
	switch {
	case r.kind == c.kind || r.kind == anyKind || c.kind == anyKind:
		if v.fit >= fitsWell {
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

// writeNext names the next best column.
func (x explainer) writeNext(b *strings.Builder, lead float64) {
	if len(x.verdicts) < 2 || x.verdicts[1].score < leastAlternative {
		b.WriteString(" No other column comes near.")
		return
	}
	next := &x.ix.columns[x.verdicts[1].column]
	if lead < clearLead && !x.ix.columns[x.verdicts[0].column].copies(next) {
		b.WriteString(" Near twin ")
	} else {
		b.WriteString(" Next is ")
	}
	b.WriteString(next.field)
	b.WriteString(", which ")
	b.WriteString(x.whyNot(x.verdicts[1]))
	b.WriteByte('.')
}

// whyNothing explains why no column is chosen.
func (x explainer) whyNothing() string {
	if len(x.verdicts) > 0 && x.verdicts[0].score >= leastAlternative {
		best := x.verdicts[0]
		return "Nothing fits. The nearest, " + x.ix.columns[best.column].field + ", " + x.whyNot(best) + "."
	}
	var unknown []string
	for _, a := range x.request.asked {
		if a.phrase == 0 && !a.technical && (a.id < 0 || len(x.ix.postings[a.id]) == 0) && !a.weak {
			unknown = append(unknown, quote(x.wordsAsked(a)))
		}
	}
	if len(unknown) == 0 {
		return "Nothing fits: no column says enough of what is asked."
	}
	return "Nothing fits: no column says " + list(unknown) + "."
}

// whyNot explains in half a sentence what speaks against a column.
func (x explainer) whyNot(v verdict) string {
	r, c := x.request, &x.ix.columns[v.column]
	e := x.collect(v)
	switch {
	case v.against >= 0:
		return x.contradiction(c, v)
	case v.fit < fitsBarely && r.kind != c.kind:
		return "holds " + article(c.kind.String()) + " where " + article(r.kind.String()) + " is asked"
	case len(e.missing) > 0:
		return "does not say " + list(e.missing)
	case len(e.extra) > 0:
		return "says " + list(e.extra) + ", which is not asked"
	case c.role != recordTable:
		return "stands in " + article(c.role.String())
	case len(x.verdicts) > 0 && v.column != x.verdicts[0].column && c.copies(&x.ix.columns[x.verdicts[0].column]):
		return "is the same element in another table"
	case v.fit < fitsLess && r.kind != c.kind:
		return "holds " + article(c.kind.String()) + " where " + article(r.kind.String()) + " is asked"
	case len(e.slight) > 0:
		return "says " + list(e.slight) + ", which is not asked"
	case v.fit < fitsLess:
		return "has a type that fits less, " + c.declaredText
	default:
		return "matches less exactly"
	}
}

// contradiction names the term of the column, or of its table, that contradicts what is asked.
func (x explainer) contradiction(c *column, v verdict) string {
	in := inName
	if !slices.Contains(c.name, v.against) {
		in = inTable
	}
	return "says " + quote(x.wordsOfColumn(c, in, x.ix.terms[v.against].text)) + " where " +
		quote(x.wordsAsked(x.request.asked[v.insteadOf])) + " is asked"
}

func quote(term string) string { return "'" + term + "'" }

// quoteAs quotes what is asked with the word that the column has for it.
func quoteAs(asked, as string) string {
	if asked == as {
		return quote(asked)
	}
	return quote(asked) + " (as " + quote(as) + ")"
}

func list(items []string) string {
	var b strings.Builder
	writeList(&b, items)
	return b.String()
}

func writeList(b *strings.Builder, items []string) {
	shown := items[:min(mostListed, len(items))]
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
