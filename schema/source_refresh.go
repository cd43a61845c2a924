package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// ErrConnectionChanged is returned if a data source no longer has the connection that was read.
var ErrConnectionChanged = errors.New("the data source has another connection now")

// Refresh is a request to replace the columns of a data source by those that its database has now.
type Refresh struct {
	CycleID, ReportID, SourceID string
	Author                      string
	// Connection is the connection that was read. Its URL must be that of the data source. Its password, if there is
	// one, replaces the stored one.
	Connection Connection
	// Columns are those of the database.
	Columns []ColumnRow
}

// RefreshResult is the difference between two readings of a data source.
type RefreshResult struct {
	Source DataSource
	// Added and Dropped do not include renamed columns.
	Added, Dropped, Renamed, Retyped ColumnChanges
	// Unmapped counts the mappings to dropped or renamed columns. They are unmapped and need revision.
	Unmapped int64
}

// ColumnChanges are the columns that changed in one way.
type ColumnChanges = FirstRows[ColumnChange]

// ColumnChange is a column before and after a refresh. A column that was added has no Before, one that was dropped no
// After.
type ColumnChange struct{ Before, After SourceColumn }

// RefreshDataSource replaces the columns of a data source by those of a new reading. Mappings to columns that the
// database no longer has become unmapped and need revision, whether or not a person has confirmed them; if the column
// was probably renamed, the new name is suggested. It returns [ErrNotFound], an [ActiveJobError] if a job is active
// for the report, and [ErrConnectionChanged]. After an error the caller rolls the transaction back.
func RefreshDataSource(ctx context.Context, tx bun.Tx, r Refresh) (RefreshResult, error) {
	report, now, err := lockReportForChange(ctx, tx, r.CycleID, r.ReportID)
	if err != nil {
		return RefreshResult{}, err
	}
	source, err := GetDataSource(ctx, tx, r.CycleID, r.ReportID, r.SourceID)
	if err != nil {
		return RefreshResult{}, err
	}
	if source.ConnectionURL != r.Connection.ConnectionURL || source.ConnectionCA != r.Connection.ConnectionCA {
		return RefreshResult{}, ErrConnectionChanged
	}
	im := importer{tx: tx, report: report, now: now, author: r.Author, sources: map[string]string{}}
	result, err := im.refresh(ctx, source, r.Connection, r.Columns)
	if err != nil {
		return RefreshResult{}, err
	}
	if result.Source, err = GetDataSource(ctx, tx, r.CycleID, r.ReportID, source.ID); err != nil {
		return RefreshResult{}, err
	}
	im.done.DataSources.Updated = 1
	return result, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: r.CycleID, ReportID: r.ReportID, Action: PlanningActionChanged,
		Object: PlanningObjectDataSource, ObjectID: source.ID, Name: source.Name, Counts: im.counts(),
		ChangedAt: now, ChangedBy: r.Author,
	})
}

// refresh replaces the columns and the connection of a data source by those of a new reading of its database.
func (im *importer) refresh(
	ctx context.Context, source DataSource, connection Connection, columns []ColumnRow,
) (RefreshResult, error) {
	var before []SourceColumn
	if err := im.tx.NewSelect().Model(&before).Where("data_source_id = ?", source.ID).
		Order("schema_name", "table_name", "position", "column_name").Scan(ctx); err != nil {
		return RefreshResult{}, fmt.Errorf("columns of data source %s: %w", source.ID, err)
	}
	result, gone := compareColumns(before, columns)
	im.sources[source.Name] = source.ID
	unmapped := im.done.Mappings.Unmapped
	if err := im.removeRefreshed(ctx, source, gone, result.renamed); err != nil {
		return RefreshResult{}, err
	}
	result.Unmapped = im.done.Mappings.Unmapped - unmapped
	for i := range columns {
		columns[i].DataSource = source.Name
	}
	if err := im.columns(ctx, Rows[ColumnRow]{All: slices.Values(columns)}); err != nil {
		return RefreshResult{}, err
	}
	return result.RefreshResult, im.connect(ctx, map[string]Connection{source.Name: connection})
}

// sourceColumns imports columns. Those of a data source that was read from a database before replace its columns, as
// [RefreshDataSource] does.
func (im *importer) sourceColumns(ctx context.Context, data ReportData) error {
	var known []DataSource
	if len(data.Connections) > 0 {
		err := im.tx.NewSelect().Model(&known).
			Where("cycle_id = ? and report_id = ? and connection_url <> ''", im.report.CycleID, im.report.ReportID).
			Where("name in (?)", bun.List(slices.Sorted(maps.Keys(data.Connections)))).Order("name").Scan(ctx)
		if err != nil {
			return fmt.Errorf("data sources of report %s: %w", im.report.ReportID, err)
		}
	}
	isRefreshed := map[string]bool{}
	fresh := maps.Clone(data.Connections)
	for _, source := range known {
		var columns []ColumnRow
		for c := range data.Columns.All {
			if c.DataSource == source.Name {
				columns = append(columns, c)
			}
		}
		refreshed, err := im.refresh(ctx, source, data.Connections[source.Name], columns)
		if err != nil {
			return err
		}
		im.done.Refreshed = append(im.done.Refreshed, refreshed)
		isRefreshed[source.Name] = true
		delete(fresh, source.Name)
	}
	rows := data.Columns
	if len(known) > 0 {
		rows.All = func(yield func(ColumnRow) bool) {
			for c := range data.Columns.All {
				if !isRefreshed[c.DataSource] && !yield(c) {
					return
				}
			}
		}
	}
	if err := im.columns(ctx, rows); err != nil {
		return err
	}
	return im.connect(ctx, fresh)
}

