package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// request is an attribute as it is compared with columns. Its memory is used again for the next attribute.
type request struct {
	// name and technical are the attribute's names.
	name, technical string
	kind            kind
	declared        datatype.Type
	asked           []ask
	// specific is true if a word of the name means more than a sort of value.
	specific bool

	// explained is, by term, how well the attribute explains that a column has it.
	explained []float64
	// answers are, by term, the asks that it answers.
	answers [][]answer
	// marked are the terms that have an entry in explained or answers.
	marked  []int
	guesses []guess

	terms, words []string // buffers
}

// ask is one term that the attribute's names have.
type ask struct {
	text string
	// id is -1 for a term that no column and no line of the vocabulary has.
	id     int
	weight float64
	// weak, assumed and announces are as in a term.
	weak, assumed bool
	announces     announcement
	// technical marks a term that only the technical name has.
	technical bool
	// phrase is 1 + the position of the phrase that this is a word of, for an ask that is no more than that.
	phrase int
}

// answer is an ask that a term answers, and how well.
type answer struct {
	ask    int
	degree float64
}

// guess is an unknown term of the columns that looks like a short form of something that is asked.
type guess struct {
	ask, term int
	degree    float64
}

func newRequest(terms int) request {
	return request{explained: make([]float64, terms), answers: make([][]answer, terms)}
}

func (r *request) reset() {
	for _, id := range r.marked {
		r.explained[id], r.answers[id] = 0, r.answers[id][:0]
	}
	r.marked, r.asked, r.guesses, r.terms, r.words = r.marked[:0], r.asked[:0], r.guesses[:0], r.terms[:0], r.words[:0]
	r.name, r.technical, r.specific = "", "", false
}

// read fills an empty request with an attribute: what it asks for, which terms of the columns answer that, and which
// it explains.
func (r *request) read(ix *Index, a *schema.Attribute) {
	v := ix.vocabulary
	r.name, r.technical, r.declared = a.AttributeName, a.TechnicalLineItemName, datatype.Parse(a.DataType)
	r.terms = v.terms(r.terms[:0], a.AttributeName)
	r.kind = v.kindOf(r.terms, r.declared)
	announced := v.announcedKind(r.terms)
	r.askName(ix)

	r.terms = v.terms(r.terms[:0], a.TechnicalLineItemName)
	if announced == anyKind && len(r.terms) > 0 {
		r.kind = v.kindOf(r.terms, r.declared)
	}
	r.specific = slices.ContainsFunc(r.asked, func(a ask) bool { return !a.weak })
	r.askTechnical(ix)
	r.askPhraseWords(ix)
	r.guess(ix)
	r.explainAsked(ix)

	r.terms = v.terms(r.terms[:0], a.Description)
	for _, text := range r.terms {
		if id, ok := ix.ids[text]; ok {
			r.explainRelated(ix, id, inDescriptionDegree)
		}
	}
	r.answerAsked(ix)
}

// askName asks for the terms of the name.
func (r *request) askName(ix *Index) {
	for _, text := range r.terms {
		if !r.asksFor(text) {
			r.asked = append(r.asked, newAsk(ix, text, r.kind))
		}
	}
}

// askTechnical asks, with little weight, for what only the technical name has. If that is a narrower term for what
// the name has (cycle end for cycle), it answers for it.
func (r *request) askTechnical(ix *Index) {
	named := len(r.asked)
	for _, text := range r.terms {
		if r.asksFor(text) {
			continue
		}
		one := newAsk(ix, text, anyKind)
		if i := nearestAsk(ix, r.asked[:named], one.id); i >= 0 {
			r.guesses = append(r.guesses, guess{i, one.id, inTechnicalDegree})
			continue
		}
		one.technical = true
		one.weight *= technicalShare
		r.asked = append(r.asked, one)
	}
}

func newAsk(ix *Index, text string, k kind) ask {
	v := ix.vocabulary
	one := ask{text: text, id: -1, weight: unknownWeight}
	one.weak, one.assumed, one.announces = v.weak[text], v.assumed[text], v.kinds[text]
	if id, ok := ix.ids[text]; ok {
		one.id, one.weight = id, min(ix.terms[id].weightIn(k), unknownWeight)
	} else if one.weak {
		one.weight *= weakShare
	}
	return one
}

func (r *request) asksFor(text string) bool {
	return slices.ContainsFunc(r.asked, func(a ask) bool { return a.text == text })
}

