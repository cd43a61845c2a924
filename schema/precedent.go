package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Precedent is a mapping of another report or cycle that a person has confirmed.
type Precedent struct {
	CycleID                           string       `bun:"cycle_id"`
	ReportID                          string       `bun:"report_id"`
	AttributeName                     string       `bun:"attribute_name"`
	SourceField                       string       `bun:"source_field"`
	SourceFields                      SourceFields `bun:"source_fields,type:jsonb"`
	MappingType                       MappingType  `bun:"mapping_type"`
	TransformationRule                string       `bun:"transformation_rule"`
	InformationSecurityClassification Tier         `bun:"information_security_classification"`
}

const (
	// precedentsPerName and precedentsPerColumn are the numbers of precedents of an attribute and of a column that are
	// read. A name such as Balance may be in every report of every cycle.
	precedentsPerName, precedentsPerColumn = 20, 5
	// maxPrecedents is the number of precedents that a report can have.
	maxPrecedents = 10_000
)

// ListPrecedents returns the confirmed mappings of other reports and cycles that have an attribute of the report, by
// its name in any case, or one of the source fields, and that were not rejected. It returns the latest 20 of each name
// and 5 of each source field, and at most 10,000, the latest updated first. The time for a source
// field does not depend on the number of confirmed mappings; the time for a name grows with the number of attributes
// of that name in all reports.
func ListPrecedents(
	ctx context.Context, db bun.IDB, cycleID, reportID string, sourceFields []string,
) ([]Precedent, error) {
	const (
		// The conditions are those of the indexes.
		confirmed = `m.mapping_confirmed_by_user and m.source_field is not null and m.review_status <> 'rejected'
			and (m.cycle_id <> ?0 or m.report_id <> ?1)`
		latest = `order by m.updated_at desc, m.id desc limit `
	)
	var all []Precedent
	err := db.NewRaw(`
		select m.cycle_id, m.report_id, a.attribute_name, m.source_field, m.source_fields,
			coalesce(m.mapping_type, '') as mapping_type, coalesce(m.transformation_rule, '') as transformation_rule,
			coalesce(m.information_security_classification, '') as information_security_classification
		from (
			select p.id from (
				select distinct lower(attribute_name) as name from attributes where cycle_id = ?0 and report_id = ?1
			) n cross join lateral (
				select m.id from attributes a join pde_mappings m on m.attribute_id = a.id
				where left(lower(a.attribute_name), 200) collate "C" = left(n.name, 200) collate "C"
					and lower(a.attribute_name) = n.name and `+confirmed+`
				`+latest+`?3
			) p
			union
			select p.id from unnest(?2::text[]) f (field) cross join lateral (
				select m.id from pde_mappings m
				where hashtextextended(m.source_field, 0) = hashtextextended(f.field, 0) and m.source_field = f.field
					and `+confirmed+`
				`+latest+`?4
			) p
		) p join pde_mappings m on m.id = p.id join attributes a on a.id = m.attribute_id
		order by m.updated_at desc, m.id desc limit ?5`,
		cycleID, reportID, pgdialect.Array(sourceFields), precedentsPerName, precedentsPerColumn, maxPrecedents).
		Scan(ctx, &all)
	if err != nil {
		return nil, fmt.Errorf("precedents of report %s of cycle %s: %w", reportID, cycleID, err)
	}
	return all, nil
}
