package classifier

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

const (
	// confirmedConfidence is the confidence of a mapping that a person has confirmed.
	confirmedConfidence = 100
	// agreedConfidence is the least confidence in a column that a person has confirmed for the same attribute, and that
	// also ranks first. disputedConfidence is the confidence if the two differ, so that a person decides.
	agreedConfidence, disputedConfidence = 90, 80
	// sureRanking is the confidence from which a chosen column is kept although a decision on another report differs.
	sureRanking = 85
	// maxClassConfidence and agreementBonus limit the confidence of a class that a person has confirmed for the same
	// column. disputedClass is the most if the two differ.
	maxClassConfidence, agreementBonus, disputedClass = 97, 5, 60
	maxAlternatives                                   = 5
)

// proposal is what a classifier proposes for a mapping.
type proposal struct {
	// chosen is the column; the zero value if the job only classifies.
	chosen choice
	// answer is the classification, and by the name of the classifier that gave it.
	answer rules.Answer
	by     string
	// hash is the digest of everything that the result depends on.
	hash string
}

// evaluate chooses a column for the mapping, if the job maps, and classifies it by the rules. It returns the mapping to
// save, and the outcome. If nothing that the result depends on has changed since the last job, there is nothing to
// save. It is a pure function of its arguments.
func evaluate(engine *rules.Engine, from *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
	p := proposal{chosen: rank(from, work), by: engine.ClassifiedBy()}
	p.hash = inputHash(engine, from, work, p.chosen, "")
	if isUnchanged(work, p.hash) {
		return unchanged(work, p.by)
	}
	after := applyColumn(engine, from, work, p.chosen)
	p.answer = classifyByRules(engine, from, work, after)
	return conclude(work, after, p)
}

// rank returns the choice of the ranking, or the zero value if the job only classifies.
func rank(from *candidates, work schema.Work) choice {
	if !work.JobType.Maps() {
		return choice{}
	}
	return choose(from, work.Attribute)
}

// isUnchanged reports whether the result would be that of the last job, which had an input with this digest.
func isUnchanged(work schema.Work, hash string) bool {
	return !work.Force && hash == work.Mapping.InputHash
}

// unchanged returns the mapping as it is, and the outcome of an item that is skipped.
func unchanged(work schema.Work, by string) (schema.Mapping, schema.ItemResult) {
	return work.Mapping, schema.ItemResult{
		Outcome: schema.OutcomeSkipped, Code: schema.ErrorCodeUnchanged, Classifier: by,
	}
}

// applyColumn returns the mapping with the chosen column, or with a suggestion of it if a person has confirmed the
// mapping.
func applyColumn(engine *rules.Engine, from *candidates, work schema.Work, chosen choice) schema.Mapping {
	after := work.Mapping
	clearSuggestions(&after)
	switch {
	case work.JobType.Maps():
		mapColumn(&after, from, work.Attribute, chosen, engine)
	case after.MappingConfirmedByUser:
		// The suggestion is from a mapping job; a classification job has no opinion on columns.
		after.SuggestedSourceField = work.Mapping.SuggestedSourceField
	}
	explainMapping(&after)
	return after
}

// classifyByRules returns the answer of the rules for the attribute with the column of the mapping.
func classifyByRules(engine *rules.Engine, from *candidates, work schema.Work, m schema.Mapping) rules.Answer {
	answer := engine.Classify(rules.Input{
		Attribute: work.Attribute, Column: columnOf(from, m), Report: from.report,
	})
	weighPrecedent(from, &answer, m.SourceField)
	return answer
}

