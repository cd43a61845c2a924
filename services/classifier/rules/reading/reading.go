package reading

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// Reading is what a policy recognises in an attribute or a column. Facets and parties are given by their index in the
// policy, words and occurrences by their index in the reading; -1 means none.
type Reading struct {
	// Name is the attribute's name.
	Name        string
	Words       []Word
	Occurrences []Occurrence

	Facet int
	// FacetAt is the occurrence that determined the facet.
	FacetAt   int
	FacetFrom FacetSource
	// FacetPoints are the points for a rule that requires the facet.
	FacetPoints int
	// FacetGuessed is true if only the data type implies the facet and is weak evidence: a C2 may be a flag or a state.
	FacetGuessed bool
	// Excluded is the facet that a word names and the data type cannot hold.
	Excluded int

	Party int
	// PartyAt is the occurrence that determined the party.
	PartyAt int
	// PartyGuessed is true if only the description names the party.
	PartyGuessed bool

	// DataType is the declared data type, and Class its class.
	DataType string
	Class    policy.Classes
	Marks    policy.Marks

	// Report is the block of the policy that describes the filing, or nil.
	Report *policy.Report
	// ReportName is the name of the filing in the input.
	ReportName string
	MDRM       string
	// Numbered is true for a line of a form that has a number.
	Numbered bool
	// Filed is true for an attribute of a filing, whether or not the policy describes the filing.
	Filed bool

	// Coverage is the percentage of the name's words that are in phrases of the policy.
	Coverage int
}

// Word is a word of the input in its normal form.
type Word struct {
	Text string
	// Start and End are the offsets of a word of the name in Reading.Name.
	Start, End int
	Place      Place
	// segment numbers the parts of the name, which phrases do not cross.
	segment uint8
	// id is the word's number in the index of phrases.
	id int32
}

// matters reports whether the word can have a meaning for a policy: it neither joins other words nor is a number.
func (w *Word) matters() bool { return !isGrammatical(w.Text) && (w.Text[0] < '0' || w.Text[0] > '9') }

// Place is the part of the input that a word is in. Earlier places are better evidence.
type Place uint8

// The places. InHead is the part of the name that names the attribute: "Origination Credit Score" in "Origination
// Credit Score of the Borrower". InQualifier is the rest of the name: after a dash or a preposition, or in brackets.
const (
	InHead Place = iota
	InQualifier
	InTechnicalName
	InDescription
	InTable
)

func (p Place) String() string {
	return [...]string{"name", "name", "technical name", "description", "table"}[p]
}

// Occurrence is a phrase of the policy at Words[Start:End].
type Occurrence struct {
	Term       policy.Term
	Start, End int
	// Points are the points for a rule that requires the phrase. A description gives few, because it mentions much that
	// the attribute is not.
	Points int
	// HeadPoints are more points for a phrase that ends the head of the name, or precedes the word for the facet there.
	HeadPoints int
	Place      Place
	hidden     bool
}

// Len returns the number of words.
func (o *Occurrence) Len() int { return o.End - o.Start }

const (
	// headPoints make the end of the head count more: in "Interest Rate Swap Notional" the notional matters more than
	// the rate.
	headPoints = 3
	// maxDescriptionPoints are the most points for a phrase in a description.
	maxDescriptionPoints = 3
)

// placePoints are the points for a word of a phrase, by its place.
var placePoints = [...]int{InHead: 4, InQualifier: 3, InTechnicalName: 2}

// weigh sets the points of the occurrences. The facet must be known.
func (r *Reading) weigh() {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		switch o.Place {
		case InDescription:
			o.Points = min(maxDescriptionPoints, o.Len())
		case InTable:
			o.Points = 1
		default:
			o.Points = o.Len() * placePoints[o.Place]
		}
		if o.Place == InHead && (r.endsHead(o) || r.precedesFacet(o)) {
			o.HeadPoints = headPoints
		}
	}
}

func (r *Reading) endsHead(o *Occurrence) bool {
	return o.End == len(r.Words) || r.Words[o.End].Place != InHead || r.Words[o.End].segment != 0
}

