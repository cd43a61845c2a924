package tabular_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

func TestGold_ReadsAcceptableAnswers(t *testing.T) {
	t.Parallel()
	got, err := tabular.Gold("gold.csv", []byte(
		"attribute_name,line_item_number,source_field,information_security_classification,criticality,risk_level,"+
			"regulatory_flag,pii_flag\n"+
			"Balance,7,s.t.a | s.t.b,hrci|Confidential,High,,true,no|YES\n"+
			"Shoe Size,,None,,,Low|Medium,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []tabular.GoldRow{
		{
			AttributeName: "Balance", LineItemNumber: "7", SourceField: []string{"s.t.a", "s.t.b"},
			InformationSecurityClassification: []string{"HRCI", "Confidential"}, Criticality: []string{"High"},
			RegulatoryFlag: []string{"yes"}, PIIFlag: []string{"no", "yes"},
		},
		{AttributeName: "Shoe Size", SourceField: []string{tabular.NoColumn}, RiskLevel: []string{"Low", "Medium"}},
	}
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Errorf("labels differ (-want +got):\n%s", diff)
	}
}

func TestGold_ReportsWrongAnswers(t *testing.T) {
	t.Parallel()
	_, err := tabular.Gold("gold.csv", []byte(
		"attribute_name,source_field,criticality,pii_flag\na,OPN_DT,Huge,maybe\na,,Low,\na,,Low,\n"))
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"gold.csv:2: source_field: must be schema.table.column, or none if no column fits",
		"gold.csv:2: criticality: must be High, Medium or Low",
		"gold.csv:2: pii_flag: must be yes or no, or true or false",
		"gold.csv:4", "remove one of the two rows",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
