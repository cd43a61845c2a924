package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// TestAnswers_Golden compares the answers and explanations for the labelled attributes and for generated names with a
// golden file. The file has the answer and a digest of the texts.
func TestAnswers_Golden(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	inputs := generatedInputs()
	for _, row := range goldRows(t) {
		inputs = append(inputs, row.input)
	}
	var got bytes.Buffer
	for _, in := range inputs {
		a := e.Classify(in)
		texts := a.Rationale + fmt.Sprint(a.RegulatoryReferences, a.Matched, a.Considered)
		sum := sha256.Sum256([]byte(texts + withoutPolicyLine(e.Explain(in))))
		fmt.Fprintf(&got, "%s, %s, %s: %s %s %s %t %t %d %s\n",
			in.Attribute.AttributeName, in.Attribute.DataType, in.Report,
			a.InformationSecurityClassification, a.Criticality, a.RiskLevel, a.RegulatoryFlag, a.PIIFlag, a.Confidence,
			hex.EncodeToString(sum[:4]))
	}
	classifiertest.CompareGolden(t, "testdata/answers.golden", got.String())
}

// withoutPolicyLine drops the line that changes with every change of the policy.
func withoutPolicyLine(explanation string) string {
	before, rest, _ := strings.Cut(explanation, "\npolicy ")
	_, after, _ := strings.Cut(rest, "\n")
	return before + after
}

// generatedInputs combines things with kinds of values, as lines of filings and as columns of tables.
func generatedInputs() []Input {
	var all []Input
	for _, thing := range []string{
		"Account", "Borrower", "CO_BORR", "Credit Score", "Tax Identifier", "Collateral", "Property", "Late Fee",
		"Delinquency", "Password",
		"Obligor", "Diagnosis", "Employee", "Zyxwv", "Kunde", "Income", "PD", "Card", "Email", "Portfolio",
	} {
		for _, value := range []struct{ word, dataType, description string }{
			{"Balance", "N12.2", ""},
			{"Date", "Date", "Date on which it happened"},
			{"Type", "C2", ""},
			{"Number", "C18", "Number of the account"},
			{"Rate", "N6.3", ""},
			{"Flag", "N1", ""},
			{"Name", "C40", ""},
			{"", "", "The balance of the borrower"},
		} {
			a := schema.Attribute{
				AttributeName: thing + " " + value.word,
				DataType:      value.dataType,
				Description:   value.description,
			}
			column := &schema.SourceColumn{TableName: "CUST", ColumnName: "SSN_NBR", DataType: "CHAR(9)"}
			all = append(all,
				Input{Attribute: a, Table: "CUSTOMER_MASTER"},
				Input{Attribute: a, Report: "FR Y-14M Schedule A.1", Column: column},
				Input{Attribute: a, Report: "FR Y-9C"},
			)
		}
	}
	return all
}
