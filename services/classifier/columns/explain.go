package columns

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

// explainer writes rationales for verdicts, which are sorted by score, the highest first.
type explainer struct {
	ix       *Index
	request  *request
	verdicts []verdict
	// unclear is that of the report, or 0 without one.
	unclear float64
}

// evidence has the quoted terms that a rationale refers to.
type evidence struct {
	// found has the requirements that the column answers, by the text that answers them.
	found [fields][]string
	// missing has the requirements that it does not answer, extra the words of its name that the attribute does not
	// have, and slight those of them that matter little.
	missing, extra, slight []string
}

// collect returns the evidence for a verdict.
func (x explainer) collect(v verdict) evidence {
	c := &x.ix.columns[v.column]
	var e evidence
	x.collectRequirements(&e, c, v)
	for i, id := range c.name {
		t := &x.ix.terms[id]
		switch {
		case x.request.explained[id] >= minFound || t.announces.Kind == c.kind && t.announces.Strong:
		case t.weak || t.assumed || c.shared[i]:
			e.slight = append(e.slight, quote(x.wordsOfColumn(c, inName, t.text)))
		default:
			e.extra = append(e.extra, quote(x.wordsOfColumn(c, inName, t.text)))
		}
	}
	return e
}

// collectRequirements adds the requirements that the column answers, and those that it lacks.
func (x explainer) collectRequirements(e *evidence, c *column, v verdict) {
	r, heaviest := x.request, 0.0
	for _, a := range r.requirements {
		heaviest = max(heaviest, a.weight)
	}
	for i, a := range r.requirements {
		if a.phrase > 0 || a.weight == 0 || a.technical {
			continue
		}
		where, id, degree := x.find(c, i)
		switch {
		case degree >= minFound:
			words := x.wordsOfColumn(c, where, x.ix.terms[id].text)
			e.found[where] = append(e.found[where], quoteAs(x.wordsOfAttribute(a), words))
		case a.weight < minMentioned*heaviest || r.specific && a.weak:
		case impliedDegree(r, a, c, &v) == 0 && !x.findsPart(c, i):
			e.missing = append(e.missing, quote(x.wordsOfAttribute(a)))
		}
	}
}

// find returns the first text of the column that answers a requirement, and the term that answers it best there. The
// degree is 0 if none does.
func (x explainer) find(c *column, requirement int) (where field, id int, degree float64) {
	for in := inName; in < fields; in++ {
		if id, degree := x.request.answeredBy(c.terms(in), requirement); degree > 0 {
			return in, id, degree
		}
	}
	return inName, -1, 0
}

// findsPart reports whether the column has at least one of the words of a phrase.
func (x explainer) findsPart(c *column, requirement int) bool {
	for i, a := range x.request.requirements {
		if a.phrase == requirement+1 {
			if _, _, degree := x.find(c, i); degree >= minFound {
				return true
			}
		}
	}
	return false
}

// wordsOfAttribute returns a requirement in the attribute's own words, so that a reviewer finds them there.
func (x explainer) wordsOfAttribute(a requirement) string {
	if a.technical {
		return x.ix.vocabulary.OriginalWords(x.request.technical, a.text)
	}
	return x.ix.vocabulary.OriginalWords(x.request.name, a.text)
}

// wordsOfColumn returns a term in the own words of the column's name, table or description.
func (x explainer) wordsOfColumn(c *column, in field, term string) string {
	return x.ix.vocabulary.OriginalWords(c.texts[in], term)
}

// whyFirst returns the rationale for the choice of the first verdict.
func (x explainer) whyFirst(margin float64) string {
	c := &x.ix.columns[x.verdicts[0].column]
	e := x.collect(x.verdicts[0])
	var b strings.Builder
	b.Grow(256)
	b.WriteString(c.columnName)
	before := ": "
	for in, opening := range [fields]string{
		" matches ", "its table's name matches ", "it is a key of the table that matches ", "its description matches ",
	} {
		if len(e.found[in]) == 0 {
			continue
		}
		if field(in) != inName {
			b.WriteString(before)
		}
		before = ", "
		b.WriteString(opening)
		writeList(&b, e.found[in])
	}
	if len(e.missing) > 0 {
		b.WriteString("; no match for ")
		writeList(&b, e.missing)
	}
	if len(e.extra) > 0 {
		b.WriteString("; its name also has ")
		writeList(&b, e.extra)
	}
	b.WriteString(". ")
	x.writeType(&b, x.verdicts[0])
	x.writeNext(&b, margin)
	return b.String()
}