// conclude applies the classification of a proposal to a mapping that has its column, and returns the mapping to save
// and the outcome.
func conclude(work schema.Work, after schema.Mapping, p proposal) (schema.Mapping, schema.ItemResult) {
	after.InputHash = p.hash
	saved := schema.ItemResult{Outcome: schema.OutcomeSucceeded, Classifier: p.by}
	if after.MappingConfirmedByUser {
		keepConfirmed(&after, p.answer, p.by)
	} else {
		classify(&after, p.answer, p.by)
	}
	if after.MappingConfirmedByUser && equalExceptSuggestions(work.Mapping, after) {
		saved.Outcome, saved.Code = schema.OutcomeSkipped, schema.ErrorCodeConfirmed
	}
	if !work.Mapping.SameDecision(after) {
		// The review was of another decision.
		after.ResetReview()
	}
	if work.AutoApproval.Approves(after) {
		// SaveWork sets the time of the review.
		after.ReviewStatus, after.ReviewedBy = schema.ReviewStatusApproved, schema.AutoApprover
		saved.Comment = work.AutoApproval.String()
	}
	return after, saved
}

// followPrecedent changes a ranking by what people have confirmed for the same attribute in other reports, if they
// agree on one of the candidates.
func followPrecedent(from *candidates, ranking columns.Ranking, attribute schema.Attribute) choice {
	r := choice{Ranking: ranking}
	var confirmed *schema.Precedent
	for _, p := range from.precedents.byAttribute[strings.ToLower(attribute.AttributeName)] {
		switch {
		case !hasAll(from, p):
		case confirmed == nil:
			confirmed = &p
		case confirmed.SourceField != p.SourceField || !slices.Equal(confirmed.SourceFields, p.SourceFields):
			return r
		}
	}
	if confirmed == nil {
		return r
	}
	why := fmt.Sprintf("A person confirmed %s for the same attribute in report %s of cycle %s.",
		confirmed.SourceField, confirmed.ReportID, confirmed.CycleID)
	if r.SourceField == confirmed.SourceField {
		r.Confidence, r.Rationale = max(r.Confidence, agreedConfidence), why+" "+r.Rationale
		r.adopt(*confirmed)
		return r
	}
	r.Alternatives = slices.DeleteFunc(slices.Clone(r.Alternatives), func(a schema.Alternative) bool {
		return a.SourceField == confirmed.SourceField
	})
	other := schema.Alternative{SourceField: confirmed.SourceField, Score: disputedConfidence, Reason: why}
	if r.Confidence < sureRanking || r.SourceField == "" {
		other = schema.Alternative{
			SourceField: r.SourceField, Score: r.Confidence, Reason: "It ranks first by its name.",
		}
		r.SourceField, r.Column = confirmed.SourceField, from.byField[confirmed.SourceField][0]
		r.MappingType = schema.MappingTypeDirect
		r.adopt(*confirmed)
	}
	if other.SourceField != "" {
		r.Alternatives = slices.Insert(r.Alternatives, 0, other)
		r.Alternatives = r.Alternatives[:min(len(r.Alternatives), maxAlternatives)]
	}
	r.Confidence, r.Rationale = disputedConfidence, why+" The ranking differs: "+r.Rationale
	return r
}

// mapColumn sets the column to the best candidate of the ranking. If a person has confirmed the mapping, it suggests
// that candidate instead.
func mapColumn(
	m *schema.Mapping, from *candidates, attribute schema.Attribute, ranking choice, engine *rules.Engine,
) {
	if m.MappingConfirmedByUser {
		if !slices.Contains(m.AllSourceFields(), ranking.SourceField) {
			m.SuggestedSourceField = ranking.SourceField
		}
		return
	}
	m.DataSourceID, m.PDEName, m.PDEDescription = "", "", ""
	if ranking.SourceField != m.SourceField {
		m.PDECode = "" // it belongs to the previous column
	}
	m.SourceField, m.SourceFields = ranking.SourceField, ranking.SourceFields
	m.MappingType, m.TransformationRule = ranking.MappingType, ranking.Rule
	if ranking.SourceField != "" {
		column := from.columns[ranking.Column]
		m.DataSourceID, m.PDEName, m.PDEDescription = column.DataSourceID, column.ColumnName, column.Description
	}
	m.ConfidenceScore = new(ranking.Confidence)
	m.MappingRationale = ranking.Rationale + engine.Vocabulary().Explain(
		attribute.AttributeName, attribute.TechnicalLineItemName, m.PDEName)
	m.AlternativeMappings = ranking.Alternatives
	if m.AlternativeMappings == nil {
		m.AlternativeMappings = []schema.Alternative{}
	}
}

