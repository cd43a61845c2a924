package policy

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// ruleBuilder makes a rule or a refinement from its block.
type ruleBuilder struct {
	*builder
	block *block
}

func (b ruleBuilder) buildRule() {
	x := b.block
	r := Rule{Name: x.name, Group: x.group, Line: x.line, Refinement: x.kind == "refine"}
	b.conditions(&r)
	b.answers(&r)
	b.check(&r)
	if r.Refinement {
		b.policy.Refinements = append(b.policy.Refinements, r)
	} else {
		b.policy.Rules = append(b.policy.Rules, r)
	}
}

func (b ruleBuilder) conditions(r *Rule) {
	x := b.block
	r.Any, r.All, r.None = b.conceptList("any"), b.conceptList("all"), b.conceptList("none")
	r.Is, r.IsNot = b.set(x, "is", "facet", b.facets), b.set(x, "is-not", "facet", b.facets)
	r.Of, r.OfNot = b.set(x, "of", "party", b.parties), b.set(x, "of-not", "party", b.parties)
	r.In, r.InNot = b.set(x, "in", kindOfReport, b.kinds), b.set(x, "in-not", kindOfReport, b.kinds)
	for _, it := range x.list("marked", b.problems) {
		r.Marked |= b.mark(it)
	}
}

func (b ruleBuilder) mark(it item) Marks {
	i := slices.Index(markNames, it.text)
	if i < 0 {
		b.add(it.line, "%s has the unknown mark %q%s", b.block.title(), it.text, didYouMean(it.text, markNames))
		return 0
	}
	return 1 << i
}

