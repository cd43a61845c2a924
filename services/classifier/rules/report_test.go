package rules

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestTheMostPreciseNameOfAReportCounts(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for report, want := range map[string]string{"Form 7": "general", "form-7 schedule S.2 (all)": "special", "form_7_s2": "special", "Form 8 S.2": "", "S.2 of Form 7": "general"} {
		got := ""
		if r := matchReport(p, report, ""); r != nil {
			got = r.name
		}
		if got != want {
			t.Errorf("%q is %q, want %q", report, got, want)
		}
	}
}

func TestAReportIsKnownByWholeWordsOfItsName(t *testing.T) {
	t.Parallel()
	p := defaultForTest(t)
	for _, tt := range []struct{ name, mdrm, want string }{
		{"FR Y-14M Schedule D.1", "", "FR Y-14M"},
		{"fr_y14m_d1", "", "FR Y-14M"},
		{"FRY14M", "", "FR Y-14M"},
		{"fr-y-14m-d2", "", "FR Y-14M portfolio level"},
		{"FRY14M D2", "", "FR Y-14M portfolio level"},
		{"FR Y-14M Schedule D 2026", "", "FR Y-14M"},
		{"FR Y-14M D.21", "", "FR Y-14M"},
		{"Margin Call Report", "", ""},
		{"Sales Call Report", "", ""},
		{"Call Report", "", "Call Report"},
		{"Call Report RC-C", "", "Call Report"},
		{"FFIEC031 Call Report", "", "Call Report"},
		{"Margin Call Report", "RCON2200", "Call Report"},
		{"FFIEC 101 Schedule D", "", "FFIEC 101"},
		{"Delinquency 15 days", "", ""},
		{"Early 9C", "", ""},
		{"FR Y-15", "", "FR Y-15"},
		{"FR Y-150", "", ""},
		{"FRY9C", "", "FR Y-9C"},
		{"FrY9cHcB", "", "FR Y-9C"},
		{"FR2052a", "", "FR 2052a"},
		{"FRY14MD1", "", "FR Y-14M"},
		{"FRY14MD2", "", "FR Y-14M portfolio level"},
		{"FRY14QH1", "", "FR Y-14Q wholesale"},
		{"HMDA2025", "", "HMDA"},
		{"2025 Call Report", "", "Call Report"},
		{"2025 Margin Call Report", "", ""},
		{"Desk 2025 Call Report", "", ""},
		{"FR Y-14Q", "", "FR Y-14Q"},
		{"FR Y-14Q", "CLCOM300", "FR Y-14Q wholesale"},
		{"FR Y-14Q", "CQSCP083", "FR Y-14Q securities"},
		{"FR Y-14Q", "BHCK2170", "FR Y-14Q"},
		{"FR Y-14Q Schedule B.1", "CLCOM300", "FR Y-14Q securities"},
		{"FR Y-14M", "CLCOM300", "FR Y-14M"},
	} {
		got := ""
		if r := matchReport(p, tt.name, tt.mdrm); r != nil {
			got = r.name
		}
		if got != tt.want {
			t.Errorf("%q with %q is %q, want %q", tt.name, tt.mdrm, got, tt.want)
		}
	}
}

func TestAReportThatOnlySoundsPublishedLowersNothing(t *testing.T) {
	t.Parallel()
	p := defaultForTest(t)
	for _, report := range []string{"Margin Call Report", "Delinquency 15 days", "FR Y-14M Schedule D 2026", "FR Y-14Q", "FFIEC 101"} {
		for name, dataType := range map[string]string{"Credit Card Number": "C16", "Internal Risk Rating": "C4", "Credit Score": "N3"} {
			if a := p.Classify(Input{Attribute: attribute(name, dataType), Report: report}); a.InformationSecurityClassification != schema.HRCI {
				t.Errorf("%q in %q is %s: %s", name, report, a.InformationSecurityClassification, a.Rationale)
			}
		}
	}
}
