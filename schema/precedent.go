package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Precedent is a mapping of another report or cycle that a person has confirmed.
type Precedent struct {
	CycleID                           string      `bun:"cycle_id"`
	ReportID                          string      `bun:"report_id"`
	AttributeName                     string      `bun:"attribute_name"`
	SourceField                       string      `bun:"source_field"`
	MappingType                       MappingType `bun:"mapping_type"`
	InformationSecurityClassification Tier        `bun:"information_security_classification"`
}

// maxPrecedents is the number of precedents that a report can have.
const maxPrecedents = 10_000

// ListPrecedents returns the confirmed mappings of other reports and cycles that have an attribute of the report, by
// its name in any case, or one of the source fields, and that were not rejected. It returns at most 10,000, the latest
// updated first.
func ListPrecedents(
	ctx context.Context, db bun.IDB, cycleID, reportID string, sourceFields []string,
) ([]Precedent, error) {
	var all []Precedent
	err := db.NewRaw(`
		select m.cycle_id, m.report_id, a.attribute_name, m.source_field, coalesce(m.mapping_type, '') as mapping_type,
			coalesce(m.information_security_classification, '') as information_security_classification
		from pde_mappings m join attributes a on a.id = m.attribute_id
		where m.mapping_confirmed_by_user and m.source_field is not null and m.review_status <> 'rejected'
			and (m.cycle_id <> ? or m.report_id <> ?)
			and (lower(a.attribute_name) in
					(select lower(attribute_name) from attributes where cycle_id = ? and report_id = ?)
				or m.source_field = any(?))
		order by m.updated_at desc, m.id desc
		limit ?`, cycleID, reportID, cycleID, reportID, pgdialect.Array(sourceFields), maxPrecedents).Scan(ctx, &all)
	if err != nil {
		return nil, fmt.Errorf("precedents of report %s of cycle %s: %w", reportID, cycleID, err)
	}
	return all, nil
}
