package desk

import (
	"net/url"

	"github.com/pdeflow/pdeflow/schema"
)

// Files is the page that exports a report, imports decisions, and carries over an earlier cycle.
type Files struct {
	Caller
	schema.Report
	// Cycles are the other cycles of the report, the last first.
	Cycles []string
	// Problem is why a file of decisions was refused; empty if it was not. Mistakes are the conflicts by place.
	Problem  string
	Mistakes []FileMistake
	More     int
	// Done says what an import of decisions has changed or would change; Saved means that it has.
	Done  string
	Saved bool
	// OnlyClean leaves rows with conflicts out.
	OnlyClean bool
}

func (v Files) page() (name, title, section string) {
	return "files", "Files of " + reportTitle(v.Report), "reports"
}

// Title returns the name of the report, or its id.
func (v Files) Title() string { return reportTitle(v.Report) }

// URL returns the address of the report.
func (v Files) URL() string { return ReportURL(v.CycleID, v.ReportID) }

// Exports returns the formats with what they are for.
func (Files) Exports() []struct{ Format, Word, Purpose string } {
	return []struct{ Format, Word, Purpose string }{
		{"xlsx", "Excel", "a workbook to decide in, with lists of the allowed values"},
		{"csv", "CSV", "the same as text"},
		{"json", "JSON", "every field, as the API returns it"},
		{"openlineage", "OpenLineage", "the lineage by column, for a data catalogue"},
	}
}

// Compare is the page that compares two cycles of a report.
type Compare struct {
	Caller
	schema.Report
	// With is the other cycle.
	With string
	Rows []Difference
	// More is the URL of the next page, or empty.
	More string
}

// Difference is an attribute that differs between two cycles.
type Difference struct {
	Kind               schema.DifferenceKind
	AttributeName, URL string
	Fields             []Field
}

func (v Compare) page() (name, title, section string) {
	return "compare", reportTitle(v.Report) + " since " + v.With, "reports"
}

// Title returns the name of the report, or its id.
func (v Compare) Title() string { return reportTitle(v.Report) }

// URL returns the address of the report.
func (v Compare) URL() string { return ReportURL(v.CycleID, v.ReportID) }

// compareURL returns the address of the comparison of a report with another cycle.
func compareURL(r schema.Report, with string) string {
	return ReportURL(r.CycleID, r.ReportID) + "/compare?with=" + url.QueryEscape(with)
}

// CompareURL returns the address of the comparison with another cycle.
func (v Files) CompareURL(with string) string { return compareURL(v.Report, with) }
