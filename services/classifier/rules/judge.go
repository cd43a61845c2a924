package rules

import (
	"slices"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
)

// judge compares the rules of a policy with readings.
type judge struct {
	policy *policy.Policy
	// byConcept are the rules that an occurrence of a concept may make fit, by the index of the concept.
	byConcept [][]int
	// wordless are the rules that may fit without a concept.
	wordless []int
}

func newJudge(p *policy.Policy) judge {
	j := judge{policy: p, byConcept: make([][]int, len(p.Concepts))}
	for i := range p.Rules {
		required := p.Rules[i].Any
		if len(required) == 0 && len(p.Rules[i].All) > 0 {
			required = p.Rules[i].All[:1]
		}
		for _, concept := range required {
			j.byConcept[concept] = append(j.byConcept[concept], i)
		}
		if len(required) == 0 {
			j.wordless = append(j.wordless, i)
		}
	}
	return j
}

// judgement is the rules and refinements that a reading meets.
type judgement struct {
	policy  *policy.Policy
	reading *reading.Reading
	// fitting are the rules that fit, the best first.
	fitting []ruleMatch
	// failed are the rules whose words occur but whose other conditions fail, the best first.
	failed []ruleMatch
	// refined are the refinements that apply, in the order of the file.
	refined []ruleMatch
}

// ruleMatch is the result of comparing a rule with a reading.
type ruleMatch struct {
	rule   *policy.Rule
	words  wordSource
	points int
	// matched are the occurrences of the rule's words. A rule with more than four conditions on words records four.
	matched [4]int
	n       int
	failure failure
	// weakest is the place of the weakest of the rule's words.
	weakest reading.Place
}

// wordSource is the part of the input that has the words of a rule.
type wordSource uint8

const (
	// noWords is for rules that require no words, or only words for a kind of value.
	noWords wordSource = iota
	outsideNames
	inNames
)

// failure is the condition of a rule that a reading does not meet.
type failure struct {
	reason failureReason
	// at is the occurrence that the rule excludes.
	at int
}

type failureReason uint8

const (
	noFailure failureReason = iota
	lacksWords
	hasExcludedWord
	wrongFacet
	wrongParty
	wrongReport
	wrongMark
)

// match compares the rules and refinements of the policy with a reading. It looks only at rules of which a concept
// occurs and at those that need no concept.
func (j *judge) match(r *reading.Reading) *judgement {
	g := &judgement{policy: j.policy, reading: r}
	var buffer [16]uint64 // a bit for each rule that has been compared
	seen := buffer[:]
	if need := len(j.policy.Rules)/64 + 1; need > len(seen) {
		seen = make([]uint64, need)
	}
	consider := func(i int) {
		if seen[i/64]&(1<<(i%64)) == 0 {
			seen[i/64] |= 1 << (i % 64)
			g.consider(&j.policy.Rules[i])
		}
	}
	for i := range r.Occurrences {
		if t := r.Occurrences[i].Term; t.Kind == policy.TermConcept {
			for _, rule := range j.byConcept[t.ID] {
				consider(rule)
			}
		}
	}
	for _, rule := range j.wordless {
		consider(rule)
	}
	slices.SortFunc(g.fitting, compare)
	slices.SortFunc(g.failed, compare)
	g.preferName()
	g.preferSafety()
	for i := range j.policy.Refinements {
		m := matchRule(&j.policy.Refinements[i], r)
		if m.failure.reason == noFailure && !m.isGuess(r) {
			g.refined = append(g.refined, m)
		}
	}
	return g
}

func (g *judgement) consider(rule *policy.Rule) {
	switch m := matchRule(rule, g.reading); {
	case m.failure.reason == noFailure:
		g.fitting = append(g.fitting, m)
	case m.words != noWords && m.failure.reason != lacksWords:
		g.failed = append(g.failed, m)
	}
}

