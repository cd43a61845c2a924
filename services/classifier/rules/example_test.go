package rules_test

import (
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

const small = `policy 7
law FCRA
  text: FCRA
facet date
  words: date
  types: date
concept score
  words: credit score, FICO
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
group Scores
rule score value
  any: [score]
  is-not: date
  tier: HRCI
  personal: yes
  criticality: High
  laws: FCRA
  because: it decides about a person's credit
rule date of a score
  any: [score]
  is: date
  tier: Confidential
  personal: no
  criticality: Medium
  because: it is not the score
`

// smallEngine classifies by the policy above.
func smallEngine() *rules.Engine {
	p, err := policy.Parse("small.policy", []byte(small))
	if err != nil {
		panic(err)
	}
	return rules.New(p)
}

func ExampleEngine_Classify() {
	answer := rules.New(policy.Default()).Classify(rules.Input{
		Attribute: schema.Attribute{AttributeName: "FICO Score of the Guarantor", DataType: "N3"},
		Report:    "FR Y-14M Schedule A.1",
	})
	fmt.Println(answer.InformationSecurityClassification, answer.Criticality, answer.RiskLevel)
	fmt.Println(answer.Rule)
	for _, m := range answer.Matched {
		fmt.Printf("%s in the %s\n", m.Text, m.Place)
	}
	// Output:
	// HRCI High High
	// score value
	// FICO Score in the name
}

func ExampleEngine_Classify_policy() {
	engine := smallEngine()
	for _, name := range []string{"FICO at closing", "FICO date"} {
		answer := engine.Classify(rules.Input{Attribute: schema.Attribute{AttributeName: name}})
		fmt.Println(engine.ClassifiedBy(), answer.InformationSecurityClassification, answer.RiskLevel, answer.Rule)
	}
	// Output:
	// rules@7 HRCI High score value
	// rules@7 Confidential Medium date of a score
}

func ExampleEngine_Classify_column() {
	answer := rules.New(policy.Default()).Classify(rules.Input{
		Attribute: schema.Attribute{AttributeName: "Property State", DataType: "C2"},
		Column:    &schema.SourceColumn{TableName: "CUST_ADDR", ColumnName: "ZIP_CD", DataType: "CHAR(9)"},
	})
	fmt.Println(answer.Raised.SourceField, "raises", answer.Raised.From, "to", answer.Raised.To)
	// Output: CUST_ADDR.ZIP_CD raises Public to Confidential
}

func ExampleEngine_Classify_unknown() {
	answer := smallEngine().Classify(rules.Input{Attribute: schema.Attribute{AttributeName: "Zyxwv"}})
	fmt.Println(answer.InformationSecurityClassification, answer.Confidence)
	fmt.Println(answer.Rationale)
	// Output:
	// Confidential 10
	// No rule matched: no rule is about it.
}

func ExampleEngine_Explain() {
	explanation := smallEngine().Explain(rules.Input{
		Attribute: schema.Attribute{AttributeName: "FICO at closing", DataType: "N3"},
	})
	for line := range strings.Lines(explanation) {
		if !strings.Contains(line, "digest") {
			fmt.Print(line)
		}
	}
	// Output:
	// FICO at closing, N3 (number)
	//
	// Recognised
	//   "FICO"  name  concept  score
	//   unknown words: closing
	//
	// Rules that fit
	//   7 points  "score value"  HRCI  wins: it decides about a person's credit
	//
	// Rules whose words occur, but which do not fit
	//   "date of a score"  Confidential  applies to: date; this attribute: unknown
	//
	// Answer
	//   information_security_classification  HRCI  rule "score value"
	//   criticality                          High  rule "score value"
	//   risk_level                           High  a leak of HRCI data is a High risk
	//   regulatory_flag                      yes   a regulation requires or protects it in every report and table: FCRA
	//   pii_flag                             yes   rule "score value"
	//
	// Confidence 65
	//   +50 for words in the name
	//    +3 for the words of the name that the rule requires
	//   +12 for the share of the name's words that the policy knows
}
