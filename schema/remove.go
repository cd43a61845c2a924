package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
)

// Removal is a request to remove planning data of a report.
type Removal struct {
	CycleID, ReportID string
	// Author is the person who requested the removal.
	Author string
	// Confirmed allows the removal of mappings that a person has confirmed or approved.
	Confirmed bool
}

// confirmedMapping is the SQL condition that a person has confirmed or approved the mapping m.
const confirmedMapping = "(m.mapping_confirmed_by_user or m.review_status = 'approved')"

// DeleteAttribute removes an attribute with its mapping. It returns [ErrNotFound] if the report has no such attribute,
// an [ActiveJobError] if a job is active for the report, and a [ConfirmedError] if a person has confirmed the mapping
// and r.Confirmed is false. After an error the caller must roll back.
func DeleteAttribute(ctx context.Context, tx bun.Tx, r Removal, id string) error {
	return r.in(ctx, tx, func(im *importer) (PlanningChange, error) {
		attribute, err := GetAttribute(ctx, tx, r.CycleID, r.ReportID, id)
		if err != nil {
			return PlanningChange{}, err
		}
		if err := im.refuseConfirmed(ctx, r.Confirmed, "m.attribute_id = $1", id); err != nil {
			return PlanningChange{}, err
		}
		change := PlanningChange{Object: PlanningObjectAttribute, ObjectID: id, Name: attribute.AttributeName}
		return change, im.removeAttributes(ctx, []string{id})
	})
}

// DeleteColumn removes a column of a data source. Mappings to the column become unmapped, and suggestions of it are
// removed. It returns the same errors as [DeleteAttribute].
func DeleteColumn(ctx context.Context, tx bun.Tx, r Removal, sourceID, id string) error {
	return r.in(ctx, tx, func(im *importer) (PlanningChange, error) {
		if _, err := GetDataSource(ctx, tx, r.CycleID, r.ReportID, sourceID); err != nil {
			return PlanningChange{}, err
		}
		columns, err := im.selectColumns(ctx, "where c.data_source_id = $1 and c.id = $2", sourceID, id)
		if err != nil {
			return PlanningChange{}, err
		}
		if len(columns) == 0 {
			return PlanningChange{}, fmt.Errorf("column %s: %w", id, ErrNotFound)
		}
		if err := im.mayRemove(ctx, columns, r.Confirmed); err != nil {
			return PlanningChange{}, err
		}
		change := PlanningChange{Object: PlanningObjectColumn, ObjectID: id, Name: columns[0].SourceField()}
		return change, im.removeColumns(ctx, columns)
	})
}

// DeleteDataSource removes a data source with its columns. Mappings and errors are as for [DeleteColumn].
func DeleteDataSource(ctx context.Context, tx bun.Tx, r Removal, id string) error {
	return r.in(ctx, tx, func(im *importer) (PlanningChange, error) {
		source, err := GetDataSource(ctx, tx, r.CycleID, r.ReportID, id)
		if err != nil {
			return PlanningChange{}, err
		}
		if err := im.refuseConfirmed(ctx, r.Confirmed, "m.data_source_id = $1", id); err != nil {
			return PlanningChange{}, err
		}
		columns, err := im.selectColumns(ctx, "where c.data_source_id = $1", id)
		if err != nil {
			return PlanningChange{}, err
		}
		if err := im.mayRemove(ctx, columns, r.Confirmed); err != nil {
			return PlanningChange{}, err
		}
		if err := im.removeColumns(ctx, columns, id); err != nil {
			return PlanningChange{}, err
		}
		im.done.DataSources.Removed, err = im.delete(ctx, "data_sources", "id = $1", id)
		return PlanningChange{Object: PlanningObjectDataSource, ObjectID: id, Name: source.Name}, err
	})
}

// DeleteReport removes a report with everything but its jobs, items and history, whether or not mappings are confirmed.
// It returns [ErrNotFound] if there is no such report, and an [ActiveJobError] if a job is active for it.
func DeleteReport(ctx context.Context, tx bun.Tx, r Removal) error {
	return r.in(ctx, tx, func(im *importer) (PlanningChange, error) {
		const ofReport = "cycle_id = $1 and report_id = $2"
		if err := im.recordRemoved(ctx, "a.cycle_id = $3 and a.report_id = $4", r.CycleID, r.ReportID); err != nil {
			return PlanningChange{}, err
		}
		for _, step := range []struct {
			table, where string
			count        *int64
		}{
			{"pde_mappings", ofReport, &im.done.Mappings.Removed},
			{"attributes", ofReport, &im.done.Attributes.Removed},
			{
				"source_columns", "data_source_id in (select id from data_sources where " + ofReport + ")",
				&im.done.Columns.Removed,
			},
			{"data_sources", ofReport, &im.done.DataSources.Removed},
			{"mapped_elements", ofReport, new(int64)},
			{"auto_approvals", ofReport, new(int64)},
		} {
			n, err := im.delete(ctx, step.table, step.where, r.CycleID, r.ReportID)
			if err != nil {
				return PlanningChange{}, err
			}
			*step.count = n
		}
		_, err := im.delete(ctx, "reports", ofReport, r.CycleID, r.ReportID)
		return PlanningChange{Object: PlanningObjectReport, Name: im.report.Name}, err
	})
}

