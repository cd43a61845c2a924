package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

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

// RefreshDataSource replaces the columns of a data source by those of a new reading. Mappings to columns that the
// database no longer has become unmapped and need revision, whether or not a person has confirmed them; if the column
// was probably renamed, the new name is suggested. It returns [ErrNotFound], an [ActiveJobError] if a job is active
// for the report, and [ErrConnectionChanged]. After an error the caller rolls the transaction back.
func RefreshDataSource(ctx context.Context, tx bun.Tx, r Refresh) (SourceChanges, error) {
	report, now, err := lockReportForChange(ctx, tx, r.CycleID, r.ReportID)
	if err != nil {
		return SourceChanges{}, err
	}
	source, err := GetDataSource(ctx, tx, r.CycleID, r.ReportID, r.SourceID)
	if err != nil {
		return SourceChanges{}, err
	}
	if source.ConnectionURL != r.Connection.ConnectionURL || source.ConnectionCA != r.Connection.ConnectionCA {
		return SourceChanges{}, ErrConnectionChanged
	}
	im := importer{tx: tx, report: report, now: now, author: r.Author, sources: map[string]string{}}
	result, err := im.refresh(ctx, source, r.Connection, r.Columns)
	if err != nil {
		return SourceChanges{}, err
	}
	if result.Source, err = GetDataSource(ctx, tx, r.CycleID, r.ReportID, source.ID); err != nil {
		return SourceChanges{}, err
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
) (SourceChanges, error) {
	im.sources[source.Name] = source.ID
	compared, err := im.startComparisons(ctx, []DataSource{source})
	if err != nil {
		return SourceChanges{}, err
	}
	for i := range columns {
		columns[i].DataSource = source.Name
		compared[0].add(columns[i], true)
	}
	gone := compared[0].end()
	if err := im.dropColumns(ctx, gone, compared, true); err != nil {
		return SourceChanges{}, err
	}
	if err := im.columns(ctx, Rows[ColumnRow]{All: slices.Values(columns)}); err != nil {
		return SourceChanges{}, err
	}
	return compared[0].SourceChanges, im.connect(ctx, map[string]Connection{source.Name: connection})
}

// sourceColumns imports columns. Those of a data source that was read from its database, now and before, replace its
// columns, as [RefreshDataSource] does.
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
		im.done.Changes = append(im.done.Changes, refreshed)
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
