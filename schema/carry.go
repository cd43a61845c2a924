package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// CarryOverReviewer is the reviewer of mappings that need revision because something has changed since the cycle from
// which they were carried over. No user has this name.
const CarryOverReviewer = "carry-over"

// CarryOver is a request to start a cycle of a report with the decisions of an earlier cycle.
type CarryOver struct {
	CycleID, ReportID string
	// FromCycleID is the earlier cycle, which is only read.
	FromCycleID string
	Author      string
}

// CarryResult has the attributes of a carry-over by outcome. Carried, Changed, Kept and Added are all
// attributes of the new cycle.
type CarryResult struct {
	// Carried have the mapping of the earlier cycle, with its confirmation and its review.
	Carried CarriedRows
	// Changed have the mapping of the earlier cycle and need revision, each with the reason.
	Changed CarriedRows
	// Kept have their own mapping: the earlier cycle has none, or one without a decision while the new cycle has one
	// already.
	Kept CarriedRows
	// Added are not in the earlier cycle, and Dropped are only there.
	Added, Dropped CarriedRows
	// Attributes, DataSources and Columns are the numbers of rows that were copied.
	Attributes, DataSources, Columns int64
}

// CarriedRows are attributes with the same result.
type CarriedRows = FirstRows[CarriedRow]

// CarriedRow is an attribute with its mapping. The ids are those of the new cycle, or of the earlier one for a dropped
// attribute. They are empty for rows that a preview does not create.
type CarriedRow struct {
	AttributeID, MappingID, AttributeName string
	// Reason is why the mapping needs revision; empty for other results.
	Reason string
}

// DecidedError is returned if a report has decisions already, so that those of an earlier cycle cannot be carried over.
type DecidedError struct {
	// Count is the number of mappings that are confirmed or reviewed.
	Count int64
}

// Error implements error.
func (e *DecidedError) Error() string {
	return fmt.Sprintf("%d mappings of the report are confirmed or reviewed", e.Count)
}

// OtherCycleError is returned if the cycle from which a report is carried over, or with which it is compared, does not
// have the report.
type OtherCycleError struct {
	// Cycles are cycles that have the report, the last in the order of their ids first.
	Cycles []string
}

// Error implements error.
func (e *OtherCycleError) Error() string { return "the other cycle does not have the report" }

// Unwrap returns [ErrNotFound].
func (e *OtherCycleError) Unwrap() error { return ErrNotFound }

// Run carries over attributes, data sources with their columns, and mappings with their confirmations and reviews. It
// inserts the report if it does not exist. If the report has no attributes, those of the earlier cycle are copied, and
// likewise data sources with columns. Attributes are matched by identity, data sources by name, and columns by name
// within their data source.
//
// The mapping of an attribute is carried over as it is if the attribute, its column and their types are equal. Else it
// needs revision, with the reasons in its history; without its column it is also unmapped and not confirmed. If the
// carried mapping is confirmed, the column, the tier, the criticality, the risk and the flags that the new cycle
// already has become suggestions if they differ. Its other values are replaced.
//
// It returns an [OtherCycleError], an [ActiveJobError] if a job is active for the report, a [DecidedError], and an
// error of [IsLockTimeout]. It locks no row of the earlier cycle, and carries over each mapping as it is when its page
// is read. After an error the caller rolls the transaction back.
func (o CarryOver) Run(ctx context.Context, tx bun.Tx) (CarryResult, error) {
	from, err := getOtherReport(ctx, tx, o.FromCycleID, o.ReportID)
	if err != nil {
		return CarryResult{}, err
	}
	report, now, err := makeReport(ctx, tx, Report{
		CycleID: o.CycleID, ReportID: o.ReportID, Name: from.Name, CreatedBy: o.Author, UpdatedBy: o.Author,
	})
	if err != nil {
		return CarryResult{}, err
	}
	c := carrier{CarryOver: o, db: tx, now: now}
	c.write = &importer{tx: tx, report: report, now: now, author: o.Author, sources: map[string]string{}}
	if err := c.prepare(ctx); err != nil {
		return c.done, err
	}
	if err := c.copyPlanning(ctx); err != nil {
		return c.done, err
	}
	if err := c.carryMappings(ctx); err != nil {
		return c.done, err
	}
	if err := c.write.finish(ctx, report); err != nil {
		return c.done, err
	}
	counts := c.write.counts()
	if report.CreatedAt.Equal(now) {
		counts.Reports.Added = 1
	}
	c.done.Attributes, c.done.DataSources, c.done.Columns =
		counts.Attributes.Added, counts.DataSources.Added, counts.Columns.Added
	return c.done, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: o.CycleID, ReportID: o.ReportID, Action: PlanningActionCarriedOver, Object: PlanningObjectReport,
		Name: report.Name, FromCycleID: o.FromCycleID, Counts: counts, ChangedAt: now, ChangedBy: o.Author,
	})
}

// Preview returns what [CarryOver.Run] would do now. It locks nothing.
func (o CarryOver) Preview(ctx context.Context, db bun.IDB) (CarryResult, error) {
	if _, err := getOtherReport(ctx, db, o.FromCycleID, o.ReportID); err != nil {
		return CarryResult{}, err
	}
	now, err := Now(ctx, db)
	if err != nil {
		return CarryResult{}, err
	}
	if err := RequireNoActiveJob(ctx, db, o.CycleID, o.ReportID); err != nil {
		return CarryResult{}, err
	}
	c := carrier{CarryOver: o, db: db, now: now}
	if err := c.prepare(ctx); err != nil {
		return c.done, err
	}
	return c.done, c.carryMappings(ctx)
}