// compare orders matches, the best first: rules with words in the names, then those with words outside the names, then
// those without words. Of these the rule with more points is better; of equal points the one that protects more, and
// then the first in the file.
func compare(a, b ruleMatch) int {
	switch {
	case a.words != b.words:
		return int(b.words) - int(a.words)
	case a.points != b.points:
		return b.points - a.points
	case a.rule.Tier != b.rule.Tier && a.rule.Tier.Protects(b.rule.Tier):
		return -1
	case a.rule.Tier != b.rule.Tier:
		return 1
	default:
		return a.rule.Line - b.rule.Line
	}
}

// preferName moves a rule for the kind of value that the name states before the winner, if the winner depends on a
// description or a table and protects less: text outside the name may raise the protection, not lower it.
func (g *judgement) preferName() {
	if len(g.fitting) == 0 || g.reading.FacetFrom != reading.FromName || !g.fitting[0].isGuess(g.reading) {
		return
	}
	g.moveFirst(func(m *ruleMatch) bool { return m.words == noWords && m.rule.Is != 0 })
}

// preferSafety moves a rule with the same words before the winner, if the winner depends on a guess of the facet and
// protects less.
func (g *judgement) preferSafety() {
	if len(g.fitting) == 0 || g.fitting[0].rule.Is == 0 || !g.reading.FacetGuessed {
		return
	}
	first := g.fitting[0]
	g.moveFirst(func(m *ruleMatch) bool {
		return m.words == first.words && slices.Equal(m.occurrences(), first.occurrences())
	})
}

// moveFirst moves the first match that satisfies a condition, and protects more than the winner, to the front.
func (g *judgement) moveFirst(where func(*ruleMatch) bool) {
	for i := range g.fitting {
		m := g.fitting[i]
		if m.rule.Tier.Protects(g.fitting[0].rule.Tier) && where(&g.fitting[i]) {
			copy(g.fitting[1:i+1], g.fitting[:i])
			g.fitting[0] = m
			return
		}
	}
}

// occurrences returns the occurrences of the rule's words.
func (m *ruleMatch) occurrences() []int { return m.matched[:m.n] }

// isGuess reports whether the match depends on a description, or on a table for its words. That is not enough to change
// what a name decides.
func (m *ruleMatch) isGuess(r *reading.Reading) bool {
	if m.rule.Of != 0 && r.PartyGuessed {
		return true
	}
	return slices.ContainsFunc(
		m.occurrences(),
		func(i int) bool { return r.Occurrences[i].Place >= reading.InDescription },
	)
}

// matchRule compares a rule with a reading and counts its points.
func matchRule(rule *policy.Rule, r *reading.Reading) ruleMatch {
	m := ruleMatch{rule: rule}
	weakest, ok := m.matchWords(r)
	if !ok {
		m.failure.reason = lacksWords
		return m
	}
	m.weakest = weakest
	if at := excludedWord(r, rule.None, weakest); at >= 0 {
		m.failure = failure{hasExcludedWord, at}
		return m
	}
	m.failure.reason = m.matchRest(r)
	return m
}

// maxDescribedPoints is the most points for words outside the names.
const maxDescribedPoints = 3

// matchWords finds the best occurrence for each condition on words. It returns the place of the weakest of them, and
// whether all conditions are met.
func (m *ruleMatch) matchWords(r *reading.Reading) (weakest reading.Place, ok bool) {
	named, described := 0, 0
	require := func(concepts []int) bool {
		at := bestOccurrence(r, concepts)
		if at < 0 || r.Occurrences[at].Place == reading.InTable && !takesFromTable(m.rule, r, at) {
			return false
		}
		if m.n < len(m.matched) {
			m.matched[m.n] = at
			m.n++
		}
		o := &r.Occurrences[at]
		if o.Place >= reading.InDescription {
			described += o.Points
		} else {
			named += o.Points + o.HeadPoints
		}
		weakest = max(weakest, o.Place)
		return true
	}
	if len(m.rule.Any) > 0 && !require(m.rule.Any) {
		return 0, false
	}
	for i := range m.rule.All {
		if !require(m.rule.All[i : i+1]) {
			return 0, false
		}
	}
	m.points = named + min(maxDescribedPoints, described)
	switch {
	case m.rule.Yields: // its words name a kind of value, as the words of facets do
	case named > 0:
		m.words = inNames
	case described > 0:
		m.words = outsideNames
	}
	return weakest, true
}