// in locks the report, calls remove, and records the change that remove returns.
func (r Removal) in(ctx context.Context, tx bun.Tx, remove func(*importer) (PlanningChange, error)) error {
	report, now, err := lockReportForChange(ctx, tx, r.CycleID, r.ReportID)
	if err != nil {
		return err
	}
	im := importer{tx: tx, report: report, now: now, author: r.Author}
	change, err := remove(&im)
	if err != nil {
		return err
	}
	change.Counts = im.counts()
	if change.Object == PlanningObjectReport {
		change.Counts.Reports.Removed = 1
	} else if err := im.finish(ctx, report); err != nil {
		return err
	}
	change.CycleID, change.ReportID, change.Action = r.CycleID, r.ReportID, PlanningActionRemoved
	change.ChangedAt, change.ChangedBy = now, r.Author
	return InsertPlanningChange(ctx, tx, change)
}

func (im *importer) removeAttributes(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := im.recordRemoved(ctx, "a.id = any($3)", ids); err != nil {
		return err
	}
	mappings, err := im.delete(ctx, "pde_mappings", "attribute_id = any($1)", ids)
	if err != nil {
		return err
	}
	attributes, err := im.delete(ctx, "attributes", "id = any($1)", ids)
	if err != nil {
		return err
	}
	im.done.Mappings.Removed += mappings
	im.done.Attributes.Removed += attributes
	return nil
}

// recordRemoved fills removed_mappings with the mappings of attributes a. The condition's parameters start at $3.
func (im *importer) recordRemoved(ctx context.Context, condition string, args ...any) error {
	args = append([]any{pgx.QueryExecModeCacheStatement, im.now, im.author}, args...)
	//nolint:gosec // the condition is text of this package
	query := fmt.Sprintf(`insert into removed_mappings
			(mapping_id, cycle_id, report_id, attribute_id, attribute_name,
				created_at, created_by, updated_at, updated_by)
		select m.id, m.cycle_id, m.report_id, a.id, a.attribute_name, $1::timestamptz, $2::text, $1, $2
		from attributes a join pde_mappings m on m.attribute_id = a.id where %s`, condition)
	if _, err := im.tx.Tx.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("removed mappings of report %s: %w", im.report.ReportID, err)
	}
	return nil
}

// delete deletes the rows that satisfy the condition and returns their number.
func (im *importer) delete(ctx context.Context, table, condition string, args ...any) (int64, error) {
	args = append([]any{pgx.QueryExecModeCacheStatement}, args...)
	query := fmt.Sprintf("delete from %s where %s", table, condition) //nolint:gosec // both are text of this package
	result, err := im.tx.Tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("remove from %s: %w", table, err)
	}
	return result.RowsAffected()
}

// selectColumns reads the source columns c that the where clause selects, in the order of their ids.
func (im *importer) selectColumns(ctx context.Context, where string, args ...any) ([]SourceColumn, error) {
	args = append([]any{pgx.QueryExecModeCacheStatement}, args...)
	//nolint:gosec // the condition is text of this package
	query := fmt.Sprintf(`select c.id, c.data_source_id, c.identity, c.schema_name, c.table_name, c.column_name
		from source_columns c %s order by c.id`, where)
	rows, err := im.tx.Tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("source columns of report %s: %w", im.report.ReportID, err)
	}
	defer rows.Close()
	var columns []SourceColumn
	for rows.Next() {
		var c SourceColumn
		err := rows.Scan(&c.ID, &c.DataSourceID, &c.Identity, &c.SchemaName, &c.TableName, &c.ColumnName)
		if err != nil {
			return nil, fmt.Errorf("source columns of report %s: %w", im.report.ReportID, err)
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("source columns of report %s: %w", im.report.ReportID, err)
	}
	return columns, nil
}

