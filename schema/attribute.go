package schema

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Attribute is one line item of a report.
type Attribute struct {
	bun.BaseModel `bun:"table:attributes,alias:a"`

	ID       string `bun:"id,pk"`
	CycleID  string `bun:"cycle_id"`
	ReportID string `bun:"report_id"`
	// Identity distinguishes the attribute from the others of its report; see [AttributeIdentity].
	Identity              string `bun:"identity"`
	AttributeName         string `bun:"attribute_name"`
	Description           string `bun:"description"`
	DataType              string `bun:"data_type"`
	LineItemNumber        string `bun:"line_item_number"`
	TechnicalLineItemName string `bun:"technical_line_item_name"`
	// MDRM is the code of the Federal Reserve's micro data reference manual, such as M083.
	MDRM            string    `bun:"mdrm"`
	IsMandatory     bool      `bun:"is_mandatory"`
	IsCDE           bool      `bun:"is_cde"`
	IsPrimaryKey    bool      `bun:"is_primary_key"`
	HasIssues       bool      `bun:"has_issues"`
	ValidationRules string    `bun:"validation_rules"`
	CreatedAt       time.Time `bun:"created_at"`
	CreatedBy       string    `bun:"created_by"`
	UpdatedAt       time.Time `bun:"updated_at"`
	UpdatedBy       string    `bun:"updated_by"`
}

// AttributeIdentity returns the identity of an attribute within its report: its line item number, with its
// MDRM code if it has both, or else its name. A long identity is returned as a digest.
func AttributeIdentity(lineItemNumber, mdrm, name string) string {
	switch {
	case lineItemNumber != "" && mdrm != "":
		return indexable("item:" + lineItemNumber + "\nmdrm:" + mdrm)
	case lineItemNumber != "":
		return indexable("item:" + lineItemNumber)
	default:
		return indexable("name:" + name)
	}
}

// maxIndexed is the maximum size in bytes of an indexed text. Postgres allows about 2,700 bytes for all
// columns of an index entry.
const maxIndexed = 1000

// indexable returns the text, or its digest if the text is too long for an index.
func indexable(text string) string {
	if len(text) <= maxIndexed {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ListAttributes returns at most limit attributes of the report whose ids are greater than after, in the order
// of their ids, which is the order of insertion.
func ListAttributes(ctx context.Context, db bun.IDB, cycleID, reportID, after string, limit int) ([]Attribute, error) {
	var attributes []Attribute
	err := db.NewSelect().Model(&attributes).
		Where("cycle_id = ? and report_id = ? and id > ?", cycleID, reportID, after).
		Order("id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("attributes of report %s: %w", reportID, err)
	}
	return attributes, nil
}

// GetAttribute returns one attribute of the report, or [ErrNotFound] if the report has no such attribute.
func GetAttribute(ctx context.Context, db bun.IDB, cycleID, reportID, id string) (Attribute, error) {
	var attribute Attribute
	err := db.NewSelect().Model(&attribute).Where("id = ? and cycle_id = ? and report_id = ?", id, cycleID, reportID).
		Scan(ctx)
	if err != nil {
		return attribute, notFound(err, "attribute "+id)
	}
	return attribute, nil
}

// ErrExists is returned if a row with the same identity exists.
var ErrExists = errors.New("already exists")

// InsertAttribute adds an attribute, with its unmapped mapping, to the report that it names. CreatedBy is the
// author. It returns [ErrNotFound] if the report does not exist, an [ActiveJobError] if a job of the report is
// active, and [ErrExists] if the report has an attribute with this identity. After an error the caller rolls
// the transaction back.
func InsertAttribute(ctx context.Context, tx bun.Tx, attribute Attribute) (Attribute, error) {
	report, now, err := lockReportForChange(ctx, tx, attribute.CycleID, attribute.ReportID)
	if err != nil {
		return attribute, err
	}
	ids, err := newIDs(1)
	if err != nil {
		return attribute, err
	}
	im := importer{tx: tx, report: report, now: now, author: attribute.CreatedBy}
	if err := im.writeAttributes(ctx, ids, []Attribute{attribute}, nil); err != nil {
		return attribute, err
	}
	if im.done.Attributes.Added == 0 {
		return attribute, fmt.Errorf("attribute of report %s: %w", report.ReportID, ErrExists)
	}
	if err := im.finish(ctx, report); err != nil {
		return attribute, err
	}
	if err := tx.NewSelect().Model(&attribute).Where("id = ?", ids[0]).Scan(ctx); err != nil {
		return attribute, fmt.Errorf("attribute of report %s: %w", report.ReportID, err)
	}
	return attribute, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionAdded,
		Object: PlanningObjectAttribute, ObjectID: attribute.ID, Name: attribute.AttributeName,
		Counts: im.counts(), ChangedAt: now, ChangedBy: attribute.CreatedBy,
	})
}

