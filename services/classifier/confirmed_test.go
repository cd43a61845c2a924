package classifier

import (
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// confirmed returns a mapping that a person has confirmed, with values that differ from the policy's for a balance.
func confirmed() schema.Mapping {
	return schema.Mapping{
		ID: "m", MappingConfirmedByUser: true, SourceField: "svc.LN_MSTR.VIN", DataSourceID: "servicing",
		PDEName: "VIN", PDECode: "P-3", MappingType: schema.MappingTypeConditional, TransformationRule: "if set",
		ConfidenceScore: new(90), MappingRationale: "I know",
		InformationSecurityClassification: schema.TierHRCI, Criticality: schema.LevelLow, RiskLevel: schema.LevelLow,
		RegulatoryFlag: new(false), PIIFlag: new(true),
		ClassificationConfidence: new(90), ClassificationRationale: "I know",
		RegulatoryReferences: []string{}, ClassifiedBy: "olga",
		ReviewStatus: schema.ReviewStatusApproved, ReviewedBy: "mona", ReviewedAt: time.Unix(1, 0),
	}
}

func TestEvaluate_SuggestsForAConfirmedMapping(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	before := confirmed()
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", before)
	after, saved := evaluate(p, loans(), work)
	answer := p.Classify(inputOf(work))
	want := before
	want.SuggestedSourceField = balanceField
	want.SuggestedInformationSecurityClassification = answer.InformationSecurityClassification
	want.SuggestedCriticality, want.SuggestedRiskLevel = answer.Criticality, answer.RiskLevel
	want.SuggestedRegulatoryFlag, want.SuggestedPIIFlag = new(answer.RegulatoryFlag), new(answer.PIIFlag)
	if diff := diffMappings(want, after); diff != "" {
		t.Errorf("mapping (-want +got):\n%s", diff)
	}
	if saved.Outcome != schema.OutcomeSkipped || saved.Code != schema.ErrorCodeConfirmed {
		t.Errorf("outcome: got %s with code %q, want skipped with confirmed", saved.Outcome, saved.Code)
	}
}

func TestEvaluate_FillsTheEmptyFieldsOfAConfirmedMapping(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	full := confirmed()
	full.SourceField = balanceField // as the classifier chooses
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", full)
	answer := p.Classify(inputOf(work))
	full = classified(full, answer, "olga")
	for name, test := range map[string]struct {
		empty func(*schema.Mapping)
		// fill sets the value that is expected, if it is not that of the full mapping.
		fill func(*schema.Mapping)
	}{
		"tier":        {empty: func(m *schema.Mapping) { m.InformationSecurityClassification = "" }},
		"criticality": {empty: func(m *schema.Mapping) { m.Criticality = "" }},
		"risk":        {empty: func(m *schema.Mapping) { m.RiskLevel = "" }},
		"regulatory":  {empty: func(m *schema.Mapping) { m.RegulatoryFlag = nil }},
		"personal":    {empty: func(m *schema.Mapping) { m.PIIFlag = nil }},
		"references":  {empty: func(m *schema.Mapping) { m.RegulatoryReferences = nil }},
		"rationale":   {empty: func(m *schema.Mapping) { m.ClassificationRationale = "" }},
		"confidence":  {empty: func(m *schema.Mapping) { m.ClassificationConfidence = nil }},
		"classified by": {
			func(m *schema.Mapping) { m.ClassifiedBy = "" },
			func(m *schema.Mapping) { m.ClassifiedBy = p.ClassifiedBy() },
		},
		"mapping's confidence": {
			func(m *schema.Mapping) { m.ConfidenceScore = nil },
			func(m *schema.Mapping) { m.ConfidenceScore = new(100) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			work, want := work, full
			work.Mapping = full
			test.empty(&work.Mapping)
			if test.fill != nil {
				test.fill(&want)
			}
			if !work.Mapping.SameDecision(full) {
				want.ReviewStatus, want.ReviewedBy, want.ReviewedAt = schema.ReviewStatusPending, "", time.Time{}
			}
			after, saved := evaluate(p, loans(), work)
			if diff := diffMappings(want, after); diff != "" {
				t.Errorf("mapping (-want +got):\n%s", diff)
			}
			if saved.Outcome != schema.OutcomeSucceeded || saved.Code != "" {
				t.Errorf("outcome: got %s with code %q, want a success", saved.Outcome, saved.Code)
			}
		})
	}
}

func TestEvaluate_ClearsSuggestionsThatEqualTheConfirmedValues(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	first, _ := evaluate(p, loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", schema.Mapping{}))
	first.MappingConfirmedByUser, first.InputHash = true, "" // as an edit does
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", first)
	// Suggestions of an earlier policy.
	work.Mapping.SuggestedSourceField, work.Mapping.SuggestedRiskLevel = "svc.LN_MSTR.VIN", schema.LevelLow
	after, saved := evaluate(p, loans(), work)
	if diff := diffMappings(first, after); diff != "" {
		t.Errorf("mapping (-want +got):\n%s", diff)
	}
	if saved.Outcome != schema.OutcomeSkipped {
		t.Errorf("outcome: got %s, want %s", saved.Outcome, schema.OutcomeSkipped)
	}
}
