package classifier

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

const balanceField = "svc.LN_MSTR.LN_CURR_BAL_AMT"

// loans are the candidates of a small report. The second data source has a column of the same name as the first.
func loans() *candidates {
	column := func(source, name, dataType, description string) schema.SourceColumn {
		return schema.SourceColumn{
			DataSourceID: source, SchemaName: "svc", TableName: "LN_MSTR", ColumnName: name, DataType: dataType, Description: description,
		}
	}
	return newCandidates("FR Y-14M Schedule A.1", []schema.SourceColumn{
		column("servicing", "LN_CURR_BAL_AMT", "NUMBER(14,2)", "what is owed today"),
		column("servicing", "LN_ORIG_DT", "DATE", ""),
		column("servicing", "VIN", "CHAR(17)", ""),
		column("copy", "LN_CURR_BAL_AMT", "NUMBER(14,2)", "a copy"),
	})
}

func policy(t *testing.T) *rules.Policy {
	t.Helper()
	p, err := rules.Default()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// workOn is a message's work on a mapping of the attribute.
func workOn(job schema.JobType, attribute string, m schema.Mapping) schema.Work {
	return schema.Work{JobType: job, Mapping: m, Attribute: schema.Attribute{AttributeName: attribute}}
}

// classified sets the classification of the mapping to an answer.
func classified(m schema.Mapping, answer rules.Answer, by string) schema.Mapping {
	m.InformationSecurityClassification, m.Criticality, m.RiskLevel = answer.InformationSecurityClassification, answer.Criticality, answer.RiskLevel
	m.RegulatoryFlag, m.PIIFlag = ptr(answer.RegulatoryFlag), ptr(answer.PIIFlag)
	m.ClassificationConfidence, m.ClassificationRationale = ptr(answer.Confidence), answer.Rationale
	m.RegulatoryReferences, m.ClassifiedBy = answer.RegulatoryReferences, by
	return m
}

func differ(want, got schema.Mapping) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(bun.BaseModel{}))
}

// worn is a mapping in which every field says something, and nothing of it is right.
func worn() schema.Mapping {
	return schema.Mapping{
		ID: "m", DataSourceID: "gone", PDEName: "OLD", PDECode: "P-1", PDEDescription: "old", SourceField: "svc.OLD.OLD",
		MappingType: schema.Lookup, TransformationRule: "sum", BusinessProcess: "servicing", BusinessOwner: "Olga", DataSteward: "Stan",
		ConfidenceScore: ptr(1), MappingRationale: "old", AlternativeMappings: []schema.Alternative{{SourceField: "svc.OLD.X"}},
		InformationSecurityClassification: schema.Public, Criticality: schema.Low, RiskLevel: schema.Low,
		RegulatoryFlag: ptr(false), PIIFlag: ptr(true), ClassificationConfidence: ptr(1), ClassificationRationale: "old",
		RegulatoryReferences: []string{"old"}, ClassifiedBy: "rules@0",
		SuggestedSourceField: "svc.OLD.Y", SuggestedInformationSecurityClassification: schema.HRCI, SuggestedCriticality: schema.High,
		SuggestedRiskLevel: schema.High, SuggestedRegulatoryFlag: ptr(true), SuggestedPIIFlag: ptr(false),
		ReviewStatus: schema.Approved, ReviewedBy: "mona", ReviewedAt: time.Now(), Version: 7,
	}
}

