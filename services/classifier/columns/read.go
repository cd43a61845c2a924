package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// request is an attribute, prepared for the comparison with columns. Its memory is reused for the next attribute.
type request struct {
	// name and technical are the attribute's names.
	name, technical string
	kind            kind
	declared        datatype.Type
	requirements    []requirement
	// specific is true if the name has a word that is more than the name of a kind of value.
	specific bool

	// explained has, by term, the degree to which the attribute explains that a column has the term.
	explained []float64
	// answers has, by term, the requirements that the term answers.
	answers [][]answer
	// marked has the terms with an entry in explained or answers.
	marked  []int
	guesses []guess

	terms, words []string // buffers
}

// requirement is a term of the attribute's names, which a column should have.
type requirement struct {
	text string
	// id is -1 if neither a column nor the vocabulary has the term.
	id     int
	weight float64
	// weak, assumed and announces are those of the term.
	weak, assumed bool
	announces     announcement
	// technical is true if only the technical name has the term.
	technical bool
	// phrase is 1 + the position of a phrase if this is one of its words and no requirement of its own, else 0.
	phrase int
}

// answer is a requirement, by position, that a term answers to a degree of 0 to 1.
type answer struct {
	requirement int
	degree      float64
}

// guess is a term of the columns that is in no dictionary and looks like a short form of a requirement.
type guess struct {
	requirement, term int
	degree            float64
}

func newRequest(terms int) request {
	return request{explained: make([]float64, terms), answers: make([][]answer, terms)}
}

func (r *request) reset() {
	for _, id := range r.marked {
		r.explained[id], r.answers[id] = 0, r.answers[id][:0]
	}
	r.marked, r.requirements, r.guesses = r.marked[:0], r.requirements[:0], r.guesses[:0]
	r.terms, r.words = r.terms[:0], r.words[:0]
	r.name, r.technical, r.specific = "", "", false
}

// read fills an empty request from an attribute: its requirements, the terms of the columns that answer them, and the
// terms that the attribute explains.
func (r *request) read(ix *Index, a *schema.Attribute) {
	v := ix.vocabulary
	r.name, r.technical, r.declared = a.AttributeName, a.TechnicalLineItemName, datatype.Parse(a.DataType)
	r.terms = v.terms(r.terms[:0], a.AttributeName)
	r.kind = v.kindOf(r.terms, r.declared)
	announced := v.announcedKind(r.terms)
	r.requireName(ix)

	r.terms = v.terms(r.terms[:0], a.TechnicalLineItemName)
	if announced == anyKind && len(r.terms) > 0 {
		r.kind = v.kindOf(r.terms, r.declared)
	}
	r.specific = slices.ContainsFunc(r.requirements, func(a requirement) bool { return !a.weak })
	r.requireTechnical(ix)
	r.requirePhraseWords(ix)
	r.guess(ix)
	r.explainRequirements(ix)

	r.terms = v.terms(r.terms[:0], a.Description)
	for _, text := range r.terms {
		if id, ok := ix.ids[text]; ok {
			r.explainRelated(ix, id, inDescriptionDegree)
		}
	}
	r.answerRequirements(ix)
}

// requireName requires the terms of the name.
func (r *request) requireName(ix *Index) {
	for _, text := range r.terms {
		if !r.requires(text) {
			r.requirements = append(r.requirements, newRequirement(ix, text, r.kind))
		}
	}
}

// requireTechnical requires, with a low weight, the terms that only the technical name has. A term that is related to
// one of the name (cycle end to cycle) becomes an answer to that instead.
func (r *request) requireTechnical(ix *Index) {
	named := len(r.requirements)
	for _, text := range r.terms {
		if r.requires(text) {
			continue
		}
		one := newRequirement(ix, text, anyKind)
		if i := nearestRequirement(ix, r.requirements[:named], one.id); i >= 0 {
			r.guesses = append(r.guesses, guess{i, one.id, inTechnicalDegree})
			continue
		}
		one.technical = true
		one.weight *= technicalShare
		r.requirements = append(r.requirements, one)
	}
}

