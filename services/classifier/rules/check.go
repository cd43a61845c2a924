package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// checker tests the policy of an engine.
type checker struct{ *Engine }

func (c checker) check() []*policy.Problem {
	var all []*policy.Problem
	for _, rule := range slices.Concat(c.policy.Rules, c.policy.Refinements) {
		for _, example := range rule.Examples {
			if text := c.checkExample(&rule, example); text != "" {
				all = append(all, c.policy.ProblemAt(example.Line, text))
			}
		}
		if text := c.checkReachable(&rule); text != "" {
			all = append(all, c.policy.ProblemAt(rule.Line, text))
		}
	}
	return all
}

// checkExample returns a problem if an example has another result, or "".
func (c checker) checkExample(rule *policy.Rule, example policy.Example) string {
	a := c.Classify(inputOf(example))
	if decides(&a, rule) != example.Counter {
		return ""
	}
	by := fmt.Sprintf("the rule %q decides it", a.Rule)
	if a.Rule == "" {
		by = "no rule fits it"
	}
	if rule.Refinement {
		by = "no refinement changes its answer"
		if len(a.Refined) > 0 {
			by = fmt.Sprintf("the refinements that change its answer are: %s", strings.Join(a.Refined, ", "))
		}
	}
	kind := "example"
	if example.Counter {
		kind = "counterexample"
	}
	return fmt.Sprintf("%s: the %s %q has another result: %s", ruleTitle(rule), kind, example.Name, by)
}

// decides reports whether a rule decided an answer, or a refinement changed it.
func decides(a *Answer, rule *policy.Rule) bool {
	if rule.Refinement {
		return slices.Contains(a.Refined, rule.Name)
	}
	return a.Rule == rule.Name
}

func inputOf(example policy.Example) Input {
	return Input{
		Attribute: schema.Attribute{
			AttributeName: example.Name, DataType: example.DataType,
			IsPrimaryKey: example.Marks&policy.MarkPrimaryKey != 0,
			IsCDE:        example.Marks&policy.MarkCritical != 0,
			IsMandatory:  example.Marks&policy.MarkMandatory != 0,
		},
		Table: example.Table, Report: example.Report,
	}
}

// maxTrials is the number of attributes that the check of one rule classifies.
const maxTrials = 20_000

// checkReachable returns a problem if the rule decides none of its examples and none of the attributes that are made of
// its conditions, or "". Points decide between rules, so this is a search and no proof.
func (c checker) checkReachable(rule *policy.Rule) string {
	for _, example := range rule.Examples {
		if !example.Counter {
			return "" // checkExample reports it if it has another result
		}
	}
	winners, n := map[string]int{}, 0
	trials := trialMaker{c.policy}.trials(rule)
	for in := range trials {
		a := c.Classify(in)
		if decides(&a, rule) {
			return ""
		}
		winners[a.Rule]++
		if n++; n == maxTrials {
			break
		}
	}
	if n == 0 {
		return "" // its conditions cannot be made, such as a report that is known only by MDRM codes
	}
	if rule.Refinement {
		return fmt.Sprintf("%s is unreachable: it changes the answer for none of %d attributes made of its conditions",
			ruleTitle(rule), n)
	}
	first, most := "no rule", 0
	for _, name := range slices.Sorted(maps.Keys(winners)) {
		if winners[name] > most && name != "" {
			first, most = fmt.Sprintf("the rule %q", name), winners[name]
		}
	}
	return fmt.Sprintf(
		"%s is unreachable: it decides none of %d attributes made of its conditions, of which %s decides %d",
		ruleTitle(rule),
		n,
		first,
		most,
	)
}
