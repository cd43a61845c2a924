package classifier

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

func TestAHybridJobAsksTheModelOnlyIfTheRulesAreUnsure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	c, server := f.withModel(llmtest.Options{})
	f.Exec("update jobs set classifier = 'hybrid'")
	f.Exec(`update attributes set attribute_name = 'Zorgle'
		where id = (select attribute_id from pde_mappings where id = ?)`, f.ids[2])
	f.handleLLM(c, f.ids[0])
	if calls, by := server.Counts().Calls, f.item(f.ids[0]).Classifier; calls != 0 || by != c.engine.ClassifiedBy() {
		t.Errorf("rules that are sure: got %d calls and classifier %s, want none and the rules", calls, by)
	}
	f.handleLLM(c, f.ids[2])
	if calls, by := server.Counts().Calls, f.item(f.ids[2]).Classifier; calls != 1 || by != c.model.ClassifiedBy() {
		t.Errorf("rules that are unsure: got %d calls and classifier %s, want one and the model", calls, by)
	}
	f.Exec("update jobs set ended_at = now()")
	f.job = schematest.ListedJob(t, f.DB, 3)
	f.Exec("update jobs set classifier = 'hybrid' where id = ?", f.job.ID)
	for i, want := range map[int]string{0: c.engine.ClassifiedBy(), 2: c.model.ClassifiedBy()} {
		f.handleLLM(c, f.ids[i])
		if item := f.item(f.ids[i]); item.ErrorCode != schema.ErrorCodeUnchanged || item.Classifier != want {
			t.Errorf("unchanged mapping: got %+v, want it skipped by %s", item, want)
		}
	}
	if calls := server.Counts().Calls; calls != 1 {
		t.Errorf("calls after the second time: got %d, want no further one", calls)
	}
}

// disagreement returns the proposal of the rules for a balance, and an opinion of a model that differs from it in the
// column and in the tier.
func disagreement(t *testing.T, from *candidates, work schema.Work) (plan, llm.Opinion) {
	t.Helper()
	p := propose(defaultEngine(), from, work)
	if p.chosen.SourceField != balanceField || p.answer.InformationSecurityClassification != schema.TierConfidential {
		t.Fatalf("rules: got %s and %s", p.chosen.SourceField, p.answer.InformationSecurityClassification)
	}
	other := 0
	for from.columns[p.positions[other]].ColumnName != "VIN" {
		other++
	}
	direct := schema.MappingTypeDirect
	return p, llm.Opinion{
		Answer: llm.Answer{
			Column: &other, MappingType: &direct, ColumnReason: "The VIN has it.", ClassReason: "Anyone can read it.",
			Tier: schema.TierPublic, Criticality: schema.LevelLow, RiskLevel: schema.LevelLow,
		},
		ColumnCertainty: 1, TierCertainty: 1,
	}
}

func TestADisagreementHasBothResultsAndIsNeverApprovedByItself(t *testing.T) {
	t.Parallel()
	from := candidatesOf("FR Y-14M", nil, append(loans().columns[:3:3], schema.SourceColumn{
		DataSourceID: "servicing", SchemaName: "svc", TableName: "LN_MSTR", ColumnName: "LN_CURR_RT",
		DataType: "NUMBER",
	}))
	work := workOn(schema.JobTypePDERegeneration, "Current Loan Balance", schema.Mapping{
		ReviewStatus: schema.ReviewStatusPending,
	})
	work.Classifier = schema.ClassifierLLM
	work.AutoApproval = schema.AutoApproval{
		Enabled: true, Tiers: schema.Tiers(), MaxRisk: schema.LevelHigh, Personal: true,
	}
	from.ranking = candidatesOf("FR Y-14M", nil, from.columns).ranking
	p, opinion := disagreement(t, from, withVIN(work))
	chosen := chooseByModel(from, work.Attribute, p.chosen, opinion, p.positions)
	for _, text := range []string{"The VIN has it.", balanceField, p.chosen.Rationale} {
		if !strings.Contains(chosen.Rationale, text) {
			t.Errorf("rationale of the column: got %q, want %q in it", chosen.Rationale, text)
		}
	}
	if chosen.Alternatives[0].SourceField != balanceField {
		t.Errorf("alternatives: got %v, want the choice of the rules first", chosen.Alternatives)
	}
	answer := classByModel(p.answer, opinion)
	for _, text := range []string{
		"Anyone can read it.", "tier (rules Confidential, model Public)", p.answer.Rationale,
		"stays until a person decides",
	} {
		if !strings.Contains(answer.Rationale, text) {
			t.Errorf("rationale of the class: got %q, want %q in it", answer.Rationale, text)
		}
	}
	agreed := opinion
	agreed.Tier, agreed.Criticality = p.answer.InformationSecurityClassification, p.answer.Criticality
	agreed.RiskLevel, agreed.Regulatory = p.answer.RiskLevel, p.answer.RegulatoryFlag
	agreed.Personal = p.answer.PIIFlag
	for name, tt := range map[string]struct {
		chosen choice
		answer rules.Answer
		want   schema.ReviewStatus
	}{
		"the column differs": {chosen, classByModel(p.answer, agreed), schema.ReviewStatusPending},
		"the tier differs":   {p.chosen, answer, schema.ReviewStatusPending},
		"both agree":         {p.chosen, classByModel(p.answer, agreed), schema.ReviewStatusApproved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := applyColumn(defaultEngine(), from, work, tt.chosen)
			after, _ = conclude(work, after, proposal{chosen: tt.chosen, answer: tt.answer, by: "llm:m@1"})
			if after.ReviewStatus != tt.want {
				t.Errorf("review: got %s with confidences %d and %d, want %s", after.ReviewStatus,
					*after.ConfidenceScore, *after.ClassificationConfidence, tt.want)
			}
			if least := min(*after.ConfidenceScore, *after.ClassificationConfidence); tt.want ==
				schema.ReviewStatusPending && least > 60 {
				t.Errorf("least confidence: got %d, want at most 60, so that it is listed first", least)
			}
		})
	}
}

// withVIN returns the work with an attribute whose description makes the VIN a candidate.
func withVIN(work schema.Work) schema.Work {
	work.Attribute.Description = "Not of one VIN."
	return work
}

func TestQuestion_HasTheOtherColumnsOfTheTablesOfItsCandidates(t *testing.T) {
	t.Parallel()
	var all []schema.SourceColumn
	for _, table := range []string{"LN_MSTR", "PARTY"} {
		for i := range 60 {
			all = append(all, schema.SourceColumn{
				DataSourceID: "servicing", SchemaName: "svc", TableName: table, ColumnName: fmt.Sprintf("QX%d", i),
			})
		}
	}
	all[7].ColumnName = "CURR_BAL_AMT"
	for name, tt := range map[string]struct {
		columns []schema.SourceColumn
		want    int
	}{
		"a report with many columns": {all, maxCandidates},
		"a report with few":          {all[:9], 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := candidatesOf("FR Y-14M", nil, tt.columns)
			work := workOn(schema.JobTypePDERegeneration, "Current Balance Amount", schema.Mapping{})
			q, positions, _ := question(from, work, rank(from, work))
			if len(q.Candidates) != tt.want || len(positions) != tt.want || positions[0] != 7 {
				t.Fatalf("got %d candidates at %v, want %d, the best one first", len(q.Candidates), positions, tt.want)
			}
			seen := map[int]bool{}
			for _, i := range positions {
				if seen[i] || from.columns[i].TableName != "LN_MSTR" {
					t.Errorf("candidate %d: got %v, want each column of the table once", i, from.columns[i])
				}
				seen[i] = true
			}
		})
	}
}
