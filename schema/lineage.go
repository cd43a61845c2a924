package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"
)

// Lineage is where a field of a report comes from.
type Lineage struct {
	LineItemNumber string       `bun:"line_item_number"`
	DataSource     string       `bun:"data_source"`
	SourceField    string       `bun:"source_field"`
	SourceFields   SourceFields `bun:"source_fields,type:jsonb"`

	InformationSecurityClassification Tier `bun:"information_security_classification"`
}

// ListLineage returns the lineage of at most limit mappings of the report, in the order of the list of mappings.
func ListLineage(ctx context.Context, db bun.IDB, cycleID, reportID string, limit int) ([]Lineage, error) {
	var rows []Lineage
	err := db.NewRaw(`select coalesce(a.line_item_number, '') as line_item_number,
			coalesce(s.name, '') as data_source, coalesce(m.source_field, '') as source_field, m.source_fields,
			coalesce(m.information_security_classification, '') as information_security_classification
		from pde_mappings m join attributes a on a.id = m.attribute_id
			left join data_sources s on s.id = m.data_source_id
		where m.cycle_id = ? and m.report_id = ? order by m.id limit ?`, cycleID, reportID, limit).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("lineage of report %s: %w", reportID, err)
	}
	return rows, nil
}

// Tables returns the tables of the columns, each as schema.table and once, in their order. It is empty if there is no
// column.
func (l Lineage) Tables() (tables []string) {
	fields := l.SourceFields
	if len(fields) == 0 && l.SourceField != "" {
		fields = SourceFields{l.SourceField}
	}
	for _, field := range fields {
		table := field // as it is, if a person has entered something else
		if c, ok := ParseSourceField(field); ok {
			table = quoteName(c.SchemaName) + "." + quoteName(c.TableName)
		}
		if !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	return tables
}
