package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestTheKindOfValueDecidesTheTier(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, tt := range []struct {
		name, dataType string
		tier           schema.Tier
		personal       bool
	}{
		{"Vantage Score of the Applicant", "N3", schema.TierHRCI, true},
		{"Vantage Score Pull Date", "Date", schema.TierConfidential, false},
		{"Date of the Vantage Score", "Date", schema.TierConfidential, false},
		{"Vantage Score - Date", "Date", schema.TierConfidential, false},
		{"Vantage Score Version", "C10", schema.TierProprietary, false},
		{"Vantage Score (Name)", "C20", schema.TierProprietary, false},
		{"Custom Score Indicator", "N1", schema.TierProprietary, false},
		{"90 Plus DPD Ever Indicator", "N1", schema.TierConfidential, false},
		{"Passport Number", "C9", schema.TierHRCI, true},
		{"Passport Issue Date", "Date", schema.TierConfidential, true},
		{"Mortgage Account Status - Open", "N1", schema.TierProprietary, false},
		{"Mortgage Account Status - Revoked", "N1", schema.TierConfidential, false},
		{"Password Hash", "C64", schema.TierHRCI, false},
		{"Password Change Date", "Date", schema.TierProprietary, false},
		{"Applicant Province", "C2", schema.TierPublic, false},
		{"Applicant Postal Code", "C6", schema.TierConfidential, true},
		{"Branch Postal Code", "C6", schema.TierPublic, false},
		{"Downturn LGD", "N6.5", schema.TierHRCI, false},
		{"LGD Model Name", "C30", schema.TierProprietary, false},
		{"Obligor Tax Identification Number", "C9", schema.TierHRCI, true},
		{"Obligor Address", "C60", schema.TierConfidential, false},
		{"Card Number in the Clear", "C16", schema.TierHRCI, true},
		{"Country Name", "C40", schema.TierPublic, false},
		{"STATE_NM", "VARCHAR(40)", schema.TierPublic, false},
		{"Name of the Issuer's Country", "C40", schema.TierPublic, false},
		{"Early Warning Signal", "C1", schema.TierHRCI, false},
		{"Model Output", "N8.4", schema.TierHRCI, false},
		{"Model Output Name", "C30", schema.TierProprietary, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(tt.name, tt.dataType)})
			if a.InformationSecurityClassification != tt.tier || a.PIIFlag != tt.personal {
				t.Errorf("got %s, personal %t, want %s, %t: %s",
					a.InformationSecurityClassification, a.PIIFlag, tt.tier, tt.personal, a.Rationale)
			}
		})
	}
}

func TestADataTypeExcludesFacets(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	payment := e.Classify(Input{Attribute: attribute("Balloon Payment", "N12.2")})
	flagged := e.Classify(Input{Attribute: attribute("Balloon Payment", "N1")})
	if payment.Rule == flagged.Rule {
		t.Errorf("rule: got %q for an amount and for a flag, want two", payment.Rule)
	}
	dated := e.Classify(Input{Attribute: attribute("Bureau Score", "Date")})
	if dated.InformationSecurityClassification != schema.TierConfidential ||
		!strings.Contains(dated.Rationale, "excludes: measure") {
		t.Errorf("a score that is a date: got %s (%s), want Confidential",
			dated.InformationSecurityClassification, dated.Rationale)
	}
}

func TestAScoreStoredAsTextIsAScore(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, name := range []string{
		"FICO", "Bureau Score", "Vantage Score of the Applicant", "CREDIT_SCORE", "Loss Given Default",
		"Internal Risk Rating",
	} {
		want := e.Classify(Input{Attribute: attribute(name, "N6.3")}).PIIFlag
		for _, dataType := range []string{"N3", "C3", "CHAR(4)", "VARCHAR(10)", "C18", "VARCHAR(100)", ""} {
			t.Run(name+" "+dataType, func(t *testing.T) {
				t.Parallel()
				a := e.Classify(Input{Attribute: attribute(name, dataType)})
				if a.InformationSecurityClassification != schema.TierHRCI || a.PIIFlag != want {
					t.Errorf("got %s, personal %t, want HRCI, %t: %s",
						a.InformationSecurityClassification, a.PIIFlag, want, a.Rationale)
				}
			})
		}
	}
	const why = `"name or kind of a score" (Proprietary, protects less and depends on a guess)`
	if a := e.Classify(Input{Attribute: attribute("FICO", "C3")}); !strings.Contains(a.Rationale, why) {
		t.Errorf("rationale: got %s, want %s", a.Rationale, why)
	}
	for _, dataType := range []string{"N1", "C1", "BOOLEAN", "CHAR(1)"} {
		t.Run("flag "+dataType, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute("Bureau Score Flag", dataType)})
			if got := a.InformationSecurityClassification; got != schema.TierProprietary {
				t.Errorf("got %s, want Proprietary: %s", got, a.Rationale)
			}
		})
	}
}

