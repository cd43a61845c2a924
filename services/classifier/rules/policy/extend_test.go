package policy

import (
	"slices"
	"strings"
	"testing"
)

const extension = `policy acme-1
extends built-in

extend concept score
  words: zyxwv score
remove rule model year
override rule allowance
  any: [allowance]
  tier: Confidential
  personal: no
  criticality: Low
  because: our allowances are our own business
extend rule balance
  certainty: 33
group Ours
concept gizmo
  words: gizmo
rule gizmo
  any: [gizmo]
  tier: Proprietary
  personal: no
  criticality: Low
  because: gizmos are ours
filler
  words: acme
`

func ruleNamed(t *testing.T, p *Policy, name string) *Rule {
	t.Helper()
	i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no rule %q", name)
	}
	return &p.Rules[i]
}

func TestParse_ExtendsTheBuiltInPolicy(t *testing.T) {
	t.Parallel()
	p, err := Parse("acme.policy", []byte(extension))
	if err != nil {
		t.Fatal(err)
	}
	base := Default()
	if p.Version != "acme-1" || p.Digest == base.Digest {
		t.Errorf("got version %q and digest %s, want acme-1 and another digest than %s",
			p.Version, p.Digest, base.Digest)
	}
	if got, want := len(p.Rules), len(base.Rules); got != want {
		t.Errorf("rules: got %d, want %d: one is added and one removed", got, want)
	}
	if slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Name == "model year" }) {
		t.Error("the rule \"model year\" is not removed")
	}
	if r := ruleNamed(t, p, "allowance"); r.Tier != "Confidential" || r.Is != 0 || r.Group == "Ours" {
		t.Errorf("the rule that is overridden: got %+v, want it overridden in place", r)
	}
	old, r := ruleNamed(t, base, "balance"), ruleNamed(t, p, "balance")
	if r.Certainty != 33 || !slices.Equal(r.None, old.None) || r.Because != old.Because {
		t.Errorf("the rule that is extended: got %+v, want %+v with another certainty", r, old)
	}
	if got := ruleNamed(t, p, "gizmo").Group; got != "Ours" {
		t.Errorf("group of the new rule: got %q, want Ours", got)
	}
	if !slices.ContainsFunc(p.Phrases, func(f Phrase) bool {
		return slices.Equal(f.Words, []string{"zyxwv", "score"}) && p.TermName(f.Term) == "score"
	}) {
		t.Error("the concept that is extended lacks its new words")
	}
	if got := p.ProblemAt(ruleNamed(t, p, "gizmo").Line, "x").Error(); got != "acme.policy:18: x" {
		t.Errorf("position of the new rule: got %q, want acme.policy:18: x", got)
	}
	if got := p.ProblemAt(old.Line, "x").Error(); !strings.HasPrefix(got, "default.policy:") {
		t.Errorf("position of an inherited rule: got %q, want one in default.policy", got)
	}
}

func TestParse_ReportsMistakesInExtensions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"another", "extends other", `mine:2: extends "other": only the policy "built-in" can be extended`},
		{
			"unknown", "extends built-in\nremove rule balanxe",
			`mine:3: remove rule "balanxe": there is no such rule: did you mean "balance"?`,
		},
		{
			"nameless", "extends built-in\nremove",
			"mine:3: remove needs the kind and the name of a block: remove rule NAME",
		},
		{
			"entries", "extends built-in\nremove rule balance\n  any: x",
			`mine:3: remove rule "balance" takes no entries`,
		},
		{
			"a group", "extends built-in\nremove group scores",
			`mine:3: remove group "scores": a group cannot be changed`,
		},
		{
			"again", "extends built-in\nrule balance\n  any: x",
			`mine:3: rule "balance" exists in the built-in policy: begin with "override" to replace it or "extend" ` +
				`to add to it, or use another name`,
		},
		{
			"twice", "extends built-in\nconcept aa\n  words: b\nconcept aa\n  words: c",
			`mine:5: concept "aa" appears twice, first in line 3: give one of them another name`,
		},
		{
			"concept", "extends built-in\nextend rule balance\n  any: [baalance]",
			`mine:4: rule "balance" names the unknown concept "baalance": did you mean "balance"?`,
		},
		{
			"unused", "extends built-in\nconcept aa\n  words: b",
			`mine:3: concept "aa" is used by no rule`,
		},
		{
			"removed", "extends built-in\nremove concept balance",
			`names the unknown concept "balance"`,
		},
		{
			"whole", "override rule balance\n  any: x",
			`mine:2: override rule "balance": only a policy with the headline "extends built-in" can change another`,
		},
		{
			"example", "extends built-in\nextend rule balance\n  example: a | b | c | d | critical | e",
			`mine:4: rule "balance": the example "a | b | c | d | critical | e" is not of the form NAME | TYPE | ` +
				`TABLE | REPORT | MARK`,
		},
		{"version", "extends built-in\npolicy 2", `mine:3: policy "2" appears twice, first in line 1: combine them`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("mine", []byte("policy 1\n"+tt.text+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
