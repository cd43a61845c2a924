package classifier

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

const balanceField = "svc.LN_MSTR.LN_CURR_BAL_AMT"

// loans returns the candidates of a small report. Its second data source has a column of the same name as the first.
func loans() *candidates {
	column := func(source, name, dataType, description string) schema.SourceColumn {
		return schema.SourceColumn{
			DataSourceID: source, SchemaName: "svc", TableName: "LN_MSTR", ColumnName: name, DataType: dataType,
			Description: description,
		}
	}
	return candidatesOf("FR Y-14M Schedule A.1", nil, []schema.SourceColumn{
		column("servicing", "LN_CURR_BAL_AMT", "NUMBER(14,2)", "outstanding balance"),
		column("servicing", "LN_ORIG_DT", "DATE", ""),
		column("servicing", "VIN", "CHAR(17)", ""),
		column("copy", "LN_CURR_BAL_AMT", "NUMBER(14,2)", "a copy"),
	})
}

// candidatesOf returns the columns as the candidates of a report whose other attributes are not known.
func candidatesOf(report string, vocabulary *words.Vocabulary, all []schema.SourceColumn) *candidates {
	return newCandidates(report, all, columns.NewIndexWithVocabulary(all, vocabulary).Report(nil))
}

func defaultEngine() *rules.Engine { return rules.New(policy.Default()) }

// workOn returns the work of a job on a mapping of the attribute.
func workOn(job schema.JobType, attribute string, m schema.Mapping) schema.Work {
	return schema.Work{JobType: job, Mapping: m, Attribute: schema.Attribute{AttributeName: attribute}}
}

// inputOf returns the input of the policy for a mapping whose column does not change.
func inputOf(work schema.Work) rules.Input {
	from := loans()
	return rules.Input{Attribute: work.Attribute, Column: columnOf(from, work.Mapping), Report: from.report}
}

// classified returns the mapping with the classification of the answer.
func classified(m schema.Mapping, answer rules.Answer, by string) schema.Mapping {
	m.InformationSecurityClassification = answer.InformationSecurityClassification
	m.Criticality, m.RiskLevel = answer.Criticality, answer.RiskLevel
	m.RegulatoryFlag, m.PIIFlag = new(answer.RegulatoryFlag), new(answer.PIIFlag)
	m.ClassificationConfidence, m.ClassificationRationale = new(answer.Confidence), answer.Rationale
	m.RegulatoryReferences, m.ClassifiedBy = answer.RegulatoryReferences, by
	return m
}

func diffMappings(want, got schema.Mapping) string {
	// TestEvaluate_SkipsAnUnchangedMapping is about the digest.
	return cmp.Diff(
		want,
		got,
		cmpopts.IgnoreUnexported(bun.BaseModel{}),
		cmpopts.IgnoreFields(schema.Mapping{}, "InputHash"),
	)
}

// outdated returns a mapping in which every field has a value and every value is wrong.
func outdated() schema.Mapping {
	return schema.Mapping{
		ID: "m", DataSourceID: "gone", PDEName: "OLD", PDECode: "P-1", PDEDescription: "old",
		SourceField: "svc.OLD.OLD",
		MappingType: schema.MappingTypeLookup, TransformationRule: "sum",
		BusinessProcess: "servicing", BusinessOwner: "Olga", DataSteward: "Stan",
		ConfidenceScore: new(1), MappingRationale: "old",
		AlternativeMappings:               []schema.Alternative{{SourceField: "svc.OLD.X"}},
		InformationSecurityClassification: schema.TierPublic, Criticality: schema.LevelLow, RiskLevel: schema.LevelLow,
		RegulatoryFlag: new(false), PIIFlag: new(true),
		ClassificationConfidence: new(1), ClassificationRationale: "old",
		RegulatoryReferences: []string{"old"}, ClassifiedBy: "rules@0",
		SuggestedSourceField: "svc.OLD.Y", SuggestedInformationSecurityClassification: schema.TierHRCI,
		SuggestedCriticality: schema.LevelHigh, SuggestedRiskLevel: schema.LevelHigh,
		SuggestedRegulatoryFlag: new(true), SuggestedPIIFlag: new(false),
		ReviewStatus: schema.ReviewStatusApproved, ReviewedBy: "mona", ReviewedAt: time.Now(), Version: 7,
	}
}

