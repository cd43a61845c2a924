package columns

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// identifiedBy returns the name of the table whose rows a declared key identifies: its own table for a primary key of
// one column, and the other table for a foreign key. It returns "" for other columns.
func identifiedBy(c *schema.SourceColumn, t *table) string {
	if t.identifies(c) {
		return t.name
	}
	to, _ := schema.ParseSourceField(c.References)
	return to.TableName
}

// identifierTerm is the term of keys.
const identifierTerm = "identifier"

// kindOfKey returns the kind of a declared key whose name announces a kind.
func kindOfKey(announced concepts.Kind) concepts.Kind {
	switch announced {
	case concepts.KindAny, concepts.KindName, concepts.KindText:
		return concepts.KindIdentifier
	default:
		return announced
	}
}

// markKeys marks the keys that are named after their tables, and the columns of other tables that refer to them.
func (ix *Index) markKeys() {
	organisation, owned := ix.vocabulary.Organisation, map[string]bool{}
	for i := range ix.columns {
		c := &ix.columns[i]
		subject, isKey := keySubject(organisation, c.texts[inName])
		of := ix.vocabulary.Meaningful(organisation.Split(c.texts[inTable]))
		if len(subject) == 0 {
			subject = of
		}
		isOther := func(w string) bool { return !slices.Contains(of, w) }
		if c.own = isKey && !slices.ContainsFunc(subject, isOther); c.own {
			owned[strings.Join(subject, " ")] = true
		}
	}
	for i := range ix.columns {
		c := &ix.columns[i]
		subject, isKey := keySubject(organisation, c.texts[inName])
		c.foreign = isKey && !c.own && owned[strings.Join(subject, " ")]
	}
}

// markMetadata marks the columns about the rows themselves, such as the time of their creation or their owner, which a
// system adds to nearly all tables, whatever they are about. Keys are none.
func (ix *Index) markMetadata() {
	if ix.tables < fewTables {
		return
	}
	having := map[string]int{}
	for i := range ix.columns {
		having[strings.ToLower(ix.columns[i].columnName)]++
	}
	for i := range ix.columns {
		c := &ix.columns[i]
		common := float64(having[strings.ToLower(c.columnName)]) >= metadataShare*float64(ix.tables)
		c.metadata = common && !c.own && !c.foreign && !c.refers && len(c.identified) == 0
	}
}

// markLinks marks the keys of tables that only link others: such a row is no thing of which a form wants the number.
func (ix *Index) markLinks() {
	references, others := make([]int, ix.tables), make([]int, ix.tables)
	isKey := func(c *column) bool { return c.own || len(c.identified) > 0 && !c.refers }
	for i := range ix.columns {
		switch c := &ix.columns[i]; {
		case c.refers || c.foreign:
			references[c.tableNumber]++
		case !isKey(c):
			others[c.tableNumber]++
		}
	}
	for i := range ix.columns {
		c := &ix.columns[i]
		c.linkKey = isKey(c) && references[c.tableNumber] >= 2 && others[c.tableNumber] <= 1
	}
}

// keySubject returns the words before "id" or "key" at the end of a name, and whether the name ends so.
func keySubject(v *words.Vocabulary, name string) (subject []string, isKey bool) {
	of := v.Split(name)
	last := len(of) - 1
	if last < 0 || of[last] != identifierTerm && of[last] != "key" {
		return nil, false
	}
	return of[:last], true
}

// fieldKey identifies a column among those of all data sources.
type fieldKey struct{ source, field string }

// markDeclared corrects by the declared keys what [Index.markKeys] has concluded from names: a column that is not its
// table's primary key is not the table's own key, and a foreign key is foreign whatever its name is. It also links the
// tables.
func (ix *Index) markDeclared(candidates []schema.SourceColumn, tables map[tableKey]*table) {
	byField := map[fieldKey]int{}
	for i := range ix.columns {
		c, declared := &ix.columns[i], &candidates[i]
		byField[fieldKey{declared.DataSourceID, c.field}] = i
		if t := tables[tableOf(declared)]; len(t.primary) > 0 {
			_, isKey := keySubject(ix.vocabulary.Organisation, c.texts[inName])
			c.own = isKey && t.identifies(declared) && declared.References == ""
		}
	}
	ix.parents = make([][]int, ix.tables)
	for i := range ix.columns {
		c, declared := &ix.columns[i], &candidates[i]
		if declared.References == "" {
			continue
		}
		c.refers = true
		target, ok := byField[fieldKey{declared.DataSourceID, declared.References}]
		if !ok {
			continue
		}
		to := &ix.columns[target]
		c.foreign = c.foreign || to.own
		if to.tableNumber != c.tableNumber {
			ix.parents[c.tableNumber] = append(ix.parents[c.tableNumber], to.tableNumber)
		}
	}
}

// keyFactor lowers the score of a system's own key, which is a made-up number: it is no amount, no number that others
// assign, and rather another table's if it refers to one.
func keyFactor(r *request, c *column) float64 {
	left := numberFactor(r, c)
	if c.metadata {
		left *= afterMetadata
	}
	if c.linkKey {
		left *= afterLinkKey
	}
	if c.refers && !c.foreign && r.kind == concepts.KindIdentifier {
		left *= afterForeign
	}
	if !c.own && !c.foreign {
		return left
	}
	switch {
	case r.external:
		left *= afterOwnKeyForExternal
	case r.kind != concepts.KindIdentifier && r.kind != concepts.KindAny:
		left *= afterOwnKeyForOther
	case r.numbered:
		left *= afterOwnKeyForNumber
	}
	if c.foreign {
		left *= afterForeign
	}
	return left
}

// numberFactor lowers the score of a column that cannot have the number that people use: a unique identifier that a
// system makes up, or a text that is too short.
func numberFactor(r *request, c *column) float64 {
	switch {
	case r.kind != concepts.KindIdentifier:
		return 1
	case c.generated && (r.external || r.numbered):
		return afterGenerated
	case c.declared.Kind == datatype.Text && 0 < c.declared.Length && c.declared.Length <= shortCode &&
		r.declared.Length >= longNumber:
		return afterShortText
	default:
		return 1
	}
}
