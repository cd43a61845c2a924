package rules

import (
	"os"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func FuzzClassify_AnswersAnything(f *testing.F) {
	e := New(policy.Default())
	f.Add("Date of Birth", "CUST_DOB", "birth date of the applicant", "N12.2", "HMDA", "CUST")
	f.Add("- ( of ) –", "of", "of of", "(", "*", "")
	f.Fuzz(func(t *testing.T, name, technical, description, dataType, report, table string) {
		in := Input{
			Attribute: schema.Attribute{
				AttributeName: name, TechnicalLineItemName: technical, Description: description, DataType: dataType,
			},
			Report: report, Table: table,
			Column: &schema.SourceColumn{TableName: table, ColumnName: technical, DataType: dataType},
		}
		a := e.Classify(in)
		c := a.Classification
		if c.InformationSecurityClassification == "" || c.Criticality == "" || c.RiskLevel == "" || a.Rationale == "" ||
			a.Confidence < 1 || a.Confidence > 100 {
			t.Errorf("got %+v, want a complete answer", a)
		}
		if e.Explain(in) == "" {
			t.Error("no explanation")
		}
	})
}

// A policy that can be parsed answers.
func FuzzClassify_AnyPolicy(f *testing.F) {
	text, err := os.ReadFile("policy/default.policy")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Parse("f", []byte(text))
		if err != nil {
			return
		}
		e, in := New(p), Input{Attribute: attribute("Some Score", "N3"), Report: "FR Y-14M"}
		e.Classify(in)
		if e.Explain(in) == "" {
			t.Error("no explanation")
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	e := New(policy.Default())
	rows := goldRows(b)
	for i := range rows {
		rows[i].input.Column = &schema.SourceColumn{
			SchemaName: "dw", TableName: "LOAN_MASTER", ColumnName: "CURR_PRIN_BAL_AMT", DataType: "DECIMAL(12,2)",
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Classify(rows[i%len(rows)].input)
	}
}