func (r *Reading) precedesFacet(o *Occurrence) bool {
	return r.FacetAt >= 0 && r.Occurrences[r.FacetAt].Place == InHead && o.End == r.Occurrences[r.FacetAt].Start
}

// FacetSource is the evidence for a facet.
type FacetSource uint8

// The sources, the weakest first.
const (
	FromNothing FacetSource = iota
	FromDescription
	FromType
	FromTechnicalName
	FromName
)

func (s FacetSource) String() string {
	return [...]string{
		"nothing", "the description", "the data type", "a word of the technical name", "a word of the name",
	}[s]
}

// facetPoints are the points for a facet, by its source.
var facetPoints = [...]int{FromNothing: 0, FromDescription: 1, FromType: 2, FromTechnicalName: 2, FromName: 3}

// findParty determines the party of the attribute: the last party in the head of the name, or else the first in the
// best other place, or else the report's.
func (r *Reading) findParty() {
	for where := InHead; where <= InTable && r.PartyAt < 0; where++ {
		for i := range r.Occurrences {
			o := &r.Occurrences[i]
			if o.Term.Kind != policy.TermParty || o.Place != where {
				continue
			}
			r.Party, r.PartyAt = o.Term.ID, i
			if where != InHead {
				break
			}
		}
	}
	if r.PartyAt < 0 && r.Report != nil {
		r.Party = r.Report.Party
	}
	r.PartyGuessed = r.PartyAt >= 0 && r.Occurrences[r.PartyAt].Place == InDescription
}

// coverage returns the percentage of the words that matter in the name which are in a phrase of the policy.
func (r *Reading) coverage() int {
	total, known := 0, 0
	for i := range r.Words {
		switch w := &r.Words[i]; {
		case w.Place > InQualifier:
		case r.isKnown(i):
			total++
			known++
		case w.matters():
			total++
		}
	}
	if total == 0 {
		return 0
	}
	return 100 * known / total
}

// isKnown reports whether a word is in a phrase of the policy, other than one for the facet that the data type
// excludes.
func (r *Reading) isKnown(word int) bool {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Start <= word && word < o.End && (o.Term.Kind != policy.TermFacet || o.Term.ID != r.Excluded) {
			return true
		}
	}
	return false
}

// Unknown returns the words of the name that matter and are in no phrase of the policy.
func (r *Reading) Unknown() []string {
	var all []string
	for i := range r.Words {
		if w := &r.Words[i]; w.Place <= InQualifier && !r.isKnown(i) && w.matters() {
			all = append(all, w.Text)
		}
	}
	return all
}

// hasMeaning reports whether a word is in a phrase of one of the kinds.
func (r *Reading) hasMeaning(word int, kinds ...policy.TermKind) bool {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Start <= word && word < o.End && slices.Contains(kinds, o.Term.Kind) {
			return true
		}
	}
	return false
}

// isAlone reports whether an occurrence is in the name, whose other words are fillers, facets or parties or do not
// matter. Some words have a meaning only by themselves: a default flag is about a default, a default value is not.
func (r *Reading) isAlone(o *Occurrence) bool {
	if o.Place > InQualifier {
		return false
	}
	for i := range r.Words {
		w := &r.Words[i]
		inside := o.Start <= i && i < o.End
		if w.Place <= InQualifier && !inside && w.matters() &&
			!r.hasMeaning(i, policy.TermFiller, policy.TermFacet, policy.TermParty) {
			return false
		}
	}
	return true
}

// Text returns the text of an occurrence: as it is written in the name, or the normal form of words in other places.
func (r *Reading) Text(o Occurrence) string {
	all := r.Words[o.Start:o.End]
	if o.Place > InQualifier {
		texts := make([]string, 0, 4)
		for i := range all {
			texts = append(texts, all[i].Text)
		}
		return strings.Join(texts, " ")
	}
	from, to := len(r.Name), 0
	for i := range all {
		from, to = min(from, all[i].Start), max(to, all[i].End)
	}
	return r.Name[from:to]
}