// comparison is a [RefreshResult] with the new names of all renamed columns, by their old names.
type comparison struct {
	RefreshResult
	renamed map[string]string
}

// compareColumns compares two readings. It also returns the columns that the database no longer has by their name,
// renamed ones included.
func compareColumns(before []SourceColumn, after []ColumnRow) (result comparison, gone []SourceColumn) {
	old := make(map[string]SourceColumn, len(before))
	for _, c := range before {
		old[c.Identity] = c
	}
	var added []SourceColumn
	current := make(map[string]bool, len(after))
	for _, row := range after {
		c := row.column()
		current[c.Identity] = true
		was, known := old[c.Identity]
		switch {
		case !known:
			added = append(added, c)
		case was.DataType != c.DataType:
			result.Retyped.add(ColumnChange{Before: was, After: c})
		}
	}
	newNames := renames(before, added, current)
	result.renamed = map[string]string{}
	isNewName := map[string]bool{}
	for _, c := range before {
		if current[c.Identity] {
			continue
		}
		gone = append(gone, c)
		if to, ok := newNames[c.Identity]; ok {
			result.Renamed.add(ColumnChange{Before: c, After: to})
			result.renamed[c.SourceField()] = to.SourceField()
			isNewName[to.Identity] = true
		} else {
			result.Dropped.add(ColumnChange{Before: c})
		}
	}
	for _, c := range added {
		if !isNewName[c.Identity] {
			result.Added.add(ColumnChange{After: c})
		}
	}
	return result, gone
}

// renames pairs a column that is gone with an added one that has the same table, position and type. The keys are the
// identities of the columns that are gone.
func renames(before, added []SourceColumn, current map[string]bool) map[string]SourceColumn {
	type place struct {
		schema, table, dataType string
		position                int32
	}
	placeOf := func(c SourceColumn) place { return place{c.SchemaName, c.TableName, c.DataType, c.Position} }
	at := make(map[place]SourceColumn, len(added))
	for _, c := range added {
		at[placeOf(c)] = c
	}
	names := map[string]SourceColumn{}
	for _, c := range before {
		if to, ok := at[placeOf(c)]; ok && c.Position > 0 && !current[c.Identity] {
			names[c.Identity] = to
		}
	}
	return names
}

// column returns the column as a row without ids, times and authors.
func (c ColumnRow) column() SourceColumn {
	return SourceColumn{
		Identity:   ColumnIdentity(c.SchemaName, c.TableName, c.ColumnName),
		SchemaName: c.SchemaName, TableName: c.TableName, ColumnName: c.ColumnName,
		DataType: c.DataType, Description: c.Description, RelationKind: c.RelationKind, Position: c.Position,
		IsPrimaryKey: c.IsPrimaryKey, References: c.References,
	}
}

// removeRefreshed removes columns that the database of the source no longer has.
func (im *importer) removeRefreshed(
	ctx context.Context, source DataSource, columns []SourceColumn, renamed map[string]string,
) error {
	if len(columns) == 0 {
		return nil
	}
	gone, err := im.deleteColumns(ctx, columns, nil)
	if err != nil {
		return err
	}
	return im.unmap(ctx, gone, HistoryActionRefreshed, func(m Mapping) change {
		c := change{before: m, after: gone.from(m, im.now)}
		if c.after.SourceField == m.SourceField {
			c.comment = "data source " + source.Name + " no longer has a column that the mapping refers to"
			return c
		}
		c.comment = fmt.Sprintf("data source %s no longer has the column %s", source.Name, m.SourceField)
		if to := renamed[m.SourceField]; to != "" {
			c.comment += ", which was probably renamed to " + to
			c.after.SuggestedSourceField = to
		}
		c.after.MappingRationale = strings.ToUpper(c.comment[:1]) + c.comment[1:] + "."
		c.after.ReviewStatus = ReviewStatusNeedsRevision
		c.after.ReviewedBy, c.after.ReviewedAt = ColumnRemoval, im.now
		return c
	})
}

// connect stores the connections of data sources that were just read, by the names of the sources. A stored password
// is kept if the connection is the same and has no new one.
func (im *importer) connect(ctx context.Context, connections map[string]Connection) error {
	for name, c := range connections {
		source := DataSource{ID: im.sources[name]}
		if err := im.tx.NewSelect().Model(&source).WherePK().Scan(ctx); err != nil {
			return fmt.Errorf("data source %s: %w", name, err)
		}
		if c.ConnectionPassword == "" && c.ConnectionURL == source.ConnectionURL &&
			c.ConnectionCA == source.ConnectionCA {
			c.ConnectionPassword = source.ConnectionPassword
		}
		source.Connection = c
		source.ReadAt, source.UpdatedAt, source.UpdatedBy = im.now, im.now, im.author
		_, err := im.tx.NewUpdate().Model(&source).WherePK().Column("connection_url", "connection_ca",
			"connection_password", "database_version", "read_at", "updated_at", "updated_by").Exec(ctx)
		if err != nil {
			return fmt.Errorf("connection of data source %s: %w", name, err)
		}
	}
	return nil
}
