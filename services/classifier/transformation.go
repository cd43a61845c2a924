package classifier

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// choice is what a job proposes for an attribute: a column and how the attribute follows from it.
type choice struct {
	columns.Ranking
	// SourceFields has all columns, the chosen one first, if there are several.
	SourceFields schema.SourceFields
	// Rule is the transformation rule; empty for a copy, and if the columns do not show one.
	Rule string
	// confirmed reports that a person has decided how the attribute follows from the column.
	confirmed bool
}

// choose ranks the columns for the attribute, follows what people have confirmed, and describes how the attribute
// follows from the column if names and types show it.
func choose(from *candidates, attribute schema.Attribute) choice {
	chosen := followPrecedent(from, from.ranking.Rank(attribute), attribute)
	if !chosen.confirmed && chosen.SourceField != "" {
		chosen.describe(from, attribute)
	}
	return chosen
}

// hasAll reports whether the report has all columns of the precedent.
func hasAll(from *candidates, p schema.Precedent) bool {
	unknown := func(field string) bool { return len(from.byField[field]) == 0 }
	return !unknown(p.SourceField) && !slices.ContainsFunc(p.SourceFields, unknown)
}

// adopt takes how a person has made the attribute from the column.
func (chosen *choice) adopt(p schema.Precedent) {
	chosen.MappingType = cmp.Or(p.MappingType, chosen.MappingType)
	chosen.SourceFields, chosen.Rule = p.SourceFields, p.TransformationRule
	chosen.confirmed = p.MappingType != "" || len(p.SourceFields) > 0 || p.TransformationRule != ""
}

// describe sets the rule in the cases that are clear: a flag from a code or a date, a period between two dates, and the
// description of a code in the one code table of the data source.
func (chosen *choice) describe(from *candidates, attribute schema.Attribute) {
	column := from.columns[chosen.Column]
	switch how := chosen.MappingType; {
	case how == schema.MappingTypeConditional && isFlag(attribute) && isScheduled(column):
		chosen.Rule = fmt.Sprintf("Y if %s is before the reporting date, else N", chosen.SourceField)
	case how == schema.MappingTypeConditional && isFlag(attribute) && isDate(column):
		chosen.Rule = fmt.Sprintf("Y if %s has a date, else N", chosen.SourceField)
	case how == schema.MappingTypeConditional && isFlag(attribute) && isCode(column):
		chosen.MappingType = schema.MappingTypeLookup
		chosen.Rule = fmt.Sprintf("Y for the codes of %s that mean %q, else N; list these codes",
			chosen.SourceField, attribute.AttributeName)
	case how == schema.MappingTypeCalculated && isDate(column):
		chosen.describePeriod(from, attribute, column)
	case how == schema.MappingTypeLookup && isCode(column):
		chosen.describeLookup(from, column)
	}
}

// describePeriod describes a number of days, months or years from one date of a table to another one, or from or to
// the reporting date. A name that announces none of these, such as "Opening Month", asks for a part of the date.
func (chosen *choice) describePeriod(from *candidates, attribute schema.Attribute, column schema.SourceColumn) {
	asked := words.Split(attribute.AttributeName)
	var unit string
	switch {
	case containsAny(asked, "day"):
		unit = "days"
	case containsAny(asked, "month", "term"):
		unit = "months"
	case containsAny(asked, "year", "age"):
		unit = "years"
	default:
		return
	}
	if containsAny(asked, "past", "since", "age", "delinquency", "elapsed", "book") {
		chosen.Rule = fmt.Sprintf("%s from %s to the reporting date", unit, chosen.SourceField)
		return
	}
	begins, ends := beginsPeriod(column), endsPeriod(column)
	if ends && containsAny(asked, "remaining", "to", "until", "left") {
		chosen.Rule = fmt.Sprintf("%s from the reporting date to %s", unit, chosen.SourceField)
		return
	}
	if begins == ends || !containsAny(asked, "term", "tenor", "duration", "between") {
		return
	}
	var other []schema.SourceColumn
	for _, i := range from.byTable[tableOf(column)] {
		if d := from.columns[i]; isDate(d) && beginsPeriod(d) == ends && endsPeriod(d) == begins {
			other = append(other, d)
		}
	}
	if len(other) != 1 {
		return
	}
	first, last := chosen.SourceField, other[0].SourceField()
	chosen.SourceFields = schema.SourceFields{first, last}
	if ends {
		first, last = last, first
	}
	chosen.Rule = fmt.Sprintf("%s from %s to %s", unit, first, last)
	chosen.Rationale += fmt.Sprintf(" The period also depends on %s.", other[0].SourceField())
}