func TestEvaluate_ReplacesAnUnconfirmedMapping(t *testing.T) {
	t.Parallel()
	p, from := defaultEngine(), loans()
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", outdated())
	after, saved := evaluate(p, from, work)

	ranking := from.ranking.Rank(work.Attribute)
	if ranking.SourceField != balanceField || ranking.Column != 0 {
		t.Fatalf("ranking: got %+v, want the first column, %s", ranking, balanceField)
	}
	answer := p.Classify(rules.Input{Attribute: work.Attribute, Column: &from.columns[0], Report: from.report})
	want := classified(schema.Mapping{
		ID: "m", DataSourceID: "servicing", PDEName: "LN_CURR_BAL_AMT", PDEDescription: "outstanding balance",
		SourceField: balanceField, MappingType: ranking.MappingType,
		BusinessProcess: "servicing", BusinessOwner: "Olga", DataSteward: "Stan",
		ConfidenceScore: new(ranking.Confidence), MappingRationale: ranking.Rationale,
		AlternativeMappings: ranking.Alternatives,
		ReviewStatus:        schema.ReviewStatusPending, Version: 7,
	}, answer, p.ClassifiedBy())
	if diff := diffMappings(want, after); diff != "" {
		t.Errorf("mapping (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(
		schema.ItemResult{Outcome: schema.OutcomeSucceeded, Classifier: p.ClassifiedBy()}, saved,
	); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
}

func TestEvaluate_PassesTheReportToThePolicy(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	tier := func(report string) schema.Tier {
		work := workOn(schema.JobTypePDEClassification, "Total Assets", schema.Mapping{})
		after, _ := evaluate(p, candidatesOf(report, nil, nil), work)
		return after.InformationSecurityClassification
	}
	if got := tier("FR Y-9C"); got != schema.TierPublic {
		t.Errorf("total assets in a published filing: got %s, want %s", got, schema.TierPublic)
	}
	if got := tier("Internal"); got == schema.TierPublic {
		t.Errorf("total assets in an internal report: got %s, want another tier", got)
	}
}

func TestEvaluate_SucceedsWithoutAColumnIfNothingFits(t *testing.T) {
	t.Parallel()
	after, saved := evaluate(
		defaultEngine(), loans(), workOn(schema.JobTypePDEAutoMapping, "Vehicle Color", outdated()),
	)
	column := []string{
		after.SourceField, after.DataSourceID, after.PDEName, after.PDECode, after.PDEDescription,
		string(after.MappingType), after.TransformationRule,
	}
	if diff := cmp.Diff(make([]string, len(column)), column); diff != "" {
		t.Errorf("fields of the column (-want +got):\n%s", diff)
	}
	if saved.Outcome != schema.OutcomeSucceeded || saved.Code != "" {
		t.Errorf("outcome: got %s with code %q, want a success", saved.Outcome, saved.Code)
	}
	if after.ConfidenceScore == nil || after.MappingRationale == "" || after.AlternativeMappings == nil ||
		after.InformationSecurityClassification == "" || after.RegulatoryReferences == nil {
		t.Errorf("mapping: got %+v, want it explained and classified", after)
	}
}

func TestColumnOf_PrefersTheDataSourceOfTheMapping(t *testing.T) {
	t.Parallel()
	from := loans()
	for source, want := range map[string]string{
		"servicing": "outstanding balance", "copy": "a copy", "gone": "outstanding balance",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			got := columnOf(from, schema.Mapping{SourceField: balanceField, DataSourceID: source})
			if got == nil || got.Description != want {
				t.Errorf("columnOf: got %+v, want the column with the description %q", got, want)
			}
		})
	}
	t.Run("no such column", func(t *testing.T) {
		t.Parallel()
		got := columnOf(from, schema.Mapping{SourceField: "svc.LN_MSTR.NONE", DataSourceID: "servicing"})
		if got != nil {
			t.Errorf("columnOf: got %+v, want nil", got)
		}
	})
}

