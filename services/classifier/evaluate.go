package classifier

import (
	"cmp"
	"reflect"
	"strconv"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// confirmedConfidence is the confidence of what a person has said.
const confirmedConfidence = 100

// evaluate judges a mapping: it returns the mapping as it should be, and what to record of the judgement. It is a pure function of its
// arguments.
func evaluate(policy *rules.Policy, from *candidates, work schema.Work) (schema.Mapping, schema.Saved) {
	after := work.Mapping
	clearSuggestions(&after)
	saved := schema.Saved{Outcome: schema.Succeeded, Classifier: policy.ClassifiedBy()}

	switch {
	case work.JobType.Maps():
		mapColumn(&after, from, work.Attribute)
	case after.MappingConfirmedByUser:
		// Another job has said that; nothing was asked about columns this time.
		after.SuggestedSourceField = work.Mapping.SuggestedSourceField
	}
	explainMapping(&after)
	answer := policy.Classify(rules.Input{Attribute: work.Attribute, Column: from.of(after), Report: from.report})
	if after.MappingConfirmedByUser {
		keepWord(&after, answer, policy)
	} else {
		classify(&after, answer, policy)
	}
	if after.MappingConfirmedByUser && sameButForSuggestions(work.Mapping, after) {
		saved.Outcome, saved.Code = schema.Skipped, schema.CodeConfirmed
	}
	if decisionOf(work.Mapping) != decisionOf(after) {
		// What a manager approved is not what stands there now.
		after.ReviewStatus, after.ReviewedBy, after.ReviewedAt = schema.ReviewPending, "", time.Time{}
	}
	return after, saved
}

// mapColumn chooses the column, or suggests one where a person has chosen.
func mapColumn(m *schema.Mapping, from *candidates, attribute schema.Attribute) {
	ranking := from.index.Rank(attribute)
	if m.MappingConfirmedByUser {
		if ranking.SourceField != m.SourceField {
			m.SuggestedSourceField = ranking.SourceField
		}
		return
	}
	m.DataSourceID, m.PDEName, m.PDEDescription = "", "", ""
	if ranking.SourceField != m.SourceField {
		m.PDECode = "" // it named the element that stood there
	}
	m.SourceField, m.MappingType, m.TransformationRule = ranking.SourceField, ranking.MappingType, ""
	if ranking.SourceField != "" {
		column := from.columns[ranking.Column]
		m.DataSourceID, m.PDEName, m.PDEDescription = column.DataSourceID, column.ColumnName, column.Description
	}
	m.ConfidenceScore, m.MappingRationale = ptr(ranking.Confidence), ranking.Rationale
	m.AlternativeMappings = ranking.Alternatives
	if m.AlternativeMappings == nil {
		m.AlternativeMappings = []schema.Alternative{}
	}
}

// explainMapping says of a mapping that nobody has judged yet why it stands there.
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

// classify writes the answer over whatever stood there.
func classify(m *schema.Mapping, answer rules.Answer, policy *rules.Policy) {
	m.InformationSecurityClassification = answer.InformationSecurityClassification
	m.Criticality, m.RiskLevel = answer.Criticality, answer.RiskLevel
	m.RegulatoryFlag, m.PIIFlag = ptr(answer.RegulatoryFlag), ptr(answer.PIIFlag)
	m.ClassificationConfidence, m.ClassificationRationale = ptr(answer.Confidence), answer.Rationale
	m.RegulatoryReferences = references(answer)
	m.ClassifiedBy = policy.ClassifiedBy()
}

// keepWord fills what a person has left open, and suggests where the answer differs from what stands.
func keepWord(m *schema.Mapping, answer rules.Answer, policy *rules.Policy) {
	fill(&m.InformationSecurityClassification, &m.SuggestedInformationSecurityClassification, answer.InformationSecurityClassification)
	fill(&m.Criticality, &m.SuggestedCriticality, answer.Criticality)
	fill(&m.RiskLevel, &m.SuggestedRiskLevel, answer.RiskLevel)
	fillFlag(&m.RegulatoryFlag, &m.SuggestedRegulatoryFlag, answer.RegulatoryFlag)
	fillFlag(&m.PIIFlag, &m.SuggestedPIIFlag, answer.PIIFlag)
	m.ClassificationConfidence = cmp.Or(m.ClassificationConfidence, ptr(answer.Confidence))
	m.ClassificationRationale = cmp.Or(m.ClassificationRationale, answer.Rationale)
	if m.RegulatoryReferences == nil {
		m.RegulatoryReferences = references(answer)
	}
	m.ClassifiedBy = cmp.Or(m.ClassifiedBy, policy.ClassifiedBy())
}

func fill[T ~string](stands, suggested *T, answer T) {
	switch *stands {
	case "":
		*stands = answer
	case answer:
	default:
		*suggested = answer
	}
}

func fillFlag(stands, suggested **bool, answer bool) {
	switch {
	case *stands == nil:
		*stands = &answer
	case **stands != answer:
		*suggested = &answer
	}
}

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

// decision is what a manager approves of a mapping. How sure the classifier is of it, and why, may change beside it.
type decision struct {
	dataSourceID, sourceField, transformationRule string
	mappingType                                   schema.MappingType
	tier                                          schema.InformationSecurityClassification
	criticality, risk                             schema.Level
	regulatory, pii                               string
}

func decisionOf(m schema.Mapping) decision {
	flag := func(f *bool) string {
		if f == nil {
			return ""
		}
		return strconv.FormatBool(*f)
	}
	return decision{
		dataSourceID: m.DataSourceID, sourceField: m.SourceField, transformationRule: m.TransformationRule, mappingType: m.MappingType,
		tier: m.InformationSecurityClassification, criticality: m.Criticality, risk: m.RiskLevel,
		regulatory: flag(m.RegulatoryFlag), pii: flag(m.PIIFlag),
	}
}

// sameButForSuggestions reports whether everything but the suggestions is the same in both.
func sameButForSuggestions(before, after schema.Mapping) bool {
	clearSuggestions(&before)
	clearSuggestions(&after)
	a, b := before.Image(), after.Image()
	return reflect.DeepEqual(a, b)
}

func ptr[T any](value T) *T { return &value }