// mayRemove returns a [ConfirmedError] if a person has confirmed mappings to the columns, unless allowed is true.
func (im *importer) mayRemove(ctx context.Context, columns []SourceColumn, allowed bool) error {
	if allowed {
		return nil
	}
	confirmed, err := im.confirmedColumns(ctx)
	if err != nil {
		return err
	}
	var n int64
	for _, c := range columns {
		if confirmed.have(c) {
			n++
		}
	}
	if n > 0 {
		return &ConfirmedError{Count: n}
	}
	return nil
}

// confirmedColumns are the columns of confirmed mappings. The further columns of a mapping have no data source.
type confirmedColumns map[columnOf]bool

func (confirmed confirmedColumns) have(c SourceColumn) bool {
	return confirmed[columnOf{c.DataSourceID, c.SourceField()}] || confirmed[columnOf{"", c.SourceField()}]
}

// confirmedColumns returns the columns of the report's confirmed mappings.
func (im *importer) confirmedColumns(ctx context.Context) (confirmedColumns, error) {
	var mappings []Mapping
	err := im.tx.NewSelect().Model(&mappings).Column("data_source_id", "source_field", "source_fields").
		Where("cycle_id = ? and report_id = ? and source_field is not null and "+confirmedMapping,
			im.report.CycleID, im.report.ReportID).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirmed mappings of report %s: %w", im.report.ReportID, err)
	}
	confirmed := make(confirmedColumns, len(mappings))
	for _, m := range mappings {
		confirmed[columnOf{m.DataSourceID, m.SourceField}] = true
		for _, field := range m.others(m.SourceField) {
			confirmed[columnOf{"", field}] = true
		}
	}
	return confirmed, nil
}

// refuseConfirmed returns a [ConfirmedError] if a person has confirmed mappings m that satisfy the condition, unless
// allowed is true.
func (im *importer) refuseConfirmed(ctx context.Context, allowed bool, condition, id string) error {
	if allowed {
		return nil
	}
	query := "select count(*) from pde_mappings m where " + condition + " and " + confirmedMapping
	var n int64
	err := im.tx.Tx.QueryRowContext(ctx, query, pgx.QueryExecModeCacheStatement, id).Scan(&n)
	if err != nil {
		return fmt.Errorf("confirmed mappings of report %s: %w", im.report.ReportID, err)
	}
	if n > 0 {
		return &ConfirmedError{Count: n}
	}
	return nil
}

// removeColumns removes columns and all references to them, and the references to the data sources, which the caller
// deletes next.
func (im *importer) removeColumns(ctx context.Context, columns []SourceColumn, sources ...string) error {
	if len(columns) == 0 && len(sources) == 0 {
		return nil
	}
	if err := im.deleteColumns(ctx, columns); err != nil {
		return err
	}
	gone, err := im.goneFields(ctx, columns, sources)
	if err != nil {
		return err
	}
	return im.unmap(ctx, gone, HistoryActionUnmapped, func(m Mapping) change {
		return change{before: m, after: gone.from(m, im.now), comment: "the column was removed from the data source"}
	})
}

// deleteColumns deletes the rows of the columns.
func (im *importer) deleteColumns(ctx context.Context, columns []SourceColumn) error {
	n, err := im.delete(ctx, "source_columns", "id = any($1)",
		each(columns, func(c SourceColumn) string { return c.ID }))
	im.done.Columns.Removed += n
	return err
}

// unmap saves remove(m) for each mapping m that refers to removed columns or data sources.
func (im *importer) unmap(
	ctx context.Context, gone goneFields, action HistoryAction, remove func(Mapping) change,
) error {
	ids, err := gone.mappings(ctx, im)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(ids, importPage) {
		var mappings []Mapping
		err := im.tx.NewSelect().Model(&mappings).Where("id in (?)", bun.List(page)).Order("id").For("update").Scan(ctx)
		if err != nil {
			return fmt.Errorf("lock mappings of report %s: %w", im.report.ReportID, err)
		}
		changes := make([]change, len(mappings))
		for i, m := range mappings {
			changes[i] = remove(m)
			if m.SourceField != changes[i].after.SourceField {
				im.done.Mappings.Unmapped++
			}
		}
		batch := changeBatch{at: im.now, author: im.author, action: action}
		if err := saveChanges(ctx, im.tx, batch, changes); err != nil {
			return err
		}
	}
	return nil
}

// WasRemoved reports whether the report had a mapping with this id that was removed.
func WasRemoved(ctx context.Context, db bun.IDB, cycleID, reportID, mappingID string) (removed bool, err error) {
	err = db.NewRaw(`select exists (
		select from removed_mappings where mapping_id = ? and cycle_id = ? and report_id = ?)`,
		mappingID, cycleID, reportID).Scan(ctx, &removed)
	if err != nil {
		return false, fmt.Errorf("removed mapping %s: %w", mappingID, err)
	}
	return removed, nil
}
