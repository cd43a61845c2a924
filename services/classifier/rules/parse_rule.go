package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

func (b *builder) defineRule(x *block) {
	r := rule{name: x.name, group: x.group, line: x.line, refinement: x.kind == "refine"}
	b.conditions(x, &r)
	b.answers(x, &r)
	b.checkRule(x, &r)
	if r.refinement {
		b.refinements = append(b.refinements, r)
	} else {
		b.rules = append(b.rules, r)
	}
}

func (b *builder) conditions(x *block, r *rule) {
	r.any, r.all, r.none = b.conceptList(x, "any"), b.conceptList(x, "all"), b.conceptList(x, "none")
	r.says, r.saysNot = b.set(x, "says", "facet", b.facets), b.set(x, "says-not", "facet", b.facets)
	r.of, r.ofNot = b.set(x, "of", "party", b.parties), b.set(x, "of-not", "party", b.parties)
	r.in, r.inNot = b.set(x, "in", kindOfReport, b.kinds), b.set(x, "in-not", kindOfReport, b.kinds)
	for _, it := range x.list("marked", b.problems) {
		i := slices.Index(markNames, it.text)
		if i < 0 {
			b.add(it.line, "%s has the unknown mark %q%s", x.title(), it.text, didYouMean(it.text, markNames))
			continue
		}
		r.marked |= 1 << i
	}
}

// markNames are the marks in the order of their bits.
var markNames = []string{"primary key", "critical", "mandatory"}

