package reading

import (
	"slices"

	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// phraseIndex finds the phrases of a policy in a row of words. It is a trie whose edges are words, kept in one map.
type phraseIndex struct {
	ids   map[string]int32
	edges map[edge]int32
	// terms holds, for each node, the meanings of the phrase that ends there.
	terms [][]policy.Term
}

type edge struct{ node, word int32 }

func indexPhrases(all []policy.Phrase) phraseIndex {
	x := phraseIndex{ids: map[string]int32{}, edges: map[edge]int32{}, terms: make([][]policy.Term, 1)}
	for _, p := range all {
		x.add(p)
	}
	return x
}

func (x *phraseIndex) add(p policy.Phrase) {
	node := int32(0)
	for _, word := range p.Words {
		id, ok := x.ids[word]
		if !ok {
			id = int32(len(x.ids)) //nolint:gosec // a policy has some thousand words
			x.ids[word] = id
		}
		next, ok := x.edges[edge{node, id}]
		if !ok {
			next = int32(len(x.terms)) //nolint:gosec // as above
			x.edges[edge{node, id}] = next
			x.terms = append(x.terms, nil)
		}
		node = next
	}
	if !slices.Contains(x.terms[node], p.Term) {
		x.terms[node] = append(x.terms[node], p.Term)
	}
}

const unknownWord = -1

// id returns the number of a word that is in a phrase, and unknownWord for others.
func (x *phraseIndex) id(word string) int32 {
	if id, ok := x.ids[word]; ok {
		return id
	}
	return unknownWord
}

// find appends to dst the phrases in words[from:to]. It leaves out those that are inside a longer phrase of the same
// kind: a "balance transfer" is not a balance.
func (x *phraseIndex) find(dst []Occurrence, words []Word, from, to int) []Occurrence {
	first := len(dst)
	for start := from; start < to; start++ {
		node := int32(0)
		for end := start; end < to; end++ {
			next, ok := x.edges[edge{node, words[end].id}]
			if !ok || words[end].id == unknownWord {
				break
			}
			node = next
			for _, t := range x.terms[node] {
				dst = append(dst, Occurrence{Term: t, Start: start, End: end + 1})
			}
		}
	}
	found := dst[first:]
	for i := range found {
		found[i].hidden = isInsideAnother(&found[i], found)
	}
	return append(dst[:first], slices.DeleteFunc(found, func(o Occurrence) bool { return o.hidden })...)
}

// isInsideAnother reports whether a longer phrase of the same kind covers o.
func isInsideAnother(o *Occurrence, all []Occurrence) bool {
	for i := range all {
		other := &all[i]
		if other.Term.Kind == o.Term.Kind && other.Start <= o.Start && o.End <= other.End && other.Len() > o.Len() {
			return true
		}
	}
	return false
}
