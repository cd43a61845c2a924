package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// ListExampleMappings returns up to three classified mappings of the report: an HRCI mapping with high
// confidence, one with close alternatives, and one that no column fits. It omits the kinds that the report
// does not have.
func ListExampleMappings(ctx context.Context, db bun.IDB, cycleID, reportID string) ([]ListedMapping, error) {
	var examples []ListedMapping
	for _, pick := range []struct{ where, order string }{
		{"m.information_security_classification = 'HRCI' and m.source_field is not null", "m.confidence_score desc"},
		{
			"m.source_field is not null and jsonb_array_length(m.alternative_mappings) > 1",
			"(m.alternative_mappings -> 0 ->> 'score')::int desc",
		},
		{"m.source_field is null", "m.confidence_score desc"},
	} {
		var found []ListedMapping
		err := db.NewSelect().Model(&found).ColumnExpr("m.*, a.attribute_name").
			Join("join attributes a on a.id = m.attribute_id").
			Where("m.cycle_id = ? and m.report_id = ? and m.information_security_classification is not null",
				cycleID, reportID).
			Where(pick.where).OrderExpr(pick.order + ", m.id").Limit(1).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("example mappings: %w", err)
		}
		examples = append(examples, found...)
	}
	return examples, nil
}
