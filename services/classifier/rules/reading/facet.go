package reading

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// facetFinder determines which kind of value an attribute is.
type facetFinder struct {
	*Reading
	facets []policy.Facet
}

func (r facetFinder) find() {
	if at := r.leadingFacet(); at >= 0 {
		r.setFacet(at, FromName)
	} else if !r.wordedFacet() && !r.impliedFacet() {
		r.describedFacet()
	}
	r.FacetPoints = facetPoints[r.FacetFrom]
	r.FacetGuessed = r.FacetFrom == FromType &&
		r.Class&(policy.ClassCode|policy.ClassShortText|policy.ClassText) != 0
}

func (r facetFinder) setFacet(at int, from FacetSource) {
	r.Facet, r.FacetAt, r.FacetFrom = r.Occurrences[at].Term.ID, at, from
}

// leadingFacet returns the occurrence at the beginning of the name that determines the facet by itself ("IS_ACTIVE",
// "FLAG_PHONE"), or -1.
func (r facetFinder) leadingFacet() int {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Start > 0 || o.Place > InQualifier {
			break
		}
		if o.Term.Kind == policy.TermFacet && o.End < len(r.Words) && r.Words[o.End].Place <= InQualifier {
			f := &r.facets[o.Term.ID]
			if f.Allows(r.Class) && slices.Contains(f.Begins, r.Words[0].Text) {
				return i
			}
		}
	}
	return -1
}

// wordedFacet takes the facet from a word: of the name, then one that qualifies the name, then of the technical name.
// It skips facets that the data type excludes, and reports whether it found one.
func (r facetFinder) wordedFacet() bool {
	named := r.namedFacet()
	qualifying := r.lastFacet(func(w *Word) bool { return w.Place == InQualifier && w.segment > 0 })
	technical := r.lastFacet(func(w *Word) bool { return w.Place == InTechnicalName })
	for _, one := range []struct {
		at   int
		from FacetSource
	}{{named, FromName}, {qualifying, FromName}, {technical, FromTechnicalName}} {
		if one.at < 0 {
			continue
		}
		if r.canHold(one.at) {
			r.setFacet(one.at, one.from)
			return true
		}
		if r.Excluded < 0 {
			r.Excluded = r.Occurrences[one.at].Term.ID
		}
	}
	return false
}

// canHold reports whether the data type can hold the facet of an occurrence. A short text can hold a number only if the
// facet ends the name: CREDIT_LIMIT may be a number, a loan product may not, though loans are amounts elsewhere.
func (r facetFinder) canHold(at int) bool {
	f := &r.facets[r.Occurrences[at].Term.ID]
	if !f.Allows(r.Class) {
		return false
	}
	return r.Class != policy.ClassShortText || f.Types == 0 || f.Types&policy.ClassText != 0 || r.endsName(at)
}

// endsName reports whether only fillers follow an occurrence, up to the end of its segment or to "of".
func (r facetFinder) endsName(at int) bool {
	o := &r.Occurrences[at]
	for i := o.End; i < len(r.Words); i++ {
		w := &r.Words[i]
		switch {
		case w.Place != o.Place || w.segment != r.Words[o.Start].segment || w.Text == "of":
			return true
		case w.matters() && !r.hasMeaning(i, policy.TermFiller):
			return false
		}
	}
	return true
}

// impliedFacet takes the facet that the data type implies, and reports whether there is one.
func (r facetFinder) impliedFacet() bool {
	for id := range r.facets {
		if r.facets[id].ImpliedBy&r.Class != 0 {
			r.Facet, r.FacetFrom = id, FromType
			return true
		}
	}
	return false
}

// describedWords is the number of words at the beginning of a description that may name the facet.
const describedWords = 8

// describedFacet takes the first facet of the description ("Date on which ...", "Number of ...").
func (r facetFinder) describedFacet() {
	start := slices.IndexFunc(r.Words, func(w Word) bool { return w.Place == InDescription })
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Place == InDescription && o.Term.Kind == policy.TermFacet && o.Start < start+describedWords {
			r.setFacet(i, FromDescription)
			return
		}
	}
}