// conceptList reads a list of [concepts] and of words that stand for themselves.
func (b *builder) conceptList(x *block, key string) []int {
	var ids []int
	for _, it := range x.list(key, b.problems) {
		id, ok := b.concept(x, it)
		if !ok {
			continue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

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
		b.Policy.concepts[id].used = true
		return id, true
	}
	words := phrase(it.text)
	if len(words) == 0 {
		b.add(it.line, "%s: %q has no letter or digit", x.title(), it.text)
		return 0, false
	}
	text := strings.Join(words, " ")
	id, known := b.phrases[text]
	if !known {
		id = len(b.Policy.concepts)
		b.phrases[text] = id
		b.Policy.concepts = append(b.Policy.concepts, concept{name: text, used: true})
		b.lexicon.add(words, term{kind: conceptTerm, id: id})
	}
	return id, true
}

// nearest proposes a name that is like the wrong one. It does not list them all: there may be hundreds.
func nearest(got string, known map[string]int) string {
	if proposed := didYouMean(got, slices.Sorted(maps.Keys(known))); strings.HasSuffix(proposed, "?") {
		return proposed
	}
	return ": declare it with a headline of its own"
}

// lookup gives the index of a declared name, or -1.
func (b *builder) lookup(x *block, it item, what string, known map[string]int) int {
	i, ok := known[it.text]
	if !ok {
		b.add(it.line, "%s names the unknown %s %q%s", x.title(), what, it.text, hint(it.text, what, known))
		return -1
	}
	return i
}

// kindOfReport is what "in" lists. It has no headline of its own: report blocks name the kinds.
const kindOfReport = "kind of report"

func hint(got, what string, known map[string]int) string {
	if what != kindOfReport {
		return nearest(got, known)
	}
	if len(known) == 0 {
		return ": no report has a kind"
	}
	return didYouMean(got, slices.Sorted(maps.Keys(known)))
}

func (b *builder) set(x *block, key, what string, known map[string]int) uint64 {
	var set uint64
	for _, it := range x.list(key, b.problems) {
		if i := b.lookup(x, it, what, known); i >= 0 {
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

func (b *builder) answers(x *block, r *rule) {
	r.laws = b.lawList(x)
	for _, e := range x.entries {
		switch e.key {
		case "tier":
			r.tierLimit, e.value = bound(e.value)
			r.tier = b.tier(x, e)
		case "criticality":
			r.criticalityLimit, e.value = bound(e.value)
			r.criticality = b.level(x, e)
		case "leak":
			r.leak = b.level(x, e)
		case "personal":
			r.personal = b.yesNo(x, e)
		case "regulatory":
			r.regulatory = b.regulatory(x, e)
		case "because":
			r.because = strings.TrimSuffix(e.value, ".")
		case "yields":
			r.yields = b.yesNo(x, e) == yes
		case "certainty":
			r.certainty = b.percent(x, e)
		}
	}
}

// bound takes "at least" or "at most" from a value.
func bound(value string) (limit, string) {
	if rest, ok := strings.CutPrefix(value, "at least "); ok {
		return atLeast, rest
	}
	if rest, ok := strings.CutPrefix(value, "at most "); ok {
		return atMost, rest
	}
	return exactly, value
}

func (b *builder) tier(x *block, e entry) schema.InformationSecurityClassification {
	return oneOf(b, x, e, schema.InformationSecurityClassifications())
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

func (b *builder) yesNo(x *block, e entry) answer {
	switch e.value {
	case "yes":
		return yes
	case "no":
		return no
	default:
		b.add(e.line, "%s: %s is %q: it is yes or no", x.title(), e.key, e.value)
		return unsaid
	}
}

func (b *builder) regulatory(x *block, e entry) answer {
	if e.value == "only filed" {
		return onlyFiled
	}
	return b.yesNo(x, e)
}

// checkRule refuses rules that say nothing, ask nothing, or contradict themselves.
func (b *builder) checkRule(x *block, r *rule) {
	if len(x.entries) == 0 {
		b.add(x.line, "%s is empty", x.title())
		return
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(x.entries, func(e entry) bool { return slices.Contains(keys, e.key) })
	}
	if !has(conditionLists...) {
		b.add(x.line, "%s has no condition: it would answer everything, which the block \"default\" is for", x.title())
	} else if !has("any", "all", "says", "of", "in", "marked") {
		b.add(x.line, "%s only says what must not be: add what must", x.title())
	}
	b.checkAnswers(x, r, has)
	b.checkContradictions(x, r)
}

func (b *builder) checkAnswers(x *block, r *rule, has func(...string) bool) {
	if !has("because") {
		b.add(x.line, "%s does not say why: add a line \"because: ...\"", x.title())
	}
	if r.refinement {
		if !has("tier", "personal", "criticality", "leak", "regulatory", "laws", "certainty") {
			b.add(x.line, "%s changes nothing: add the answer that it is for", x.title())
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
			b.add(e.line, "%s: %s is %q: limits are for refinements, a rule answers", x.title(), key, e.value)
		}
	}
}

func (b *builder) checkContradictions(x *block, r *rule) {
	for _, id := range r.none {
		if slices.Contains(r.any, id) || slices.Contains(r.all, id) {
			b.add(x.line, "%s contradicts itself: it wants %q and refuses it", x.title(), b.Policy.concepts[id].name)
		}
	}
	for _, pair := range []struct {
		key       string
		want, not uint64
	}{{"says", r.says, r.saysNot}, {"of", r.of, r.ofNot}, {"in", r.in, r.inNot}} {
		if pair.want&pair.not != 0 {
			b.add(x.line, "%s contradicts itself: %q and %q have an element in common", x.title(), pair.key, pair.key+"-not")
		}
	}
	if r.tier == schema.HRCI && r.tierLimit != atMost && (r.leak == schema.Low || r.leak == schema.Medium) {
		b.add(x.line, "%s contradicts itself: a leak of HRCI is never %s", x.title(), r.leak)
	}
	if r.yields && len(r.any)+len(r.all) == 0 {
		b.add(x.line, "%s has no words that could yield: leave out \"yields\"", x.title())
	}
	if (r.regulatory == no || r.regulatory == onlyFiled) && len(r.laws) > 0 {
		b.add(x.line, "%s contradicts itself: it names laws and says that none applies", x.title())
	}
	if r.personal == yes && r.tier == schema.Public && r.leak != schema.Low {
		b.add(x.line, "%s contradicts itself: what is personal is Public only for people who are not customers, "+
			"so say \"leak: Low\"", x.title())
	}
}
