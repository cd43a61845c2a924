package rules

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Parse reads a policy. The name stands in the messages: every mistake in the text is reported, by line, joined into
// one error whose parts are [*Problem].
func Parse(name string, src []byte) (*Policy, error) {
	found := &problems{file: name}
	b := &builder{
		Policy: &Policy{
			digest: digest(src), lexicon: newLexicon(), columns: columnTable{raisesFrom: defaultRaisesFrom},
			risk: riskTable{leak: map[schema.InformationSecurityClassification]schema.Level{}, errs: map[schema.Level]uint64{}},
			fallback: fallback{
				tier: schema.Confidential, criticality: schema.Medium, personal: no, regulatory: onlyFiled,
				because: "no rule speaks about it", filed: -1,
			},
		},
		problems: found, concepts: map[string]int{}, facets: map[string]int{}, parties: map[string]int{}, kinds: map[string]int{},
		laws: map[string]int{}, phrases: map[string]int{},
	}
	b.build(blocks(src, found))
	if len(found.all) == 0 {
		return b.Policy, nil
	}
	slices.SortStableFunc(found.all, func(x, y *Problem) int { return x.Line - y.Line })
	errs := make([]error, 0, len(found.all))
	for _, problem := range found.all {
		errs = append(errs, problem)
	}
	return nil, errors.Join(errs...)
}

const defaultRaisesFrom = 70

// maxSet is how many facets, parties and kinds of report a policy can have: sets of them are the bits of a word.
const maxSet = 64

// builder makes a policy of its blocks. What blocks refer to is declared first, wherever it stands in the file.
type builder struct {
	*Policy
	*problems

	concepts, facets, parties, kinds, laws map[string]int
	// phrases are the concepts that rules make by naming words themselves.
	phrases map[string]int
}

func (b *builder) build(all []block) {
	b.declareVersion(all)
	for i := range all {
		b.declare(&all[i])
	}
	for i := range all {
		b.define(&all[i])
	}
	b.checkWhole(all)
	b.index()
}

func (b *builder) declareVersion(all []block) {
	if len(all) == 0 {
		b.add(1, "the policy is empty: it begins with the line \"policy VERSION\"")
		return
	}
	if all[0].kind != "policy" {
		b.add(all[0].line, "a policy begins with the line \"policy VERSION\"")
	}
	i := slices.IndexFunc(all, func(x block) bool { return x.kind == "policy" })
	if i < 0 {
		return
	}
	b.version = all[i].name
	if strings.ContainsAny(b.version, " @") {
		b.add(all[i].line, "the version %q has a space or an @: write it like 2026.1", b.version)
	}
}

// declare makes the names known that other blocks may use.
func (b *builder) declare(x *block) {
	switch x.kind {
	case "law":
		text, ok := x.entry("text")
		if !ok {
			b.add(x.line, "law %q has no text: say how it is cited", x.name)
		}
		b.laws[x.name] = len(b.Policy.laws)
		b.Policy.laws = append(b.Policy.laws, law{x.name, text.value})
	case "facet":
		b.facets[x.name] = len(b.Policy.facets)
		b.Policy.facets = append(b.Policy.facets, facet{name: x.name})
		b.checkSize(x, len(b.Policy.facets))
	case "party":
		b.parties[x.name] = len(b.Policy.parties)
		b.Policy.parties = append(b.Policy.parties, x.name)
		b.checkSize(x, len(b.Policy.parties))
	case "concept":
		b.concepts[x.name] = len(b.Policy.concepts)
		b.Policy.concepts = append(b.Policy.concepts, concept{name: x.name, line: x.line})
	case "report":
		if e, ok := x.entry("kind"); ok {
			if _, known := b.kinds[e.value]; !known {
				b.kinds[e.value] = len(b.reportKinds)
				b.reportKinds = append(b.reportKinds, e.value)
				b.checkSize(x, len(b.reportKinds))
			}
		}
	}
}

