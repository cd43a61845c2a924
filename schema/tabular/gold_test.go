package tabular_test

import (
	"slices"
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
		"gold.csv:2: pii_flag: must be true, yes, y or 1, or else false, no, n or 0",
		"gold.csv:4", "remove one of the two rows",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestGold_IdentifiesRowsByNumberAndName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, rows, want string }{
		{"different names", "a,\nb,\n", ""},
		{"the same name with different numbers", "a,1\na,2\n", ""},
		{"different names with the same number", "a,1\nb,1\n", ""},
		{"the same name twice", "a,\na,\n", "gold.csv:3: attribute_name"},
		{"the same number and name twice", "a,1\na,1\n", "gold.csv:3: line_item_number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tabular.Gold("gold.csv", []byte("attribute_name,line_item_number\n"+tt.rows))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("Gold: got %q, want an error with %q", got, tt.want)
			}
		})
	}
}

func TestGold_NormalizesAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ column, cell, want string }{
		{"source_field", "NONE", "none"},
		{"source_field", `s.t."a.b" | s.t.c`, `s.t."a.b",s.t.c`},
		{"information_security_classification", "public|PUBLIC|hrci", "Public,HRCI"},
		{"criticality", " low ", "Low"},
		{"risk_level", "Medium|high", "Medium,High"},
		{"regulatory_flag", "True|no", "yes,no"},
		{"pii_flag", "FALSE", "no"},
		{"pii_flag", "", ""},
	} {
		t.Run(tt.column+" "+tt.cell, func(t *testing.T) {
			t.Parallel()
			cell := `"` + strings.ReplaceAll(tt.cell, `"`, `""`) + `"`
			file, err := tabular.Gold("gold.csv", []byte("attribute_name,"+tt.column+"\na,"+cell+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			row := file.Rows[0]
			got := strings.Join(slices.Concat(row.SourceField, row.InformationSecurityClassification, row.Criticality,
				row.RiskLevel, row.RegulatoryFlag, row.PIIFlag), ",")
			if got != tt.want {
				t.Errorf("Gold: got %q, want %q", got, tt.want)
			}
		})
	}
}
