package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// PlanningAction is what was done to the planning data of a report: its attributes, data sources and columns.
type PlanningAction string

const (
	// PlanningActionImported is an import of files. It may add, update and remove rows of every kind.
	PlanningActionImported PlanningAction = "imported"
	// PlanningActionAdded is a request that added one object.
	PlanningActionAdded PlanningAction = "added"
	// PlanningActionRemoved is a request that removed one object with everything that belongs to it.
	PlanningActionRemoved PlanningAction = "removed"
	// PlanningActionChanged is a request that changed one object.
	PlanningActionChanged PlanningAction = "changed"
	// PlanningActionCarriedOver carried over an earlier cycle of the report. It may add rows of every kind and
	// update mappings.
	PlanningActionCarriedOver PlanningAction = "carried_over"
)

// PlanningActions returns all actions.
func PlanningActions() []PlanningAction {
	return []PlanningAction{
		PlanningActionImported, PlanningActionAdded, PlanningActionRemoved, PlanningActionChanged,
		PlanningActionCarriedOver,
	}
}

// PlanningObject is the kind of object that was changed.
type PlanningObject string

// The values are stored and published.
const (
	PlanningObjectReport     PlanningObject = "report"
	PlanningObjectAttribute  PlanningObject = "attribute"
	PlanningObjectDataSource PlanningObject = "data_source"
	PlanningObjectColumn     PlanningObject = "column"
	// PlanningObjectAutoApproval is the rule by which the report approves mappings. Its name is the rule.
	PlanningObjectAutoApproval PlanningObject = "auto_approval"
)

// PlanningObjects returns all kinds of objects.
func PlanningObjects() []PlanningObject {
	return []PlanningObject{
		PlanningObjectReport, PlanningObjectAttribute, PlanningObjectDataSource, PlanningObjectColumn,
		PlanningObjectAutoApproval,
	}
}

// PlanningChange is one change of a report's planning data. Rows are never deleted, not even with the objects
// that they name.
type PlanningChange struct {
	bun.BaseModel `bun:"table:planning_changes,alias:pc"`

	ID       string         `bun:"id,pk"`
	CycleID  string         `bun:"cycle_id"`
	ReportID string         `bun:"report_id"`
	Action   PlanningAction `bun:"action"`
	Object   PlanningObject `bun:"object"`
	// ObjectID is empty for a report and its rule, which CycleID and ReportID identify.
	ObjectID string `bun:"object_id,nullzero"`
	// Name is the name of the object at the time of the change.
	Name string `bun:"name"`
	// FromCycleID is the earlier cycle of a carry-over; empty for other changes.
	FromCycleID string         `bun:"from_cycle_id,nullzero"`
	Counts      PlanningCounts `bun:"counts,type:jsonb"`
	// ChangedAt is the time of the transaction, as in all rows that it wrote. ChangedBy is the person who made
	// the change.
	ChangedAt time.Time `bun:"changed_at"`
	ChangedBy string    `bun:"changed_by"`
	// FinishedAt is the time at which the transaction had written everything else. An import may take minutes,
	// and its rows are invisible until it commits.
	FinishedAt time.Time `bun:"finished_at"`
	// Published reports whether the event of the change is in the stream.
	Published bool      `bun:"published"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// PlanningCounts counts the rows that a planning change added, updated or removed.
type PlanningCounts struct {
	Reports     PlanningCount `json:"reports"`
	Attributes  PlanningCount `json:"attributes"`
	DataSources PlanningCount `json:"data_sources"`
	Columns     PlanningCount `json:"columns"`
	Mappings    PlanningCount `json:"mappings"`
}

// PlanningCount counts the rows of one kind.
type PlanningCount struct {
	Added   int64 `json:"added"`
	Updated int64 `json:"updated"`
	Removed int64 `json:"removed"`
}

// InsertPlanningChange records the change. It must be the last write of its transaction, because the auditor
// and audit.Verify count the time within which the change must be in the audit log from then. The caller sets
// the fields up to ChangedBy, except for the ID.
func InsertPlanningChange(ctx context.Context, tx bun.Tx, change PlanningChange) error {
	ids, err := newIDs(1)
	if err != nil {
		return err
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return err
	}
	change.ID, change.FinishedAt = ids[0], now
	change.CreatedAt, change.CreatedBy = now, change.ChangedBy
	change.UpdatedAt, change.UpdatedBy = now, change.ChangedBy
	if _, err := tx.NewInsert().Model(&change).Exec(ctx); err != nil {
		return fmt.Errorf("planning change of report %s: %w", change.ReportID, err)
	}
	return nil
}

// ListUnpublishedPlanningChanges returns at most limit changes whose event is not in the stream, oldest first.
func ListUnpublishedPlanningChanges(ctx context.Context, db bun.IDB, limit int) ([]PlanningChange, error) {
	var changes []PlanningChange
	err := db.NewSelect().Model(&changes).Where("not published").Order("id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("unpublished planning changes: %w", err)
	}
	return changes, nil
}

// MarkPlanningChangePublished records that the event of the change is in the stream.
func MarkPlanningChangePublished(ctx context.Context, db bun.IDB, id string) error {
	_, err := db.NewRaw(`update planning_changes set published = true, updated_at = clock_timestamp(), updated_by = ?
		where id = ?`, ServiceDispatcher, id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("mark planning change %s: %w", id, err)
	}
	return nil
}
