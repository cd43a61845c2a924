package columns

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// Index holds the candidate columns of a report, prepared for ranking. It is immutable and safe for concurrent use.
type Index struct {
	vocabulary *concepts.Vocabulary
	columns    []column
	positions  []int            // of the columns among the candidates
	tables     int              // the number of tables
	tableNames [][]int          // by table: the terms of its name
	ids        map[string]int   // by text: every term of the columns and of the vocabulary
	terms      []term           // by id
	postings   [][]int          // by term: the columns that have it in any text, in rising order
	parents    [][]int          // by table: those to which its declared foreign keys refer
	lookups    []string         // the names of the columns of lookup tables, in lower case
	opaque     map[byte][]int   // by first letter: the terms that are in no dictionary
	joined     []int            // the opaque terms that may be several words written together
	stems      map[string][]int // by stem: the terms of the columns
	bases      map[string][]int // by base: the terms of the columns
	workspaces sync.Pool        // of *workspace
}

// NewIndex prepares the candidates for ranking. Their order is not significant: of columns with equal scores, the first
// by schema, table and name wins. The candidates are not modified and may be modified afterwards.
func NewIndex(candidates []schema.SourceColumn) *Index {
	return NewIndexWithVocabulary(candidates, nil)
}

// NewIndexWithVocabulary is like [NewIndex] and reads names with the vocabulary of an organisation, if it is not nil.
func NewIndexWithVocabulary(candidates []schema.SourceColumn, organisation *words.Vocabulary) *Index {
	positions := make([]int, len(candidates))
	for i := range positions {
		positions[i] = i
	}
	slices.SortFunc(positions, func(a, b int) int { return byName(&candidates[a], &candidates[b]) })
	sorted := make([]schema.SourceColumn, len(candidates))
	for i, position := range positions {
		sorted[i] = candidates[position]
	}
	return newIndex(sorted, positions, organisation)
}

// byName orders columns by their names, and those of two data sources by the data source.
func byName(a, b *schema.SourceColumn) int {
	return cmp.Or(strings.Compare(a.SchemaName, b.SchemaName), strings.Compare(a.TableName, b.TableName),
		strings.Compare(a.ColumnName, b.ColumnName), strings.Compare(a.DataSourceID, b.DataSourceID))
}

// newIndex indexes sorted candidates. Positions has the position of each in the caller's order.
func newIndex(candidates []schema.SourceColumn, positions []int, organisation *words.Vocabulary) *Index {
	ix := &Index{
		vocabulary: concepts.Default().With(organisation), ids: map[string]int{},
		columns: make([]column, 0, len(candidates)), positions: positions,
	}
	tables, lengths := tablesOf(organisation, candidates), defaultsOf(candidates)
	ix.tables, ix.tableNames = len(tables), make([][]int, len(tables))
	for i := range candidates {
		ix.add(&candidates[i], tables[tableOf(&candidates[i])], lengths)
	}
	for text := range ix.vocabulary.Related {
		ix.id(text)
	}
	for text := range ix.vocabulary.Groups {
		ix.id(text)
	}
	ix.markShared(candidates)
	ix.markKeys()
	ix.markDeclared(candidates, tables)
	ix.markMetadata()
	ix.markLinks()
	ix.weigh()
	ix.collectStems()
	ix.relate()
	ix.collectOpaque()
	ix.workspaces.New = func() any { return newWorkspace(len(ix.columns), len(ix.terms)) }
	return ix
}

// Rank returns the column that feeds an attribute best, or that none does. It reads the names, description and data
// type of the attribute.
func (ix *Index) Rank(a schema.Attribute) Ranking {
	w, _ := ix.workspaces.Get().(*workspace)
	defer func() {
		w.reset()
		ix.workspaces.Put(w)
	}()
	return w.rank(ix, &a, nil)
}

// Report returns the ranking for a report with these attributes, and no others.
func (ix *Index) Report(attributes []schema.Attribute) *Report {
	r, _ := newReport(context.Background(), ix, attributes) // which is never cancelled
	return r
}

// ReportContext is like [Index.Report] and returns the error of ctx if it ends before. The time grows with the number
// of attributes, and more slowly with that of the columns: 10,000 attributes and 100,000 columns take about 40 s.
func (ix *Index) ReportContext(ctx context.Context, attributes []schema.Attribute) (*Report, error) {
	return newReport(ctx, ix, attributes)
}

