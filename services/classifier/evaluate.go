package classifier

import (
	"cmp"
	"reflect"
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

	if work.JobType.Maps() {
		mapColumn(&after, from, work.Attribute)
	}
	if after.MappingConfirmedByUser {
		after.ConfidenceScore = cmp.Or(after.ConfidenceScore, ptr(confirmedConfidence))
		after.MappingRationale = cmp.Or(after.MappingRationale, "A person has confirmed this mapping.")
	} else if !work.JobType.Maps() && after.ConfidenceScore == nil {
		// Classification alone says nothing about a column; that there is no word about it yet is the answer.
		after.ConfidenceScore, after.MappingRationale = ptr(0), "No column has been looked for yet."
	}
	answer := policy.Classify(rules.Input{Attribute: work.Attribute, Column: from.named(after.SourceField)})
	if after.MappingConfirmedByUser {
		keepWord(&after, answer, policy)
	} else {
		classify(&after, answer, policy)
	}
	if after.MappingConfirmedByUser && sameButForSuggestions(work.Mapping, after) {
		saved.Outcome, saved.Code = schema.Skipped, schema.CodeConfirmed
	}
	if !sameButForSuggestions(work.Mapping, after) {
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
	if column := from.named(ranking.SourceField); column != nil {
		m.DataSourceID, m.PDEName, m.PDEDescription = column.DataSourceID, column.ColumnName, column.Description
	}
	m.ConfidenceScore, m.MappingRationale = ptr(ranking.Confidence), ranking.Rationale
	m.AlternativeMappings = ranking.Alternatives
	if m.AlternativeMappings == nil {
		m.AlternativeMappings = []schema.Alternative{}
	}
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

// sameButForSuggestions reports whether everything that is decided about the mapping is the same in both.
func sameButForSuggestions(before, after schema.Mapping) bool {
	clearSuggestions(&before)
	clearSuggestions(&after)
	a, b := before.Image(), after.Image()
	return reflect.DeepEqual(a, b)
}

func ptr[T any](value T) *T { return &value }
