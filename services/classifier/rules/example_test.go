package rules

import (
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

const small = `policy 7
law FCRA
  text: FCRA, Regulation V
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
  says-not: date
  tier: HRCI
  personal: yes
  criticality: High
  laws: FCRA
  because: it decides about a person's credit
rule date of a score
  any: [score]
  says: date
  tier: Confidential
  personal: no
  criticality: Medium
  because: it is not the score
`

func ExamplePolicy_Classify() {
	policy, err := Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := policy.Classify(Input{
		Attribute: schema.Attribute{AttributeName: "FICO Score of the Guarantor", DataType: "N3"},
		Report:    "FR Y-14M Schedule A.1",
	})
	fmt.Println(answer.InformationSecurityClassification, answer.Criticality, answer.RiskLevel)
	fmt.Println(answer.Rule)
	for _, m := range answer.Matched {
		fmt.Printf("%s in the %s: %s\n", m.Text, m.Place, m.Meaning)
	}
	// Output:
	// HRCI High High
	// score value
	// FICO Score in the name: score
}

func ExampleParse() {
	policy, err := Parse("mine.policy", []byte(small))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"FICO at closing", "FICO date"} {
		answer := policy.Classify(Input{Attribute: schema.Attribute{AttributeName: name}})
		fmt.Println(policy.ClassifiedBy(), answer.InformationSecurityClassification, answer.RiskLevel, answer.Rule)
	}
	// Output:
	// rules@7 HRCI High score value
	// rules@7 Confidential Medium date of a score
}

func ExampleParse_mistakes() {
	_, err := Parse("mine.policy", []byte("policy 7\nrule score\n  any: [scroe]\n  teir: HRCI\nconcept score\n  words: FICO\n"))
	fmt.Println(err)
	// Output:
	// mine.policy:1: the policy has no risk block: say what a leak of each tier costs
	// mine.policy:2: rule "score" does not say why: add a line "because: ..."
	// mine.policy:2: rule "score" does not answer "tier"
	// mine.policy:2: rule "score" does not answer "personal"
	// mine.policy:2: rule "score" does not answer "criticality"
	// mine.policy:3: rule "score" names the unknown concept "scroe": did you mean "score"?
	// mine.policy:4: rule "score" has the unknown key "teir": did you mean "tier"?
	// mine.policy:5: concept "score" is used by no rule: name it in one, or make its words a filler
}

func ExamplePolicy_Explain() {
	policy, err := Parse("mine.policy", []byte(small))
	if err != nil {
		fmt.Println(err)
		return
	}
	explained := policy.Explain(Input{Attribute: schema.Attribute{AttributeName: "FICO at closing", DataType: "N3"}})
	for line := range strings.Lines(explained) {
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
	//   7 points  "score value"  HRCI  answers: it decides about a person's credit
	//
	// Rules whose words occur, but which do not fit
	//   "date of a score"  Confidential  is for: date; nothing says what this is
	//
	// Answer
	//   information_security_classification  HRCI  rule "score value"
	//   criticality                          High  rule "score value"
	//   risk_level                           High  a leak of what is HRCI costs High
	//   regulatory_flag                      yes   a regulation asks for it or protects it wherever it stands: FCRA, Regulation V
	//   pii_flag                             yes   rule "score value"
	//
	// Confidence 65
	//   +50 for words in the name
	//    +3 for the words of the name that it names
	//   +12 for the share of the name's words that the policy knows
}