func TestUnknownNamesAreConfidential(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, name := range []string{"", "   ", "???", "Zyxwv Qponm", "数据元素", "\xff\xfe", strings.Repeat("Zyxwv ", 5000)} {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(name, "")})
			if got := a.InformationSecurityClassification; got != schema.TierConfidential || a.Confidence > 20 {
				t.Errorf("got %s with confidence %d, want Confidential with at most 20", got, a.Confidence)
			}
			if a.Rule != "" || !strings.HasPrefix(a.Rationale, "No rule matched") {
				t.Errorf("got rule %q: %s, want no rule", a.Rule, a.Rationale)
			}
		})
	}
}

func TestAColumnRaisesTheTierAndNeverLowersIt(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	column := func(table, name, dataType string) *schema.SourceColumn {
		return &schema.SourceColumn{SchemaName: "dw", TableName: table, ColumnName: name, DataType: dataType}
	}
	for _, tt := range []struct {
		name      string
		attribute schema.Attribute
		column    *schema.SourceColumn
		tier      schema.Tier
		raised    bool
	}{
		{
			"a public state fed from a ZIP code", attribute("Property State", "C2"),
			column("CUST_ADDR", "ZIP_CD", "CHAR(9)"), schema.TierConfidential, true,
		},
		{
			"a score's version fed from the score", attribute("FICO Version", "C10"),
			column("BUREAU", "FICO_SCORE", "SMALLINT"), schema.TierHRCI, true,
		},
		{
			"a loan number fed from a card number", attribute("Loan Number", "C18"),
			column("CARD", "PAN", "VARCHAR(19)"), schema.TierHRCI, true,
		},
		{
			"a score fed from a harmless code", attribute("Vantage Score", "N3"),
			column("PROD", "PROD_TYP_CD", "CHAR(2)"), schema.TierHRCI, false,
		},
		{
			"a state fed from a state", attribute("Property State", "C2"), column("PROP", "STATE_CD", "CHAR(2)"),
			schema.TierPublic, false,
		},
		{
			"a state fed from an unknown column", attribute("Property State", "C2"), column("X", "ZZQ_7", ""),
			schema.TierPublic, false,
		},
		{
			"a state fed from some amount", attribute("Property State", "C2"),
			column("X", "ZZQ_AMT", "DECIMAL(12,2)"), schema.TierPublic, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: tt.attribute, Column: tt.column})
			alone := e.Classify(Input{Attribute: tt.attribute})
			if a.InformationSecurityClassification != tt.tier || (a.Raised != nil) != tt.raised {
				t.Errorf("got %s, raised %v, want %s: %s",
					a.InformationSecurityClassification, a.Raised, tt.tier, a.Rationale)
			}
			if alone.RiskLevel.Above(a.RiskLevel) || alone.PIIFlag && !a.PIIFlag ||
				alone.RegulatoryFlag && !a.RegulatoryFlag || a.Criticality != alone.Criticality {
				t.Errorf("with the column: got %+v, want nothing below %+v", a.Classification, alone.Classification)
			}
			cited := strings.Contains(a.Rationale, tt.column.SourceField()+" raises the tier")
			if tt.raised && (a.RiskLevel != schema.LevelHigh || !a.PIIFlag || !cited) {
				t.Errorf("got %+v, want a high risk and personal data, raised by the column: %s",
					a.Classification, a.Rationale)
			}
			if !tt.raised && !cmp.Equal(a, alone) {
				t.Errorf("answer with the column (-want +got):\n%s", cmp.Diff(alone, a))
			}
		})
	}
}

