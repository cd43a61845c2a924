package schema

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// attributePair is an attribute of a report in one cycle with its mapping, and the attribute with the same identity in
// another cycle of the report.
type attributePair struct {
	Attribute Attribute `bun:"embed:attribute__"`
	Mapping   Mapping   `bun:"embed:mapping__"`
	// Source is the name of the data source of the mapping; empty if it has none.
	Source string `bun:"source"`
	// Other is the zero value if the other cycle has no such attribute.
	Other        Attribute `bun:"embed:other__"`
	OtherMapping Mapping   `bun:"embed:other_mapping__"`
	OtherSource  string    `bun:"other_source"`
}

// pairQuery selects pairs of attributes of a report.
type pairQuery struct {
	ReportID string
	// CycleID is the cycle of the attributes, and OtherCycleID the one in which their counterparts are looked up.
	CycleID, OtherCycleID string
	// After is the id of the attribute before the first one, and Window the number of attributes to consider.
	After  string
	Window int
	// Where is an SQL condition on the attributes a and o and their mappings m and n; o and n are null if there is
	// no counterpart.
	Where string
	// Limit is the maximum number of pairs.
	Limit int
}

// list reads the pairs in the order of the ids of their attributes. Whatever the statistics, Postgres looks up each
// row by its key: it does not turn a subquery with an offset into a join, and only the index of the identities has the
// order of the identities. A report that the transaction has just copied has no statistics, and another index, which
// fits the report but not the identity, would seem as good and read the whole report for each attribute.
func (q pairQuery) list(ctx context.Context, db bun.IDB) (pairs []attributePair, err error) {
	columns := slices.Concat(
		prefixed[Attribute](db, "a", "attribute__"), prefixed[Mapping](db, "m", "mapping__"),
		prefixed[Attribute](db, "o", "other__"), prefixed[Mapping](db, "n", "other_mapping__"),
		[]string{
			"coalesce(" + sourceOfMapping + ", '') as source", "coalesce(" + otherSource + ", '') as other_source",
		})
	err = db.NewRaw("select "+strings.Join(columns, ", ")+`
		from (select * from attributes where cycle_id = ? and (report_id, id) > (?, ?) and report_id <= ?
				order by report_id, id limit ?) as a
			cross join lateral (select * from pde_mappings where attribute_id = a.id offset 0) as m
			left join lateral (select * from attributes where cycle_id = ? and report_id = ?
				and identity between a.identity and a.identity order by identity limit 1) as o on true
			left join lateral (select * from pde_mappings where attribute_id = o.id offset 0) as n on true
		where `+q.Where+` order by a.id limit ?`,
		q.CycleID, q.ReportID, q.After, q.ReportID, q.Window, q.OtherCycleID, q.ReportID, q.Limit).Scan(ctx, &pairs)
	if err != nil {
		return nil, fmt.Errorf("attributes of report %s in cycles %s and %s: %w",
			q.ReportID, q.CycleID, q.OtherCycleID, err)
	}
	return pairs, nil
}

const (
	sourceOfMapping = "(select name from data_sources where id = m.data_source_id)"
	otherSource     = "(select name from data_sources where id = n.data_source_id)"
)

// attributeColumns are the columns that describe an attribute, in the order of a file of attributes, with the indexes
// of their fields.
var attributeColumns = attributeColumnsOf(reflect.TypeFor[Attribute]())

type attributeColumn struct {
	name  string
	field int
}

func attributeColumnsOf(row reflect.Type) (columns []attributeColumn) {
	kept := []string{
		"id", "cycle_id", "report_id", "identity", "created_at", "created_by", "updated_at", "updated_by",
	}
	for i := 1; i < row.NumField(); i++ { // the first field is the model
		name, _, _ := strings.Cut(row.Field(i).Tag.Get("bun"), ",")
		if !slices.Contains(kept, name) {
			columns = append(columns, attributeColumn{name: name, field: i})
		}
	}
	return columns
}

// changes returns the columns in which the attributes differ.
func (a Attribute) changes(after Attribute) (changes []ImageChange) {
	from, to := reflect.ValueOf(a), reflect.ValueOf(after)
	for _, c := range attributeColumns {
		if b, a := from.Field(c.field).Interface(), to.Field(c.field).Interface(); b != a {
			changes = append(changes, ImageChange{Field: c.name, Before: b, After: a})
		}
	}
	return changes
}
