package policy

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// Parse parses the text of a policy. The name is the file's name in messages. If the text has mistakes, Parse returns
// all of them, ordered by line, as one joined error whose parts are of type [*Problem]. A policy with the headline
// "extends" changes the built-in one.
func Parse(name string, text []byte) (*Policy, error) {
	report := &problems{sources: sources{{file: name}}}
	if !extendsAnother(text) {
		all := readBlocks(text, 0, report)
		checkUnchanging(all, report)
		return build(all, digest(text), report)
	}
	before := bytes.Count(defaultText, []byte("\n"))
	report.sources = sources{{file: defaultFile}, {file: name, before: before}}
	base, extension := readBlocks(defaultText, 0, report), readBlocks(text, before, report)
	if len(extension) > 0 && extension[0].kind != "policy" {
		report.add(extension[0].line, "a policy begins with the line \"policy VERSION\"")
	}
	return build(merge(base, extension, report), digest(slices.Concat(defaultText, text)), report)
}

// build makes a policy from its blocks.
func build(all []block, digest string, report *problems) (*Policy, error) {
	b := &builder{
		policy: &Policy{
			Digest:  digest,
			sources: report.sources,
			Columns: Columns{RaisesFrom: defaultRaisesFrom},
			Risk: Risk{
				Leak:   map[schema.Tier]schema.Level{},
				Errors: map[schema.Level]Set{},
			},
			Fallback: Fallback{
				Tier: schema.TierConfidential, Criticality: schema.LevelMedium, Personal: FlagNo,
				Regulatory: FlagOnlyFiled,
				Because:    "no rule is about it", Filed: -1,
			},
		},
		problems: report,
		concepts: map[string]int{}, facets: map[string]int{}, parties: map[string]int{}, kinds: map[string]int{},
		laws: map[string]int{}, unnamed: map[string]int{}, used: map[int]bool{},
	}
	checkNames(all, report)
	b.build(all)
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.policy, nil
}

const defaultRaisesFrom = 70

// maxSet is the number of facets, parties or kinds of report that a [Set] can hold.
const maxSet = 64

// builder makes a policy from its blocks. It declares all names first, so that blocks may refer to later ones.
type builder struct {
	policy *Policy
	*problems

	// The indexes of what the policy declares, by name.
	concepts, facets, parties, kinds, laws map[string]int
	// unnamed are the concepts of phrases that rules list without brackets, by their words.
	unnamed map[string]int
	// used are the concepts that rules refer to.
	used map[int]bool
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
	b.policy.Version = all[i].name
	if strings.ContainsAny(b.policy.Version, " @") {
		b.add(all[i].line, "the version %q has a space or an @: write it like 2026.1", b.policy.Version)
	}
}

// declare records the name of a block, which other blocks may use.
func (b *builder) declare(x *block) {
	switch x.kind {
	case "law":
		text, ok := x.entry("text")
		if !ok {
			b.add(x.line, "law %q has no text: add the citation", x.name)
		}
		b.laws[x.name] = len(b.policy.Laws)
		b.policy.Laws = append(b.policy.Laws, Law{x.name, text.value})
	case "facet":
		b.facets[x.name] = len(b.policy.Facets)
		b.policy.Facets = append(b.policy.Facets, Facet{Name: x.name})
		b.checkSize(x, len(b.policy.Facets))
	case "party":
		b.parties[x.name] = len(b.policy.Parties)
		b.policy.Parties = append(b.policy.Parties, x.name)
		b.checkSize(x, len(b.policy.Parties))
	case "concept":
		b.concepts[x.name] = len(b.policy.Concepts)
		b.policy.Concepts = append(b.policy.Concepts, x.name)
	case "report":
		if e, ok := x.entry("kind"); ok {
			if _, known := b.kinds[e.value]; !known {
				b.kinds[e.value] = len(b.policy.ReportKinds)
				b.policy.ReportKinds = append(b.policy.ReportKinds, e.value)
				b.checkSize(x, len(b.policy.ReportKinds))
			}
		}
	}
}

