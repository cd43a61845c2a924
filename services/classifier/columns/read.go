package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// request is an attribute, prepared for the comparison with columns. Its memory is reused for the next attribute.
type request struct {
	// name and technical are the attribute's names.
	name, technical string
	kind            concepts.Kind
	// certain is that of [column].
	certain      bool
	declared     datatype.Type
	requirements []requirement
	// external is true for a number that others assign, and numbered for a number that is not called an identifier.
	external, numbered bool
	// specific is true if the name has a word that is more than the name of a kind of value.
	specific bool

	// explained has, by term, the degree to which the attribute explains that a column has the term.
	explained []float64
	// answers has, by term, the requirements that the term answers.
	answers [][]answer
	// marked has the terms with an entry in explained or answers.
	marked  []int
	guesses []guess

	// acronyms are those that the name adds to its own words: PD in "Probability of Default (PD)".
	acronyms []acronym

	terms, words []string // buffers
}

// acronym abbreviates the requirements from first to before last.
type acronym struct {
	letters     string
	first, last int
}

// requirement is a term of the attribute's names, which a column should have.
type requirement struct {
	text string
	// id is -1 if neither a column nor the vocabulary has the term.
	id     int
	weight float64
	// weak, assumed and announces are those of the term.
	weak, assumed, omitted bool
	announces              concepts.Announcement
	// technical is true if only the technical name has the term.
	technical bool
	// head is true for the main noun of the name: "limit" in "Current Limit at Month End".
	head bool
	// phrase is 1 + the position of a phrase if this is one of its words and no requirement of its own, else 0.
	phrase int
}

// answer is a requirement, by position, that a term answers to a degree of 0 to 1.
type answer struct {
	requirement int
	degree      float64
}

func newRequest(terms int) request {
	return request{explained: make([]float64, terms), answers: make([][]answer, terms)}
}

func (r *request) reset() {
	for _, id := range r.marked {
		r.explained[id], r.answers[id] = 0, r.answers[id][:0]
	}
	r.marked, r.requirements, r.guesses = r.marked[:0], r.requirements[:0], r.guesses[:0]
	r.terms, r.words, r.acronyms = r.terms[:0], r.words[:0], r.acronyms[:0]
	r.name, r.technical, r.specific, r.certain = "", "", false, false
}

// read fills an empty request from an attribute: its requirements, the terms of the columns that answer them, and the
// terms that the attribute explains.
func (r *request) read(ix *Index, a *schema.Attribute) {
	v := ix.vocabulary
	r.name, r.technical, r.declared = a.AttributeName, a.TechnicalLineItemName, datatype.Parse(a.DataType)
	announced := r.readName(ix, a.AttributeName)

	r.terms = v.Terms(r.terms[:0], a.TechnicalLineItemName)
	if announced == concepts.KindAny && len(r.terms) > 0 {
		r.kind, r.certain = v.KindOf(r.terms, r.declared)
	}
	r.external = slices.ContainsFunc(r.requirements, func(a requirement) bool { return v.External[a.text] })
	r.numbered = r.requires("number") && !r.requires("identifier")
	r.specific = slices.ContainsFunc(r.requirements, func(a requirement) bool { return !a.weak })
	r.requireTechnical(ix)
	r.requirePhraseWords(ix)
	r.guess(ix)
	r.lowerUnknown(ix)
	r.explainRequirements(ix)

	r.terms = v.Terms(r.terms[:0], a.Description)
	for _, text := range r.terms {
		if id, ok := ix.ids[text]; ok {
			r.explainRelated(ix, id, inDescriptionDegree)
		}
	}
	r.answerRequirements(ix)
}

// readName requires the terms of the name and determines its kind. It returns the kind that its words announce.
func (r *request) readName(ix *Index, name string) (announced concepts.Kind) {
	v := ix.vocabulary
	var own []string // without acronyms
	all := concepts.Parts(name)
	for i, part := range all {
		if i == 0 || !concepts.IsAcronym(part, all[i-1]) {
			own = append(own, part)
			r.terms = v.Terms(r.terms, part)
		}
	}
	r.kind, r.certain = v.KindOf(r.terms, r.declared)
	announced, _ = v.AnnouncedKind(r.terms)
	next := 0
	for i, part := range all {
		if next == len(own) || part != own[next] {
			r.acronyms = append(r.acronyms, acronym{strings.ToLower(part), 0, len(r.requirements)})
			continue
		}
		next++
		r.requirePart(ix, part, i == 0)
	}
	return announced
}

