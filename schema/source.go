package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// DataSource is a system whose columns may feed a report.
type DataSource struct {
	bun.BaseModel `bun:"table:data_sources,alias:ds"`

	ID          string    `bun:"id,pk"`
	CycleID     string    `bun:"cycle_id"`
	ReportID    string    `bun:"report_id"`
	Name        string    `bun:"name"`
	Description string    `bun:"description"`
	CreatedAt   time.Time `bun:"created_at"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedAt   time.Time `bun:"updated_at"`
	UpdatedBy   string    `bun:"updated_by"`
}

// SourceColumn is one column of a data source: a candidate for the physical data element of an attribute.
type SourceColumn struct {
	bun.BaseModel `bun:"table:source_columns,alias:sc"`

	ID           string    `bun:"id,pk"`
	DataSourceID string    `bun:"data_source_id"`
	SchemaName   string    `bun:"schema_name"`
	TableName    string    `bun:"table_name"`
	ColumnName   string    `bun:"column_name"`
	DataType     string    `bun:"data_type"`
	Description  string    `bun:"description"`
	CreatedAt    time.Time `bun:"created_at"`
	CreatedBy    string    `bun:"created_by"`
	UpdatedAt    time.Time `bun:"updated_at"`
	UpdatedBy    string    `bun:"updated_by"`
}

// SourceField is the column's name as mappings carry it: schema.table.column.
func (c SourceColumn) SourceField() string {
	return c.SchemaName + "." + c.TableName + "." + c.ColumnName
}

// SourceColumns lists every column that may feed the report, in a fixed order.
func SourceColumns(ctx context.Context, db bun.IDB, cycleID, reportID string) ([]SourceColumn, error) {
	var columns []SourceColumn
	err := db.NewSelect().Model(&columns).
		Where("data_source_id in (select id from data_sources where cycle_id = ? and report_id = ?)", cycleID, reportID).
		Order("data_source_id", "schema_name", "table_name", "column_name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("source columns of report %s of cycle %s: %w", reportID, cycleID, err)
	}
	return columns, nil
}