// bestOccurrence returns the occurrence of one of the concepts that is in the best place and has the most points there,
// or -1. Head and qualifiers are the same place.
func bestOccurrence(r *reading.Reading, concepts []int) int {
	best, place, points := -1, reading.InTable, 0
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Term.Kind != policy.TermConcept || !slices.Contains(concepts, o.Term.ID) {
			continue
		}
		p, n := max(o.Place, reading.InQualifier), o.Points+o.HeadPoints
		if best < 0 || p < place || p == place && n > points {
			best, place, points = i, p, n
		}
	}
	return best
}

// excludedWord returns the first occurrence of an excluded concept, or -1. An occurrence does not count if it is in a
// weaker place than the weakest of the rule's own words, unless that is in the names.
func excludedWord(r *reading.Reading, excluded []int, weakest reading.Place) int {
	if len(excluded) == 0 {
		return -1
	}
	weakest = max(weakest, reading.InTechnicalName)
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Term.Kind == policy.TermConcept && o.Place <= weakest && slices.Contains(excluded, o.Term.ID) {
			return i
		}
	}
	return -1
}

// conditionPoints are the points for a required party, kind of report or mark.
const conditionPoints = 2

// matchRest checks the conditions that are not about words, and adds their points. A guessed facet or party can meet a
// condition, but it does not violate one.
func (m *ruleMatch) matchRest(r *reading.Reading) failureReason {
	rule, kind := m.rule, -1
	if r.Report != nil {
		kind = r.Report.Kind
	}
	switch {
	case !isMet(rule.Is, r.Facet) || !r.FacetGuessed && rule.IsNot.Has(r.Facet):
		return wrongFacet
	case !isMet(rule.Of, r.Party) || !m.ignoresParty(r) && rule.OfNot.Has(r.Party),
		rule.Of != 0 && partyOnlyInTable(r) && !takesFromTable(rule, r, r.PartyAt):
		return wrongParty
	case !isMet(rule.In, kind) || rule.InNot.Has(kind):
		return wrongReport
	case r.Marks&rule.Marked != rule.Marked:
		return wrongMark
	}
	if rule.Is != 0 {
		m.points += r.FacetPoints
	}
	for _, required := range []bool{rule.Of != 0, rule.In != 0, rule.Marked != 0} {
		if required {
			m.points += conditionPoints
		}
	}
	return noFailure
}

// ignoresParty reports whether the party is too uncertain to violate a condition. Either only the description names it,
// or only the table does and the name has the words of a rule for personal data: a vendor's contacts have first names.
func (m *ruleMatch) ignoresParty(r *reading.Reading) bool {
	inName := m.words == inNames && m.weakest <= reading.InTechnicalName
	return r.PartyGuessed || inName && m.rule.Personal == policy.FlagYes && partyOnlyInTable(r)
}

// partyOnlyInTable reports whether only the name of the table names the party.
func partyOnlyInTable(r *reading.Reading) bool {
	return r.PartyAt >= 0 && r.Occurrences[r.PartyAt].Place == reading.InTable
}

// takesFromTable reports whether an occurrence in the name of the table can meet a condition of a rule.
func takesFromTable(rule *policy.Rule, r *reading.Reading, at int) bool {
	switch rule.ByTable {
	case policy.ByTableNo:
		return false
	case policy.ByTableLast:
		return r.EndsTable(at)
	default:
		return true
	}
}

// isMet reports whether a required set is empty or has the index.
func isMet(required policy.Set, index int) bool { return required == 0 || required.Has(index) }
