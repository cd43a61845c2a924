package policy_test

import (
	"fmt"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func ExampleParse() {
	p, err := policy.Parse("mine.policy", []byte(`policy 7
law FCRA
  text: FCRA, Regulation V
concept score
  words: credit score, FICO
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
rule score value
  any: [score]
  tier: HRCI
  personal: yes
  criticality: High
  laws: FCRA
  because: it decides about a person's credit
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := p.Rules[0]
	fmt.Printf("policy %s, rule %q: %s, %s\n", p.Version, r.Name, r.Tier, r.Because)
	fmt.Println("requires", p.Concepts[r.Any[0]], "and cites", p.Laws[r.Laws[0]].Text)
	// Output:
	// policy 7, rule "score value": HRCI, it decides about a person's credit
	// requires score and cites FCRA, Regulation V
}

func ExampleParse_mistakes() {
	_, err := policy.Parse("mine.policy", []byte(`policy 7
rule score
  any: [scroe]
  teir: HRCI
concept score
  words: FICO
`))
	fmt.Println(err)
	// Output:
	// mine.policy:1: the policy has no risk block: add one with the risk of a leak of each tier
	// mine.policy:2: rule "score" has no reason: add a line "because: ..."
	// mine.policy:2: rule "score" does not answer "tier"
	// mine.policy:2: rule "score" does not answer "personal"
	// mine.policy:2: rule "score" does not answer "criticality"
	// mine.policy:3: rule "score" names the unknown concept "scroe": did you mean "score"?
	// mine.policy:4: rule "score" has the unknown key "teir": did you mean "tier"?
	// mine.policy:5: concept "score" is used by no rule: name it in one, or make its words a filler
}

func ExampleDefault() {
	p := policy.Default()
	fmt.Println(p.Fallback.Tier, p.Fallback.Criticality)
	// Output: Confidential Medium
}

func ExampleReports_Find() {
	p := policy.Default()
	for _, name := range []string{"FR Y-14M Schedule A.1", "fr_y_14m_d2", "2025 Call Report", "Margin Call Report"} {
		if r := p.Reports.Find(name, ""); r != nil {
			fmt.Printf("%s: %s\n", name, r.Name)
		} else {
			fmt.Printf("%s: unknown\n", name)
		}
	}
	// Output:
	// FR Y-14M Schedule A.1: FR Y-14M
	// fr_y_14m_d2: FR Y-14M portfolio level
	// 2025 Call Report: Call Report
	// Margin Call Report: unknown
}