func TestEvaluate_SetsTheDataSourceOfTheChosenColumn(t *testing.T) {
	t.Parallel()
	after, _ := evaluate(
		defaultEngine(), loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", schema.Mapping{}),
	)
	if after.DataSourceID != "servicing" {
		t.Errorf("data source: got %q, want that of the first of two equal columns", after.DataSourceID)
	}
}

func TestEvaluate_KeepsTheCodeOfAnUnchangedColumn(t *testing.T) {
	t.Parallel()
	before := schema.Mapping{SourceField: balanceField, PDECode: "P-17", PDEName: "typed by hand"}
	after, _ := evaluate(
		defaultEngine(), loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", before),
	)
	if after.PDECode != "P-17" || after.PDEName != "LN_CURR_BAL_AMT" {
		t.Errorf("element: got code %q, name %q, want P-17, LN_CURR_BAL_AMT", after.PDECode, after.PDEName)
	}
}

func TestEvaluate_OfAClassificationJobLeavesTheColumn(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	for name, test := range map[string]struct {
		before    schema.Mapping
		rationale string
		score     int
	}{
		"mapped": {
			schema.Mapping{
				SourceField: "svc.LN_MSTR.VIN", DataSourceID: "servicing", PDEName: "VIN",
				ConfidenceScore: new(40), MappingRationale: "the words fit",
			},
			"the words fit", 40,
		},
		"given": {
			schema.Mapping{SourceField: "svc.LN_MSTR.VIN"},
			"The column was given and has not been looked into yet.", 0,
		},
		"not mapped": {schema.Mapping{}, "No column has been looked for yet.", 0},
		"nothing fits": {
			schema.Mapping{ConfidenceScore: new(80), MappingRationale: "nothing fits"}, "nothing fits", 80,
		},
		"confirmed": {
			schema.Mapping{
				MappingConfirmedByUser: true, SourceField: "svc.LN_MSTR.VIN", SuggestedSourceField: balanceField,
			},
			"A person has confirmed this mapping.", 100,
		},
		"without a score": {
			schema.Mapping{SourceField: "svc.LN_MSTR.VIN", MappingRationale: "by hand"}, "by hand", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			work := workOn(schema.JobTypePDEClassification, "Current Loan Balance", test.before)
			after, saved := evaluate(p, loans(), work)
			want := test.before
			want.ConfidenceScore, want.MappingRationale = new(test.score), test.rationale
			want.ReviewStatus = schema.ReviewStatusPending
			want = classified(want, p.Classify(inputOf(work)), p.ClassifiedBy())
			if diff := diffMappings(want, after); diff != "" {
				t.Errorf("mapping (-want +got):\n%s", diff)
			}
			if saved.Outcome != schema.OutcomeSucceeded {
				t.Errorf("outcome: got %s, want %s", saved.Outcome, schema.OutcomeSucceeded)
			}
		})
	}
}

