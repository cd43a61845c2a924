package rules

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// Engine classifies attributes by a policy. It is safe for concurrent use.
type Engine struct {
	policy *policy.Policy
	reader *reading.Reader
	// vocabulary is nil for an organisation without one.
	vocabulary *words.Vocabulary
	judge      judge
}

// New returns an engine for a policy.
func New(p *policy.Policy) *Engine {
	return &Engine{policy: p, reader: reading.NewReader(p), judge: newJudge(p)}
}

// WithVocabulary returns an engine that reads names with the vocabulary of an organisation.
func (e *Engine) WithVocabulary(v *words.Vocabulary) *Engine {
	with := *e
	with.vocabulary, with.reader = v, e.reader.WithVocabulary(v)
	return &with
}

// Vocabulary returns the vocabulary of the organisation, which is nil if there is none.
func (e *Engine) Vocabulary() *words.Vocabulary { return e.vocabulary }

// Policy returns the policy.
func (e *Engine) Policy() *policy.Policy { return e.policy }

// ClassifiedBy returns the name of the policy that mappings record: rules@VERSION.
func (e *Engine) ClassifiedBy() string { return "rules@" + e.policy.Version }

// Digest returns the digest of the policy and the vocabulary, which also differs between policies of the same version.
func (e *Engine) Digest() string { return e.policy.Digest + e.vocabulary.Digest() }

// Input is an attribute to classify. All parts are optional.
type Input struct {
	Attribute schema.Attribute
	// Column is the source column that feeds the attribute. It can only raise the tier.
	Column *schema.SourceColumn
	// Report is the name or id of the filing that the attribute is a line of.
	Report string
	// Table is the table of a column that is classified by itself, not as a line of a report.
	Table string
}

// Answer is a classification and its reasons.
type Answer struct {
	schema.Classification
	// Confidence is a percentage that depends on the evidence: how many words of the name the rule requires, how many
	// the policy does not know, whether the data type agrees, and whether another rule fits almost as well.
	Confidence int
	// Rationale explains in a few sentences which rule won, by which words, and which other rules were considered.
	Rationale            string
	RegulatoryReferences []string

	// Rule is the name of the rule that won. It is empty if no rule fits.
	Rule string
	// Matched are the words that the answer depends on. Without them it would be another, or less confident.
	Matched []Match
	// Refined are the names of the refinements that changed the rule's answer.
	Refined []string
	// Considered are the rules that came nearest, the best first.
	Considered []Alternative
	// Raised describes how the column raised the tier. It is nil if it did not.
	Raised *Raise
}

// Match is a part of the input that a rule requires.
type Match struct {
	// Text is the text as it is written in the name, or the normal form of words in other places.
	Text string
	// Place is name, technical name, description, table or data type.
	Place string
	// Again is true for words that repeat others and earn no points.
	Again bool
}

// Alternative is a rule that was considered and did not win.
type Alternative struct {
	Rule string
	Tier schema.Tier
	// Why is the reason that it did not win.
	Why string
}

// Raise describes how a column raised the tier.
type Raise struct {
	SourceField string
	From, To    schema.Tier
	// Rule is the rule that won for the column, and Matched the words that it depends on.
	Rule    string
	Matched []Match
}

// Classify answers the five questions for an attribute. It is a pure function of the policy and the input. If no rule
// fits, the answer is the policy's default with a low confidence.
func (e *Engine) Classify(in Input) Answer {
	d := e.derive(reading.Input{Attribute: in.Attribute, Report: in.Report, Table: in.Table})
	a := d.answer()
	if in.Column != nil {
		e.raiseTier(&a, d, in.Column)
	}
	a.Rationale = rationale(d, &a) + e.usedVocabulary(in)
	return a
}

// usedVocabulary returns a sentence about the words that only the vocabulary of the organisation explains, or "".
func (e *Engine) usedVocabulary(in Input) string {
	names := []string{in.Attribute.AttributeName, in.Attribute.TechnicalLineItemName, in.Table}
	if in.Column != nil {
		names = append(names, in.Column.TableName, in.Column.ColumnName)
	}
	return e.vocabulary.Explain(names...)
}

