package classifier

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func decidedElsewhere(attribute, column string, tier schema.Tier) schema.Precedent {
	return schema.Precedent{
		CycleID: "2026-Q2", ReportID: "other", AttributeName: attribute, SourceField: column,
		MappingType: schema.MappingTypeDirect, InformationSecurityClassification: tier,
	}
}

func TestAPrecedentIsEvidenceForTheSameAttribute(t *testing.T) {
	t.Parallel()
	const balance, date = "svc.LN_MSTR.LN_CURR_BAL_AMT", "svc.LN_MSTR.LN_ORIG_DT"
	const why = "for the same attribute in report other of cycle 2026-Q2."
	for _, tt := range []struct {
		name, attribute string
		decided         []schema.Precedent
		column          string
		confidence      func(before, after int) bool
		explained       bool
	}{
		{
			"agrees", "Current Balance",
			[]schema.Precedent{decidedElsewhere("current balance", balance, "")},
			balance,
			func(before, after int) bool { return after == max(before, agreedConfidence) }, true,
		},
		{
			"nothing else fits", "Zyxwv",
			[]schema.Precedent{decidedElsewhere("Zyxwv", date, "")},
			date,
			func(_, after int) bool { return after == disputedConfidence }, true,
		},
		{
			"no candidate", "Zyxwv",
			[]schema.Precedent{decidedElsewhere("Zyxwv", "svc.T.NONE", "")},
			"",
			func(before, after int) bool { return after == before }, false,
		},
		{
			"contradicts itself", "Zyxwv",
			[]schema.Precedent{decidedElsewhere("Zyxwv", date, ""), decidedElsewhere("Zyxwv", balance, "")},
			"",
			func(before, after int) bool { return after == before }, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			work := schema.Work{
				JobType: schema.JobTypePDERegeneration, Attribute: schema.Attribute{AttributeName: tt.attribute},
			}
			from := loans()
			before, _ := evaluate(defaultEngine(), from, work)
			from.precedents = newPrecedents(tt.decided)
			after, _ := evaluate(defaultEngine(), from, work)
			if after.SourceField != tt.column || !tt.confidence(*before.ConfidenceScore, *after.ConfidenceScore) {
				t.Errorf("got %q with confidence %d after %d, want %q", after.SourceField, *after.ConfidenceScore,
					*before.ConfidenceScore, tt.column)
			}
			if got := strings.Contains(after.MappingRationale, why); got != tt.explained {
				t.Errorf("rationale: got %q, want the decision in it: %t", after.MappingRationale, tt.explained)
			}
		})
	}
}

func TestAPrecedentIsEvidenceForTheClassOfTheSameColumn(t *testing.T) {
	t.Parallel()
	const vin = "svc.LN_MSTR.VIN"
	work := schema.Work{
		JobType:   schema.JobTypePDEClassification,
		Attribute: schema.Attribute{AttributeName: "Vehicle Identification Number"},
		Mapping:   schema.Mapping{SourceField: vin},
	}
	from := loans()
	before, _ := evaluate(defaultEngine(), from, work)
	work.Mapping = before // a decision elsewhere is a reason to classify again
	from.precedents = newPrecedents([]schema.Precedent{
		decidedElsewhere("x", vin, before.InformationSecurityClassification),
	})
	agreed, _ := evaluate(defaultEngine(), from, work)
	from.precedents = newPrecedents([]schema.Precedent{decidedElsewhere("x", vin, schema.TierHRCI)})
	disputed, _ := evaluate(defaultEngine(), from, work)
	if *agreed.ClassificationConfidence <= *before.ClassificationConfidence ||
		*disputed.ClassificationConfidence > disputedClass {
		t.Errorf("confidence: got %d, %d if a person agrees, %d if not, want more if a person agrees",
			*before.ClassificationConfidence, *agreed.ClassificationConfidence, *disputed.ClassificationConfidence)
	}
	const why = "A person confirmed the same column as HRCI in report other of cycle 2026-Q2."
	if got := disputed.ClassificationRationale; !strings.Contains(got, why) {
		t.Errorf("rationale: got %q, want %q in it", got, why)
	}
}
