package columns

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// Index holds the candidate columns of a report, ready to be ranked. It is not changed after [NewIndex] and safe for concurrent use.
type Index struct {
	vocabulary *vocabulary
	columns    []column
	ids        map[string]int // every term of the columns and of the vocabulary
	terms      []term         // by id
	postings   [][]int        // by term: the columns that have it anywhere, rising
	lookups    []string       // names of columns in lookup tables, lower-case
	opaque     [26][]int      // terms that the dictionary does not know, by their first letter
	scratch    sync.Pool      // of *scratch
}

// term is what the index knows of a term, whether a column has it or not.
type term struct {
	text string
	// weight is what finding the term says about a column: rare terms say more.
	weight float64
	// strong is the weight in an identifier, where some weak terms are not weak.
	strong  float64
	related []link
	groups  []int
	assumed bool
	// party is a term beside which something else is assumed: a branch's address where the customer's is meant.
	party  bool
	alters bool
	weak   bool
	// announces is the sort of value that the term announces.
	announces announcement
	// opaque is a word of the columns that the dictionary does not know.
	opaque bool
}

// link leads to a term of the index that may stand for another.
type link struct {
	id     int
	degree float64
}

// column is one candidate as it is compared.
type column struct {
	field        string
	name         []int
	shared       []bool // by name: most columns of the table say it too
	head         int    // of an identifier: what it identifies, the last word before "number" and the like; else -1
	table        []int
	description  []int
	kind         kind
	declared     datatype.Type
	declaredText string
	columnName   string
	says         [inDescription + 1]string // by field: what its terms were read from
	role         role
	tableNumber  int
	key          bool // of its table
	// size is the size of its table beside the largest one, 0 to 1.
	size float64
}

// NewIndex prepares the candidates for ranking. The order of candidates decides between columns that nothing else tells apart.
func NewIndex(candidates []schema.SourceColumn) *Index {
	ix := &Index{vocabulary: knowledge(), ids: map[string]int{}, columns: make([]column, 0, len(candidates))}
	tables := tablesOf(candidates)
	for i := range candidates {
		ix.add(&candidates[i], tables[tableOf(&candidates[i])])
	}
	for text := range ix.vocabulary.related {
		ix.id(text)
	}
	for text := range ix.vocabulary.groups {
		ix.id(text)
	}
	ix.markShared(candidates)
	ix.weigh()
	ix.relate()
	ix.collectOpaque()
	ix.scratch.New = func() any { return newScratch(len(ix.columns), len(ix.terms)) }
	return ix
}

func (ix *Index) add(c *schema.SourceColumn, t *table) {
	v := ix.vocabulary
	says := [...]string{inName: t.strip(c.ColumnName), inTable: t.says, inDescription: c.Description}
	said := v.terms(nil, says[inName])
	declared := datatype.Parse(c.DataType)
	kind := v.kindOf(said, declared)
	row := column{
		field: c.SourceField(), columnName: c.ColumnName, declared: declared, declaredText: c.DataType, says: says,
		kind: kind, head: ix.headOf(said, kind), role: t.role, tableNumber: t.number, key: c.ColumnName == t.key,
		name: ix.idsOf(said), table: ix.idsOf(v.terms(nil, t.says)), description: ix.idsOf(v.terms(nil, c.Description)),
	}
	if t.role == lookupTable {
		ix.lookups = append(ix.lookups, strings.ToLower(c.ColumnName))
	}
	number := len(ix.columns)
	ix.columns = append(ix.columns, row)
	for _, ids := range [][]int{row.name, row.table, row.description} {
		for _, id := range ids {
			if p := ix.postings[id]; len(p) == 0 || p[len(p)-1] != number {
				ix.postings[id] = append(p, number)
			}
		}
	}
}