func TestEvaluate_ResetsTheReviewIfTheDecisionChanges(t *testing.T) {
	t.Parallel()
	p := defaultEngine()
	approved, _ := evaluate(p, loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", schema.Mapping{}))
	approved.ReviewStatus, approved.ReviewedBy, approved.ReviewedAt = schema.ReviewStatusApproved, "mona",
		time.Unix(1, 0)
	approved.InputHash = "" // as if the policy had changed
	for name, test := range map[string]struct {
		change func(*schema.Mapping)
		kept   bool
	}{
		"nothing": {func(*schema.Mapping) {}, true},
		"policy":  {func(m *schema.Mapping) { m.ClassifiedBy = "rules@0" }, true},
		"rationale": {func(m *schema.Mapping) {
			m.ClassificationRationale, m.MappingRationale = "x", "y"
		}, true},
		"confidence": {func(m *schema.Mapping) {
			m.ClassificationConfidence, m.ConfidenceScore = new(3), new(4)
		}, true},
		"column":      {func(m *schema.Mapping) { m.SourceField = "svc.LN_MSTR.VIN" }, false},
		"data source": {func(m *schema.Mapping) { m.DataSourceID = "copy" }, false},
		"type":        {func(m *schema.Mapping) { m.MappingType = schema.MappingTypeLookup }, false},
		"rule":        {func(m *schema.Mapping) { m.TransformationRule = "sum" }, false},
		"tier":        {func(m *schema.Mapping) { m.InformationSecurityClassification = schema.TierPublic }, false},
		"criticality": {func(m *schema.Mapping) { m.Criticality = "" }, false},
		"risk":        {func(m *schema.Mapping) { m.RiskLevel = "" }, false},
		"regulatory":  {func(m *schema.Mapping) { m.RegulatoryFlag = nil }, false},
		"personal":    {func(m *schema.Mapping) { m.PIIFlag = new(!*m.PIIFlag) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, want := approved, approved
			test.change(&before)
			if !test.kept {
				want.ReviewStatus, want.ReviewedBy, want.ReviewedAt = schema.ReviewStatusPending, "", time.Time{}
			}
			got, _ := evaluate(p, loans(), workOn(schema.JobTypePDERegeneration, "Current Loan Balance", before))
			if diff := diffMappings(want, got); diff != "" {
				t.Errorf("mapping (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEvaluate_IsPure(t *testing.T) {
	t.Parallel()
	p, from := defaultEngine(), loans()
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", outdated())
	want := outdated()
	want.ReviewedAt = work.Mapping.ReviewedAt
	first, _ := evaluate(p, from, work)
	second, _ := evaluate(p, from, work)
	if diff := diffMappings(want, work.Mapping); diff != "" {
		t.Errorf("argument after the call (-want +got):\n%s", diff)
	}
	if diff := diffMappings(first, second); diff != "" {
		t.Errorf("second call (-want +got):\n%s", diff)
	}
}

func TestEvaluate_ApprovesByTheRuleOfTheReport(t *testing.T) {
	t.Parallel()
	rule := schema.DefaultAutoApproval("c", "r")
	rule.Enabled, rule.MinConfidence, rule.MinMargin, rule.MaxRisk = true, 0, 0, schema.LevelHigh
	rule.Tiers, rule.Personal = schema.Tiers(), true
	off, strict := rule, rule
	off.Enabled, strict.MinConfidence = false, 100
	owned := schema.Mapping{MappingConfirmedByUser: true}
	for name, tt := range map[string]struct {
		rule     schema.AutoApproval
		before   schema.Mapping
		approves bool
	}{
		"the rule is met":        {rule: rule, approves: true},
		"the rule is off":        {rule: off},
		"there is no rule":       {},
		"the rule is not met":    {rule: strict},
		"a person has confirmed": {rule: rule, before: owned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.before.ReviewStatus = schema.ReviewStatusPending
			work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", tt.before)
			work.AutoApproval = tt.rule
			after, saved := evaluate(defaultEngine(), loans(), work)
			approved := after.ReviewStatus == schema.ReviewStatusApproved
			if approved != tt.approves || approved != (after.ReviewedBy == schema.AutoApprover) ||
				approved && saved.Comment != tt.rule.String() {
				t.Errorf("got %s by %q with comment %q, want approved %t", after.ReviewStatus, after.ReviewedBy,
					saved.Comment, tt.approves)
			}
		})
	}
	// A decision that stands is not overruled.
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", schema.Mapping{})
	result, _ := evaluate(defaultEngine(), loans(), work)
	result.ReviewStatus, result.ReviewedBy, result.InputHash = schema.ReviewStatusRejected, "mia", ""
	work.Mapping, work.AutoApproval = result, rule
	if after, _ := evaluate(defaultEngine(), loans(), work); after.ReviewedBy != "mia" {
		t.Errorf("result of a rejected mapping: got reviewer %q, want mia", after.ReviewedBy)
	}
}
