package columns

import (
	"slices"

	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// term is a term of the columns or of the vocabulary.
type term struct {
	text string
	// weight is 0 to 1 and grows with the rarity of the term.
	weight float64
	// strong is the weight in the name of an identifier, in which some weak terms are not weak.
	strong float64
	// related has the term itself and those that may stand for it, by falling degree.
	related []link
	// groups, assumed, alters and weak are from the lines of the vocabulary that have the term.
	groups  []int
	assumed bool
	alters  bool
	weak    bool
	// party is true if the term opposes one that is assumed: a branch's address if the customer's is meant.
	party bool
	// announces is the kind of value that the term announces.
	announces concepts.Announcement
	// opaque is true for a word of the columns that is in no dictionary.
	opaque bool
}

// link is a term that may stand for another, to a degree of 0 to 1.
type link struct {
	id     int
	degree float64
}

// field is one of the texts of a column.
type field int

const (
	inName field = iota
	inTable
	// inKey is the table whose rows a declared key identifies.
	inKey
	inDescription
	fields
)

// column is a candidate, prepared for comparisons.
type column struct {
	field        string // schema.table.column
	columnName   string
	declared     datatype.Type
	declaredText string
	kind         concepts.Kind
	// certain is true if the declared type or a strong word of the name proves the kind; otherwise it is a guess.
	certain bool
	texts   [fields]string // the texts of the terms below

	name   []int
	shared []bool // by position in name: most columns of the table have the term
	// borrowed is the number of terms before a generic name that are its table's; 0 for "id", whose table's terms are
	// its own.
	borrowed    int
	head        int // the term that an identifier identifies, the last one before "number" and the like; else -1
	table       []int
	description []int

	// identified has the terms of what a declared key identifies, and "identifier" as the last; see [identifiedBy].
	identified []int
	// own is true for a key named after its table, foreign for the column of that name in another table.
	own, foreign bool
	// refers is true for a declared foreign key.
	refers bool
	// linkKey is true for the key of a table that only links others.
	linkKey bool
	// metadata is true for a column about the rows themselves; see [Index.markMetadata].
	metadata bool
	// generated is true for a unique identifier that a system makes up.
	generated bool

	role        role
	tableNumber int
	key         bool // of its table
	// size is the number of columns of its table, relative to the largest table.
	size float64
}

// terms returns the ids of the terms of one of the column's texts.
func (c *column) terms(in field) []int {
	return [fields][]int{inName: c.name, inTable: c.table, inKey: c.identified, inDescription: c.description}[in]
}

// copies reports whether two columns of different tables have the same name and kind.
func (c *column) copies(other *column) bool {
	return c.kind == other.kind && c.tableNumber != other.tableNumber &&
		slices.Equal(c.name[c.borrowed:], other.name[other.borrowed:])
}
