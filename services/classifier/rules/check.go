package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// Check tests the policy. It classifies the examples of each rule, and looks for an attribute that each rule decides.
// It returns a problem for each example with another result, and for each rule that decides none of the attributes that
// are made of its own conditions.
func (e *Engine) Check() []*policy.Problem {
	var all []*policy.Problem
	for _, rule := range slices.Concat(e.policy.Rules, e.policy.Refinements) {
		for _, example := range rule.Examples {
			if text := e.checkExample(&rule, example); text != "" {
				all = append(all, e.policy.ProblemAt(example.Line, text))
			}
		}
		if text := e.checkReachable(&rule); text != "" {
			all = append(all, e.policy.ProblemAt(rule.Line, text))
		}
	}
	return all
}

// checkExample returns what is wrong with the result for an example, or "".
func (e *Engine) checkExample(rule *policy.Rule, example policy.Example) string {
	a := e.Classify(inputOf(example))
	decides := a.decidedBy(rule)
	if decides != example.Counter {
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
	return fmt.Sprintf("%s: the %s %q has another result: %s", title(rule), kind, example.Name, by)
}

// decidedBy reports whether a rule decided the answer, or a refinement changed it.
func (a *Answer) decidedBy(rule *policy.Rule) bool {
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

func title(rule *policy.Rule) string {
	if rule.Refinement {
		return fmt.Sprintf("refinement %q", rule.Name)
	}
	return fmt.Sprintf("rule %q", rule.Name)
}

// checkReachable returns a problem if the rule decides none of its examples and none of the attributes that are made of
// its conditions, or "". Points decide between rules, so this is a search and no proof.
func (e *Engine) checkReachable(rule *policy.Rule) string {
	for _, example := range rule.Examples {
		if !example.Counter {
			return "" // checkExample reports it if it has another result
		}
	}
	winners, n := map[string]int{}, 0
	for in := range e.trials(rule) {
		a := e.Classify(in)
		if a.decidedBy(rule) {
			return ""
		}
		n++
		winners[a.Rule]++
	}
	if rule.Refinement {
		return fmt.Sprintf("%s is unreachable: it changes the answer for none of %d attributes made of its conditions",
			title(rule), n)
	}
	first, most := "no rule", 0
	for _, name := range slices.Sorted(maps.Keys(winners)) {
		if winners[name] > most && name != "" {
			first, most = fmt.Sprintf("the rule %q", name), winners[name]
		}
	}
	return fmt.Sprintf(
		"%s is unreachable: it decides none of %d attributes made of its conditions, of which %s decides %d",
		title(rule),
		n,
		first,
		most,
	)
}