// writeType writes the sentence about the column's type.
func (x explainer) writeType(b *strings.Builder, v verdict) {
	r, c := x.request, &x.ix.columns[v.column]
	declared := c.declaredText
	if declared == "" {
		declared = "Its untyped " + c.kind.String()
	}
	b.WriteString(declared)
	switch {
	case r.kind == c.kind || r.kind == concepts.KindAny || c.kind == concepts.KindAny:
		if v.fit >= goodFit {
			b.WriteString(" fits")
		} else {
			b.WriteString(" does not quite fit")
		}
		if r.kind != concepts.KindAny {
			b.WriteString(" the " + r.kind.String())
		}
	case v.how == schema.MappingTypeDirect:
		b.WriteString(" holds " + article(c.kind.String()) + ", which can be used as the " + r.kind.String())
	default:
		b.WriteString(" holds " + article(c.kind.String()) + ", from which the " + r.kind.String() + " must be derived")
	}
	b.WriteByte('.')
}

// writeNext writes the sentence about the second best column.
func (x explainer) writeNext(b *strings.Builder, margin float64) {
	if len(x.verdicts) < 2 || x.verdicts[1].score < minAlternative {
		b.WriteString(" No other column is close.")
		return
	}
	next := &x.ix.columns[x.verdicts[1].column]
	if margin < twinMargin && !x.ix.columns[x.verdicts[0].column].copies(next) {
		b.WriteString(" A near twin, " + points(percent(margin)) + " behind, is ")
	} else {
		b.WriteString(" The next best is ")
	}
	b.WriteString(next.field)
	b.WriteString(", which ")
	b.WriteString(x.whyNot(x.verdicts[1]))
	b.WriteByte('.')
}

// whyNothing returns the rationale if no column is chosen.
func (x explainer) whyNothing() string {
	if len(x.verdicts) > 0 && x.verdicts[0].score >= minAlternative {
		best := x.verdicts[0]
		return "No column fits. The closest, " + x.ix.columns[best.column].field + ", " + x.whyNot(best) + "."
	}
	var unknown []string
	for _, a := range x.request.requirements {
		if a.phrase == 0 && !a.technical && (a.id < 0 || len(x.ix.postings[a.id]) == 0) && !a.weak {
			unknown = append(unknown, quote(x.wordsOfAttribute(a)))
		}
	}
	if len(unknown) == 0 {
		return "No column fits: none matches enough of the attribute."
	}
	return "No column fits: no match for " + list(unknown) + "."
}

// whyNot returns the main reason against a column, as the predicate of a sentence.
func (x explainer) whyNot(v verdict) string {
	r, c := x.request, &x.ix.columns[v.column]
	e := x.collect(v)
	switch {
	case v.against >= 0:
		return x.contradiction(c, v)
	case v.fit < poorFit && r.kind != c.kind:
		return "holds " + article(c.kind.String()) + " instead of " + article(r.kind.String())
	case len(e.missing) > 0:
		return "has no match for " + list(e.missing)
	case len(e.extra) > 0:
		return "also has " + list(e.extra)
	case v.claimed:
		return "suits another attribute of the report better"
	case c.role != recordTable:
		return "is in " + article(c.role.String())
	case len(x.verdicts) > 0 && v.column != x.verdicts[0].column && c.copies(&x.ix.columns[x.verdicts[0].column]):
		return "is the same element in another table"
	case v.fit < closeFit && r.kind != c.kind:
		return "holds " + article(c.kind.String()) + " instead of " + article(r.kind.String())
	case len(e.slight) > 0:
		return "also has " + list(e.slight)
	case v.fit < closeFit:
		return "has a type that fits less well: " + c.declaredText
	default:
		return "matches less exactly"
	}
}

// contradiction returns the reason against a column whose name or table contradicts a requirement.
func (x explainer) contradiction(c *column, v verdict) string {
	in := inName
	if !slices.Contains(c.name, v.against) {
		in = inTable
	}
	return "has " + quote(x.wordsOfColumn(c, in, x.ix.terms[v.against].text)) + " instead of " +
		quote(x.wordsOfAttribute(x.request.requirements[v.insteadOf]))
}

// points returns a margin in words.
func points(margin int) string {
	if margin == 1 {
		return "1 point"
	}
	return strconv.Itoa(margin) + " points"
}

func quote(term string) string { return "'" + term + "'" }

// quoteAs quotes a requirement, with the column's word for it if that differs.
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
	shown := items[:min(maxListed, len(items))]
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