func TestAColumnIsNotClassifiedAsALineOfItsFiling(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, tt := range []struct {
		report, attribute       string
		table, column, dataType string
		tier                    schema.Tier
		citing                  string
	}{
		{"FR Y-9C", "Total Loans", "CARD", "PAN_NBR", "VARCHAR(19)", schema.TierHRCI, "FR Y-9C"},
		{"FR Y-9C", "Total Loans", "BUREAU", "FICO_SCORE", "SMALLINT", schema.TierHRCI, "FCRA"},
		{"FR Y-9C", "Total Loans", "CUST", "CUST_ID", "VARCHAR(18)", schema.TierConfidential, "FR Y-9C"},
		{"FR Y-9C", "Total Loans", "LOAN", "CURR_BAL_AMT", "NUMBER(14,2)", schema.TierPublic, "FR Y-9C"},
		{"FR Y-9C", "Total Loans", "CUST", "ANN_INCOME_AMT", "NUMBER(14,2)", schema.TierConfidential, "ECOA"},
		{"FR Y-14M D.2", "Average Balance", "RISK", "LGD_PCT", "NUMBER(7,6)", schema.TierHRCI, "FR Y-14M"},
		{"FR Y-14M", "Load Timestamp", "CARD", "PAN_NBR", "VARCHAR(19)", schema.TierHRCI, "FR Y-14M"},
	} {
		t.Run(tt.report+", "+tt.attribute+" from "+tt.column, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{
				Attribute: attribute(tt.attribute, ""), Report: tt.report,
				Column: &schema.SourceColumn{TableName: tt.table, ColumnName: tt.column, DataType: tt.dataType},
			})
			cited := strings.Join(a.RegulatoryReferences, "; ")
			if got := a.InformationSecurityClassification; got != tt.tier || !a.RegulatoryFlag {
				t.Errorf("got %s, regulated %t, want %s, true: %s", got, a.RegulatoryFlag, tt.tier, a.Rationale)
			}
			if !strings.Contains(cited, tt.citing) {
				t.Errorf("references: got %q, want %q", cited, tt.citing)
			}
		})
	}
}

// TestPublishedFilingsNameSignatoriesButNoCustomers feeds lines of a published filing from columns about signatories,
// about customers, and about flags.
func TestPublishedFilingsNameSignatoriesButNoCustomers(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, tt := range []struct {
		attribute, table, column, dataType string
		tier                               schema.Tier
	}{
		{"Email Address of Contact", "RPT_CONTACT", "CONTACT_EMAIL", "VARCHAR(60)", schema.TierConfidential},
		{"Email Address of Contact", "CUSTOMER", "EMAIL_ADDR", "VARCHAR(60)", schema.TierConfidential},
		{"Email Address of Contact", "RPT_CONTACT", "SSN", "CHAR(9)", schema.TierHRCI},
		{"Name of Chief Financial Officer", "FILING", "OFFICER_NAME", "VARCHAR(60)", schema.TierPublic},
		{"Name of Chief Financial Officer", "BORROWER", "LAST_NM", "VARCHAR(60)", schema.TierConfidential},
		{"Legal Title of Bank", "ENTITY", "LEGAL_NAME", "VARCHAR(60)", schema.TierPublic},
		{"Name of the external auditing firm", "FACILITY", "OBLIGOR_NAME", "VARCHAR(60)", schema.TierConfidential},
		{"Amendment Flag", "ACCT", "CHARGE_OFF_FLAG", "CHAR(1)", schema.TierConfidential},
		{"Amendment Flag", "LOAN", "CURR_BAL_AMT", "NUMBER(14,2)", schema.TierConfidential},
		{"Total Loans", "LOAN", "CURR_BAL_AMT", "NUMBER(14,2)", schema.TierPublic},
	} {
		t.Run(tt.attribute+" from "+tt.table+"."+tt.column, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{
				Attribute: attribute(tt.attribute, ""), Report: "FR Y-9C",
				Column: &schema.SourceColumn{TableName: tt.table, ColumnName: tt.column, DataType: tt.dataType},
			})
			if got := a.InformationSecurityClassification; got != tt.tier {
				t.Errorf("got %s, want %s: %s", got, tt.tier, a.Rationale)
			}
		})
	}
}

func TestClassify_IsPureAndSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	rows := goldRows(t)
	want := make([]Answer, len(rows))
	for i, row := range rows {
		want[i] = e.Classify(row.input)
	}
	for worker := range 4 {
		t.Run(fmt.Sprint(worker), func(t *testing.T) {
			t.Parallel()
			for i, row := range rows {
				if got := e.Classify(row.input); !cmp.Equal(got, want[i]) {
					t.Errorf("%q, want and got:\n%s", row.input.Attribute.AttributeName, cmp.Diff(want[i], got))
				}
			}
		})
	}
}
