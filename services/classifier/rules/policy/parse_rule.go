package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

func (b *builder) defineRule(x *block) {
	r := Rule{Name: x.name, Group: x.group, Line: x.line, Refinement: x.kind == "refine"}
	b.conditions(x, &r)
	b.answers(x, &r)
	b.checkRule(x, &r)
	if r.Refinement {
		b.policy.Refinements = append(b.policy.Refinements, r)
	} else {
		b.policy.Rules = append(b.policy.Rules, r)
	}
}

func (b *builder) conditions(x *block, r *Rule) {
	r.Any, r.All, r.None = b.conceptList(x, "any"), b.conceptList(x, "all"), b.conceptList(x, "none")
	r.Is, r.IsNot = b.set(x, "is", "facet", b.facets), b.set(x, "is-not", "facet", b.facets)
	r.Of, r.OfNot = b.set(x, "of", "party", b.parties), b.set(x, "of-not", "party", b.parties)
	r.In, r.InNot = b.set(x, "in", kindOfReport, b.kinds), b.set(x, "in-not", kindOfReport, b.kinds)
	for _, it := range x.list("marked", b.problems) {
		i := slices.Index(markNames, it.text)
		if i < 0 {
			b.add(it.line, "%s has the unknown mark %q%s", x.title(), it.text, didYouMean(it.text, markNames))
			continue
		}
		r.Marked |= 1 << i
	}
}

// conceptList reads a list of [concepts] and phrases.
func (b *builder) conceptList(x *block, key string) []int {
	var ids []int
	for _, it := range x.list(key, b.problems) {
		id, ok := b.concept(x, it)
		if ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// concept returns the index of a [concept], or of the unnamed concept that a phrase makes.
func (b *builder) concept(x *block, it item) (int, bool) {
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

// nearest proposes a similar name. It does not list all names if none is similar: there may be hundreds.
func nearest(got string, known map[string]int) string {
	if proposed := didYouMean(got, slices.Sorted(maps.Keys(known))); strings.HasSuffix(proposed, "?") {
		return proposed
	}
	return ": declare it with a headline of its own"
}

// lookup returns the index of a declared name, or reports the name and returns -1.
func (b *builder) lookup(x *block, it item, noun string, known map[string]int) int {
	i, ok := known[it.text]
	if !ok {
		b.add(it.line, "%s names the unknown %s %q%s", x.title(), noun, it.text, hint(it.text, noun, known))
		return -1
	}
	return i
}

// kindOfReport is the noun for the elements of "in". They have no headline of their own: report blocks name the kinds.
const kindOfReport = "kind of report"

func hint(got, noun string, known map[string]int) string {
	if noun != kindOfReport {
		return nearest(got, known)
	}
	if len(known) == 0 {
		return ": no report has a kind"
	}
	return didYouMean(got, slices.Sorted(maps.Keys(known)))
}

func (b *builder) set(x *block, key, noun string, known map[string]int) Set {
	var set Set
	for _, it := range x.list(key, b.problems) {
		if i := b.lookup(x, it, noun, known); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

func (b *builder) lawList(x *block) []int {
	var ids []int
	for _, it := range x.list("laws", b.problems) {
		if i := b.lookup(x, it, "law", b.laws); i >= 0 {
			ids = append(ids, i)
		}
	}
	return ids
}

func (b *builder) answers(x *block, r *Rule) {
	r.Laws = b.lawList(x)
	for _, e := range x.entries {
		switch e.key {
		case "tier":
			r.TierLimit, e.value = cutLimit(e.value)
			r.Tier = b.tier(x, e)
		case "criticality":
			r.CriticalityLimit, e.value = cutLimit(e.value)
			r.Criticality = b.level(x, e)
		case "leak":
			r.Leak = b.level(x, e)
		case "personal":
			r.Personal = b.yesNo(x, e)
		case "regulatory":
			r.Regulatory = b.regulatory(x, e)
		case "because":
			r.Because = strings.TrimSuffix(e.value, ".")
		case "yields":
			r.Yields = b.yesNo(x, e) == FlagYes
		case "certainty":
			r.Certainty = b.percent(x, e)
		}
	}
}

// cutLimit cuts "at least" or "at most" from a value.
func cutLimit(value string) (Limit, string) {
	if rest, ok := strings.CutPrefix(value, "at least "); ok {
		return LimitAtLeast, rest
	}
	if rest, ok := strings.CutPrefix(value, "at most "); ok {
		return LimitAtMost, rest
	}
	return LimitExact, value
}

func (b *builder) tier(x *block, e entry) schema.Tier {
	return oneOf(b, x, e, schema.Tiers())
}

func (b *builder) level(x *block, e entry) schema.Level { return oneOf(b, x, e, schema.Levels()) }

func oneOf[T ~string](b *builder, x *block, e entry, allowed []T) T {
	if slices.Contains(allowed, T(e.value)) {
		return T(e.value)
	}
	names := make([]string, 0, len(allowed))
	for _, a := range allowed {
		names = append(names, string(a))
	}
	b.add(e.line, "%s: %s is %q%s", x.title(), e.key, e.value, didYouMean(e.value, names))
	return ""
}

func (b *builder) yesNo(x *block, e entry) Flag {
	switch e.value {
	case "yes":
		return FlagYes
	case "no":
		return FlagNo
	default:
		b.add(e.line, "%s: %s is %q: use yes or no", x.title(), e.key, e.value)
		return FlagUnset
	}
}

func (b *builder) regulatory(x *block, e entry) Flag {
	if e.value == "only filed" {
		return FlagOnlyFiled
	}
	return b.yesNo(x, e)
}

// checkRule reports a rule that lacks conditions or answers, or that contradicts itself.
func (b *builder) checkRule(x *block, r *Rule) {
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
	b.checkAnswers(x, r, has)
	b.checkContradictions(x, r)
}

func (b *builder) checkAnswers(x *block, r *Rule, has func(...string) bool) {
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

func (b *builder) checkContradictions(x *block, r *Rule) {
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