func TestARegenerationOverwritesWhatNobodyHasConfirmed(t *testing.T) {
	t.Parallel()
	p, from := policy(t), loans()
	work := workOn(schema.PDERegeneration, "Current Loan Balance", worn())
	after, saved := evaluate(p, from, work)

	ranking := from.index.Rank(work.Attribute)
	if ranking.SourceField != balanceField || ranking.Column != 0 {
		t.Fatalf("the ranking is %+v", ranking)
	}
	answer := p.Classify(rules.Input{Attribute: work.Attribute, Column: &from.columns[0], Report: "FR Y-14M Schedule A.1"})
	want := classified(schema.Mapping{
		ID: "m", DataSourceID: "servicing", PDEName: "LN_CURR_BAL_AMT", PDEDescription: "what is owed today", SourceField: balanceField,
		MappingType: ranking.MappingType, BusinessProcess: "servicing", BusinessOwner: "Olga", DataSteward: "Stan",
		ConfidenceScore: ptr(ranking.Confidence), MappingRationale: ranking.Rationale, AlternativeMappings: ranking.Alternatives,
		ReviewStatus: schema.ReviewPending, Version: 7,
	}, answer, p.ClassifiedBy())
	if diff := differ(want, after); diff != "" {
		t.Errorf("the mapping (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(schema.Saved{Outcome: schema.Succeeded, Classifier: p.ClassifiedBy()}, saved); diff != "" {
		t.Errorf("what is recorded (-want +got):\n%s", diff)
	}
}

func TestTheReportDecidesWithTheAttribute(t *testing.T) {
	t.Parallel()
	p := policy(t)
	tier := func(report string) schema.InformationSecurityClassification {
		work := workOn(schema.PDEClassification, "Total Assets", schema.Mapping{})
		after, _ := evaluate(p, newCandidates(report, nil), work)
		return after.InformationSecurityClassification
	}
	if published, own := tier("FR Y-9C"), tier("Internal"); published != schema.Public || own == schema.Public {
		t.Errorf("total assets are %s in a published filing, and %s elsewhere", published, own)
	}
}

func TestNothingFitsIsASuccessWithoutAColumn(t *testing.T) {
	t.Parallel()
	after, saved := evaluate(policy(t), loans(), workOn(schema.PDEAutoMapping, "Vehicle Color", worn()))
	if after.SourceField != "" || after.DataSourceID != "" || after.PDEName != "" || after.PDECode != "" || after.PDEDescription != "" ||
		after.MappingType != "" || after.TransformationRule != "" {
		t.Errorf("something of a column is left: %+v", after.Image())
	}
	if saved.Outcome != schema.Succeeded || saved.Code != "" || after.ConfidenceScore == nil || after.MappingRationale == "" ||
		after.AlternativeMappings == nil || after.InformationSecurityClassification == "" || after.RegulatoryReferences == nil {
		t.Errorf("%s, %+v", saved.Outcome, after.Image())
	}
}

func TestAMappingCarriesTheColumnThatWasChosenAmongThoseOfOneName(t *testing.T) {
	t.Parallel()
	from := loans()
	for source, want := range map[string]string{"servicing": "what is owed today", "copy": "a copy", "gone": "what is owed today"} {
		column := from.of(schema.Mapping{SourceField: balanceField, DataSourceID: source})
		if column == nil || column.Description != want {
			t.Errorf("of data source %s it is %+v", source, column)
		}
	}
	if column := from.of(schema.Mapping{SourceField: "svc.LN_MSTR.NONE", DataSourceID: "servicing"}); column != nil {
		t.Errorf("a name that no column has is that of %+v", column)
	}
	after, _ := evaluate(policy(t), from, workOn(schema.PDERegeneration, "Current Loan Balance", schema.Mapping{}))
	if after.DataSourceID != "servicing" {
		t.Errorf("the ranking chose the first, the mapping has that of %s", after.DataSourceID)
	}
}

func TestAColumnThatStaysKeepsItsCode(t *testing.T) {
	t.Parallel()
	before := schema.Mapping{SourceField: balanceField, PDECode: "P-17", PDEName: "typed by hand"}
	after, _ := evaluate(policy(t), loans(), workOn(schema.PDERegeneration, "Current Loan Balance", before))
	if after.PDECode != "P-17" || after.PDEName != "LN_CURR_BAL_AMT" {
		t.Errorf("code %q, name %q", after.PDECode, after.PDEName)
	}
}

func TestAClassificationLeavesTheColumnAlone(t *testing.T) {
	t.Parallel()
	p := policy(t)
	for name, test := range map[string]struct {
		before schema.Mapping
		why    string
		score  int
	}{
		"mapped":          {schema.Mapping{SourceField: "svc.LN_MSTR.VIN", DataSourceID: "servicing", PDEName: "VIN", ConfidenceScore: ptr(40), MappingRationale: "the words fit"}, "the words fit", 40},
		"given":           {schema.Mapping{SourceField: "svc.LN_MSTR.VIN"}, "The column was given and has not been looked into yet.", 0},
		"not mapped":      {schema.Mapping{}, "No column has been looked for yet.", 0},
		"nothing fits":    {schema.Mapping{ConfidenceScore: ptr(80), MappingRationale: "nothing fits"}, "nothing fits", 80},
		"person's word":   {schema.Mapping{MappingConfirmedByUser: true, SourceField: "svc.LN_MSTR.VIN", SuggestedSourceField: balanceField}, "A person has confirmed this mapping.", 100},
		"without a score": {schema.Mapping{SourceField: "svc.LN_MSTR.VIN", MappingRationale: "said so"}, "said so", 0},
	} {
		work := workOn(schema.PDEClassification, "Current Loan Balance", test.before)
		after, saved := evaluate(p, loans(), work)
		want := test.before
		want.ConfidenceScore, want.MappingRationale, want.ReviewStatus = ptr(test.score), test.why, schema.ReviewPending
		want = classified(want, p.Classify(rules.Input{Attribute: work.Attribute, Column: loans().of(test.before), Report: "FR Y-14M Schedule A.1"}), p.ClassifiedBy())
		if diff := differ(want, after); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if saved.Outcome != schema.Succeeded {
			t.Errorf("%s: %s", name, saved.Outcome)
		}
	}
}

// spoken is a mapping of which a person has said everything, all of it other than what the policy says of a balance.
func spoken() schema.Mapping {
	return schema.Mapping{
		ID: "m", MappingConfirmedByUser: true, SourceField: "svc.LN_MSTR.VIN", DataSourceID: "servicing", PDEName: "VIN", PDECode: "P-3",
		MappingType: schema.Conditional, TransformationRule: "if set", ConfidenceScore: ptr(90), MappingRationale: "I know",
		InformationSecurityClassification: schema.HRCI, Criticality: schema.Low, RiskLevel: schema.Low,
		RegulatoryFlag: ptr(false), PIIFlag: ptr(true), ClassificationConfidence: ptr(90), ClassificationRationale: "I know",
		RegulatoryReferences: []string{}, ClassifiedBy: "olga", ReviewStatus: schema.Approved, ReviewedBy: "mona", ReviewedAt: time.Unix(1, 0),
	}
}

func TestAPersonsWordStandsAndADifferentOpinionIsSuggested(t *testing.T) {
	t.Parallel()
	p := policy(t)
	before := spoken()
	work := workOn(schema.PDERegeneration, "Current Loan Balance", before)
	after, saved := evaluate(p, loans(), work)
	answer := p.Classify(rules.Input{Attribute: work.Attribute, Column: loans().of(before), Report: "FR Y-14M Schedule A.1"})
	want := before
	want.SuggestedSourceField = balanceField
	want.SuggestedInformationSecurityClassification, want.SuggestedCriticality = answer.InformationSecurityClassification, answer.Criticality
	want.SuggestedRiskLevel, want.SuggestedRegulatoryFlag, want.SuggestedPIIFlag = answer.RiskLevel, ptr(answer.RegulatoryFlag), ptr(answer.PIIFlag)
	if diff := differ(want, after); diff != "" {
		t.Errorf("the mapping (-want +got):\n%s", diff)
	}
	if saved.Outcome != schema.Skipped || saved.Code != schema.CodeConfirmed {
		t.Errorf("outcome %s with code %q", saved.Outcome, saved.Code)
	}
}

func TestWhatAPersonHasLeftOpenIsFilled(t *testing.T) {
	t.Parallel()
	p := policy(t)
	full := spoken()
	full.SourceField = balanceField // on which all agree
	work := workOn(schema.PDERegeneration, "Current Loan Balance", full)
	answer := p.Classify(rules.Input{Attribute: work.Attribute, Column: loans().of(full), Report: "FR Y-14M Schedule A.1"})
	full = classified(full, answer, "olga")
	for name, open := range map[string]struct {
		of   func(*schema.Mapping)
		fill func(*schema.Mapping)
	}{
		"tier":                 {of: func(m *schema.Mapping) { m.InformationSecurityClassification = "" }},
		"criticality":          {of: func(m *schema.Mapping) { m.Criticality = "" }},
		"risk":                 {of: func(m *schema.Mapping) { m.RiskLevel = "" }},
		"regulatory":           {of: func(m *schema.Mapping) { m.RegulatoryFlag = nil }},
		"personal":             {of: func(m *schema.Mapping) { m.PIIFlag = nil }},
		"references":           {of: func(m *schema.Mapping) { m.RegulatoryReferences = nil }},
		"rationale":            {of: func(m *schema.Mapping) { m.ClassificationRationale = "" }},
		"confidence":           {of: func(m *schema.Mapping) { m.ClassificationConfidence = nil }},
		"classified by":        {func(m *schema.Mapping) { m.ClassifiedBy = "" }, func(m *schema.Mapping) { m.ClassifiedBy = p.ClassifiedBy() }},
		"mapping's confidence": {func(m *schema.Mapping) { m.ConfidenceScore = nil }, func(m *schema.Mapping) { m.ConfidenceScore = ptr(100) }},
	} {
		work.Mapping = full
		open.of(&work.Mapping)
		after, saved := evaluate(p, loans(), work)
		want := full
		if open.fill != nil {
			open.fill(&want)
		}
		if decisionOf(work.Mapping) != decisionOf(full) {
			want.ReviewStatus, want.ReviewedBy, want.ReviewedAt = schema.ReviewPending, "", time.Time{}
		}
		if diff := differ(want, after); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if saved.Outcome != schema.Succeeded || saved.Code != "" {
			t.Errorf("%s: outcome %s with code %q", name, saved.Outcome, saved.Code)
		}
	}
}

func TestAPersonWithWhomTheClassifierAgreesGetsNoSuggestions(t *testing.T) {
	t.Parallel()
	p := policy(t)
	first, _ := evaluate(p, loans(), workOn(schema.PDERegeneration, "Current Loan Balance", schema.Mapping{}))
	first.MappingConfirmedByUser = true
	work := workOn(schema.PDERegeneration, "Current Loan Balance", first)
	work.Mapping.SuggestedSourceField, work.Mapping.SuggestedRiskLevel = "svc.LN_MSTR.VIN", schema.Low // of an earlier policy
	after, saved := evaluate(p, loans(), work)
	if diff := differ(first, after); diff != "" || saved.Outcome != schema.Skipped {
		t.Errorf("%s (-want +got):\n%s", saved.Outcome, diff)
	}
}

func TestAReviewStandsUntilTheDecisionIsAnother(t *testing.T) {
	t.Parallel()
	p := policy(t)
	approved, _ := evaluate(p, loans(), workOn(schema.PDERegeneration, "Current Loan Balance", schema.Mapping{}))
	approved.ReviewStatus, approved.ReviewedBy, approved.ReviewedAt = schema.Approved, "mona", time.Unix(1, 0)
	for name, test := range map[string]struct {
		change func(*schema.Mapping)
		stands bool
	}{
		"nothing":           {func(*schema.Mapping) {}, true},
		"another version":   {func(m *schema.Mapping) { m.ClassifiedBy = "rules@0" }, true},
		"another wording":   {func(m *schema.Mapping) { m.ClassificationRationale, m.MappingRationale = "x", "y" }, true},
		"a surer answer":    {func(m *schema.Mapping) { m.ClassificationConfidence, m.ConfidenceScore = ptr(3), ptr(4) }, true},
		"another column":    {func(m *schema.Mapping) { m.SourceField = "svc.LN_MSTR.VIN" }, false},
		"another source":    {func(m *schema.Mapping) { m.DataSourceID = "copy" }, false},
		"another type":      {func(m *schema.Mapping) { m.MappingType = schema.Lookup }, false},
		"another rule":      {func(m *schema.Mapping) { m.TransformationRule = "sum" }, false},
		"another tier":      {func(m *schema.Mapping) { m.InformationSecurityClassification = schema.Public }, false},
		"other criticality": {func(m *schema.Mapping) { m.Criticality = "" }, false},
		"another risk":      {func(m *schema.Mapping) { m.RiskLevel = "" }, false},
		"not regulated":     {func(m *schema.Mapping) { m.RegulatoryFlag = nil }, false},
		"personal":          {func(m *schema.Mapping) { m.PIIFlag = ptr(!*m.PIIFlag) }, false},
	} {
		before := approved
		test.change(&before)
		after, _ := evaluate(p, loans(), workOn(schema.PDERegeneration, "Current Loan Balance", before))
		stands := after.ReviewStatus == schema.Approved && after.ReviewedBy == "mona" && after.ReviewedAt.Equal(time.Unix(1, 0))
		fell := after.ReviewStatus == schema.ReviewPending && after.ReviewedBy == "" && after.ReviewedAt.IsZero()
		if stands != test.stands || fell == test.stands {
			t.Errorf("%s: %s by %q at %v", name, after.ReviewStatus, after.ReviewedBy, after.ReviewedAt)
		}
	}
}

func TestAnEvaluationChangesNothingOfWhatItIsGiven(t *testing.T) {
	t.Parallel()
	p, from := policy(t), loans()
	work := workOn(schema.PDERegeneration, "Current Loan Balance", worn())
	want := worn()
	want.ReviewedAt = work.Mapping.ReviewedAt
	first, _ := evaluate(p, from, work)
	second, _ := evaluate(p, from, work)
	if diff := differ(want, work.Mapping); diff != "" {
		t.Errorf("it changes its argument:\n%s", diff)
	}
	if diff := differ(first, second); diff != "" {
		t.Errorf("it says something else the second time:\n%s", diff)
	}
}