func (b *builder) checkSize(x *block, n int) {
	if n == maxSet+1 {
		b.add(x.line, "a policy can have %d of these at most", maxSet)
	}
}

func (b *builder) define(x *block) {
	switch x.kind {
	case "facet":
		b.defineFacet(x)
	case "party":
		b.addWords(x, "words", term{kind: partyTerm, id: b.parties[x.name]}, true)
	case "concept":
		b.addWords(x, "words", term{kind: conceptTerm, id: b.concepts[x.name]}, true)
		b.addWords(x, "alone", term{kind: conceptTerm, id: b.concepts[x.name], alone: true}, false)
	case "filler":
		b.addWords(x, "words", term{kind: fillerTerm}, true)
	case "report":
		b.defineReport(x)
	case "risk":
		b.defineRisk(x)
	case "default":
		b.defineFallback(x)
	case "column":
		b.defineColumn(x)
	case "rule", "refine":
		b.defineRule(x)
	}
}

func (b *builder) defineColumn(x *block) {
	if e, ok := x.entry("raises-from"); ok {
		b.columns.raisesFrom = b.percent(x, e)
	}
	b.columns.sums, b.columns.signs = b.set(x, "sums", "facet", b.facets), b.set(x, "signs", "facet", b.facets)
	b.columns.customers = b.set(x, "customers", "party", b.parties)
}

// addWords makes the block's words under a key stand for a term. Two spellings with one normal form are no mistake:
// the dictionary of abbreviations decides about that, and it grows.
func (b *builder) addWords(x *block, key string, t term, needed bool) {
	items := x.list(key, b.problems)
	if needed && len(items) == 0 {
		b.add(x.line, "%s has no words", x.title())
	}
	first := map[string]int{}
	for _, it := range items {
		words := phrase(it.text)
		spelling := strings.ToLower(it.text)
		line, twice := first[spelling]
		switch {
		case len(words) == 0:
			b.add(it.line, "%s: %q has no letter or digit", x.title(), it.text)
		case twice:
			b.add(it.line, "%s has %q twice, first in line %d", x.title(), it.text, line)
		default:
			b.lexicon.add(words, t)
		}
		first[spelling] = it.line
	}
}

func (b *builder) defineFacet(x *block) {
	f := &b.Policy.facets[b.facets[x.name]]
	f.types = b.classes(x, "types")
	f.impliedBy = b.classes(x, "implied-by")
	b.addWords(x, "words", term{kind: facetTerm, id: b.facets[x.name]}, f.impliedBy == 0)
	for _, it := range x.list("begins", b.problems) {
		words := phrase(it.text)
		if len(words) != 1 {
			b.add(it.line, "%s: %q under begins is not one word", x.title(), it.text)
			continue
		}
		b.lexicon.add(words, term{kind: facetTerm, id: b.facets[x.name]})
		f.begins = append(f.begins, words[0])
	}
	if f.types != 0 && f.impliedBy&^f.types != 0 {
		b.add(x.line, "%s is implied by %s, which its types do not have", x.title(), f.impliedBy&^f.types)
	}
}

func (b *builder) classes(x *block, key string) classes {
	var set classes
	for _, it := range x.list(key, b.problems) {
		i := slices.Index(classNames, it.text)
		if i < 0 {
			b.add(it.line, "%s has the unknown type %q%s", x.title(), it.text, didYouMean(it.text, classNames))
			continue
		}
		set |= 1 << i
	}
	if set&textClass != 0 {
		set |= shortTextClass
	}
	return set
}