// namedFacet returns the occurrence in the name that names the facet, or -1. A part after a dash counts first ("Status
// - Closed Date"), then the last facet of the head ("Credit Score Refresh Date"), then the last word of the first
// segment, then a word in brackets.
func (r facetFinder) namedFacet() int {
	last := r.lastWord(func(w *Word) bool { return w.Place <= InQualifier })
	if last < 0 {
		return -1
	}
	if r.Words[last].segment > 0 && !r.endsWithBracket() {
		if at := r.facetEndingAt(last); at >= 0 {
			return at
		}
	}
	of := slices.IndexFunc(r.Words, func(w Word) bool { return w.Place == InHead && w.Text == "of" })
	if of > 0 {
		if at := r.lastFacetBefore(of); at >= 0 {
			return at
		}
	}
	if at := r.lastFacet(func(w *Word) bool { return w.Place == InHead }); at >= 0 {
		return at
	}
	end := r.lastWord(func(w *Word) bool { return w.Place <= InQualifier && w.segment == 0 })
	if at := r.facetEndingAt(end); at >= 0 {
		return at
	}
	return r.lastFacet(func(w *Word) bool { return w.Place == InQualifier && w.segment > 0 })
}

func (r facetFinder) endsWithBracket() bool {
	text := strings.TrimSpace(r.Name)
	return strings.HasSuffix(text, ")") || strings.HasSuffix(text, "]")
}

// lastWord returns the last word that satisfies a condition, or -1.
func (r facetFinder) lastWord(where func(*Word) bool) int {
	for i := len(r.Words) - 1; i >= 0; i-- {
		if where(&r.Words[i]) {
			return i
		}
	}
	return -1
}

// facetEndingAt returns the first facet whose last word is the given one, or -1.
func (r facetFinder) facetEndingAt(last int) int {
	return slices.IndexFunc(r.Occurrences, func(o Occurrence) bool {
		return o.Term.Kind == policy.TermFacet && o.End == last+1
	})
}

// lastFacetBefore returns the last facet of the head that begins before the word "of", or -1. It may contain this word
// ("number of").
func (r facetFinder) lastFacetBefore(of int) int {
	found := -1
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Term.Kind == policy.TermFacet && o.Place == InHead && o.Start < of {
			found = i
		}
	}
	return found
}

// lastFacet returns the facet that ends last, among those whose last word satisfies a condition, or -1.
func (r facetFinder) lastFacet(where func(*Word) bool) int {
	found := -1
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Term.Kind == policy.TermFacet && where(&r.Words[o.End-1]) &&
			(found < 0 || o.End >= r.Occurrences[found].End) {
			found = i
		}
	}
	return found
}

const (
	// maxCode is the length up to which a text is a code or a flag.
	maxCode = 3
	// maxShortText is the length up to which a text may be a number.
	maxShortText = 12
	// From minLooseText on, a column may hold anything, as in tables that were loaded from files. From minFreeText on,
	// it holds prose.
	minLooseText, minFreeText = 60, 1000
	// minWholeAmount is the number of digits from which a number without decimals is an amount in whole units.
	minWholeAmount = 12
)

// classOf returns the class of a declared data type, or the empty set if the type is missing or rules nothing out.
func classOf(declared string) policy.Classes {
	if declared == "" {
		return 0
	}
	t := datatype.Parse(declared)
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return policy.ClassDate
	case datatype.Boolean:
		return policy.ClassBoolean
	case datatype.Binary:
		return policy.ClassBinary
	case datatype.Text:
		return textClass(t.Length)
	case datatype.Number:
		return numberClass(t)
	default:
		return 0
	}
}

func textClass(length int) policy.Classes {
	switch {
	case length == 0, minLooseText <= length && length < minFreeText:
		return 0
	case length <= maxCode:
		return policy.ClassCode
	case length <= maxShortText:
		return policy.ClassShortText
	default:
		return policy.ClassText
	}
}

func numberClass(t datatype.Type) policy.Classes {
	switch {
	case t.Floating: // the decimals are not declared; no code, name or whole number is stored in such a type
		return policy.ClassRate | policy.ClassAmount
	case t.Scale > 2, t.Scale > 0 && t.Length > 0 && t.Length <= 7:
		return policy.ClassRate
	case t.Scale > 0:
		return policy.ClassAmount
	case t.Length == 1 || t.Length == 2:
		return policy.ClassCode
	case t.Length >= minWholeAmount:
		return policy.ClassAmount
	default:
		return policy.ClassNumber
	}
}
