package schema

import (
	"context"
	"fmt"
	"slices"
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
	ColumnCount int64 `bun:"column_count"`
	// Connection is the database that the columns are read from.
	Connection `bun:"embed:"`
	CreatedAt  time.Time `bun:"created_at"`
	CreatedBy  string    `bun:"created_by"`
	UpdatedAt  time.Time `bun:"updated_at"`
	UpdatedBy  string    `bun:"updated_by"`
}

// Connection is how a data source is read. It is zero if the columns come from files.
type Connection struct {
	// ConnectionURL has no password.
	ConnectionURL string `bun:"connection_url,nullzero"`
	// ConnectionCA has PEM certificates of the authorities to trust; it is empty for those of the system.
	ConnectionCA string `bun:"connection_ca,nullzero"`
	// ConnectionPassword is the encrypted password; it is empty if no password is stored.
	ConnectionPassword string `bun:"connection_password,nullzero"`
	// DatabaseVersion is the product and version of the database, and ReadAt the time of the last reading.
	DatabaseVersion string    `bun:"database_version,nullzero"`
	ReadAt          time.Time `bun:"read_at,nullzero"`
}

// SourceColumn is one column of a data source: a candidate for the physical data element of an attribute.
type SourceColumn struct {
	bun.BaseModel `bun:"table:source_columns,alias:sc"`

	ID           string `bun:"id,pk"`
	DataSourceID string `bun:"data_source_id"`
	// Identity distinguishes the column from the others of its data source; see [ColumnIdentity].
	Identity    string `bun:"identity"`
	SchemaName  string `bun:"schema_name"`
	TableName   string `bun:"table_name"`
	ColumnName  string `bun:"column_name"`
	DataType    string `bun:"data_type"`
	Description string `bun:"description"`
	// RelationKind is known for columns that were read from a database. Position and the keys are also known for those
	// of SQL scripts.
	RelationKind RelationKind `bun:"relation_kind"`
	// Position orders the columns of a table; 0 if it is unknown.
	Position     int32 `bun:"position"`
	IsPrimaryKey bool  `bun:"is_primary_key"`
	// References is the source field of the column that a foreign key of this one refers to.
	References string `bun:"references_field"`
	// MissingSince is the time of the first import of the data source that did not contain the column. It is zero if
	// the last one did.
	MissingSince time.Time `bun:"missing_since,nullzero"`
	CreatedAt    time.Time `bun:"created_at"`
	CreatedBy    string    `bun:"created_by"`
	UpdatedAt    time.Time `bun:"updated_at"`
	UpdatedBy    string    `bun:"updated_by"`
}

// RelationKind is the kind of the relation that has a column. It is empty if it is unknown.
type RelationKind string

const (
	// RelationTable is a table, also one with partitions.
	RelationTable RelationKind = "table"
	// RelationView is a view.
	RelationView RelationKind = "view"
	// RelationMaterializedView is a view with stored rows.
	RelationMaterializedView RelationKind = "materialized_view"
	// RelationForeignTable is a table whose rows are in another database.
	RelationForeignTable RelationKind = "foreign_table"
)

// RelationKinds returns all kinds.
func RelationKinds() []RelationKind {
	return []RelationKind{RelationTable, RelationView, RelationMaterializedView, RelationForeignTable}
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

// ListCandidateColumns returns the source columns of the report that their data sources still have, in a fixed
// order. A job chooses and suggests only these.
func ListCandidateColumns(ctx context.Context, db bun.IDB, cycleID, reportID string) ([]SourceColumn, error) {
	return listColumns(ctx, db, cycleID, reportID, "missing_since is null")
}

// ListSourceColumns returns all source columns of the report, in a fixed order.
func ListSourceColumns(ctx context.Context, db bun.IDB, cycleID, reportID string) ([]SourceColumn, error) {
	return listColumns(ctx, db, cycleID, reportID, "true")
}

func listColumns(ctx context.Context, db bun.IDB, cycleID, reportID, which string) ([]SourceColumn, error) {
	var columns []SourceColumn
	err := db.NewSelect().Model(&columns).
		Where("data_source_id in (select id from data_sources where cycle_id = ? and report_id = ?)",
			cycleID, reportID).Where(which).
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

// InsertDataSource adds a data source with these columns to its report, in the name of CreatedBy. The columns are
// those of a reading if the source has a connection. It returns [ErrNotFound] if there is no such report, an
// [ActiveJobError] if a job is active for it, and [ErrExists] if the report has a data source of this name. After an
// error the caller rolls the transaction back.
func InsertDataSource(ctx context.Context, tx bun.Tx, source DataSource, columns ...ColumnRow) (DataSource, error) {
	report, now, err := lockReportForChange(ctx, tx, source.CycleID, source.ReportID)
	if err != nil {
		return source, err
	}
	ids, err := newIDs(1)
	if err != nil {
		return source, err
	}
	source.ID, source.CreatedAt, source.UpdatedAt, source.UpdatedBy = ids[0], now, now, source.CreatedBy
	if source.ConnectionURL != "" {
		source.ReadAt = now
	}
	result, err := tx.NewInsert().Model(&source).On("conflict (cycle_id, report_id, name) do nothing").Exec(ctx)
	if err != nil {
		return source, fmt.Errorf("data source of report %s: %w", report.ReportID, err)
	}
	if added, err := result.RowsAffected(); err != nil {
		return source, fmt.Errorf("data source of report %s: %w", report.ReportID, err)
	} else if added == 0 {
		return source, fmt.Errorf("data source of report %s: %w", report.ReportID, ErrExists)
	}
	im := importer{
		tx: tx, report: report, now: now, author: source.CreatedBy, sources: map[string]string{source.Name: source.ID},
	}
	im.done.DataSources.Added = 1
	for i := range columns {
		columns[i].DataSource = source.Name
	}
	if err := im.columns(ctx, Rows[ColumnRow]{All: slices.Values(columns)}); err != nil {
		return source, err
	}
	source.ColumnCount = im.done.Columns.Added
	return source, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionAdded,
		Object: PlanningObjectDataSource, ObjectID: source.ID, Name: source.Name, Counts: im.counts(),
		ChangedAt: now, ChangedBy: source.CreatedBy,
	})
}

// GetSourceColumn reads the column of the data source with this source field. It returns [ErrNotFound] if the data
// source has no such column.
func GetSourceColumn(ctx context.Context, db bun.IDB, dataSourceID, sourceField string) (SourceColumn, error) {
	var column SourceColumn
	name, ok := ParseSourceField(sourceField)
	if !ok {
		return column, fmt.Errorf("column of data source %s: %w", dataSourceID, ErrNotFound)
	}
	err := db.NewSelect().Model(&column).Where("data_source_id = ? and identity = ?", dataSourceID,
		ColumnIdentity(name.SchemaName, name.TableName, name.ColumnName)).Scan(ctx)
	if err != nil {
		return column, notFound(err, "column of data source "+dataSourceID)
	}
	return column, nil
}

// columnOf identifies a column by its data source and its source field, as mappings do.
type columnOf struct{ sourceID, field string }