func (ix *Index) add(c *schema.SourceColumn, t *table, lengths defaults) {
	v := ix.vocabulary
	texts := [fields]string{
		inName: concepts.StripHungarian(t.strip(c.ColumnName)), inTable: t.name, inDescription: c.Description,
	}
	about := v.Meaningful(v.Terms(nil, t.name))
	name := v.Meaningful(v.Terms(nil, texts[inName]))
	borrowed := 0
	if len(name) == 1 && name[0] == identifierTerm { // the id of the table LOAN is a loan's
		name = append(slices.Clone(about), name...)
	} else if isGeneric(v, name) { // and so is its status
		isOther := func(term string) bool { return slices.Contains(name, term) }
		others := slices.DeleteFunc(slices.Clone(about), isOther)
		name, borrowed = append(others, name...), len(ix.idsOf(others))
	}
	declared := datatype.Parse(c.DataType)
	kind, certain := lengths.kindOf(v, name, declared)
	declared = lengths.forLength(declared)
	var identified []string
	if texts[inKey] = identifiedBy(c, t); texts[inKey] != "" {
		identified = append(v.Meaningful(v.Terms(nil, texts[inKey])), identifierTerm)
		kind = kindOfKey(kind)
	}
	row := column{
		field: c.SourceField(), columnName: c.ColumnName, declared: declared, declaredText: c.DataType, texts: texts,
		kind: kind, certain: certain, head: ix.headOf(name, kind), role: t.role, tableNumber: t.number,
		key: c.ColumnName == t.key, generated: isGenerated(c.DataType),
		name: ix.idsOf(name), table: ix.idsOf(about), description: ix.idsOf(v.Terms(nil, c.Description)),
		identified: ix.idsOf(identified), borrowed: borrowed,
	}
	if t.role == lookupTable {
		ix.lookups = append(ix.lookups, strings.ToLower(c.ColumnName))
	}
	ix.tableNames[t.number] = row.table
	number := len(ix.columns)
	ix.columns = append(ix.columns, row)
	for _, ids := range [][]int{row.name, row.table, row.description, row.identified} {
		for _, id := range ids {
			if p := ix.postings[id]; len(p) == 0 || p[len(p)-1] != number {
				ix.postings[id] = append(p, number)
			}
		}
	}
}

// isGeneric reports whether a name has a meaning only together with that of its table, because each of its words merely
// names a kind of value.
func isGeneric(v *concepts.Vocabulary, name []string) bool {
	isSpecific := func(term string) bool { return !v.Kinds[term].Strong || !v.Weak[term] }
	return !slices.ContainsFunc(name, isSpecific)
}

// isGenerated reports whether a data type is that of unique identifiers.
func isGenerated(declared string) bool {
	switch strings.ToLower(declared) {
	case "uuid", "guid", "uniqueidentifier":
		return true
	default:
		return false
	}
}

// headOf returns the term that an identifier with this name identifies, or -1.
func (ix *Index) headOf(name []string, k concepts.Kind) int {
	if k != concepts.KindIdentifier {
		return -1
	}
	for _, text := range slices.Backward(name) {
		if a := ix.vocabulary.Kinds[text]; !a.Strong {
			return ix.id(text)
		}
	}
	return -1
}

// markShared marks the terms that most columns of a table have in their names.
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
			common := float64(having[key{table, id}]) >= prefixShare*float64(size[table])
			c.shared[j] = size[table] >= fewColumns && common
		}
	}
}

// idsOf returns the ids of the terms, without repetitions.
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
		text: text, groups: v.Groups[text], assumed: v.Assumed[text], party: v.OpposesAssumed(text),
		alters: v.Alters[text], weak: v.Weak[text], announces: v.Kinds[text],
	})
	ix.postings = append(ix.postings, nil)
	return id
}

// weigh sets the weight of every term by the number of columns and tables that have it in their names. Descriptions
// do not count, because they are sentences.
func (ix *Index) weigh() {
	having := make([]int, len(ix.terms))
	for i := range ix.columns {
		c := &ix.columns[i]
		for j, id := range c.name {
			if !c.shared[j] {
				having[id]++
			}
		}
		if i == 0 || !slices.Equal(c.table, ix.columns[i-1].table) { // once per table
			for _, id := range c.table {
				having[id]++
			}
		}
	}
	for i := range ix.terms {
		t := &ix.terms[i]
		t.weight = ix.weightOf(having[i], t.weak)
		t.strong = t.weight
		if ix.vocabulary.Keys[t.text] {
			t.strong = ix.weightOf(having[i], false)
		}
	}
}

