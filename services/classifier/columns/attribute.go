package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// request is an attribute as it is compared.
type request struct {
	// name and technical are the attribute's names.
	name, technical string
	asked           []ask
	// specific is true where a word of the name says more than what sort of thing it is.
	specific bool
	kind     kind
	declared datatype.Type
}

// ask is one term that the attribute's names say.
type ask struct {
	text string
	// id is -1 for a term that no column and no line of the vocabulary has.
	id     int
	weight float64
	// weak, assumed and announces are as in a term.
	weak, assumed bool
	announces     announcement
	// aside marks a term that only the technical name has.
	aside bool
	// whole is 1 + the position of the phrase that this is a word of, for an ask that is no more than that.
	whole int
}

// How much a term counts by where the attribute says it.
const (
	saidInName        = 1.0
	saidAside         = 0.95
	saidInPart        = 0.85
	saidInDescription = 0.6
	// asideShare is the weight of a term of the technical name, which often repeats the name in other words.
	asideShare = 0.3
	// unheard is the weight of a term that no candidate has.
	unheard = 0.8
)

// read turns an attribute into a request and notes in s what its words explain.
func (ix *Index) read(a *schema.Attribute, s *scratch) request {
	v := ix.vocabulary
	r := request{name: a.AttributeName, technical: a.TechnicalLineItemName, declared: datatype.Parse(a.DataType)}
	s.text = v.terms(s.text[:0], a.AttributeName)
	r.kind = v.kindOf(s.text, r.declared)
	said := v.saidKind(s.text)
	r.asked = ix.ask(s.asked[:0], s.text, r.kind)

	s.text = v.terms(s.text[:0], a.TechnicalLineItemName)
	if said == anyKind && len(s.text) > 0 {
		r.kind = v.kindOf(s.text, r.declared)
	}
	r.specific = slices.ContainsFunc(r.asked, func(a ask) bool { return !a.weak })
	r.asked = ix.askAside(r.asked, s)
	r.asked = ix.askWords(r.asked)
	s.asked = r.asked
	ix.guess(r.asked, s, a.AttributeName)
	for _, one := range r.asked {
		switch {
		case one.aside:
			ix.explain(s, one.id, saidAside)
		case one.whole > 0:
			ix.explain(s, one.id, saidInPart)
		default:
			ix.explain(s, one.id, saidInName)
		}
	}
	for _, g := range s.guesses {
		s.explain(g.id, g.degree)
	}

	s.text = v.terms(s.text[:0], a.Description)
	for _, text := range s.text {
		if id, ok := ix.ids[text]; ok {
			ix.explain(s, id, saidInDescription)
		}
	}
	return r
}

// ask appends the terms that are not asked for yet.
func (ix *Index) ask(asked []ask, terms []string, k kind) []ask {
	for _, text := range terms {
		if !says(asked, text) {
			asked = append(asked, ix.askFor(text, k))
		}
	}
	return asked
}

// askAside appends, with little weight, what only the technical name says. Where that says more exactly what the name says (cycle end for
// cycle), it answers for it.
func (ix *Index) askAside(asked []ask, s *scratch) []ask {
	named := len(asked)
	for _, text := range s.text {
		if says(asked, text) {
			continue
		}
		one := ix.askFor(text, anyKind)
		if i := ix.nearest(asked[:named], one.id); i >= 0 {
			s.guesses = append(s.guesses, guess{i, one.id, saidAside})
			continue
		}
		one.aside = true
		one.weight *= asideShare
		asked = append(asked, one)
	}
	return asked
}

func (ix *Index) askFor(text string, k kind) ask {
	v := ix.vocabulary
	one := ask{text: text, id: -1, weight: unheard, weak: v.weak[text], assumed: v.assumed[text], announces: v.kinds[text]}
	if id, ok := ix.ids[text]; ok {
		one.id, one.weight = id, min(ix.terms[id].weightIn(k), unheard)
	} else if one.weak {
		one.weight *= weakShare
	}
	return one
}

func says(asked []ask, text string) bool {
	return slices.ContainsFunc(asked, func(a ask) bool { return a.text == text })
}

// nearest finds the ask that a term only says again; -1 if there is none.
func (ix *Index) nearest(asked []ask, id int) int {
	if id < 0 {
		return -1
	}
	for _, l := range ix.terms[id].related {
		if i := slices.IndexFunc(asked, func(a ask) bool { return a.id == l.id }); i >= 0 {
			return i
		}
	}
	return -1
}

// askWords appends the words of phrases, so that a column that has only some of them is not taken to have none, and takes the weight from
// an ask that stands as a word in a phrase as well.
func (ix *Index) askWords(asked []ask) []ask {
	for i, n := 0, len(asked); i < n; i++ {
		if asked[i].aside || !strings.Contains(asked[i].text, " ") {
			continue
		}
		for w := range strings.SplitSeq(asked[i].text, " ") {
			if empty(w) {
				continue
			}
			if j := slices.IndexFunc(asked[:n], func(a ask) bool { return a.text == w }); j >= 0 {
				asked[j].weight = 0
			}
			one := ask{text: w, id: -1, whole: i + 1}
			if id, ok := ix.ids[w]; ok {
				one.id = id
			}
			asked = append(asked, one)
		}
	}
	return asked
}

// explain notes that the attribute gives a reason for a term and, less so, for those that may stand for it.
func (ix *Index) explain(s *scratch, id int, degree float64) {
	if id < 0 {
		return
	}
	for _, l := range ix.terms[id].related {
		s.explain(l.id, degree*l.degree)
	}
}
