package policy

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"sync"

	"github.com/pdeflow/pdeflow/schema"
)

// defaultFile is the name of the built-in policy in messages.
const defaultFile = "default.policy"

//go:embed default.policy
var defaultText []byte

// Default returns the policy that is embedded in the program. The policy is parsed once and shared: it panics if the
// embedded file has a mistake, which the tests of this package find first.
func Default() *Policy { return parseDefault() }

var parseDefault = sync.OnceValue(func() *Policy {
	p, err := Parse(defaultFile, defaultText)
	if err != nil {
		panic(err)
	}
	return p
})

// Policy is a parsed policy file. Its parts may be read but not changed, so a policy is safe for concurrent use. Parts
// refer to each other by index, and -1 means none.
type Policy struct {
	// Version is the version that the file declares.
	Version string
	// Digest identifies the text of the file: it changes with every edit, even if the version stays the same.
	Digest string

	// Phrases are all phrases that have a meaning to the policy, with their meaning.
	Phrases []Phrase
	// Concepts are the names of the concepts. A phrase that a rule lists without brackets is a concept of its own.
	Concepts []string
	Facets   []Facet
	// Parties are the names of the parties.
	Parties []string
	Laws    []Law
	Reports Reports
	// ReportKinds are the kinds of report, in the order in which the reports name them.
	ReportKinds []string

	// Rules and Refinements are in the order of the file.
	Rules, Refinements []Rule

	Risk     Risk
	Fallback Fallback
	Columns  Columns

	sources sources
}

// ProblemAt returns a problem with a line of the policy, such as the line of a rule.
func (p *Policy) ProblemAt(line int, text string) *Problem {
	file, number := p.sources.at(line)
	return &Problem{File: file, Line: number, Text: text, line: line}
}

// Phrase is a row of words, in the normal form of package words, and its meaning.
type Phrase struct {
	Words []string
	Term  Term
}

// Term is the meaning of a phrase: a concept, facet or party, given by its index, or a filler.
type Term struct {
	ID   int
	Kind TermKind
	// Alone is true for a phrase that has this meaning only if the name has no other words that matter.
	Alone bool
}

// TermKind is the kind of a [Term].
type TermKind uint8

// Only concepts make a rule fit by their words; a filler decides nothing, but counts as known.
const (
	TermConcept TermKind = iota
	TermFacet
	TermParty
	TermFiller
)

func (k TermKind) String() string { return [...]string{"concept", "facet", "party", "filler"}[k] }

// TermName returns the name of a term's concept, facet or party.
func (p *Policy) TermName(t Term) string {
	switch t.Kind {
	case TermConcept:
		return p.Concepts[t.ID]
	case TermFacet:
		return p.Facets[t.ID].Name
	case TermParty:
		return p.Parties[t.ID]
	default:
		return t.Kind.String()
	}
}

// Facet is a kind of value, such as an amount, a date or a name.
type Facet struct {
	Name string
	// Types are the classes of data types that can hold the facet. The empty set allows all.
	Types Classes
	// ImpliedBy are the classes of data types that imply the facet if no word names one.
	ImpliedBy Classes
	// Begins are the words that determine the facet if a name begins with them.
	Begins []string
}

// Allows reports whether data of the class can have the facet. An unknown class is allowed.
func (f *Facet) Allows(c Classes) bool { return f.Types == 0 || c == 0 || f.Types&c != 0 }

// Law is a regulation that rules and reports cite. Text is the citation.
type Law struct{ Name, Text string }

// Risk derives the risk of an attribute for which the rule states none.
type Risk struct {
	// Leak is the risk of a leak, by tier.
	Leak map[schema.Tier]schema.Level
	// Errors are the facets whose errors have this risk if the criticality is high.
	Errors map[schema.Level]Set
}

// Fallback is the answer for an attribute that no rule fits.
type Fallback struct {
	Tier        schema.Tier
	Personal    Flag
	Criticality schema.Level
	Regulatory  Flag
	Because     string
	// Filed is the law to cite for a line of a filing that no report block describes, or -1.
	Filed int
}

// Columns limits the columns that may raise the tier of the attribute they feed.
type Columns struct {
	// RaisesFrom is the confidence, in percent, that the answer for a column needs.
	RaisesFrom int
	// Sums are the facets of published figures that may be sums of many rows.
	Sums Set
	// Signs are the facets that describe who signs a published filing.
	Signs Set
	// Customers are the parties that a published filing never names.
	Customers Set
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