func (b *builder) checkSize(x *block, n int) {
	if n == maxSet+1 {
		b.add(x.line, "a policy can have at most %d of these", maxSet)
	}
}

func (b *builder) define(x *block) {
	switch x.kind {
	case "facet":
		b.defineFacet(x)
	case "party":
		b.addWords(x, "words", Term{Kind: TermParty, ID: b.parties[x.name]}, true)
	case "concept":
		_, alone := x.entry("alone")
		b.addWords(x, "words", Term{Kind: TermConcept, ID: b.concepts[x.name]}, !alone)
		b.addWords(x, "alone", Term{Kind: TermConcept, ID: b.concepts[x.name], Alone: true}, false)
	case "filler":
		b.addWords(x, "words", Term{Kind: TermFiller}, true)
	case "report":
		b.defineReport(x)
	case "risk":
		b.defineRisk(x)
	case "default":
		b.defineFallback(x)
	case "column":
		b.defineColumn(x)
	case "rule", "refine":
		ruleBuilder{builder: b, block: x}.buildRule()
	}
}

func (b *builder) defineColumn(x *block) {
	c := &b.policy.Columns
	if e, ok := x.entry("raises-from"); ok {
		c.RaisesFrom = readPercent(b.problems, x, e)
	}
	c.Sums, c.Signs = b.set(x, "sums", "facet", b.facets), b.set(x, "signs", "facet", b.facets)
	c.Customers = b.set(x, "customers", "party", b.parties)
}

// addPhrase gives words a meaning.
func (b *builder) addPhrase(text []string, t Term) {
	b.policy.Phrases = append(b.policy.Phrases, Phrase{text, t})
}

// addWords gives the block's words under a key the meaning t. Two spellings with the same normal form are no mistake:
// they depend on the dictionary of abbreviations, which grows.
func (b *builder) addWords(x *block, key string, t Term, needed bool) {
	items := x.list(key, b.problems)
	if needed && len(items) == 0 {
		b.add(x.line, "%s has no words", x.title())
	}
	first := map[string]int{}
	for _, it := range items {
		normal := words.Split(it.text)
		spelling := strings.ToLower(it.text)
		line, twice := first[spelling]
		switch {
		case len(normal) == 0:
			b.add(it.line, "%s: %q has no letter or digit", x.title(), it.text)
		case twice:
			b.add(it.line, "%s has %q twice, first in line %d", x.title(), it.text, line)
		default:
			b.addPhrase(normal, t)
		}
		first[spelling] = it.line
	}
}

func (b *builder) defineFacet(x *block) {
	t := Term{Kind: TermFacet, ID: b.facets[x.name]}
	f := &b.policy.Facets[t.ID]
	f.Types = b.classes(x, "types")
	f.ImpliedBy = b.classes(x, "implied-by")
	b.addWords(x, "words", t, f.ImpliedBy == 0)
	for _, it := range x.list("begins", b.problems) {
		normal := words.Split(it.text)
		if len(normal) != 1 {
			b.add(it.line, "%s: %q under begins is not one word", x.title(), it.text)
			continue
		}
		b.addPhrase(normal, t)
		f.Begins = append(f.Begins, normal[0])
	}
	if f.Types != 0 && f.ImpliedBy&^f.Types != 0 {
		b.add(x.line, "%s is implied by %s, which its types do not have", x.title(), f.ImpliedBy&^f.Types)
	}
}

func (b *builder) classes(x *block, key string) Classes {
	var set Classes
	for _, it := range x.list(key, b.problems) {
		i := slices.Index(classNames, it.text)
		if i < 0 {
			b.add(it.line, "%s has the unknown type %q%s", x.title(), it.text, didYouMean(it.text, classNames))
			continue
		}
		set |= 1 << i
	}
	if set&ClassText != 0 {
		set |= ClassShortText
	}
	return set
}

