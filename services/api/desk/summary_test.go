package desk_test

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

func TestSummary_Since(t *testing.T) {
	t.Parallel()
	summary := func(lines, unmapped, hrci, public int64) schema.ReportSummary {
		s := schema.ReportSummary{Unmapped: unmapped, HRCI: hrci, Public: public}
		s.MappingCount = lines
		return s
	}
	for name, tt := range map[string]struct {
		now, before schema.ReportSummary
		want        string
	}{
		"equal":  {summary(118, 5, 10, 0), summary(118, 5, 10, 0), "same counts"},
		"more":   {summary(1118, 5, 11, 0), summary(118, 5, 10, 0), "+1,000 lines, +1 HRCI"},
		"fewer":  {summary(110, 1, 10, 0), summary(118, 5, 10, 7), "−8 lines, −4 without a column, −7 Public"},
		"tiered": {summary(1, 0, 0, 1), summary(1, 0, 1, 0), "−1 HRCI, +1 Public"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (desk.Summary{ReportSummary: tt.now}).Since(tt.before); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSummary_NamesTheReport(t *testing.T) {
	t.Parallel()
	s := desk.Summary{}
	s.CycleID, s.ReportID = "2026 Q3", "A/B"
	if got := s.Title(); got != "A/B" {
		t.Errorf("title without a name: got %s", got)
	}
	s.Name = "Cards"
	if got, want := s.Title()+" "+s.URL(), "Cards /cycles/2026%20Q3/reports/A%2FB"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