// weightOf returns the weight of a term that this number of columns and tables has, 0 to 1.
func (ix *Index) weightOf(having int, weak bool) float64 {
	n := float64(len(ix.columns) + 1)
	weight := max(math.Log(n/(float64(having)+0.5))/math.Log(n/0.5), minWeight)
	if weak {
		weight *= weakShare
	}
	return weight
}

// relate links every term to itself and to the terms that the vocabulary lists as near. A word that is near another is
// also near its other forms, a little less: if posted is near booking, it is near bookings, too.
func (ix *Index) relate() {
	forms := map[string][]string{} // of the words of the vocabulary, by base
	for text := range ix.vocabulary.Related {
		if base := concepts.Base(text); base != "" {
			forms[base] = append(forms[base], text)
		}
	}
	for i := range ix.terms {
		t := &ix.terms[i]
		t.related = append(t.related, link{i, 1})
		ix.relateTo(t, ix.vocabulary.Related[t.text], 1)
		for _, form := range forms[concepts.Base(t.text)] {
			if id := ix.ids[form]; id != i && !share(ix.terms[id].groups, t.groups) {
				ix.relateTo(t, ix.vocabulary.Related[form], otherFormShare)
			}
		}
		slices.SortFunc(t.related[1:], func(a, b link) int {
			return cmp.Or(cmp.Compare(b.degree, a.degree), cmp.Compare(a.id, b.id))
		})
	}
}

// relateTo links a term to others and to their other forms. Of several links to the same term, the closest is kept.
func (ix *Index) relateTo(t *term, relations []concepts.Relation, degree float64) {
	add := func(id int, degree float64) {
		if share(ix.terms[id].groups, t.groups) && degree < 1 && !ix.isListed(t, id) {
			return
		}
		if i := slices.IndexFunc(t.related, func(l link) bool { return l.id == id }); i >= 0 {
			t.related[i].degree = max(t.related[i].degree, degree)
			return
		}
		t.related = append(t.related, link{id, degree})
	}
	for _, r := range relations {
		id, ok := ix.ids[r.Term]
		if !ok {
			continue
		}
		add(id, r.Degree*degree)
		for _, form := range ix.bases[concepts.Base(r.Term)] {
			if form != id {
				add(form, r.Degree*degree*otherFormShare)
			}
		}
	}
}

// isListed reports whether the vocabulary itself lists a term as near, even if it opposes it.
func (ix *Index) isListed(t *term, id int) bool {
	return slices.ContainsFunc(ix.vocabulary.Related[t.text], func(r concepts.Relation) bool {
		return r.Term == ix.terms[id].text
	})
}

// shortestJoined is the minimum length of several words written together, shortestPart that of one of them.
const shortestJoined, shortestPart = 8, 4

// collectOpaque indexes the terms of the columns that are in no dictionary by their first letter.
func (ix *Index) collectOpaque() {
	ix.opaque = map[byte][]int{}
	for i := range ix.terms {
		t := &ix.terms[i]
		first := t.text[0]
		word := 'a' <= first && first <= 'z' && !strings.Contains(t.text, " ")
		known := ix.vocabulary.Organisation.Known(t.text) || len(ix.vocabulary.Related[t.text]) > 0
		if !word || len(ix.postings[i]) == 0 || known {
			continue
		}
		t.opaque = true
		ix.opaque[first] = append(ix.opaque[first], i)
		if len(t.text) >= shortestJoined {
			ix.joined = append(ix.joined, i)
		}
	}
}

// collectStems indexes the words of the columns by their stems.
func (ix *Index) collectStems() {
	ix.stems, ix.bases = map[string][]int{}, map[string][]int{}
	for i := range ix.terms {
		if b := concepts.Base(ix.terms[i].text); b != "" && len(ix.postings[i]) > 0 {
			ix.bases[b] = append(ix.bases[b], i)
		}
		if s := concepts.Stem(ix.terms[i].text); s != "" && len(ix.postings[i]) > 0 {
			ix.stems[s] = append(ix.stems[s], i)
		}
	}
}

// explainsCode reports whether a lookup table has a column of the same name.
func (ix *Index) explainsCode(c *column) bool {
	return slices.Contains(ix.lookups, strings.ToLower(c.columnName))
}
