package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Report is a regulatory filing in one cycle of testing.
type Report struct {
	bun.BaseModel `bun:"table:reports,alias:r"`

	CycleID  string `bun:"cycle_id,pk"`
	ReportID string `bun:"report_id,pk"`
	Name     string `bun:"name"`
	// MappingCount is the number of mappings of the report. It is exact, because every transaction that adds
	// or removes mappings holds the report's lock.
	MappingCount int64     `bun:"mapping_count"`
	CreatedAt    time.Time `bun:"created_at"`
	CreatedBy    string    `bun:"created_by"`
	UpdatedAt    time.Time `bun:"updated_at"`
	UpdatedBy    string    `bun:"updated_by"`
}

// ActiveJobError is returned if a report cannot be changed because a job is active for it.
type ActiveJobError struct{ JobID string }

// Error implements error.
func (e *ActiveJobError) Error() string { return "job " + e.JobID + " is active for the report" }

// GetReport reads the report. It returns [ErrNotFound] if there is no such report.
func GetReport(ctx context.Context, db bun.IDB, cycleID, reportID string) (Report, error) {
	var report Report
	err := db.NewSelect().Model(&report).Where("cycle_id = ? and report_id = ?", cycleID, reportID).Scan(ctx)
	if err != nil {
		return report, notFound(err, fmt.Sprintf("report %s of cycle %s", reportID, cycleID))
	}
	return report, nil
}

// lockReportForChange locks the report for a change of its planning data, and then reads the clock. It returns
// [ErrNotFound] if there is no such report, and an [ActiveJobError] if a job is active for it.
//
// The lock conflicts with that of [LockReport]. So a job that is being requested is either committed and seen
// here, or waits until this transaction ends.
func lockReportForChange(ctx context.Context, tx bun.Tx, cycleID, reportID string) (Report, time.Time, error) {
	// A change of a large report may take longer than the statement timeout of the pool.
	if _, err := tx.ExecContext(ctx, "set local statement_timeout = 0"); err != nil {
		return Report{}, time.Time{}, fmt.Errorf("statement timeout: %w", err)
	}
	report, err := selectReport(ctx, tx, cycleID, reportID, "update")
	if err != nil {
		return report, time.Time{}, err
	}
	if err := RequireNoActiveJob(ctx, tx, cycleID, reportID); err != nil {
		return report, time.Time{}, err
	}
	now, err := Now(ctx, tx)
	return report, now, err
}

// selectReport reads the report with this row lock. It returns [ErrNotFound] if there is no such report.
func selectReport(ctx context.Context, tx bun.Tx, cycleID, reportID, lock string) (Report, error) {
	var report Report
	err := withLockTimeout(ctx, tx, func() error {
		err := tx.NewSelect().Model(&report).Where("cycle_id = ? and report_id = ?", cycleID, reportID).
			For(lock).Scan(ctx)
		if err != nil {
			return notFound(err, fmt.Sprintf("report %s of cycle %s", reportID, cycleID))
		}
		return nil
	})
	return report, err
}

// withLockTimeout calls do, whose statements fail with lock_not_available after they have waited two seconds
// for a lock. An import may hold the lock of the report for minutes. A transaction that waits for it holds a
// connection, and if all connections of the pool wait, the whole process stops. The limit does not apply to
// later statements of the transaction, because other locks are held briefly.
func withLockTimeout(ctx context.Context, tx bun.Tx, do func() error) error {
	if _, err := tx.ExecContext(ctx, "set local lock_timeout = '2s'"); err != nil {
		return fmt.Errorf("lock timeout: %w", err)
	}
	err := do()
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if _, err := tx.ExecContext(ctx, "set local lock_timeout to default"); err != nil {
		return fmt.Errorf("lock timeout: %w", err)
	}
	return err
}

