package schema

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

const (
	// window is the number of mappings that a list reads in its order at once to find those that match. If one
	// mapping in twenty matches, the window fills a page of 50.
	window = 1000
	// searchWindow replaces window in a search, which also reads the attribute of each mapping.
	searchWindow = 350
	// facetWindow replaces them in an order without an index: that many mappings are read of each facet.
	facetWindow = 100
	// frequent is the number of mappings with the text in the window from which on reading in order is faster than
	// finding and sorting all matches.
	frequent = 5
	// mostSorted is the largest number of matches that is found and sorted.
	mostSorted = 1000
)

// MappingPosition is a position in a list of mappings: the sort key and the sort id of the mapping before it. The
// zero value is the beginning.
type MappingPosition struct{ Key, ID string }

// ListedMapping is a mapping with the name and line of its attribute and its position in a list.
type ListedMapping struct {
	bun.BaseModel `bun:"table:pde_mappings,alias:m"`

	Mapping
	AttributeName  string `bun:"attribute_name,scanonly"`
	LineItemNumber string `bun:"line_item_number,scanonly"`
	SortKey        string `bun:"sort_key,scanonly"`
	SortID         string `bun:"sort_id,scanonly"`
}

// ListMappings returns at most limit mappings that pass the filter and follow the position. Next is the position
// of the next page, or nil after the last mapping. The default sort is [MappingSortID].
//
// A page may have fewer mappings than limit, or none, although next is not nil. This happens only if more than 1,000
// mappings match, and if they are rare among the next ones in an order that has no index for the filter. The
// time of a page therefore does not depend on the size of the report.
func ListMappings(
	ctx context.Context, db bun.IDB, filter MappingFilter, after MappingPosition, limit int,
) (page []ListedMapping, next *MappingPosition, err error) {
	filter.Sort = cmp.Or(filter.Sort, MappingSortID)
	if filter.Sort == MappingSortSourceField && filter.Unmapped != nil && *filter.Unmapped {
		filter.Sort = MappingSortID // they all have the same key
	}
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := readInIndexOrder(ctx, tx); err != nil {
			return err
		}
		l := mappingList{MappingFilter: filter, db: tx, limit: limit}
		page, next, err = l.read(ctx, after)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("mappings of report %s: %w", filter.ReportID, err)
	}
	return page, next, nil
}

// mappingList reads one page of a list.
type mappingList struct {
	MappingFilter
	db    bun.Tx
	limit int
}

func (l mappingList) read(ctx context.Context, after MappingPosition) ([]ListedMapping, *MappingPosition, error) {
	if l.everyMappingMatches() || l.byFacet() {
		var page []ListedMapping
		for _, part := range l.parts(l.db, after, l.limit+1) {
			rows, err := l.readMatches(ctx, part, l.limit+1-len(page))
			if page = append(page, rows...); err != nil || len(page) > l.limit {
				return l.full(page, err)
			}
		}
		return page, nil, nil
	}
	if l.Search == "" {
		sorted, all, err := l.sortMatches(ctx, after)
		if err != nil || all {
			return l.full(sorted, err)
		}
	}
	page, end, err := l.readWindow(ctx, after, l.limit+1)
	if err != nil || end == nil || len(page) > l.limit {
		return l.full(page, err)
	}
	// A text with a line break could match across the texts of the index.
	if l.Search != "" && len(page) < frequent && !strings.Contains(l.Search, "\n") {
		sorted, all, err := l.sortMatches(ctx, after)
		if err != nil || all {
			return l.full(sorted, err)
		}
	}
	more, end, err := l.readWindow(ctx, *end, l.limit+1-len(page))
	page = append(page, more...)
	if err != nil || len(page) > l.limit {
		return l.full(page, err)
	}
	return page, end, nil
}

// full cuts the mappings, of which one more than the page shows was read, and returns the position of the next page.
func (l mappingList) full(mappings []ListedMapping, err error) ([]ListedMapping, *MappingPosition, error) {
	if err != nil || len(mappings) <= l.limit {
		return mappings, nil, err
	}
	last := mappings[l.limit-1]
	return mappings[:l.limit], &MappingPosition{Key: last.SortKey, ID: last.SortID}, nil
}

// parts selects the next mappings of the list in parts that follow each other, at most limit in each.
func (f MappingFilter) parts(db bun.IDB, after MappingPosition, limit int) []*bun.SelectQuery {
	if f.everyMappingMatches() || !f.byFacet() {
		return []*bun.SelectQuery{f.next(db, after, limit)}
	}
	var parts []*bun.SelectQuery
	for _, group := range f.groups(after) {
		parts = append(parts, f.merge(db, group, after, limit))
	}
	return parts
}

// next selects the next mappings that pass the filter, in an order that has an index without the facet. For the
// order of the names, which has no filter, it selects the next attributes.
func (f MappingFilter) next(db bun.IDB, after MappingPosition, limit int) *bun.SelectQuery {
	query := db.NewSelect().TableExpr("pde_mappings as m")
	if f.Sort == MappingSortID {
		return f.nextByID(query, after).Limit(int64(limit))
	}
	if f.Sort.row() == "a" {
		query = db.NewSelect().TableExpr("attributes as a")
	}
	return f.order(f.where(f.following(query, after))).Limit(int64(limit))
}

