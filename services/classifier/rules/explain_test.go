package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestExplain_Golden(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	var b strings.Builder
	for _, in := range []Input{
		{Attribute: attribute("Refreshed FICO Auto Score Date", "Date YYYYMMDD"), Report: "FR Y-14M Schedule A.1"},
		{Attribute: attribute("LST_NM", "VARCHAR(40)"), Table: "EMPLOYEE"},
		{
			Attribute: schema.Attribute{
				AttributeName: "Loans Past Due 90 Days or More", DataType: "N15", MDRM: "BHCK5525",
			},
		},
		{
			Attribute: schema.Attribute{AttributeName: "Property State", DataType: "C2", LineItemNumber: "5"},
			Report:    "FR Y-14M Schedule B.1",
			Column: &schema.SourceColumn{
				SchemaName: "crm", TableName: "CUST_ADDR", ColumnName: "ZIP_CD", DataType: "CHAR(9)",
			},
		},
		{Attribute: attribute("Zyxwv Qponm", "")},
	} {
		explained := e.Explain(in)
		explained = strings.ReplaceAll(explained, policy.Default().Digest, "DIGEST")
		fmt.Fprintf(&b, "%s\n%s\n\n%s\n\n", explained, "Rationale", e.Classify(in).Rationale)
	}
	classifiertest.CompareGolden(t, "testdata/explanations.golden", b.String())
}
