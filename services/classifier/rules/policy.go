package rules

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

//go:embed default.policy
var defaultPolicy []byte

// Default is the policy that comes with pdeflow.
func Default() (*Policy, error) { return Parse("default.policy", defaultPolicy) }

// DefaultSource is the text of the default policy, to begin one's own with.
func DefaultSource() []byte { return append([]byte(nil), defaultPolicy...) }

// Policy is a policy file, ready to classify with. It never changes and is safe for concurrent use.
type Policy struct {
	version, digest string

	lexicon  lexicon
	concepts []concept
	facets   []facet
	parties  []string
	laws     []law
	reports  []report
	// reportKinds are the kinds of report that rules may ask for with "in".
	reportKinds []string

	rules, refinements []rule
	// byConcept holds for each concept the rules that it may speak for; wordless are the rules that need no words.
	byConcept [][]int
	wordless  []int

	risk     riskTable
	fallback fallback
	columns  columnTable
}

// Version is the version that the policy gives itself.
func (p *Policy) Version() string { return p.version }

// ClassifiedBy is how mappings name the policy that classified them: rules@VERSION.
func (p *Policy) ClassifiedBy() string { return "rules@" + p.version }

// Digest is a fingerprint of the policy's text: it changes with every change of the file, whether or not the version
// does.
func (p *Policy) Digest() string { return p.digest }

// Rules is the number of rules and refinements.
func (p *Policy) Rules() int { return len(p.rules) + len(p.refinements) }

// Classify answers the five questions for an attribute. It is a pure function of the policy and the input and never
// fails: where no rule speaks, the answer is the policy's default with a low confidence.
func (p *Policy) Classify(in Input) Answer {
	d := derive(p, in)
	a := answerOf(p, d)
	if in.Column != nil {
		raise(p, &a, d, in)
	}
	a.Rationale = rationale(p, d, &a)
	return a
}

// Explain renders how the answer for an input comes about: what was recognised, which rules spoke and which failed,
// and what each of the five fields rests on. It is meant to be read in a terminal.
func (p *Policy) Explain(in Input) string {
	d := derive(p, in)
	var b strings.Builder
	explainInput(p, &b, d, in)
	explainReading(p, &b, d)
	explainRules(p, &b, d)
	explainFields(p, &b, d)
	explainConfidence(p, &b, d)
	if in.Column != nil {
		explainColumn(p, &b, in)
	}
	return b.String()
}

func (p *Policy) termName(t term) string {
	switch t.kind {
	case conceptTerm:
		return p.concepts[t.id].name
	case facetTerm:
		return p.facets[t.id].name
	case partyTerm:
		return p.parties[t.id]
	default:
		return "filler"
	}
}

func (p *Policy) facetNames() []string {
	names := make([]string, len(p.facets))
	for i := range p.facets {
		names[i] = p.facets[i].name
	}
	return names
}

// columnTable says which columns may raise the tier of an attribute.
type columnTable struct {
	// raisesFrom is the confidence from which the answer for a column may raise the answer for its attribute.
	raisesFrom int
	// sums are the facets of which a published figure may be the sum of many rows, signs those that tell of who signs
	// a published filing.
	sums, signs uint64
	// customers are the parties whose names no filing publishes.
	customers uint64
}

// concept is a group of words that mean one thing to the rules.
type concept struct {
	name string
	line int
	used bool
}

// facet is a kind of thing that an attribute can say of its subject: an amount, a date, a name.
type facet struct {
	name string
	// types are the classes of data types that can hold the facet; all where none are given.
	types classes
	// impliedBy are the classes that speak for the facet where no word does.
	impliedBy classes
	// begins are the words that decide for the facet where a name begins with them.
	begins []string
}

// allows reports whether data of the class can hold the facet.
func (f *facet) allows(c classes) bool { return f.types == 0 || c == 0 || f.types&c != 0 }

type law struct {
	name, text string
}

// limit is how an answer is to be understood.
type limit int

const (
	exactly limit = iota
	atLeast
	atMost
)

// allows reports whether a refinement's value replaces the present one, given whether it is above or below it.
func (l limit) allows(above, below bool) bool {
	return l == exactly && (above || below) || l == atLeast && above || l == atMost && below
}

// rule is a rule or a refinement. Sets are bits by the index of facet, party or report kind; 0 asks nothing.
type rule struct {
	name, group string
	line        int
	refinement  bool

	any, none []int
	all       []int
	says      uint64
	saysNot   uint64
	of, ofNot uint64
	in, inNot uint64
	marked    marks

	tier             schema.InformationSecurityClassification
	tierLimit        limit
	criticality      schema.Level
	criticalityLimit limit
	leak             schema.Level
	personal         answer
	regulatory       answer
	laws             []int
	because          string
	certainty        int
	// yields is true for a rule whose words say no more than a kind of value: every other rule with words goes before
	// it.
	yields bool
}

// answerOf is yes, no, or nothing said.
type answer int8

const (
	unsaid answer = iota
	no
	// onlyFiled is an answer to the regulatory flag: a filing may ask for it, no law does.
	onlyFiled
	yes
)

// marks are what the report says of an attribute beside its name.
type marks uint8

const (
	primaryKey marks = 1 << iota
	criticalElement
	mandatory
)

// riskTable derives the two risks that a rule does not state itself.
type riskTable struct {
	leak map[schema.InformationSecurityClassification]schema.Level
	// errs are the facets whose wrong values hurt the report, where criticality is high, by how much.
	errs map[schema.Level]uint64
}

// fallback is the answer where no rule speaks.
type fallback struct {
	tier        schema.InformationSecurityClassification
	personal    answer
	criticality schema.Level
	regulatory  answer
	because     string
	// filed is the law to cite for a line of a filing that no report block knows, or -1.
	filed int
}

func digest(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:6])
}