// ListAmbiguousAttributes returns those of the attributes whose name another attribute of their report has, too.
func ListAmbiguousAttributes(ctx context.Context, db bun.IDB, ids []string) (attributes []Attribute, err error) {
	err = db.NewSelect().Model(&attributes).Where("a.id = any(?)", pgdialect.Array(ids)).
		Where(`exists (select from attributes b where b.cycle_id = a.cycle_id and b.report_id = a.report_id
			and left(b.attribute_name, 200) = left(a.attribute_name, 200) and b.attribute_name = a.attribute_name
			and b.id <> a.id)`).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("ambiguous names of attributes: %w", err)
	}
	return attributes, nil
}

// ExistsError is returned if another attribute of the report has the identity that a correction results in.
type ExistsError struct{ ID, Name string }

// Error implements error.
func (e *ExistsError) Error() string { return "attribute " + e.ID + " has this identity" }

// UpdateAttribute replaces the values of an attribute in the name of the author. Correct returns the attribute with its
// new values. The mapping, its confirmation and its review stay. UpdateAttribute returns [ErrNotFound] if the report
// has no such attribute, an [ActiveJobError] if a job of the report is active, an [ExistsError], an error of
// [IsLockTimeout], and the error of correct. After an error the caller rolls the transaction back.
func UpdateAttribute(
	ctx context.Context, tx bun.Tx, cycleID, reportID, id, author string, correct func(Attribute) (Attribute, error),
) (Attribute, error) {
	report, now, err := lockReportForChange(ctx, tx, cycleID, reportID)
	if err != nil {
		return Attribute{}, err
	}
	before, err := GetAttribute(ctx, tx, cycleID, reportID, id)
	if err != nil {
		return before, err
	}
	after, err := correct(before)
	if err != nil || after == before {
		return before, err
	}
	after.Identity = AttributeIdentity(after.LineItemNumber, after.MDRM, after.AttributeName)
	var others []Attribute
	err = tx.NewSelect().Model(&others).Column("id", "attribute_name").
		Where("cycle_id = ? and report_id = ? and identity = ? and id <> ?", cycleID, reportID, after.Identity, id).
		Scan(ctx)
	if err != nil {
		return before, fmt.Errorf("attributes of report %s: %w", reportID, err)
	}
	if len(others) > 0 {
		return before, &ExistsError{ID: others[0].ID, Name: others[0].AttributeName}
	}
	after.UpdatedAt, after.UpdatedBy = now, author
	if _, err := tx.NewUpdate().Model(&after).WherePK().Exec(ctx); err != nil {
		return before, fmt.Errorf("attribute %s: %w", id, err)
	}
	return after, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionChanged,
		Object: PlanningObjectAttribute, ObjectID: id, Name: after.AttributeName,
		Counts:    PlanningCounts{Attributes: PlanningCount{Updated: 1}},
		ChangedAt: now, ChangedBy: author,
	})
}
