package rules

import (
	"iter"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// maxTried is the number of phrases of a concept, facet or party that attributes are made of.
const maxTried = 8

// unknownName is the name of trials for rules that require no words.
const unknownName = "zyxwv"

// trialMaker makes attributes of the conditions of rules.
type trialMaker struct{ policy *policy.Policy }

// trials makes attributes of the conditions of a rule: each of its concepts with each of its kinds of value, about its
// party, in its reports. They differ in the order of the words.
func (m trialMaker) trials(rule *policy.Rule) iter.Seq[Input] {
	required := make([]string, 0, len(rule.All))
	for _, id := range rule.All {
		required = append(required, m.phrases(policy.TermConcept, id)[0])
	}
	rest := strings.Join(required, " ")
	return func(yield func(Input) bool) {
		for _, report := range m.reportNames(rule.In) {
			for _, words := range m.alternatives(rule) {
				for _, kind := range m.kinds(rule.Is) {
					for _, party := range m.partyNames(rule.Of) {
						for _, name := range orders(join(words, rest), kind.word, party) {
							in := Input{Report: report, Attribute: schema.Attribute{
								AttributeName: name, DataType: kind.dataType,
								IsPrimaryKey: rule.Marked&policy.MarkPrimaryKey != 0,
								IsCDE:        rule.Marked&policy.MarkCritical != 0,
								IsMandatory:  rule.Marked&policy.MarkMandatory != 0,
							}}
							if !yield(in) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// orders returns names of the same words in different orders.
func orders(words, kind, party string) []string {
	return []string{
		join(party, words, kind), join(words, kind, "of", party), join(kind, "of", words), join(words, party, kind),
	}
}

func join(parts ...string) string {
	name := strings.TrimSpace(strings.Join(strings.Fields(strings.Join(parts, " ")), " "))
	return strings.TrimSuffix(strings.TrimPrefix(name, "of "), " of")
}

// phrases returns the first phrases with a meaning. Each concept and party has at least one.
func (m trialMaker) phrases(kind policy.TermKind, id int) []string {
	var all []string
	for _, p := range m.policy.Phrases {
		if p.Term.Kind == kind && p.Term.ID == id && len(all) < maxTried {
			all = append(all, strings.Join(p.Words, " "))
		}
	}
	return all
}

// alternatives returns the phrases of the concepts of which a rule requires one. A refinement without words may apply
// to any concept.
func (m trialMaker) alternatives(rule *policy.Rule) []string {
	var all []string
	switch {
	case len(rule.Any) > 0:
	case len(rule.All) > 0:
		return []string{""}
	case rule.Refinement:
		for id := range m.policy.Concepts {
			all = append(all, m.phrases(policy.TermConcept, id)[0])
		}
		return all
	default:
		return []string{unknownName}
	}
	for _, id := range rule.Any {
		all = append(all, m.phrases(policy.TermConcept, id)...)
	}
	return all
}

// kindOfValue is a word that names a facet, or a data type that implies one.
type kindOfValue struct{ word, dataType string }

// kinds returns a kind of value for each facet of a set, or one that names no facet if the set is empty.
func (m trialMaker) kinds(facets policy.Set) []kindOfValue {
	all := []kindOfValue{{}}
	for id := range m.policy.Facets {
		if !facets.Has(id) {
			continue
		}
		for _, word := range m.phrases(policy.TermFacet, id) {
			all = append(all, kindOfValue{word: word})
		}
		for _, of := range []struct {
			class    policy.Classes
			dataType string
		}{
			{policy.ClassDate, "DATE"},
			{policy.ClassAmount, "N12.2"},
			{policy.ClassRate, "N6.3"},
			{policy.ClassNumber, "N9"},
			{policy.ClassCode, "C2"},
			{policy.ClassBoolean, "BOOLEAN"},
			{policy.ClassText, "C40"},
			{policy.ClassBinary, "BLOB"},
		} {
			if m.policy.Facets[id].ImpliedBy&of.class != 0 {
				all = append(all, kindOfValue{dataType: of.dataType})
			}
		}
	}
	return all
}

// partyNames returns the phrases of the parties of a set, or no party if the set is empty.
func (m trialMaker) partyNames(parties policy.Set) []string {
	if parties == 0 {
		return []string{""}
	}
	var all []string
	for id := range m.policy.Parties {
		if parties.Has(id) {
			all = append(all, m.phrases(policy.TermParty, id)...)
		}
	}
	return all
}

// reportNames returns a name for each kind of report of a set, or no report if the set is empty.
func (m trialMaker) reportNames(kinds policy.Set) []string {
	if kinds == 0 {
		return []string{""}
	}
	var all []string
	for i := range m.policy.Reports {
		if r := &m.policy.Reports[i]; kinds.Has(r.Kind) && len(r.Patterns) > 0 {
			all = append(all, strings.Join(r.Patterns[0].Parts, " "))
		}
	}
	return all
}
