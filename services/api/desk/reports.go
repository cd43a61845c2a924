package desk

import (
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
	Summary
	// LastJob is nil if the report has had no job.
	LastJob *events.JobStatus
	// First is true for the first report of its cycle in the list.
	First bool
	// Previous is the report in the cycle before, or nil.
	Previous *schema.ReportSummary
}

func (Reports) page() (name, title, section string) { return "reports", "Reports", "reports" }

// Waiting returns the number of mappings without a decision in the rows.
func (v Reports) Waiting() (n int64) {
	for _, row := range v.Rows {
		n += row.Pending
	}
	return n
}

// Changes describes how the counts differ from those of the cycle before; there must be one.
func (r ReportRow) Changes() string { return r.Since(*r.Previous) }

// CompareURL returns the address of the comparison with the cycle before; there must be one.
func (r ReportRow) CompareURL() string { return compareURL(r.Report, r.Previous.CycleID) }
