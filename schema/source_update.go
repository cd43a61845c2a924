package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// UpdateDataSource replaces the name and the description of a data source in the name of the author. Nil keeps a value.
// It returns [ErrNotFound] if the report has no such data source, an [ActiveJobError] if a job of the report is active,
// and [ErrExists] if another data source of the report has the name. After an error the caller rolls the transaction
// back.
func UpdateDataSource(
	ctx context.Context, tx bun.Tx, cycleID, reportID, id, author string, name, description *string,
) (DataSource, error) {
	report, now, err := lockReportForChange(ctx, tx, cycleID, reportID)
	if err != nil {
		return DataSource{}, err
	}
	source, err := GetDataSource(ctx, tx, cycleID, reportID, id)
	if err != nil {
		return source, err
	}
	before := source
	set(&source.Name, name)
	set(&source.Description, description)
	if source.Name == before.Name && source.Description == before.Description {
		return source, nil
	}
	exists, err := tx.NewSelect().Model((*DataSource)(nil)).
		Where("cycle_id = ? and report_id = ? and name = ? and id <> ?", cycleID, reportID, source.Name, id).Exists(ctx)
	if err != nil {
		return source, fmt.Errorf("data sources of report %s: %w", reportID, err)
	}
	if exists {
		return source, fmt.Errorf("data source of report %s: %w", reportID, ErrExists)
	}
	source.UpdatedAt, source.UpdatedBy = now, author
	if _, err := tx.NewUpdate().Model(&source).Column("name", "description", "updated_at", "updated_by").
		WherePK().Exec(ctx); err != nil {
		return source, fmt.Errorf("data source %s: %w", id, err)
	}
	return source, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionChanged,
		Object: PlanningObjectDataSource, ObjectID: id, Name: source.Name,
		Counts:    PlanningCounts{DataSources: PlanningCount{Updated: 1}},
		ChangedAt: now, ChangedBy: author,
	})
}