// Explain renders for a terminal how the answer for an input is derived: the phrases that were recognised, the rules
// that fit or failed, and the reason for each of the five fields.
func (e *Engine) Explain(in Input) string {
	d := e.derive(reading.Input{Attribute: in.Attribute, Report: in.Report, Table: in.Table})
	x := explanation{derivation: d}
	x.explain(in)
	if in.Column != nil {
		x.explainColumn(in.Column, e.Classify(in))
	}
	if used := e.usedVocabulary(in); used != "" {
		x.b.WriteString("\n" + strings.TrimSpace(used) + "\n")
	}
	return x.b.String()
}

// Check tests the policy. It classifies the examples of each rule, and looks for an attribute that each rule decides.
// It returns a problem for each example with another result, and for each rule that decides none of the attributes that
// are made of its own conditions.
func (e *Engine) Check() []*policy.Problem { return checker{e}.check() }

// derive reads an input, matches the rules with it, and decides the answer.
func (e *Engine) derive(in reading.Input) *derivation {
	return decide(e.judge.match(e.reader.Read(in)))
}

// raiseTier classifies the column and lets it raise the tier, because a column may hold more than the line that it
// feeds. The column is classified by itself and not as a line of the filing, whose refinements are about totals and
// signatures, not about the rows of a total. A column that the policy does not know well raises nothing, and no
// column lowers anything.
func (e *Engine) raiseTier(a *Answer, d *derivation, column *schema.SourceColumn) {
	c := e.derive(reading.Input{
		Attribute: schema.Attribute{
			AttributeName: column.ColumnName, Description: column.Description, DataType: column.DataType,
		},
		Table: column.TableName,
	})
	from, to := d.values.tier.value, c.values.tier.value
	if len(c.fitting) == 0 || c.confidence.percent < e.policy.Columns.RaisesFrom || !to.Protects(from) ||
		publishes(d, c) {
		return
	}
	of := c.answer()
	a.Raised = &Raise{SourceField: sourceField(column), From: from, To: to, Rule: of.Rule, Matched: of.Matched}
	a.InformationSecurityClassification = to
	a.PIIFlag = a.PIIFlag || of.PIIFlag
	raised := d.values
	raised.tier, raised.leak = c.values.tier, c.values.leak
	if level := riskOf(e.policy, raised, d.reading.Facet).level(); level.Above(a.RiskLevel) {
		a.RiskLevel = level
	}
	if of.RegulatoryFlag && !a.RegulatoryFlag {
		a.RegulatoryFlag = true
		a.RegulatoryReferences = d.filingReferences()
	}
	for _, reference := range of.RegulatoryReferences {
		if !slices.Contains(a.RegulatoryReferences, reference) {
			a.RegulatoryReferences = append(a.RegulatoryReferences, reference)
		}
	}
	a.Confidence = min(a.Confidence, of.Confidence)
}

// publishes reports whether the filing of line d publishes the data of column c, so that the column does not raise the
// tier. The tier of the line must come from a refinement for its filing. The column must be a figure of which the line
// is the sum, and not personal, or it must describe who signs the filing, and no customer. HRCI is never published.
func publishes(d, c *derivation) bool {
	published := slices.ContainsFunc(d.refined, func(m ruleMatch) bool {
		return m.rule.In != 0 && m.rule.Tier == d.values.tier.value
	})
	if !published || c.values.tier.value == schema.TierHRCI {
		return false
	}
	limits, line, column := &d.policy.Columns, d.reading.Facet, c.reading.Facet
	if c.values.personal.value != policy.FlagYes && limits.Sums.Has(line) && limits.Sums.Has(column) {
		return true
	}
	return limits.Signs.Has(line) && limits.Signs.Has(column) && !limits.Customers.Has(c.reading.Party)
}

// sourceField returns the name of a column without its missing parts.
func sourceField(c *schema.SourceColumn) string { return strings.TrimLeft(c.SourceField(), ".") }
