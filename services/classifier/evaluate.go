package classifier

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// confirmedConfidence is the confidence of a mapping that a person has confirmed.
const confirmedConfidence = 100

// evaluate chooses a column for the mapping, if the job maps, and classifies it. It returns the mapping to save, and
// the outcome. If nothing that the result depends on has changed since the last job, there is nothing to save. It is a
// pure function of its arguments.
func evaluate(engine *rules.Engine, from *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
	var ranking columns.Ranking
	if work.JobType.Maps() {
		ranking = from.followPrecedent(from.ranking.Rank(work.Attribute), work.Attribute)
	}
	after := work.Mapping
	after.InputHash = inputHash(engine, from, work, ranking)
	if !work.Force && after.InputHash == work.Mapping.InputHash {
		return work.Mapping, schema.ItemResult{
			Outcome: schema.OutcomeSkipped, Code: schema.ErrorCodeUnchanged, Classifier: engine.ClassifiedBy(),
		}
	}
	clearSuggestions(&after)
	saved := schema.ItemResult{Outcome: schema.OutcomeSucceeded, Classifier: engine.ClassifiedBy()}

	switch {
	case work.JobType.Maps():
		mapColumn(&after, from, work.Attribute, ranking, engine)
	case after.MappingConfirmedByUser:
		// The suggestion is from a mapping job; a classification job has no opinion on columns.
		after.SuggestedSourceField = work.Mapping.SuggestedSourceField
	}
	explainMapping(&after)
	answer := engine.Classify(rules.Input{Attribute: work.Attribute, Column: from.columnOf(after), Report: from.report})
	from.weighPrecedent(&answer, after.SourceField)
	if after.MappingConfirmedByUser {
		keepConfirmed(&after, answer, engine)
	} else {
		classify(&after, answer, engine)
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

// mapColumn sets the column to the best candidate of the ranking. If a person has confirmed the mapping, it suggests
// that candidate instead.
func mapColumn(
	m *schema.Mapping, from *candidates, attribute schema.Attribute, ranking columns.Ranking, engine *rules.Engine,
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
	m.SourceField, m.MappingType, m.TransformationRule = ranking.SourceField, ranking.MappingType, ""
	m.SourceFields = nil
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

// classify replaces the classification with the answer.
func classify(m *schema.Mapping, answer rules.Answer, engine *rules.Engine) {
	m.InformationSecurityClassification = answer.InformationSecurityClassification
	m.Criticality, m.RiskLevel = answer.Criticality, answer.RiskLevel
	m.RegulatoryFlag, m.PIIFlag = new(answer.RegulatoryFlag), new(answer.PIIFlag)
	m.ClassificationConfidence, m.ClassificationRationale = new(answer.Confidence), answer.Rationale
	m.RegulatoryReferences = references(answer)
	m.ClassifiedBy = engine.ClassifiedBy()
}

// keepConfirmed keeps the classification of a mapping that a person has confirmed. It fills the empty fields, and
// suggests the answer for those that differ from it.
func keepConfirmed(m *schema.Mapping, answer rules.Answer, engine *rules.Engine) {
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
	m.ClassifiedBy = cmp.Or(m.ClassifiedBy, engine.ClassifiedBy())
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
