package events

import (
	"errors"

	"github.com/pdeflow/pdeflow/schema"
)

// PlanningChanged reports a change of a report's attributes, data sources or columns: an import, a carry-over, or one
// object added, removed or changed.
type PlanningChanged struct {
	ChangeID string                `json:"change_id"`
	CycleID  string                `json:"cycle_id"`
	ReportID string                `json:"report_id"`
	Action   schema.PlanningAction `json:"action"`
	Object   schema.PlanningObject `json:"object"`
	// ObjectID is null for a report.
	ObjectID  *string `json:"object_id"`
	Name      string  `json:"name"`
	ChangedBy string  `json:"changed_by"`
	// FromCycleID is the earlier cycle of a carry-over; null for other changes.
	FromCycleID *string `json:"from_cycle_id"`
	// Counts are the numbers of rows that the change added, updated and removed.
	Counts schema.PlanningCounts `json:"counts"`
}

// PlanningChangedOf returns the event of a change.
func PlanningChangedOf(change schema.PlanningChange) PlanningChanged {
	return PlanningChanged{
		ChangeID: change.ID, CycleID: change.CycleID, ReportID: change.ReportID, Action: change.Action,
		Object:   change.Object,
		ObjectID: orNull(change.ObjectID), Name: change.Name, ChangedBy: change.ChangedBy,
		FromCycleID: orNull(change.FromCycleID), Counts: change.Counts,
	}
}

// Subject is planning.changed.<change>.
func (e PlanningChanged) Subject() Subject { return PlanningChangedSubject(e.ChangeID) }

// ID is planning/<change>.
func (e PlanningChanged) ID() string { return "planning/" + e.ChangeID }

func (e PlanningChanged) check() error {
	return errors.Join(
		checkID("change_id", e.ChangeID),
		required("cycle_id", e.CycleID),
		required("report_id", e.ReportID),
		oneOf("action", e.Action, schema.PlanningActions()),
		oneOf("object", e.Object, schema.PlanningObjects()),
		required("name", e.Name),
		required("changed_by", e.ChangedBy),
	)
}