// RequireNoActiveJob returns an [ActiveJobError] if a job is active for the report. One can begin afterwards,
// unless the caller holds the lock of the report.
func RequireNoActiveJob(ctx context.Context, db bun.IDB, cycleID, reportID string) error {
	id, err := activeJob(ctx, db, cycleID, reportID)
	if err != nil || id == "" {
		return err
	}
	return &ActiveJobError{JobID: id}
}

// activeJob returns the id of the report's active job, or "".
func activeJob(ctx context.Context, db bun.IDB, cycleID, reportID string) (id string, err error) {
	err = db.NewSelect().Model((*Job)(nil)).Column("id").
		Where("cycle_id = ? and report_id = ? and ended_at is null", cycleID, reportID).Scan(ctx, &id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("active job of report %s: %w", reportID, err)
	}
	return id, nil
}

// makeReport creates the report if it does not exist, and locks it as [lockReportForChange] does.
func makeReport(ctx context.Context, tx bun.Tx, fresh Report) (Report, time.Time, error) {
	report, now, err := lockReportForChange(ctx, tx, fresh.CycleID, fresh.ReportID)
	if !errors.Is(err, ErrNotFound) {
		return report, now, err
	}
	if now, err = Now(ctx, tx); err != nil {
		return report, now, err
	}
	fresh.CreatedAt, fresh.UpdatedAt = now, now
	var made int64
	err = withLockTimeout(ctx, tx, func() error {
		result, err := tx.NewInsert().Model(&fresh).On("conflict do nothing").Exec(ctx)
		if err != nil {
			return err
		}
		made, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return report, now, fmt.Errorf("report %s: %w", fresh.ReportID, err)
	}
	if made == 1 {
		return fresh, now, nil // invisible to other transactions until this one commits
	}
	return lockReportForChange(ctx, tx, fresh.CycleID, fresh.ReportID) // created concurrently
}

// ReportSummary is a report with its mappings counted by tier, criticality and review status.
type ReportSummary struct {
	Report

	HRCI         int64 `bun:"hrci"`
	Confidential int64 `bun:"confidential"`
	Proprietary  int64 `bun:"proprietary"`
	Public       int64 `bun:"public"`
	Unclassified int64 `bun:"unclassified"`

	High   int64 `bun:"high"`
	Medium int64 `bun:"medium"`
	Low    int64 `bun:"low"`

	Pending       int64 `bun:"pending"`
	Approved      int64 `bun:"approved"`
	Rejected      int64 `bun:"rejected"`
	NeedsRevision int64 `bun:"needs_revision"`

	// Unmapped counts the mappings without a source field.
	Unmapped int64 `bun:"unmapped"`

	// InputTokens to CostUSD are the usage of all jobs of the report, as their statuses have it.
	InputTokens  int64 `bun:"input_tokens"`
	OutputTokens int64 `bun:"output_tokens"`
	CostUSD      USD   `bun:"cost_usd"`
}

// selectSummaries begins a query of reports r with their counts. Conditions on r follow. The counts of a report without
// mappings are null, which is read as 0.
const selectSummaries = `select r.*, c.hrci, c.confidential, c.proprietary, c.public, c.unclassified,
		c.high, c.medium, c.low, c.pending, c.approved, c.rejected, c.needs_revision, c.unmapped,
		u.input_tokens, u.output_tokens, u.cost_usd
	from reports r left join lateral (
		select coalesce(sum(s.input_tokens), 0)::bigint as input_tokens,
			coalesce(sum(s.output_tokens), 0)::bigint as output_tokens, coalesce(sum(s.cost_usd), 0) as cost_usd
		from jobs j join job_status s on s.job_id = j.id
		where j.cycle_id = r.cycle_id and j.report_id = r.report_id and j.classifier <> 'rules'
	) u on true left join (
		select cycle_id, report_id,
			sum(mappings) filter (where information_security_classification = 'HRCI') as hrci,
			sum(mappings) filter (where information_security_classification = 'Confidential') as confidential,
			sum(mappings) filter (where information_security_classification = 'Proprietary') as proprietary,
			sum(mappings) filter (where information_security_classification = 'Public') as public,
			sum(mappings) filter (where information_security_classification is null) as unclassified,
			sum(mappings) filter (where criticality = 'High') as high,
			sum(mappings) filter (where criticality = 'Medium') as medium,
			sum(mappings) filter (where criticality = 'Low') as low,
			sum(mappings) filter (where review_status = 'pending') as pending,
			sum(mappings) filter (where review_status = 'approved') as approved,
			sum(mappings) filter (where review_status = 'rejected') as rejected,
			sum(mappings) filter (where review_status = 'needs_revision') as needs_revision,
			sum(mappings) filter (where not mapped) as unmapped
		from mapping_counts group by 1, 2
	) c on c.cycle_id = r.cycle_id and c.report_id = r.report_id `

// ListReports returns at most limit reports after this one, in the order of cycle and report.
func ListReports(ctx context.Context, db bun.IDB, afterCycle, afterReport string, limit int) ([]ReportSummary, error) {
	var reports []ReportSummary
	err := db.NewRaw(selectSummaries+`where (r.cycle_id, r.report_id) > (?, ?)
		order by r.cycle_id, r.report_id limit ?`,
		afterCycle, afterReport, limit).Scan(ctx, &reports)
	if err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	return reports, nil
}

// GetReportSummary reads one report with its counts. It returns [ErrNotFound] if there is no such report.
func GetReportSummary(ctx context.Context, db bun.IDB, cycleID, reportID string) (ReportSummary, error) {
	var report ReportSummary
	err := db.NewRaw(selectSummaries+`where r.cycle_id = ? and r.report_id = ?`, cycleID, reportID).Scan(ctx, &report)
	if err != nil {
		return report, notFound(err, fmt.Sprintf("report %s of cycle %s", reportID, cycleID))
	}
	return report, nil
}

// SumMappingCounts adds up the rows of mapping_counts and replaces them by their sums. Any number of processes
// may call it at once: each row is deleted, and therefore counted, by one of them.
func SumMappingCounts(ctx context.Context, db bun.IDB) error {
	_, err := db.NewRaw(`with recent as (delete from mapping_counts where not summed returning *),
		sums as (
			delete from mapping_counts m using (select distinct cycle_id, report_id from recent) r
			where m.summed and m.cycle_id = r.cycle_id and m.report_id = r.report_id returning m.*)
		insert into mapping_counts
		select cycle_id, report_id, information_security_classification, criticality, review_status, mapped,
			sum(mappings), true
		from (select * from recent union all select * from sums) all_rows group by 1, 2, 3, 4, 5, 6
			having sum(mappings) <> 0`).Exec(ctx)
	if err != nil {
		return fmt.Errorf("sum of mapping counts: %w", err)
	}
	return nil
}

// LockReport reads the report and blocks changes of its planning data until the transaction ends. Other jobs
// can be requested at the same time. It returns [ErrNotFound] if there is no such report, and an error for
// which [IsLockTimeout] is true if an import or a removal holds the report for longer than two seconds.
func LockReport(ctx context.Context, tx bun.Tx, cycleID, reportID string) (Report, error) {
	// The lock conflicts with that of an import or a removal, but not with that of another request.
	return selectReport(ctx, tx, cycleID, reportID, "key share")
}

// HasColumns reports whether the report has at least one column for [ListCandidateColumns].
func HasColumns(ctx context.Context, db bun.IDB, cycleID, reportID string) (has bool, err error) {
	err = db.NewRaw(`select exists (select from data_sources d join source_columns c on c.data_source_id = d.id
		where d.cycle_id = ? and d.report_id = ? and c.missing_since is null)`, cycleID, reportID).Scan(ctx, &has)
	if err != nil {
		return false, fmt.Errorf("columns of report %s: %w", reportID, err)
	}
	return has, nil
}