// nearestAsk returns the position of the ask that a term is a synonym of, or -1.
func nearestAsk(ix *Index, asked []ask, term int) int {
	if term < 0 {
		return -1
	}
	for _, l := range ix.terms[term].related {
		if i := slices.IndexFunc(asked, func(a ask) bool { return a.id == l.id }); i >= 0 {
			return i
		}
	}
	return -1
}

// askPhraseWords asks for the words of phrases, so that a column that has only some of them is not taken to have
// none, and takes the weight from an ask that is a word of a phrase as well.
func (r *request) askPhraseWords(ix *Index) {
	n := len(r.asked)
	for i := range n {
		if r.asked[i].technical || !strings.Contains(r.asked[i].text, " ") {
			continue
		}
		for w := range strings.SplitSeq(r.asked[i].text, " ") {
			if empty(w) {
				continue
			}
			if j := slices.IndexFunc(r.asked[:n], func(a ask) bool { return a.text == w }); j >= 0 {
				r.asked[j].weight = 0
			}
			one := ask{text: w, id: -1, phrase: i + 1}
			if id, ok := ix.ids[w]; ok {
				one.id = id
			}
			r.asked = append(r.asked, one)
		}
	}
}

// guess finds unknown terms of the columns that may be abbreviations of what is asked, or the initials of several
// words of the name.
func (r *request) guess(ix *Index) {
	for i, a := range r.asked {
		for _, id := range ix.opaqueTerms(a.text) {
			if abbreviates(ix.terms[id].text, a.text) {
				r.guesses = append(r.guesses, guess{i, id, guessedShort})
			}
		}
	}
	r.words = words.Append(r.words[:0], r.name)
	for from, w := range r.words {
		for _, id := range ix.opaqueTerms(w) {
			if n := initials(ix.terms[id].text, r.words[from:]); n > 0 {
				r.guessInitials(id, r.words[from:from+n])
			}
		}
	}
}

// guessInitials notes that a term stands for these words of the name.
func (r *request) guessInitials(id int, of []string) {
	for i, a := range r.asked {
		within := true
		for w := range strings.SplitSeq(a.text, " ") {
			within = within && slices.Contains(of, w)
		}
		if within {
			r.guesses = append(r.guesses, guess{i, id, guessedInitials})
		}
	}
}

// explainAsked notes that what is asked explains its terms and, less so, those that may stand for them.
func (r *request) explainAsked(ix *Index) {
	for _, a := range r.asked {
		switch {
		case a.id < 0:
		case a.technical:
			r.explainRelated(ix, a.id, inTechnicalDegree)
		case a.phrase > 0:
			r.explainRelated(ix, a.id, inPhraseDegree)
		default:
			r.explainRelated(ix, a.id, inNameDegree)
		}
	}
	for _, g := range r.guesses {
		r.explain(g.term, g.degree)
	}
}

func (r *request) explainRelated(ix *Index, id int, degree float64) {
	for _, l := range ix.terms[id].related {
		r.explain(l.id, degree*l.degree)
	}
}

func (r *request) explain(id int, degree float64) {
	r.mark(id)
	r.explained[id] = max(r.explained[id], degree)
}

// answerAsked notes which terms answer what is asked.
func (r *request) answerAsked(ix *Index) {
	for i, a := range r.asked {
		if a.id < 0 {
			continue
		}
		for _, l := range ix.terms[a.id].related {
			r.answer(l.id, i, l.degree)
		}
	}
	for _, g := range r.guesses {
		r.answer(g.term, g.ask, g.degree)
	}
}

func (r *request) answer(id, ask int, degree float64) {
	r.mark(id)
	r.answers[id] = append(r.answers[id], answer{ask, degree})
}

func (r *request) mark(id int) {
	if r.explained[id] == 0 && len(r.answers[id]) == 0 {
		r.marked = append(r.marked, id)
	}
}

// answeredBy returns how well one of the terms answers an ask, and which does best.
func (r *request) answeredBy(terms []int, ask int) (best int, degree float64) {
	best = -1
	for _, id := range terms {
		for _, a := range r.answers[id] {
			if a.ask == ask && a.degree > degree {
				best, degree = id, a.degree
			}
		}
	}
	return best, degree
}

// isNumberOf reports whether the attribute is a number that the column has in letters.
func (r *request) isNumberOf(c *column) bool {
	return r.kind == codeKind && r.declared.Kind == datatype.Number && c.declared.Kind == datatype.Text
}
