package rules

import (
	"slices"

	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// lexicon finds the policy's phrases in a row of words. It is a tree whose edges are words, kept in one map.
type lexicon struct {
	ids   map[string]int32
	edges map[edge]int32
	// ends holds, by node, what the phrase that ends there stands for.
	ends [][]term
}

type edge struct{ node, word int32 }

// termKind is what a phrase can stand for.
type termKind uint8

const (
	conceptTerm termKind = iota
	facetTerm
	partyTerm
	fillerTerm
)

// term is a concept, facet or party by its index. An alone one is meant only where a name says nothing else.
type term struct {
	kind  termKind
	id    int
	alone bool
}

func newLexicon() lexicon {
	return lexicon{ids: map[string]int32{}, edges: map[edge]int32{}, ends: make([][]term, 1)}
}

// add makes a phrase stand for a term.
func (l *lexicon) add(phrase []string, t term) {
	node := int32(0)
	for _, word := range phrase {
		id, ok := l.ids[word]
		if !ok {
			id = int32(len(l.ids)) //nolint:gosec // a policy has some thousand words
			l.ids[word] = id
		}
		next, ok := l.edges[edge{node, id}]
		if !ok {
			next = int32(len(l.ends)) //nolint:gosec // as above
			l.edges[edge{node, id}] = next
			l.ends = append(l.ends, nil)
		}
		node = next
	}
	if !slices.Contains(l.ends[node], t) {
		l.ends[node] = append(l.ends[node], t)
	}
}

const unknownWord = -1

// id is the number of a word that some phrase has, else unknownWord.
func (l *lexicon) id(word string) int32 {
	if id, ok := l.ids[word]; ok {
		return id
	}
	return unknownWord
}

// find appends to dst the phrases in tokens[from:to], without those that stand inside a longer one of their kind:
// where an attribute speaks of a "balance transfer", it does not speak of a balance.
func (l *lexicon) find(dst []mention, tokens []token, from, to int) []mention {
	first := len(dst)
	for start := from; start < to; start++ {
		node := int32(0)
		for end := start; end < to; end++ {
			next, ok := l.edges[edge{node, tokens[end].id}]
			if !ok || tokens[end].id == unknownWord {
				break
			}
			node = next
			for _, t := range l.ends[node] {
				dst = append(dst, mention{term: t, start: start, end: end + 1})
			}
		}
	}
	found := dst[first:]
	for i := range found {
		found[i].hidden = found[i].insideAnother(found)
	}
	return append(dst[:first], slices.DeleteFunc(found, func(m mention) bool { return m.hidden })...)
}

// phrase gives the words of a phrase in their normal form.
func phrase(text string) []string { return words.Split(text) }