func (b *builder) defineReport(x *block) {
	r := Report{Name: x.name, Kind: -1, Party: -1, Laws: b.lawList(x)}
	r.Patterns = append(b.patterns(x, "names", false), b.patterns(x, "begins", true)...)
	for _, it := range x.list("mdrm", b.problems) {
		r.MDRM = append(r.MDRM, it.text)
	}
	if len(r.Patterns) == 0 && len(r.MDRM) == 0 {
		b.add(x.line, "%s has neither names nor begins nor mdrm: no report can match it", x.title())
	}
	if e, ok := x.entry("kind"); ok {
		r.Kind = b.kinds[e.value]
	}
	if e, ok := x.entry("party"); ok {
		r.Party = b.lookup(x, item{e.value, e.line}, "party", b.parties)
	}
	b.policy.Reports = append(b.policy.Reports, r)
}

func (b *builder) patterns(x *block, key string, leading bool) []Pattern {
	var all []Pattern
	for _, it := range x.list(key, b.problems) {
		one := Pattern{Leading: leading}
		for part := range strings.SplitSeq(it.text, "*") {
			if part = normalize(part).text; part != "" {
				one.Parts = append(one.Parts, part)
			}
		}
		if len(one.Parts) == 0 {
			b.add(it.line, "%s: the name %q has no letter or digit", x.title(), it.text)
			continue
		}
		all = append(all, one)
	}
	return all
}

func (b *builder) defineRisk(x *block) {
	risk := &b.policy.Risk
	for _, e := range x.entries {
		kind, level, _ := strings.Cut(e.key, " ")
		if kind == "error" {
			risk.Errors[schema.Level(level)] = b.set(x, e.key, "facet", b.facets)
			continue
		}
		for part := range strings.SplitSeq(e.value, ",") {
			tier := readTier(b.problems, x, entry{e.key, strings.TrimSpace(part), e.line})
			if have, ok := risk.Leak[tier]; ok && tier != "" {
				b.add(e.line, "risk contradicts itself: a leak of %s is %s here and %s above", tier, level, have)
			}
			risk.Leak[tier] = schema.Level(level)
		}
	}
	for _, tier := range schema.Tiers() {
		if _, ok := risk.Leak[tier]; !ok {
			b.add(x.line, "risk has no leak level for %s", tier)
		}
	}
}

func (b *builder) defineFallback(x *block) {
	f := &b.policy.Fallback
	for _, e := range x.entries {
		switch e.key {
		case "tier":
			f.Tier = readTier(b.problems, x, e)
		case "criticality":
			f.Criticality = readLevel(b.problems, x, e)
		case "personal":
			f.Personal = readFlag(b.problems, x, e)
		case "regulatory":
			f.Regulatory = readRegulatory(b.problems, x, e)
		case "because":
			f.Because = e.value
		case "filed":
			f.Filed = b.lookup(x, item{e.value, e.line}, "law", b.laws)
		}
	}
}

// checkWhole reports missing parts of the file and unused concepts.
func (b *builder) checkWhole(all []block) {
	if len(b.policy.Rules) == 0 && len(all) > 0 {
		b.add(all[0].line, "the policy has no rule")
	}
	if len(all) > 0 && !slices.ContainsFunc(all, func(x block) bool { return x.kind == "risk" }) {
		b.add(all[0].line, "the policy has no risk block: add one with the risk of a leak of each tier")
	}
	for _, x := range all {
		inherited := len(b.sources) > 1 && x.line <= b.sources[1].before // its rules may have been removed
		if x.kind == "concept" && !b.used[b.concepts[x.name]] && !inherited {
			b.add(x.line, "concept %q is used by no rule: name it in one, or make its words a filler", x.name)
		}
	}
}

// nearest proposes a similar name. It does not list all names if none is similar: there may be hundreds.
func nearest(got string, known map[string]int) string {
	return cmp.Or(similar(got, slices.Sorted(maps.Keys(known))), ": declare it with a headline of its own")
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
