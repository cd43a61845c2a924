package rules

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestLinesOfFilingsAreRegulated(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, tt := range []struct {
		name   string
		input  Input
		want   bool
		citing string
	}{
		{"a channel in a filing", Input{Attribute: attribute("Channel", "N1"), Report: "fr_y14m_b1"}, true, "CCAR"},
		{"a channel in a table", Input{Attribute: attribute("Channel", "N1")}, false, ""},
		{
			"a load time in a filing",
			Input{Attribute: attribute("Load Timestamp", "TIMESTAMP"), Report: "FR Y-14M"},
			false, "",
		},
		{
			"a numbered line of an unknown form",
			Input{Attribute: schema.Attribute{AttributeName: "Channel", LineItemNumber: "7"}, Report: "XY 12"},
			true,
			"XY 12",
		},
		{
			"a numbered line of a form without a name",
			Input{Attribute: schema.Attribute{AttributeName: "Channel", LineItemNumber: "7"}},
			true,
			"Federal Reserve",
		},
		{
			"a line of an unknown form with a code",
			Input{Attribute: schema.Attribute{AttributeName: "Channel", MDRM: "ZZZZ1234"}, Report: "XY 12"},
			true,
			"Federal Reserve",
		},
		{"a line of an unknown form", Input{Attribute: attribute("Channel", "N1"), Report: "XY 12"}, true, "XY 12"},
		{
			"a column for an unknown form",
			Input{Attribute: attribute("CHNL_CD", "CHAR(1)"), Report: "XY 12", Table: "LOAN"},
			false, "",
		},
		{"an unknown name", Input{Attribute: attribute("Zyxwv Qponm", "")}, false, ""},
		{"an unknown date", Input{Attribute: attribute("Zyxwv Date", "")}, false, ""},
		{
			"an unknown name in an unknown form",
			Input{Attribute: attribute("Zyxwv Qponm", ""), Report: "XY 12"},
			true, "XY 12",
		},
		{"a product type in a table", Input{Attribute: attribute("Product Type", "C2")}, false, ""},
		{"a credit limit in a table", Input{Attribute: attribute("Credit Limit", "N12.2")}, true, "Regulation P"},
		{
			"an MDRM code of the Call Report",
			Input{Attribute: schema.Attribute{AttributeName: "Total deposits", MDRM: "RCON2200"}},
			true,
			"Call Report",
		},
		{"a phone number in a table", Input{Attribute: attribute("Home Phone", "C15")}, true, "Regulation P"},
		{
			"an aggregate",
			Input{Attribute: attribute("Ending Balance", "N12.2"), Report: "FR Y-14M D.2"},
			true,
			"FR Y-14M",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(tt.input)
			cited := strings.Join(a.RegulatoryReferences, "; ")
			if a.RegulatoryFlag != tt.want || (len(a.RegulatoryReferences) > 0) != tt.want {
				t.Errorf("regulated: got %t, citing %q, want %t", a.RegulatoryFlag, cited, tt.want)
			}
			if !strings.Contains(cited, tt.citing) {
				t.Errorf("references: got %q, want %q", cited, tt.citing)
			}
		})
	}
}

func TestAggregatesArePublicOnlyInPublishedFilings(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	line := attribute("Net Charge-offs on Installment Loans", "N15")
	for report, tier := range map[string]schema.Tier{
		"FR Y-9C": schema.TierPublic, "FR Y-14M Schedule D.2": schema.TierConfidential,
		"FR Y-14A": schema.TierConfidential,
		"":         schema.TierConfidential,
	} {
		t.Run(report, func(t *testing.T) {
			t.Parallel()
			want := schema.Classification{
				InformationSecurityClassification: tier, Criticality: schema.LevelHigh, RiskLevel: schema.LevelMedium,
				RegulatoryFlag: true,
			}
			if got := e.Classify(Input{Attribute: line, Report: report}).Classification; got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestNumbersOfSecurities(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, tt := range []struct{ name, dataType, rule string }{
		{"CUSIP", "C9", "published number of a security"},
		{"CUSIP", "", "published number of a security"},
		{"ISIN Identifier", "C12", "published number of a security"},
		{"SEDOL Number", "C7", "published number of a security"},
		{"CUSIP Description", "C40", "text next to the number of a security"},
		{"Security Description", "C40", "description of a security"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if a := e.Classify(Input{Attribute: attribute(tt.name, tt.dataType)}); a.Rule != tt.rule {
				t.Errorf("rule: got %q, want %q", a.Rule, tt.rule)
			}
		})
	}
}

func TestDataAboutCustomersIsNotPublicInAPublishedFiling(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, tt := range []struct {
		name, dataType string
		want           schema.Tier
	}{
		{"Credit Card Number", "C16", schema.TierHRCI},
		{"Account Number", "C18", schema.TierConfidential},
		{"Masked Card Number", "C16", schema.TierConfidential},
		{"Customer ID", "C18", schema.TierConfidential},
		{"Facility ID", "C18", schema.TierConfidential},
		{"Credit Score", "N3", schema.TierHRCI},
		{"FICO", "", schema.TierHRCI},
		{"Credit Score Band", "C2", schema.TierConfidential},
		{"Obligor Risk Rating", "C4", schema.TierHRCI},
		{"Obligor PD", "N6.4", schema.TierHRCI},
		{"Model Output", "N8.4", schema.TierHRCI},
		{"Bankruptcy Flag", "C1", schema.TierConfidential},
		{"Delinquency Status", "C1", schema.TierConfidential},
		{"Charge-off Flag", "C1", schema.TierConfidential},
		{"Zyxwv Qponm", "", schema.TierConfidential},
		{"Name of the Chief Financial Officer", "C60", schema.TierPublic},
		{"E-mail Address of the Contact", "C60", schema.TierConfidential},
		{"Signature Date", "Date", schema.TierPublic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(tt.name, tt.dataType), Report: "FR Y-9C"})
			if got := a.InformationSecurityClassification; got != tt.want {
				t.Errorf("got %s, want %s: %s", got, tt.want, a.Rationale)
			}
		})
	}
}

func TestAReportThatSoundsPublishedLowersNothing(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, report := range []string{
		"Margin Call Report", "Delinquency 15 days", "FR Y-14M Schedule D 2026", "FR Y-14Q", "FFIEC 101",
	} {
		for name, dataType := range map[string]string{
			"Credit Card Number": "C16", "Internal Risk Rating": "C4", "Credit Score": "N3",
		} {
			t.Run(report+" "+name, func(t *testing.T) {
				t.Parallel()
				a := e.Classify(Input{Attribute: attribute(name, dataType), Report: report})
				if got := a.InformationSecurityClassification; got != schema.TierHRCI {
					t.Errorf("got %s, want HRCI: %s", got, a.Rationale)
				}
			})
		}
	}
}
