package classifier

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// candidates are the columns that may feed a report, indexed for ranking. They are immutable.
type candidates struct {
	// report is the name of the filing.
	report  string
	columns []schema.SourceColumn
	// ranking ranks the columns for the attributes of the report.
	ranking *columns.Report
	// byField has the positions of the columns by source field, byTable by table, and byColumn by name in a data
	// source.
	byField  map[string][]int
	byTable  map[tableKey][]int
	byColumn map[columnKey][]int
	// tables are the tables in the order of their first columns.
	tables     []tableKey
	precedents precedents
}

// newCandidates returns the candidates of a report of this name, with the ranking of all of them.
func newCandidates(report string, all []schema.SourceColumn, ranking *columns.Report) *candidates {
	c := &candidates{
		report: report, columns: all, ranking: ranking, byField: make(map[string][]int, len(all)),
		byTable: map[tableKey][]int{}, byColumn: map[columnKey][]int{},
	}
	for i, column := range all {
		c.byField[column.SourceField()] = append(c.byField[column.SourceField()], i)
		table := tableOf(column)
		if c.byTable[table] == nil {
			c.tables = append(c.tables, table)
		}
		c.byTable[table] = append(c.byTable[table], i)
		key := columnKey{column.DataSourceID, strings.ToLower(column.ColumnName)}
		c.byColumn[key] = append(c.byColumn[key], i)
	}
	return c
}

// precedents are the decisions of people on similar mappings of other reports and cycles.
type precedents struct {
	// byAttribute are the decisions by the attribute's name in lower case, byColumn by the column.
	byAttribute, byColumn map[string][]schema.Precedent
}

func newPrecedents(all []schema.Precedent) precedents {
	p := precedents{byAttribute: map[string][]schema.Precedent{}, byColumn: map[string][]schema.Precedent{}}
	for _, one := range all {
		name := strings.ToLower(one.AttributeName)
		p.byAttribute[name] = append(p.byAttribute[name], one)
		p.byColumn[one.SourceField] = append(p.byColumn[one.SourceField], one)
	}
	return p
}

// readCandidates reads the candidates of the report.
func readCandidates(
	ctx context.Context, db *schema.DB, vocabulary *words.Vocabulary, cycleID, reportID string,
) (*candidates, error) {
	report, err := schema.GetReport(ctx, db, cycleID, reportID)
	if err != nil {
		return nil, err
	}
	all, err := schema.ListCandidateColumns(ctx, db, cycleID, reportID)
	if err != nil {
		return nil, err
	}
	attributes, err := listAttributes(ctx, db, cycleID, reportID, mostAttributes)
	if err != nil {
		return nil, err
	}
	ranking, err := columns.NewIndexWithVocabulary(all, vocabulary).ReportContext(ctx, attributes)
	if err != nil {
		return nil, err
	}
	from := newCandidates(cmp.Or(report.Name, report.ReportID), all, ranking)
	decided, err := schema.ListPrecedents(ctx, db, cycleID, reportID, slices.Collect(maps.Keys(from.byField)))
	if err != nil {
		return nil, err
	}
	from.precedents = newPrecedents(decided)
	return from, nil
}

const (
	// mostAttributes is the number of attributes that the ranking of a report considers together, the first ones by id.
	// It bounds the time until the first mapping of a job is judged.
	mostAttributes = 10_000
	// attributePage is the number of attributes that one query reads.
	attributePage = 1000
)

// listAttributes returns the attributes of a report in the order of their ids, at most a number of them.
func listAttributes(
	ctx context.Context, db *schema.DB, cycleID, reportID string, most int,
) (all []schema.Attribute, err error) {
	for after := ""; len(all) < most; after = all[len(all)-1].ID {
		limit := min(attributePage, most-len(all))
		page, err := schema.ListAttributes(ctx, db, cycleID, reportID, after, limit)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < limit {
			return all, nil
		}
	}
	return all, nil
}

const (
	// columnBytes is the memory of an indexed column without its description; 550 bytes were measured.
	columnBytes = 600
	// precedentBytes is the memory of a precedent in both maps, without its attribute's name, which it has twice.
	precedentBytes = 500
)

// bytes estimates the memory that the candidates occupy.
func (c *candidates) bytes() int {
	n := len(c.columns) * columnBytes
	for i := range c.columns {
		n += len(c.columns[i].Description)
	}
	for name, decided := range c.precedents.byAttribute {
		n += len(decided) * (precedentBytes + 2*len(name))
	}
	return n
}
