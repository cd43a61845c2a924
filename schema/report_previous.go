package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// PreviousReport is a report with its counts in the cycle before CycleID.
type PreviousReport struct {
	// CycleID is the later cycle.
	CycleID string
	ReportSummary
}

// ListPreviousReports returns the reports as they are in the cycles before theirs, in the order of ids and cycles.
// Reports without an earlier cycle are left out.
func ListPreviousReports(ctx context.Context, db bun.IDB, reports []Report) ([]PreviousReport, error) {
	cycles, ids := make([]string, len(reports)), make([]string, len(reports))
	for i, report := range reports {
		cycles[i], ids[i] = report.CycleID, report.ReportID
	}
	var pairs []struct {
		CycleID  string `bun:"cycle_id"`
		ReportID string `bun:"report_id"`
		Previous string `bun:"previous"`
	}
	err := db.NewRaw(`select asked.cycle_id, asked.report_id, max(r.cycle_id) as previous
		from unnest(?::text[], ?::text[]) as asked (cycle_id, report_id)
			join reports r on r.report_id = asked.report_id and r.cycle_id < asked.cycle_id collate "C"
		group by 1, 2 order by 2, 1`, pgdialect.Array(cycles), pgdialect.Array(ids)).Scan(ctx, &pairs)
	if err != nil {
		return nil, fmt.Errorf("previous cycles of %d reports: %w", len(reports), err)
	}
	cycles, ids = cycles[:0], ids[:0]
	for _, pair := range pairs {
		cycles, ids = append(cycles, pair.Previous), append(ids, pair.ReportID)
	}
	var summaries []ReportSummary
	err = db.NewRaw(selectSummaries+`where (r.cycle_id, r.report_id) in (select * from unnest(?::text[], ?::text[]))`,
		pgdialect.Array(cycles), pgdialect.Array(ids)).Scan(ctx, &summaries)
	if err != nil {
		return nil, fmt.Errorf("reports of previous cycles: %w", err)
	}
	var previous []PreviousReport
	for _, pair := range pairs {
		for _, summary := range summaries {
			if summary.CycleID == pair.Previous && summary.ReportID == pair.ReportID {
				previous = append(previous, PreviousReport{CycleID: pair.CycleID, ReportSummary: summary})
			}
		}
	}
	return previous, nil
}