// conceptList reads a list of [concepts] and phrases.
func (b ruleBuilder) conceptList(key string) []int {
	var ids []int
	for _, it := range b.block.list(key, b.problems) {
		id, ok := b.concept(it)
		if ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// concept returns the index of a [concept], or of the unnamed concept that a phrase makes.
func (b ruleBuilder) concept(it item) (int, bool) {
	x := b.block
	if name, ok := strings.CutPrefix(it.text, "["); ok {
		name, closed := strings.CutSuffix(name, "]")
		if !closed {
			b.add(it.line, "%s: %q has no closing bracket", x.title(), it.text)
			return 0, false
		}
		id, known := b.concepts[strings.TrimSpace(name)]
		if !known {
			b.add(it.line, "%s names the unknown concept %q%s", x.title(), name, nearest(name, b.concepts))
			return 0, false
		}
		b.used[id] = true
		return id, true
	}
	normal := words.Split(it.text)
	if len(normal) == 0 {
		b.add(it.line, "%s: %q has no letter or digit", x.title(), it.text)
		return 0, false
	}
	text := strings.Join(normal, " ")
	id, known := b.unnamed[text]
	if !known {
		id = len(b.policy.Concepts)
		b.unnamed[text] = id
		b.policy.Concepts = append(b.policy.Concepts, text)
		b.addPhrase(normal, Term{Kind: TermConcept, ID: id})
	}
	return id, true
}

func (b ruleBuilder) answers(r *Rule) {
	x := b.block
	r.Laws = b.lawList(x)
	for _, e := range x.entries {
		switch e.key {
		case "tier":
			r.TierLimit, e.value = cutLimit(e.value)
			r.Tier = readTier(b.problems, x, e)
		case "criticality":
			r.CriticalityLimit, e.value = cutLimit(e.value)
			r.Criticality = readLevel(b.problems, x, e)
		case "leak":
			r.Leak = readLevel(b.problems, x, e)
		case "personal":
			r.Personal = readFlag(b.problems, x, e)
		case "regulatory":
			r.Regulatory = readRegulatory(b.problems, x, e)
		case "because":
			r.Because = strings.TrimSuffix(e.value, ".")
		case "yields":
			r.Yields = readFlag(b.problems, x, e) == FlagYes
		case "by-table":
			r.ByTable = readByTable(b.problems, x, e)
		case "example", "counterexample":
			r.Examples = append(r.Examples, b.example(e))
		case "certainty":
			r.Certainty = readPercent(b.problems, x, e)
		}
	}
}

// example reads "NAME | TYPE | TABLE | REPORT | MARK", of which all parts but the name are optional.
func (b ruleBuilder) example(e entry) Example {
	var parts [5]string
	all := strings.Split(e.value, "|")
	if len(all) > len(parts) || strings.TrimSpace(all[0]) == "" {
		b.add(e.line, "%s: the %s %q is not of the form NAME | TYPE | TABLE | REPORT | MARK",
			b.block.title(), e.key, e.value)
		return Example{}
	}
	for i, part := range all {
		parts[i] = strings.TrimSpace(part)
	}
	var marks Marks
	if parts[4] != "" {
		marks = b.mark(item{parts[4], e.line})
	}
	return Example{
		Name: parts[0], DataType: parts[1], Table: parts[2], Report: parts[3], Marks: marks,
		Counter: e.key == "counterexample", Line: e.line,
	}
}

// check reports a rule that lacks conditions or answers, or that contradicts itself.
func (b ruleBuilder) check(r *Rule) {
	x := b.block
	if len(x.entries) == 0 {
		b.add(x.line, "%s is empty", x.title())
		return
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(x.entries, func(e entry) bool { return slices.Contains(keys, e.key) })
	}
	if !has(conditionLists...) {
		b.add(
			x.line,
			"%s has no condition: it would fit every attribute; use the block \"default\" for that",
			x.title(),
		)
	} else if !has("any", "all", "is", "of", "in", "marked") {
		b.add(x.line, "%s has only conditions that exclude: add one that requires something", x.title())
	}
	b.checkAnswers(r, has)
	b.checkContradictions(r)
}

func (b ruleBuilder) checkAnswers(r *Rule, has func(...string) bool) {
	x := b.block
	if !has("because") {
		b.add(x.line, "%s has no reason: add a line \"because: ...\"", x.title())
	}
	if r.Refinement {
		if !has("tier", "personal", "criticality", "leak", "regulatory", "laws", "certainty") {
			b.add(x.line, "%s changes nothing: add an answer", x.title())
		}
		return
	}
	for _, key := range []string{"tier", "personal", "criticality"} {
		if !has(key) {
			b.add(x.line, "%s does not answer %q", x.title(), key)
		}
	}
	for _, key := range []string{"tier", "criticality"} {
		if e, ok := x.entry(key); ok && strings.HasPrefix(e.value, "at ") {
			b.add(e.line, "%s: %s is %q: only refinements have limits", x.title(), key, e.value)
		}
	}
}

func (b ruleBuilder) checkContradictions(r *Rule) {
	x := b.block
	for _, id := range r.None {
		if slices.Contains(r.Any, id) || slices.Contains(r.All, id) {
			b.add(x.line, "%s contradicts itself: it requires %q and excludes it", x.title(), b.policy.Concepts[id])
		}
	}
	for _, pair := range []struct {
		key       string
		want, not Set
	}{{"is", r.Is, r.IsNot}, {"of", r.Of, r.OfNot}, {"in", r.In, r.InNot}} {
		if pair.want&pair.not != 0 {
			b.add(x.line, "%s contradicts itself: %q and %q have an element in common",
				x.title(), pair.key, pair.key+"-not")
		}
	}
	if r.Tier == schema.TierHRCI && r.TierLimit != LimitAtMost &&
		(r.Leak == schema.LevelLow || r.Leak == schema.LevelMedium) {
		b.add(x.line, "%s contradicts itself: a leak of HRCI is never %s", x.title(), r.Leak)
	}
	if r.Yields && len(r.Any)+len(r.All) == 0 {
		b.add(x.line, "%s requires no words: leave out \"yields\"", x.title())
	}
	if (r.Regulatory == FlagNo || r.Regulatory == FlagOnlyFiled) && len(r.Laws) > 0 {
		b.add(x.line, "%s contradicts itself: it names laws, and \"regulatory\" excludes laws", x.title())
	}
	if r.Personal == FlagYes && r.Tier == schema.TierPublic && r.Leak != schema.LevelLow {
		b.add(x.line, "%s contradicts itself: personal data is Public only for people who are not customers; "+
			"add \"leak: Low\"", x.title())
	}
}