func (b *builder) defineReport(x *block) {
	r := report{name: x.name, kind: -1, party: -1, laws: b.lawList(x)}
	r.patterns = append(b.patterns(x, "names", false), b.patterns(x, "begins", true)...)
	for _, it := range x.list("mdrm", b.problems) {
		r.mdrm = append(r.mdrm, it.text)
	}
	if len(r.patterns) == 0 && len(r.mdrm) == 0 {
		b.add(x.line, "%s has neither names nor begins nor mdrm: nothing would ever be this report", x.title())
	}
	if e, ok := x.entry("kind"); ok {
		r.kind = b.kinds[e.value]
	}
	if e, ok := x.entry("party"); ok {
		r.party = b.lookup(x, item{e.value, e.line}, "party", b.parties)
	}
	b.reports = append(b.reports, r)
}

func (b *builder) patterns(x *block, key string, leading bool) []pattern {
	var all []pattern
	for _, it := range x.list(key, b.problems) {
		one := pattern{leading: leading}
		for part := range strings.SplitSeq(it.text, "*") {
			if part = squeeze(part).text; part != "" {
				one.parts = append(one.parts, part)
			}
		}
		if len(one.parts) == 0 {
			b.add(it.line, "%s: the name %q has no letter or digit", x.title(), it.text)
			continue
		}
		all = append(all, one)
	}
	return all
}

func (b *builder) defineRisk(x *block) {
	for _, e := range x.entries {
		kind, level, _ := strings.Cut(e.key, " ")
		if kind == "error" {
			b.risk.errs[schema.Level(level)] = b.set(x, e.key, "facet", b.facets)
			continue
		}
		for part := range strings.SplitSeq(e.value, ",") {
			tier := b.tier(x, entry{e.key, strings.TrimSpace(part), e.line})
			if have, ok := b.risk.leak[tier]; ok && tier != "" {
				b.add(e.line, "risk contradicts itself: a leak of %s is %s here and %s above", tier, level, have)
			}
			b.risk.leak[tier] = schema.Level(level)
		}
	}
	for _, tier := range schema.InformationSecurityClassifications() {
		if _, ok := b.risk.leak[tier]; !ok {
			b.add(x.line, "risk does not say what a leak of %s costs", tier)
		}
	}
}

func (b *builder) defineFallback(x *block) {
	f := &b.fallback
	for _, e := range x.entries {
		switch e.key {
		case "tier":
			f.tier = b.tier(x, e)
		case "criticality":
			f.criticality = b.level(x, e)
		case "personal":
			f.personal = b.yesNo(x, e)
		case "regulatory":
			f.regulatory = b.regulatory(x, e)
		case "because":
			f.because = e.value
		case "filed":
			f.filed = b.lookup(x, item{e.value, e.line}, "law", b.laws)
		}
	}
}

// checkWhole finds what only the whole file shows.
func (b *builder) checkWhole(all []block) {
	if len(b.rules) == 0 && len(all) > 0 {
		b.add(all[0].line, "the policy has no rule")
	}
	if len(all) > 0 && !slices.ContainsFunc(all, func(x block) bool { return x.kind == "risk" }) {
		b.add(all[0].line, "the policy has no risk block: say what a leak of each tier costs")
	}
	for _, c := range b.Policy.concepts {
		if !c.used && c.line > 0 {
			b.add(c.line, "concept %q is used by no rule: name it in one, or make its words a filler", c.name)
		}
	}
}

// index prepares what Classify looks up.
func (b *builder) index() {
	b.byConcept = make([][]int, len(b.Policy.concepts))
	for i := range b.rules {
		r := &b.rules[i]
		speaking := r.any
		if len(speaking) == 0 && len(r.all) > 0 {
			speaking = r.all[:1]
		}
		for _, id := range speaking {
			b.byConcept[id] = append(b.byConcept[id], i)
		}
		if len(speaking) == 0 {
			b.wordless = append(b.wordless, i)
		}
	}
}

func (b *builder) percent(x *block, e entry) int {
	n, err := strconv.Atoi(e.value)
	if err != nil || n < 1 || n > 100 {
		b.add(e.line, "%s: %s is %q, which is no whole number from 1 to 100", x.title(), e.key, e.value)
		return 0
	}
	return n
}