// nextByID selects a range of reports and sorts by the report first. Postgres could otherwise read the mappings of all
// reports in the order of their primary key.
func (f MappingFilter) nextByID(query *bun.SelectQuery, after MappingPosition) *bun.SelectQuery {
	beyond, end, direction := ">", "<=", " asc"
	if f.Descending {
		beyond, end, direction = "<", ">=", " desc"
	}
	query = query.Where("m.cycle_id = ?", f.CycleID)
	if after.ID == "" {
		query = query.Where("m.report_id between ? and ?", f.ReportID, f.ReportID)
	} else {
		query = query.Where("m.report_id "+end+" ?", f.ReportID).
			Where("(m.report_id, m.id) "+beyond+" (?, ?)", f.ReportID, after.ID)
	}
	return f.order(f.where(query).OrderExpr("m.report_id" + direction))
}

// readWindow returns at most limit of the matches among the next mappings, and the position of the last of those
// mappings, or nil if the list ends with them.
func (l mappingList) readWindow(
	ctx context.Context, after MappingPosition, limit int,
) (page []ListedMapping, end *MappingPosition, err error) {
	every, size := MappingFilter{
		CycleID: l.CycleID, ReportID: l.ReportID, Sort: l.Sort, Descending: l.Descending,
	}, window
	if l.Search != "" {
		size = searchWindow
	}
	if l.Sort.constantByFacet() {
		every, size = l.MappingFilter, facetWindow
		every.Search, every.IDPrefix, every.MinConfidence, every.MaxConfidence = "", "", nil, nil
	}
	for _, part := range every.parts(l.db, after, size) {
		rows, err := l.readMatches(ctx, part, limit-len(page))
		if page = append(page, rows...); err != nil || len(page) == limit {
			return page, nil, err
		}
		if end, err = l.position(ctx, part, size); err != nil || end != nil {
			return page, end, err
		}
	}
	return page, nil, nil
}

// readMatches returns at most limit of the mappings that the query selects and that pass the filter.
func (l mappingList) readMatches(
	ctx context.Context, from *bun.SelectQuery, limit int,
) (page []ListedMapping, err error) {
	query := selectMappings(l.db, &page, l.Sort)
	join := attributeOfEach
	if l.Sort.row() == "a" {
		join = "cross join lateral (select * from pde_mappings where attribute_id = a.id offset 0) as m"
	}
	query = query.ModelTableExpr("(?) as "+l.Sort.row(), from).Join(join)
	err = l.order(l.matching(l.where(query))).Limit(int64(limit)).Scan(ctx)
	return page, err
}

// position returns the position of the mapping that is the n-th in the query, or nil if there are fewer.
func (l mappingList) position(ctx context.Context, from *bun.SelectQuery, n int) (*MappingPosition, error) {
	key, _ := l.Sort.shown()
	var position MappingPosition
	err := l.order(l.db.NewSelect().TableExpr("(?) as "+l.Sort.row(), from).ColumnExpr(key+", "+l.Sort.id())).
		Offset(int64(n-1)).Limit(1).Scan(ctx, &position.Key, &position.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &position, err
}

// sortMatches finds the mappings that may match in an index of the filter, and sorts the matches that follow the
// position. It returns at most one more than the page shows. All is false if there are too many to sort.
func (l mappingList) sortMatches(
	ctx context.Context, after MappingPosition,
) (page []ListedMapping, all bool, err error) {
	var ids []string
	if l.Search == "" {
		err = l.filtered(l.db, mostSorted+1).Scan(ctx, &ids)
	} else if err = readBitmaps(ctx, l.db); err == nil {
		err = errors.Join(l.containing(l.db, mostSorted+1).Scan(ctx, &ids), readInIndexOrder(ctx, l.db))
	}
	if err != nil || len(ids) > mostSorted {
		return nil, false, err
	}
	slices.Sort(ids)
	query := selectMappings(l.db, &page, l.Sort).
		ModelTableExpr("unnest(?::text[]) as f (id)", pgdialect.Array(slices.Compact(ids))).
		Join("cross join lateral (select * from pde_mappings where id = f.id offset 0) as m").Join(attributeOfEach)
	err = l.order(l.matching(l.where(l.following(query, after)))).Limit(int64(l.limit + 1)).Scan(ctx)
	return page, true, err
}

// filtered selects the ids of at most limit mappings that pass the filter, except for the search, from an index of
// the filter, not in the order of the list.
func (f MappingFilter) filtered(db bun.IDB, limit int) *bun.SelectQuery {
	query := f.withoutFacets().where(db.NewSelect().TableExpr("pde_mappings as m").Column("m.id").
		Where("m.cycle_id = ? and m.report_id = ?", f.CycleID, f.ReportID)).Limit(int64(limit))
	switch {
	case f.filtersFacets():
		query = query.Where(facetOfMapping + " between f.facet and f.facet").OrderExpr(facetOfMapping)
		return db.NewSelect().Column("m.id").
			TableExpr("unnest(?::integer[]) as f (facet)", pgdialect.Array(numbers(f.facets()))).
			Join("cross join lateral (?) as m", query).Limit(int64(limit))
	case f.filtersConfidence():
		confidence, _ := MappingSortConfidence.key()
		return query.OrderExpr(confidence)
	default:
		return query.OrderExpr("m.id")
	}
}
