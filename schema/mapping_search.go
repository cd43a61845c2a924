package schema

import (
	"context"
	"strings"

	"github.com/uptrace/bun"
)

const (
	// window is the number of mappings that a list reads in its order before it decides how to find the
	// matches. If one mapping in forty matches, the window fills a page of 50.
	window = 2000
	// facetWindow replaces window in an order without an index: that many mappings are read of each facet.
	facetWindow = 500
	// frequent is the number of mappings with the text in the window from which on reading in order is faster than
	// finding and sorting all matches.
	frequent = 10
	// mostSorted is the largest number of matches of a filter without a text that is found and sorted. More are read
	// in the order of the list.
	mostSorted = 5000
)

// inOrder reads the page in the order of the list. Complete is false if it is faster to find all matches and
// sort them.
func (f MappingFilter) inOrder(
	ctx context.Context, db bun.IDB, afterKey, afterID string, limit int,
) (page []ListedMapping, complete bool, err error) {
	read := func(tx bun.Tx, next *bun.SelectQuery) error {
		page = nil
		query := selectMappings(tx, &page, f.Sort, attributeOfEach).ModelTableExpr("(?) as m", next)
		return f.order(f.matching(f.where(query))).Limit(int64(limit)).Scan(ctx)
	}
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := readInIndexOrder(ctx, tx); err != nil {
			return err
		}
		switch {
		case f.everyMappingMatches():
			complete = true
			return read(tx, f.next(tx, afterKey, afterID, limit))
		case f.byFacet():
			complete = true
			return read(tx, f.facetPage(tx, afterKey, afterID, limit))
		}
		if err := read(tx, f.window(tx, afterKey, afterID)); err != nil {
			return err
		}
		if complete = len(page) == limit; complete {
			return nil
		}
		many := len(page) >= frequent
		if f.Search == "" {
			var n int
			if err := tx.NewSelect().ColumnExpr("count(*)").
				TableExpr("(?) as m", f.matches(tx, mostSorted+1)).Scan(ctx, &n); err != nil {
				return err
			}
			many = n > mostSorted
		}
		switch {
		case f.Search != "" && (!many || f.Sort.constantByFacet()):
			return readInAnyOrder(ctx, tx)
		case !many:
			complete = true
			matches := selectMappings(tx, &page, f.Sort, attributeOfEach).
				ModelTableExpr("(?) as m", f.matches(tx, mostSorted))
			page = nil
			return f.page(matches, afterKey, afterID, limit).Scan(ctx)
		case f.Sort.constantByFacet():
			complete = true
			return read(tx, f.facetPage(tx, afterKey, afterID, limit))
		}
		complete = true
		next := f.next(tx, afterKey, afterID, limit)
		if f.Search != "" && f.Sort != MappingSortAttributeName {
			next = next.Join(attributeOfEach)
		}
		return read(tx, f.matching(next))
	})
	return page, complete, err
}

// window selects the next mappings in the order of the list, whether or not they match.
func (f MappingFilter) window(db bun.IDB, afterKey, afterID string) *bun.SelectQuery {
	if f.Sort.constantByFacet() {
		every := f
		every.IDPrefix, every.MinConfidence, every.MaxConfidence = "", nil, nil
		return every.facetPage(db, afterKey, afterID, facetWindow)
	}
	every := MappingFilter{CycleID: f.CycleID, ReportID: f.ReportID, Sort: f.Sort, Descending: f.Descending}
	return every.next(db, afterKey, afterID, window)
}

// next selects the next mappings that pass the filter, in an order that has an index without the facet.
func (f MappingFilter) next(db bun.IDB, afterKey, afterID string, limit int) *bun.SelectQuery {
	query := db.NewSelect().TableExpr("pde_mappings as m")
	if f.Sort == MappingSortAttributeName {
		query = db.NewSelect().TableExpr("attributes as a").
			Join("cross join lateral (select * from pde_mappings where attribute_id = a.id offset 0) as m")
	}
	return f.page(query.ColumnExpr("m.*"), afterKey, afterID, limit)
}

// matching narrows the query to the mappings that contain the text.
func (f MappingFilter) matching(query *bun.SelectQuery) *bun.SelectQuery {
	if f.Search == "" {
		return query
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Search) + "%"
	return query.Where(`concat_ws(e'\n', a.attribute_name, a.line_item_number, a.technical_line_item_name,
		a.mdrm, m.pde_name, m.source_field) ilike ?`, pattern)
}

// candidates narrows the query to the mappings whose attribute, or whose element and column, contain all parts
// of the text according to the indexes. The arrays and "between" keep the planner from reading the whole
// report instead, because it expects few rows of either. A text with a line break is not looked up, because it
// could match across attribute and element.
func (f MappingFilter) candidates(query *bun.SelectQuery) *bun.SelectQuery {
	if strings.Contains(f.Search, "\n") {
		return query
	}
	// ilike lowers the pattern with its percent signs, and in some locales the lower case of a letter depends on
	// its neighbours.
	const parts = `search_parts(?0, ?1,
			substr(lower('%' || ?2 || '%'), 2, length(lower('%' || ?2 || '%')) - 2), least(length(lower(?2)), 3))`
	return query.Where(`m.id = any(array(
		select c.id from pde_mappings c where c.attribute_id = any(array(
			select s.id from attributes s where s.cycle_id = ?0 and s.report_id = ?1
				and search_parts(s.cycle_id, s.report_id, lower(s.attribute_name || e'\n' || s.line_item_number
					|| e'\n' || s.technical_line_item_name || e'\n' || s.mdrm), 1) @> `+parts+`))
		union all
		select c.id from (
			select distinct left(e.source_field, 200) collate "C" as field from mapped_elements e
			where e.cycle_id = ?0 and e.report_id = ?1 and
				search_parts(e.cycle_id, e.report_id, lower(coalesce(e.pde_name, '') || e'\n' || e.source_field), 1)
					@> `+parts+`
		) e cross join lateral (
			select c.id from pde_mappings c
			where c.cycle_id = ?0 and c.report_id = ?1 and
				left(coalesce(c.source_field, ''), 200) collate "C" between e.field and e.field offset 0
		) c
		union all
		select c.id from pde_mappings c where c.cycle_id = ?0 and c.report_id = ?1 and c.source_field is null
			and c.pde_name is not null
			and search_parts(c.cycle_id, c.report_id, lower(c.pde_name), 1) @> `+parts+`))`,
		f.CycleID, f.ReportID, f.Search)
}