// maxCodeTable is the number of columns that a code table has at most.
const maxCodeTable = 8

// describeLookup describes the translation of a code by the only small table that has this code and a description.
func (chosen *choice) describeLookup(from *candidates, column schema.SourceColumn) {
	var key, text schema.SourceColumn
	tables := 0
	for _, i := range from.byColumn[columnKey{column.DataSourceID, strings.ToLower(column.ColumnName)}] {
		other := from.columns[i]
		table := from.byTable[tableOf(other)]
		if tableOf(other) == tableOf(column) || len(table) > maxCodeTable || !from.isKey(other, column) {
			continue
		}
		described := slices.DeleteFunc(slices.Clone(table), func(i int) bool { return !isDescription(from.columns[i]) })
		if len(described) == 1 {
			key, text, tables = other, from.columns[described[0]], tables+1
		}
	}
	if tables != 1 {
		return
	}
	chosen.SourceFields = schema.SourceFields{chosen.SourceField, text.SourceField()}
	chosen.Rule = fmt.Sprintf("%s of the row in which %s is %s",
		text.SourceField(), key.SourceField(), chosen.SourceField)
	chosen.Rationale += fmt.Sprintf(" %s describes its codes.", text.SourceField())
}

// isKey reports whether the key column identifies a row of its table: it is the primary key, the code refers to it, or,
// in a table without a declared primary key, no other column is an identifier.
func (from *candidates) isKey(key, code schema.SourceColumn) bool {
	if key.IsPrimaryKey || code.References != "" {
		return key.IsPrimaryKey || code.References == key.SourceField()
	}
	return !slices.ContainsFunc(from.byTable[tableOf(key)], func(i int) bool {
		other := from.columns[i]
		return other.IsPrimaryKey || other.ColumnName != key.ColumnName && isIdentifier(other)
	})
}

// tableKey identifies a table, and columnKey the columns of one name, in lower case, in a data source.
type (
	tableKey  struct{ source, schema, table string }
	columnKey struct{ source, name string }
)

func tableOf(c schema.SourceColumn) tableKey {
	return tableKey{c.DataSourceID, c.SchemaName, c.TableName}
}

// containsAny reports whether a name, as [words.Split] returns it, has one of the words.
func containsAny(name []string, of ...string) bool {
	return slices.ContainsFunc(name, func(w string) bool { return slices.Contains(of, w) })
}

// endsIn reports whether the last word of the name is one of these.
func endsIn(name string, of ...string) bool {
	split := words.Split(name)
	return len(split) > 0 && slices.Contains(of, split[len(split)-1])
}

func isFlag(a schema.Attribute) bool {
	return datatype.Parse(a.DataType).Kind == datatype.Boolean ||
		endsIn(cmp.Or(a.AttributeName, a.TechnicalLineItemName), "flag", "indicator", "yn")
}

func isCode(c schema.SourceColumn) bool {
	return endsIn(c.ColumnName, "code", "type", "status", "reason", "category", "class")
}

func isIdentifier(c schema.SourceColumn) bool {
	return endsIn(c.ColumnName, "identifier", "number", "key", "sequence", "uuid")
}

func isDescription(c schema.SourceColumn) bool {
	return endsIn(c.ColumnName, "description", "name", "text", "label")
}

func isDate(c schema.SourceColumn) bool {
	kind := datatype.Parse(c.DataType).Kind
	return kind == datatype.Date || kind == datatype.Timestamp ||
		kind == datatype.Unknown && endsIn(c.ColumnName, "date")
}

// isScheduled reports whether a date is known before it comes, so that a row has it from the start.
func isScheduled(c schema.SourceColumn) bool {
	return isDate(c) && containsAny(words.Split(c.ColumnName), "maturity", "mtrty", "expiration", "due")
}

// beginsPeriod and endsPeriod report whether a date begins or ends a period, by the words of its name.
func beginsPeriod(c schema.SourceColumn) bool {
	return containsAny(words.Split(c.ColumnName),
		"open", "origination", "start", "beginning", "effective", "issue", "issued", "inception")
}

func endsPeriod(c schema.SourceColumn) bool {
	return containsAny(words.Split(c.ColumnName),
		"closed", "maturity", "mtrty", "end", "expiration", "term", "termination")
}