// requirePart requires the terms of a part of the name. The first part has the head.
func (r *request) requirePart(ix *Index, part string, first bool) {
	r.terms = ix.vocabulary.Terms(r.terms[:0], part)
	for _, term := range r.terms {
		if !r.requires(term) {
			r.requirements = append(r.requirements, newRequirement(ix, term, r.kind))
		}
	}
	for first && part != "" {
		before, after := concepts.CutPreposition(part)
		if r.markHead(ix, before) {
			return
		}
		part = after
	}
}

// markHead marks the requirement with the last term of the text that has a meaning of its own, and reports whether
// there is one. It may be a word of a longer phrase.
func (r *request) markHead(ix *Index, text string) bool {
	r.terms = ix.vocabulary.Terms(r.terms[:0], text)
	for _, term := range slices.Backward(r.terms) {
		if ix.vocabulary.Weak[term] {
			continue
		}
		for i := range r.requirements {
			a := &r.requirements[i]
			if a.text == term || strings.Contains(" "+a.text+" ", " "+term+" ") {
				a.head = true
				return true
			}
		}
	}
	return false
}

// lowerUnknown lowers the weights of words that no column has in any form. Such a word does not distinguish columns. It
// is evidence only of whether one fits at all: strong if it names the thing, weak if it describes it.
func (r *request) lowerUnknown(ix *Index) {
	for i := range r.requirements {
		a := &r.requirements[i]
		if a.phrase > 0 || a.head || a.omitted || r.isKnown(ix, i) {
			continue
		}
		switch {
		case i > 0 && isNumber(a.text) && !r.isKnown(ix, i-1): // a part of an unknown word, as in Basel 2
			a.id, a.weight = -1, a.weight*unknownModifierShare
		case a.id < 0 || len(ix.terms[a.id].groups) == 0:
			a.weight *= unknownModifierShare
		case !ix.terms[a.id].party:
			a.weight *= unknownQualifierShare
		}
	}
}

// isNumber reports whether a term is a number in digits.
func isNumber(term string) bool { return term[0] >= '0' && term[0] <= '9' }

// isKnown reports whether a column has a term that answers the requirement, or one of its words.
func (r *request) isKnown(ix *Index, requirement int) bool {
	for i, a := range r.requirements {
		if i != requirement && a.phrase != requirement+1 || a.id < 0 {
			continue
		}
		for _, l := range ix.terms[a.id].related {
			if len(ix.postings[l.id]) > 0 && l.degree >= minFound {
				return true
			}
		}
	}
	return slices.ContainsFunc(r.guesses, func(g guess) bool { return g.requirement == requirement })
}

// requireTechnical requires, with a low weight, the terms that only the technical name has. A term that is related to
// one of the name (cycle end to cycle) becomes an answer to that instead.
func (r *request) requireTechnical(ix *Index) {
	named := len(r.requirements)
	for _, text := range r.terms {
		if r.requires(text) {
			continue
		}
		one := newRequirement(ix, text, concepts.KindAny)
		if i := nearestRequirement(ix, r.requirements[:named], one.id); i >= 0 {
			r.guesses = append(r.guesses, guess{i, one.id, inTechnicalDegree})
			continue
		}
		one.technical = true
		one.weight *= technicalShare
		r.requirements = append(r.requirements, one)
	}
}

func newRequirement(ix *Index, text string, k concepts.Kind) requirement {
	v := ix.vocabulary
	one := requirement{text: text, id: -1, weight: unknownWeight}
	one.weak, one.assumed, one.omitted, one.announces = v.Weak[text], v.Assumed[text], v.Omitted[text], v.Kinds[text]
	if id, ok := ix.ids[text]; ok {
		one.id, one.weight = id, ix.terms[id].weight
		if k == concepts.KindIdentifier {
			one.weight = ix.terms[id].strong
		}
		one.weight = min(one.weight, unknownWeight)
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
			if concepts.IsStopWord(w) {
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
	return r.kind == concepts.KindCode && r.declared.Kind == datatype.Number && c.declared.Kind == datatype.Text
}
