package schema

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// goneFields are the columns and data sources that a removal deletes.
type goneFields struct {
	columns map[columnOf]bool
	sources []string
	// fields are the source fields that no data source of the report has any more.
	fields map[string]bool
}

// goneFields computes the references to remove, after the columns were deleted or marked as missing.
func (im *importer) goneFields(ctx context.Context, columns []SourceColumn, sources []string) (goneFields, error) {
	gone := goneFields{columns: map[columnOf]bool{}, sources: sources, fields: map[string]bool{}}
	left, err := im.selectColumns(ctx, `where c.data_source_id in (select id from data_sources
		where cycle_id = $1 and report_id = $2)
		and c.identity = any($3) and c.missing_since is null`, im.report.CycleID, im.report.ReportID,
		each(columns, func(c SourceColumn) string { return c.Identity }))
	if err != nil {
		return gone, err
	}
	for _, c := range columns {
		gone.columns[columnOf{c.DataSourceID, c.SourceField()}] = true
		gone.fields[c.SourceField()] = true
	}
	for _, c := range left {
		delete(gone.fields, c.SourceField())
	}
	return gone, nil
}

// mappings returns the ids of the mappings that refer to a removed column or data source, in order.
func (g goneFields) mappings(ctx context.Context, im *importer) ([]string, error) {
	var sourceIDs, named, fields []string
	for c := range g.columns {
		sourceIDs, named = append(sourceIDs, c.sourceID), append(named, c.field)
	}
	for field := range g.fields {
		fields = append(fields, field)
	}
	ids, err := im.queryIDs(ctx, `select m.id from pde_mappings m where m.cycle_id = $1 and m.report_id = $2 and (
			m.data_source_id = any($6::text[])
			or (m.data_source_id, m.source_field) in (select * from unnest($3::text[], $4::text[]))
			or m.suggested_source_field = any($5::text[])
			or exists (select from jsonb_array_elements_text(m.source_fields) f where f = any($5::text[]))
			or exists (
				select from jsonb_array_elements(
					case jsonb_typeof(m.alternative_mappings) when 'array' then m.alternative_mappings end) a
				where a->>'source_field' = any($5::text[])
			)
		)`, pgx.QueryExecModeCacheStatement, im.report.CycleID, im.report.ReportID,
		sourceIDs, named, fields, slices.Clip(g.sources))
	if err != nil {
		return nil, fmt.Errorf("mappings to removed columns: %w", err)
	}
	list := make([]string, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	slices.Sort(list)
	return list, nil
}

// removedRationale is the rationale of a mapping that has lost its column.
const removedRationale = "The column was removed from its data source."

// from returns the mapping without removed references. If its main column is gone, so are the others and its review. If
// one of the others is gone, a person must revise its rule.
func (g goneFields) from(m Mapping, now time.Time) Mapping {
	m = g.withoutSuggestions(m)
	if !g.columns[columnOf{m.DataSourceID, m.SourceField}] && !slices.Contains(g.sources, m.DataSourceID) {
		m.dropSourceFields(g.fields, now)
		return m
	}
	m.dropColumn(removedRationale)
	m.ResetReview()
	return m
}

// withoutSuggestions returns the mapping without suggestions of columns that the report no longer has.
func (g goneFields) withoutSuggestions(m Mapping) Mapping {
	if g.fields[m.SuggestedSourceField] {
		m.SuggestedSourceField = ""
	}
	m.AlternativeMappings = slices.DeleteFunc(slices.Clone(m.AlternativeMappings),
		func(a Alternative) bool { return g.fields[a.SourceField] })
	return m
}
