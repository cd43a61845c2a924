package schema

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// DataSource is a system whose columns may feed a report.
type DataSource struct {
	bun.BaseModel `bun:"table:data_sources,alias:ds"`

	ID          string `bun:"id,pk"`
	CycleID     string `bun:"cycle_id"`
	ReportID    string `bun:"report_id"`
	Name        string `bun:"name"`
	Description string `bun:"description"`
	// ColumnCount is the number of columns of the data source. Triggers maintain it.
	ColumnCount int64     `bun:"column_count"`
	CreatedAt   time.Time `bun:"created_at"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedAt   time.Time `bun:"updated_at"`
	UpdatedBy   string    `bun:"updated_by"`
}

// SourceColumn is one column of a data source: a candidate for the physical data element of an attribute.
type SourceColumn struct {
	bun.BaseModel `bun:"table:source_columns,alias:sc"`

	ID           string `bun:"id,pk"`
	DataSourceID string `bun:"data_source_id"`
	// Identity distinguishes the column from the others of its data source; see [ColumnIdentity].
	Identity    string    `bun:"identity"`
	SchemaName  string    `bun:"schema_name"`
	TableName   string    `bun:"table_name"`
	ColumnName  string    `bun:"column_name"`
	DataType    string    `bun:"data_type"`
	Description string    `bun:"description"`
	CreatedAt   time.Time `bun:"created_at"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedAt   time.Time `bun:"updated_at"`
	UpdatedBy   string    `bun:"updated_by"`
}

// ColumnIdentity returns the identity of a column within its data source.
func ColumnIdentity(schemaName, tableName, columnName string) string {
	return indexable(schemaName + "\n" + tableName + "\n" + columnName)
}

// SourceField returns the name of the column in mappings: schema.table.column. A name that contains a dot or a
// double quote is put in double quotes and its double quotes are doubled, so that no two columns have the same
// source field.
func (c SourceColumn) SourceField() string {
	return quoteName(c.SchemaName) + "." + quoteName(c.TableName) + "." + quoteName(c.ColumnName)
}

func quoteName(name string) string {
	if !strings.ContainsAny(name, `."`) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// ParseSourceField splits a source field into its names, each of which may be quoted. Ok is false unless there
// are exactly three.
func ParseSourceField(text string) (c SourceColumn, ok bool) {
	var names []string
	for {
		name, rest, ok := cutName(text)
		if !ok {
			return SourceColumn{}, false
		}
		names = append(names, name)
		if rest == "" {
			break
		}
		text = rest[1:] // after the dot
	}
	if len(names) != 3 {
		return SourceColumn{}, false
	}
	return SourceColumn{SchemaName: names[0], TableName: names[1], ColumnName: names[2]}, true
}

// cutName cuts the first name off a source field. The rest is empty or begins with a dot.
func cutName(text string) (name, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexByte(text, '.')
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], !strings.Contains(text[:end], `"`)
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
		case strings.HasPrefix(text[i:], `""`):
			i++
		default:
			rest = text[i+1:]
			return strings.ReplaceAll(text[1:i], `""`, `"`), rest, rest == "" || rest[0] == '.'
		}
	}
	return "", "", false
}

// ListSourceColumns returns all source columns of the report, in a fixed order.
func ListSourceColumns(ctx context.Context, db bun.IDB, cycleID, reportID string) ([]SourceColumn, error) {
	var columns []SourceColumn
	err := db.NewSelect().Model(&columns).
		Where("data_source_id in (select id from data_sources where cycle_id = ? and report_id = ?)",
			cycleID, reportID).
		Order("data_source_id", "schema_name", "table_name", "column_name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("source columns of report %s of cycle %s: %w", reportID, cycleID, err)
	}
	return columns, nil
}

// ListDataSources returns at most limit data sources of the report after the one with this id, in the order in
// which they were added.
func ListDataSources(
	ctx context.Context, db bun.IDB, cycleID, reportID, after string, limit int,
) ([]DataSource, error) {
	var sources []DataSource
	err := db.NewSelect().Model(&sources).Where("cycle_id = ? and report_id = ? and id > ?", cycleID, reportID, after).
		Order("id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("data sources of report %s: %w", reportID, err)
	}
	return sources, nil
}

// GetDataSource reads one data source of the report. It returns [ErrNotFound] if the report has no such data
// source.
func GetDataSource(ctx context.Context, db bun.IDB, cycleID, reportID, id string) (DataSource, error) {
	var source DataSource
	err := db.NewSelect().Model(&source).
		Where("id = ? and cycle_id = ? and report_id = ?", id, cycleID, reportID).Scan(ctx)
	if err != nil {
		return source, notFound(err, "data source "+id)
	}
	return source, nil
}

// InsertDataSource adds a data source without columns to its report, in the name of CreatedBy. It returns
// [ErrNotFound] if there is no such report, an [ActiveJobError] if a job is active for it, and [ErrExists] if
// the report has a data source of this name.
func InsertDataSource(ctx context.Context, tx bun.Tx, source DataSource) (DataSource, error) {
	report, now, err := lockReportForChange(ctx, tx, source.CycleID, source.ReportID)
	if err != nil {
		return source, err
	}
	ids, err := newIDs(1)
	if err != nil {
		return source, err
	}
	source.ID, source.CreatedAt, source.UpdatedAt, source.UpdatedBy = ids[0], now, now, source.CreatedBy
	result, err := tx.NewInsert().Model(&source).On("conflict (cycle_id, report_id, name) do nothing").Exec(ctx)
	if err != nil {
		return source, fmt.Errorf("data source of report %s: %w", report.ReportID, err)
	}
	if added, err := result.RowsAffected(); err != nil {
		return source, fmt.Errorf("data source of report %s: %w", report.ReportID, err)
	} else if added == 0 {
		return source, fmt.Errorf("data source of report %s: %w", report.ReportID, ErrExists)
	}
	return source, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionAdded,
		Object: PlanningObjectDataSource, ObjectID: source.ID, Name: source.Name,
		Counts:    PlanningCounts{DataSources: PlanningCount{Added: 1}},
		ChangedAt: now, ChangedBy: source.CreatedBy,
	})
}

// columnOf identifies a column by its data source and its source field, as mappings do.
type columnOf struct{ sourceID, field string }