func newRequirement(ix *Index, text string, k kind) requirement {
	v := ix.vocabulary
	one := requirement{text: text, id: -1, weight: unknownWeight}
	one.weak, one.assumed, one.announces = v.weak[text], v.assumed[text], v.kinds[text]
	if id, ok := ix.ids[text]; ok {
		one.id, one.weight = id, min(ix.terms[id].weightIn(k), unknownWeight)
	} else if one.weak {
		one.weight *= weakShare
	}
	return one
}

func (r *request) requires(text string) bool {
	return slices.ContainsFunc(r.requirements, func(a requirement) bool { return a.text == text })
}

// nearestRequirement returns the position of the requirement that a term is related to, or -1.
func nearestRequirement(ix *Index, among []requirement, term int) int {
	if term < 0 {
		return -1
	}
	for _, l := range ix.terms[term].related {
		if i := slices.IndexFunc(among, func(a requirement) bool { return a.id == l.id }); i >= 0 {
			return i
		}
	}
	return -1
}

// requirePhraseWords adds the words of phrases, so that a column with some of the words answers a part of the phrase.
// A requirement that is also a word of a phrase loses its weight.
func (r *request) requirePhraseWords(ix *Index) {
	n := len(r.requirements)
	for i := range n {
		if r.requirements[i].technical || !strings.Contains(r.requirements[i].text, " ") {
			continue
		}
		for w := range strings.SplitSeq(r.requirements[i].text, " ") {
			if isStopWord(w) {
				continue
			}
			if j := slices.IndexFunc(r.requirements[:n], func(a requirement) bool { return a.text == w }); j >= 0 {
				r.requirements[j].weight = 0
			}
			one := requirement{text: w, id: -1, phrase: i + 1}
			if id, ok := ix.ids[w]; ok {
				one.id = id
			}
			r.requirements = append(r.requirements, one)
		}
	}
}

// guess finds terms of the columns that the dictionary does not have and that may abbreviate a requirement, or be the
// initials of several words of the name.
func (r *request) guess(ix *Index) {
	for i, a := range r.requirements {
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

// guessInitials records that a term may be the initials of these words of the name.
func (r *request) guessInitials(id int, of []string) {
	for i, a := range r.requirements {
		within := true
		for w := range strings.SplitSeq(a.text, " ") {
			within = within && slices.Contains(of, w)
		}
		if within {
			r.guesses = append(r.guesses, guess{i, id, guessedInitials})
		}
	}
}

// explainRequirements marks the terms of the requirements and, to a lower degree, the related ones as explained.
func (r *request) explainRequirements(ix *Index) {
	for _, a := range r.requirements {
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

// answerRequirements records the terms that answer each requirement.
func (r *request) answerRequirements(ix *Index) {
	for i, a := range r.requirements {
		if a.id < 0 {
			continue
		}
		for _, l := range ix.terms[a.id].related {
			r.answer(l.id, i, l.degree)
		}
	}
	for _, g := range r.guesses {
		r.answer(g.term, g.requirement, g.degree)
	}
}

func (r *request) answer(id, number int, degree float64) {
	r.mark(id)
	r.answers[id] = append(r.answers[id], answer{number, degree})
}

func (r *request) mark(id int) {
	if r.explained[id] == 0 && len(r.answers[id]) == 0 {
		r.marked = append(r.marked, id)
	}
}

// answeredBy returns the term that answers a requirement best and the degree, or -1 and 0 if none does.
func (r *request) answeredBy(terms []int, requirement int) (best int, degree float64) {
	best = -1
	for _, id := range terms {
		for _, a := range r.answers[id] {
			if a.requirement == requirement && a.degree > degree {
				best, degree = id, a.degree
			}
		}
	}
	return best, degree
}

// isNumberOf reports whether the attribute is a numeric code and the column a code in letters.
func (r *request) isNumberOf(c *column) bool {
	return r.kind == codeKind && r.declared.Kind == datatype.Number && c.declared.Kind == datatype.Text
}