// headOf finds what an identifier with these terms identifies; -1 if that is not said.
func (ix *Index) headOf(said []string, k kind) int {
	if k != identifierKind {
		return -1
	}
	for _, text := range slices.Backward(said) {
		if a := ix.vocabulary.kinds[text]; !a.strong {
			return ix.id(text)
		}
	}
	return -1
}

// markShared marks the terms that most columns of a table have in their names: what all say sets none apart.
func (ix *Index) markShared(candidates []schema.SourceColumn) {
	type key struct {
		table tableKey
		term  int
	}
	having, size := map[key]int{}, map[tableKey]int{}
	for i := range ix.columns {
		table := tableOf(&candidates[i])
		size[table]++
		for _, id := range ix.columns[i].name {
			having[key{table, id}]++
		}
	}
	largest := slices.Max(append(slices.Collect(maps.Values(size)), 1))
	for i := range ix.columns {
		c, table := &ix.columns[i], tableOf(&candidates[i])
		c.size = float64(size[table]) / float64(largest)
		c.shared = make([]bool, len(c.name))
		for j, id := range c.name {
			c.shared[j] = size[table] >= fewColumns && float64(having[key{table, id}]) >= prefixShare*float64(size[table])
		}
	}
}

// idsOf gives the ids of terms, each once.
func (ix *Index) idsOf(terms []string) []int {
	ids := make([]int, 0, len(terms))
	for _, text := range terms {
		if id := ix.id(text); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (ix *Index) id(text string) int {
	if id, ok := ix.ids[text]; ok {
		return id
	}
	id := len(ix.terms)
	ix.ids[strings.Clone(text)] = id
	v := ix.vocabulary
	ix.terms = append(ix.terms, term{
		text: text, groups: v.groups[text], assumed: v.assumed[text], party: v.besidesAssumed(text), alters: v.alters[text], weak: v.weak[text],
		announces: v.kinds[text],
	})
	ix.postings = append(ix.postings, nil)
	return id
}

const (
	// weakShare is what a term of the "weak" lines counts beside another that is as rare.
	weakShare = 0.35
	// leastWeight keeps a term that nearly every column has from meaning nothing at all.
	leastWeight = 0.12
)

// weigh gives every term its weight by how few columns or tables say it in their name. A description is no measure: it is a sentence.
func (ix *Index) weigh() {
	having := make([]int, len(ix.terms))
	for i := range ix.columns {
		c := &ix.columns[i]
		for j, id := range c.name {
			if !c.shared[j] {
				having[id]++
			}
		}
		if i == 0 || !slices.Equal(c.table, ix.columns[i-1].table) { // once for the table
			for _, id := range c.table {
				having[id]++
			}
		}
	}
	for i := range ix.terms {
		t := &ix.terms[i]
		t.weight = ix.weightOf(having[i], t.weak)
		t.strong = t.weight
		if ix.vocabulary.keys[t.text] {
			t.strong = ix.weightOf(having[i], false)
		}
	}
}

// weightIn is the term's weight in the name of a column or attribute of the kind.
func (t *term) weightIn(k kind) float64 {
	if k == identifierKind {
		return t.strong
	}
	return t.weight
}

// weightOf is the weight of a term that so many columns have, 0 to 1.
func (ix *Index) weightOf(having int, weak bool) float64 {
	n := float64(len(ix.columns) + 1)
	weight := max(math.Log(n/(float64(having)+0.5))/math.Log(n/0.5), leastWeight)
	if weak {
		weight *= weakShare
	}
	return weight
}

// relate resolves what the vocabulary says is near, the term itself first.
func (ix *Index) relate() {
	for i := range ix.terms {
		t := &ix.terms[i]
		t.related = append(t.related, link{i, 1})
		for _, r := range ix.vocabulary.related[t.text] {
			if id, ok := ix.ids[r.term]; ok {
				t.related = append(t.related, link{id, r.degree})
			}
		}
		slices.SortStableFunc(t.related[1:], func(a, b link) int { return cmp.Compare(b.degree, a.degree) })
	}
}
