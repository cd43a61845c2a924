package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// matching narrows the query to the mappings that contain the text.
func (f MappingFilter) matching(query *bun.SelectQuery) *bun.SelectQuery {
	if f.Search == "" {
		return query
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Search) + "%"
	return query.Where(`concat_ws(e'\n', a.attribute_name, a.line_item_number, a.technical_line_item_name,
		a.mdrm, m.pde_name, m.source_field, case when m.source_fields is not null then
			(select string_agg(field, e'\n') from jsonb_array_elements_text(m.source_fields) field)
		end) ilike ?`, pattern)
}

// containing selects the ids of at most limit mappings whose attribute, or whose element and columns, contain all
// parts of the text according to the indexes. An id may be selected twice.
func (f MappingFilter) containing(db bun.IDB, limit int) *bun.RawQuery {
	// ilike lowers the pattern with its percent signs, and in some locales the lower case of a letter depends on
	// its neighbours.
	const parts = `search_parts(?0, ?1,
			substr(lower('%' || ?2 || '%'), 2, length(lower('%' || ?2 || '%')) - 2), least(length(lower(?2)), 3))`
	return db.NewRaw(`select id from (
		select c.id from unnest(array(
			select s.id from attributes s where s.cycle_id = ?0 and s.report_id = ?1
				and search_parts(s.cycle_id, s.report_id, lower(s.attribute_name || e'\n' || s.line_item_number
					|| e'\n' || s.technical_line_item_name || e'\n' || s.mdrm), 1) @> `+parts+` limit ?3)) s (id)
			cross join lateral (select id from pde_mappings where attribute_id = s.id offset 0) c
		union all
		select c.id from (
			select distinct left(e.source_field, 200) collate "C" as field from mapped_elements e
			where e.cycle_id = ?0 and e.report_id = ?1 and
				search_parts(e.cycle_id, e.report_id,
					lower(coalesce(e.pde_name, '') || e'\n' || e.source_field || e'\n' || e.further), 1) @> `+parts+`
		) e cross join lateral (
			select c.id from pde_mappings c
			where c.cycle_id = ?0 and c.report_id = ?1 and
				left(coalesce(c.source_field, ''), 200) collate "C" between e.field and e.field offset 0
		) c
		union all
		select c.id from pde_mappings c where c.cycle_id = ?0 and c.report_id = ?1 and c.source_field is null
			and c.pde_name is not null
			and search_parts(c.cycle_id, c.report_id, lower(c.pde_name), 1) @> `+parts+`) c limit ?3`,
		f.CycleID, f.ReportID, f.Search, limit)
}

// readBitmaps makes the transaction read indexes only as bitmaps until [readInIndexOrder]. Only these can intersect the
// parts of a text. Postgres expects other numbers of matches than there are, and would read the whole report instead.
func readBitmaps(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewRaw(`select set_config('enable_bitmapscan', 'on', true),
		set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true)`).Exec(ctx)
	if err != nil {
		return fmt.Errorf("plan of the search: %w", err)
	}
	return nil
}