// explainMapping fills the confidence and rationale of a mapping that no job has mapped yet.
func explainMapping(m *schema.Mapping) {
	confidence, why := 0, "No column has been looked for yet."
	switch {
	case m.MappingConfirmedByUser:
		confidence, why = confirmedConfidence, "A person has confirmed this mapping."
	case m.SourceField != "":
		why = "The column was given and has not been looked into yet."
	}
	m.ConfidenceScore = cmp.Or(m.ConfidenceScore, &confidence)
	m.MappingRationale = cmp.Or(m.MappingRationale, why)
}

// columnOf returns the column of the mapping, or nil if the report has no column of that name. Two data sources may
// have a column of the same name; if the mapping names neither, the first is returned.
func columnOf(from *candidates, m schema.Mapping) *schema.SourceColumn {
	named := from.byField[m.SourceField]
	if len(named) == 0 {
		return nil
	}
	for _, i := range named {
		if from.columns[i].DataSourceID == m.DataSourceID {
			return &from.columns[i]
		}
	}
	return &from.columns[named[0]]
}

// weighPrecedent adds to an answer what a person has confirmed for the same column in another report. It changes no
// class: a decision that differs lowers the confidence, so that a person compares them.
func weighPrecedent(from *candidates, a *rules.Answer, sourceField string) {
	p := confirmedClass(from, sourceField)
	if p == nil {
		return
	}
	a.Rationale += fmt.Sprintf(" A person confirmed the same column as %s in report %s of cycle %s.",
		p.InformationSecurityClassification, p.ReportID, p.CycleID)
	if p.InformationSecurityClassification == a.InformationSecurityClassification {
		a.Confidence = max(a.Confidence, min(a.Confidence+agreementBonus, maxClassConfidence))
	} else {
		a.Confidence = min(a.Confidence, disputedClass)
	}
}

// confirmedClass returns the latest decision on the class of a column in another report, or nil if there is none.
func confirmedClass(from *candidates, sourceField string) *schema.Precedent {
	for _, p := range from.precedents.byColumn[sourceField] {
		if p.InformationSecurityClassification != "" {
			return &p
		}
	}
	return nil
}

// classify replaces the classification with the answer.
func classify(m *schema.Mapping, answer rules.Answer, by string) {
	m.InformationSecurityClassification = answer.InformationSecurityClassification
	m.Criticality, m.RiskLevel = answer.Criticality, answer.RiskLevel
	m.RegulatoryFlag, m.PIIFlag = new(answer.RegulatoryFlag), new(answer.PIIFlag)
	m.ClassificationConfidence, m.ClassificationRationale = new(answer.Confidence), answer.Rationale
	m.RegulatoryReferences = references(answer)
	m.ClassifiedBy = by
}

// keepConfirmed keeps the classification of a mapping that a person has confirmed. It fills the empty fields, and
// suggests the answer for those that differ from it.
func keepConfirmed(m *schema.Mapping, answer rules.Answer, by string) {
	fill(&m.InformationSecurityClassification, &m.SuggestedInformationSecurityClassification,
		answer.InformationSecurityClassification)
	fill(&m.Criticality, &m.SuggestedCriticality, answer.Criticality)
	fill(&m.RiskLevel, &m.SuggestedRiskLevel, answer.RiskLevel)
	fillFlag(&m.RegulatoryFlag, &m.SuggestedRegulatoryFlag, answer.RegulatoryFlag)
	fillFlag(&m.PIIFlag, &m.SuggestedPIIFlag, answer.PIIFlag)
	m.ClassificationConfidence = cmp.Or(m.ClassificationConfidence, new(answer.Confidence))
	m.ClassificationRationale = cmp.Or(m.ClassificationRationale, answer.Rationale)
	if m.RegulatoryReferences == nil {
		m.RegulatoryReferences = references(answer)
	}
	m.ClassifiedBy = cmp.Or(m.ClassifiedBy, by)
}