// getOtherReport reads the report in another cycle. It returns an [OtherCycleError] if the cycle does not have it.
func getOtherReport(ctx context.Context, db bun.IDB, cycleID, reportID string) (Report, error) {
	report, err := GetReport(ctx, db, cycleID, reportID)
	if !errors.Is(err, ErrNotFound) {
		return report, err
	}
	var other OtherCycleError
	if other.Cycles, err = ListCycles(ctx, db, reportID, MaxProblems); err != nil {
		return report, err
	}
	return report, &other
}

// ListCycles returns at most limit cycles that have the report, the last in the order of their ids first.
func ListCycles(ctx context.Context, db bun.IDB, reportID string, limit int) (cycles []string, err error) {
	err = db.NewSelect().Model((*Report)(nil)).Column("cycle_id").Where("report_id = ?", reportID).
		OrderExpr("cycle_id desc").Limit(int64(limit)).Scan(ctx, &cycles)
	if err != nil {
		return nil, fmt.Errorf("cycles of report %s: %w", reportID, err)
	}
	return cycles, nil
}

// carrier carries over one report. The methods that write need a transaction that holds the report's lock.
type carrier struct {
	CarryOver

	db  bun.IDB
	now time.Time
	// write writes the rows of the report; it is nil for a preview.
	write *importer
	// copiesAttributes and copiesColumns are true if the report has none of its own.
	copiesAttributes, copiesColumns bool
	done                            CarryResult
}

// prepare decides whether attributes and columns are copied. It returns a [DecidedError] if the report has decisions.
func (c *carrier) prepare(ctx context.Context) error {
	var decided int64
	err := c.db.NewRaw(`select count(*) from pde_mappings m where m.cycle_id = ? and m.report_id = ?
		and (m.mapping_confirmed_by_user or m.review_status <> 'pending')`, c.CycleID, c.ReportID).Scan(ctx, &decided)
	if err != nil {
		return fmt.Errorf("decisions of report %s: %w", c.ReportID, err)
	}
	if decided > 0 {
		return &DecidedError{Count: decided}
	}
	attributes, err := ListAttributes(ctx, c.db, c.CycleID, c.ReportID, "", 1)
	if err != nil {
		return err
	}
	hasColumns, err := HasColumns(ctx, c.db, c.CycleID, c.ReportID)
	c.copiesAttributes, c.copiesColumns = len(attributes) == 0, !hasColumns
	return err
}

// carryPage is the number of mappings of a carry-over that one statement reads or writes.
const carryPage = importPage

// carryMappings carries over the mappings page by page, and lists the added attributes.
func (c *carrier) carryMappings(ctx context.Context) error {
	query := pairQuery{
		ReportID: c.ReportID, CycleID: c.FromCycleID, OtherCycleID: c.CycleID, Window: carryPage, Where: "true",
		Limit: carryPage,
	}
	for {
		pairs, err := query.list(ctx, c.db)
		if err != nil {
			return err
		}
		if err := c.page(ctx, pairs); err != nil {
			return err
		}
		if len(pairs) < carryPage {
			break
		}
		query.After = pairs[len(pairs)-1].Attribute.ID
	}
	if c.copiesAttributes {
		return nil
	}
	return c.listAdded(ctx)
}

// page decides about each pair of the page and writes the mappings that are carried over.
func (c *carrier) page(ctx context.Context, pairs []attributePair) error {
	target, err := c.readTarget(ctx, pairs)
	if err != nil {
		return err
	}
	var changes []change
	for _, p := range pairs {
		if c.write == nil && c.copiesAttributes {
			p.Other = p.Attribute
			p.Other.ID = "" // it is not inserted
		} else if p.Other.ID == "" {
			c.done.Dropped.add(CarriedRow{
				AttributeID: p.Attribute.ID, MappingID: p.Mapping.ID, AttributeName: p.Attribute.AttributeName,
			})
			continue
		}
		row := CarriedRow{AttributeID: p.Other.ID, MappingID: p.OtherMapping.ID, AttributeName: p.Other.AttributeName}
		if p.isKept() {
			c.done.Kept.add(row)
			continue
		}
		after, reason := c.carry(p, target)
		if row.Reason = reason; reason != "" {
			c.done.Changed.add(row)
		} else {
			c.done.Carried.add(row)
		}
		changes = append(changes, change{
			before: p.OtherMapping, after: after, comment: c.comment(reason), editedBy: target.editors[p.Mapping.ID],
		})
	}
	if c.write == nil || len(changes) == 0 {
		return nil
	}
	for _, change := range changes {
		if !change.before.CreatedAt.Equal(c.now) { // else it is counted as added
			c.write.done.Mappings.Updated++
		}
	}
	batch := changeBatch{at: c.now, author: c.Author, action: HistoryActionCarriedOver}
	return saveChanges(ctx, c.write.tx, batch, changes)
}

// listAdded lists the attributes that the earlier cycle does not have.
func (c *carrier) listAdded(ctx context.Context) error {
	query := pairQuery{
		ReportID: c.ReportID, CycleID: c.CycleID, OtherCycleID: c.FromCycleID, Window: carryPage,
		Where: "o.id is null", Limit: carryPage,
	}
	for more := true; more; more = query.After != "" {
		pairs, err := query.list(ctx, c.db)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			c.done.Added.add(CarriedRow{
				AttributeID: p.Attribute.ID, MappingID: p.Mapping.ID, AttributeName: p.Attribute.AttributeName,
			})
		}
		if query.After, err = query.end(ctx, c.db); err != nil {
			return err
		}
	}
	return nil
}
