package columns

import (
	"slices"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// term is a term of the index, whether a column has it or not.
type term struct {
	text string
	// weight is how much the term sets a column apart: rare terms do more.
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
	// opaque is a word of the columns that the dictionary does not have.
	opaque bool
}

// link leads to a term of the index that may stand for another.
type link struct {
	id     int
	degree float64
}

// weightIn is the term's weight in the name of a column or attribute of the kind.
func (t *term) weightIn(k kind) float64 {
	if k == identifierKind {
		return t.strong
	}
	return t.weight
}

// field is a text of a column.
type field int

const (
	inName field = iota
	inTable
	inDescription
	fields
)

// column is one candidate as it is compared.
type column struct {
	field        string // schema.table.column
	columnName   string
	declared     datatype.Type
	declaredText string
	kind         kind
	texts        [fields]string // what its terms were read from

	name        []int
	shared      []bool // by name: most columns of the table have it too
	head        int    // of an identifier: what it identifies, the last word before "number" and the like; else -1
	table       []int
	description []int

	role        role
	tableNumber int
	key         bool // of its table
	// size is the size of its table beside the largest one, 0 to 1.
	size float64
}

// terms returns the terms of one of the column's texts.
func (c *column) terms(in field) []int {
	return [fields][]int{inName: c.name, inTable: c.table, inDescription: c.description}[in]
}

// copies reports whether two columns of different tables have the same name and kind.
func (c *column) copies(other *column) bool {
	return c.kind == other.kind && c.tableNumber != other.tableNumber && slices.Equal(c.name, other.name)
}