// fill sets an empty value to the answer, and the suggestion if a value differs from the answer.
func fill[T ~string](value, suggested *T, answer T) {
	switch *value {
	case "":
		*value = answer
	case answer:
	default:
		*suggested = answer
	}
}

func fillFlag(value, suggested **bool, answer bool) {
	switch {
	case *value == nil:
		*value = &answer
	case **value != answer:
		*suggested = &answer
	}
}

// references returns the references of an answer, never nil: null in the database means that no job has classified
// yet.
func references(answer rules.Answer) []string {
	if answer.RegulatoryReferences == nil {
		return []string{}
	}
	return answer.RegulatoryReferences
}

func clearSuggestions(m *schema.Mapping) {
	m.SuggestedSourceField, m.SuggestedInformationSecurityClassification = "", ""
	m.SuggestedCriticality, m.SuggestedRiskLevel = "", ""
	m.SuggestedRegulatoryFlag, m.SuggestedPIIFlag = nil, nil
}

// equalExceptSuggestions reports whether the mappings differ in nothing but their suggestions.
func equalExceptSuggestions(a, b schema.Mapping) bool {
	clearSuggestions(&a)
	clearSuggestions(&b)
	return reflect.DeepEqual(a.Image(), b.Image())
}

// input is everything that the result for a mapping depends on, other than what a person has decided: a decision
// removes the digest from the mapping.
type input struct {
	// Policy is the digest of the policy, and Maps is true for a job that maps and false for one that only classifies.
	Policy string
	Maps   bool
	Report string
	// Model is that of digestOf.
	Model string `json:",omitempty"`

	Attribute schema.Attribute
	// SourceField to Rule are the result of the ranking, which depends on all columns and attributes.
	SourceField  string
	Confidence   int
	MappingType  schema.MappingType
	Rationale    string
	Alternatives []schema.Alternative
	SourceFields schema.SourceFields
	Rule         string
	// Column is the column that feeds the attribute; nil if none does.
	Column *schema.SourceColumn
	// Precedent is the decision on the column in another report; nil if there is none.
	Precedent *schema.Precedent
}

// inputHash returns the digest of the input for the mapping. The model is that of digestOf.
func inputHash(engine *rules.Engine, from *candidates, work schema.Work, ranking choice, model string) string {
	in := input{
		Model:  model,
		Policy: engine.Digest(), Maps: work.JobType.Maps(), Report: from.report, Attribute: work.Attribute,
		SourceField: ranking.SourceField, Confidence: ranking.Confidence, MappingType: ranking.MappingType,
		Rationale: ranking.Rationale, Alternatives: ranking.Alternatives,
		SourceFields: ranking.SourceFields, Rule: ranking.Rule,
	}
	in.Attribute.BaseModel, in.Attribute.ID = bun.BaseModel{}, ""
	in.Attribute.CycleID, in.Attribute.ReportID = "", ""
	in.Attribute.CreatedAt, in.Attribute.UpdatedAt, in.Attribute.CreatedBy, in.Attribute.UpdatedBy =
		time.Time{}, time.Time{}, "", ""
	column, field := columnOf(from, work.Mapping), work.Mapping.SourceField
	if in.Maps && !work.Mapping.MappingConfirmedByUser {
		column, field = nil, ranking.SourceField
		if ranking.SourceField != "" {
			column = &from.columns[ranking.Column]
		}
	}
	if column != nil {
		in.Column = &schema.SourceColumn{
			DataSourceID: column.DataSourceID, Identity: column.Identity, DataType: column.DataType,
			Description: column.Description,
		}
	}
	in.Precedent = confirmedClass(from, field)
	text, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("input of a mapping: %v", err)) // not possible: every field can be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
