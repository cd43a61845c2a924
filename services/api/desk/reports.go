package desk

import (
	"net/url"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// Reports is the list of reports.
type Reports struct {
	Caller
	// Rows are in the order of their cycles, the newest first.
	Rows []ReportRow
	// More is the URL of the next page, or empty.
	More string
}

// ReportRow is a report with its last job.
type ReportRow struct {
	schema.ReportSummary
	// LastJob is nil if the report has had no job.
	LastJob *events.JobStatus
	// First is true for the first report of its cycle in the list.
	First bool
}

func (Reports) page() (name, title, section string) { return "reports", "Reports", "reports" }

// Waiting returns the number of mappings without a decision in the rows.
func (v Reports) Waiting() (n int64) {
	for _, row := range v.Rows {
		n += row.Pending
	}
	return n
}

// URL returns the address of the page of the report.
func (r ReportRow) URL() string { return ReportURL(r.CycleID, r.ReportID) }

// Mapped returns the number of mappings with a column.
func (r ReportRow) Mapped() int64 { return r.MappingCount - r.Unmapped }

// Classified returns the number of mappings with a tier.
func (r ReportRow) Classified() int64 { return r.MappingCount - r.Unclassified }

// Reviewed returns the number of mappings with a decision.
func (r ReportRow) Reviewed() int64 { return r.MappingCount - r.Pending }

// ReportURL returns the address of the page of a report.
func ReportURL(cycleID, reportID string) string {
	return "/cycles/" + url.PathEscape(cycleID) + "/reports/" + url.PathEscape(reportID)
}
