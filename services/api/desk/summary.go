package desk

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Summary is a report with its counts, as several pages show it.
type Summary struct{ schema.ReportSummary }

// Title returns the name of the report, or its id.
func (s Summary) Title() string { return reportTitle(s.Report) }

// reportTitle returns the name of the report, or its id.
func reportTitle(r schema.Report) string { return cmp.Or(r.Name, r.ReportID) }

// URL returns the address of the page of the report without any filter.
func (s Summary) URL() string { return ReportURL(s.CycleID, s.ReportID) }

// ReportURL returns the address of the page of a report.
func ReportURL(cycleID, reportID string) string {
	return "/cycles/" + url.PathEscape(cycleID) + "/reports/" + url.PathEscape(reportID)
}

// MappingURL returns the address of a mapping on the page of its report.
func MappingURL(cycleID, reportID, mappingID string) string {
	return ReportURL(cycleID, reportID) + "?m=" + url.QueryEscape(mappingID) + "#mapping"
}

// Mapped returns the number of mappings with a column.
func (s Summary) Mapped() int64 { return s.MappingCount - s.Unmapped }

// Classified returns the number of mappings with a tier.
func (s Summary) Classified() int64 { return s.MappingCount - s.Unclassified }

// Reviewed returns the number of mappings with a decision.
func (s Summary) Reviewed() int64 { return s.MappingCount - s.Pending }

// Since describes how the counts differ from those of another cycle.
func (s Summary) Since(other schema.ReportSummary) string {
	var parts []string
	for _, count := range []struct {
		now, before int64
		noun        string
	}{
		{s.MappingCount, other.MappingCount, "lines"},
		{s.Unmapped, other.Unmapped, "without a column"},
		{s.HRCI, other.HRCI, "HRCI"},
		{s.Confidential, other.Confidential, "Confidential"},
		{s.Proprietary, other.Proprietary, "Proprietary"},
		{s.Public, other.Public, "Public"},
	} {
		if n := count.now - count.before; n > 0 {
			parts = append(parts, fmt.Sprintf("+%s %s", number(n), count.noun))
		} else if n < 0 {
			parts = append(parts, fmt.Sprintf("−%s %s", number(-n), count.noun))
		}
	}
	if len(parts) == 0 {
		return "same counts"
	}
	return strings.Join(parts, ", ")
}
