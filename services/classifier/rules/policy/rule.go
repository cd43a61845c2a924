package policy

import "github.com/pdeflow/pdeflow/schema"

// Rule is a rule or a refinement. Its conditions have the names of the keys in the file: an empty list or set is no
// condition.
type Rule struct {
	Name string
	// Group is the name of the group that the rule is in, or empty.
	Group string
	// Line is the line that the rule begins in. The lines of a policy that extends another follow those of the other.
	Line       int
	Refinement bool

	// Any, All and None list concepts.
	Any, All, None []int
	// Is and IsNot are sets of facets, Of and OfNot of parties, In and InNot of kinds of report.
	Is, IsNot Set
	Of, OfNot Set
	In, InNot Set
	Marked    Marks

	// An answer that the rule does not give is empty or FlagUnset.
	Tier             schema.Tier
	TierLimit        Limit
	Criticality      schema.Level
	CriticalityLimit Limit
	Leak             schema.Level
	Personal         Flag
	Regulatory       Flag
	// Laws are the indexes of the laws to cite.
	Laws []int
	// Because is the reason for the answer, without a full stop.
	Because string
	// Certainty is the percentage by which the confidence is multiplied, or 0 for no change.
	Certainty int
	// Yields is true if the words of the rule only name a kind of value: every other rule with words goes first.
	Yields bool
	// ByTable determines whether the name of a table is enough for the words and the party of the rule.
	ByTable ByTable

	// Examples are the names that test the rule.
	Examples []Example
}

// Example is a name that a rule must decide, or to which a refinement must apply.
type Example struct {
	Name, DataType, Table, Report string

	Marks Marks
	// Counter is true if the rule must not decide it, or the refinement not apply.
	Counter bool
	Line    int
}

// Set is a set of indexes from 0 to 63.
type Set uint64

// Has reports whether the set contains an index. No set contains a negative index.
func (s Set) Has(index int) bool { return index >= 0 && s&(1<<index) != 0 }

// Limit determines when the value of a refinement replaces the present value.
type Limit int

// The limits. LimitExact always replaces the value, LimitAtLeast only raises it, and LimitAtMost only lowers it.
const (
	LimitExact Limit = iota
	LimitAtLeast
	LimitAtMost
)

// Replaces reports whether a value replaces the present value, given whether it is above or below it.
func (l Limit) Replaces(above, below bool) bool {
	return l == LimitExact && (above || below) || l == LimitAtLeast && above || l == LimitAtMost && below
}

// ByTable determines what the name of a table can contribute to the conditions of a rule.
type ByTable int

// ByTableYes lets a table have the words and the party of the rule. ByTableLast lets it have them only if its name ends
// with them: the names in user_settings are not those of users. ByTableNo ignores the table.
const (
	ByTableYes ByTable = iota
	ByTableLast
	ByTableNo
)

// Flag is the answer of a rule to a question of yes or no.
type Flag int8

// The flags. FlagOnlyFiled is an answer to the regulatory flag: a filing may require the attribute, but no law does.
const (
	FlagUnset Flag = iota
	FlagNo
	FlagOnlyFiled
	FlagYes
)

// Marks is a set of properties of an attribute.
type Marks uint8

// Attributes have the first three marks by their columns is_primary_key, is_cde and is_mandatory. MarkRowKey is on the
// columns by which a database numbers and joins its rows, and MarkLookupEntry on those that are named like their table,
// as in a list of cities or codes.
const (
	MarkPrimaryKey Marks = 1 << iota
	MarkCritical
	MarkMandatory
	MarkRowKey
	MarkLookupEntry
)

// markNames are the names of the marks in a policy file, in the order of their bits.
var markNames = []string{"primary key", "critical", "mandatory", "row key", "lookup entry"}
