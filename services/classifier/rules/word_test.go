package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// TestAmbiguousWords classifies names in the style of filings and systems whose words have other meanings elsewhere.
func TestAmbiguousWords(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Settlement Amount | N15.2 | FR 2052a | Confidential | no
		Settlement Mechanism | C10 | FR 2052a | Public | no
		Settlement Currency | C3 | FR 2052a | Public | no
		Settlement Offer Flag | C1 || Confidential | no
		Legal Settlement Expense | N15 | FR Y-9C | Public | no
		Extensions of credit to executive officers | N15 | Call Report | Public | no
		Extension Options | C1 | FR Y-14Q Schedule H.2 | Proprietary, Public | no
		Payment Extension Count | N2 || Confidential | no
		Minor Unit of Currency | N1 || Public | no
		Minor Account Flag | C1 || Confidential | yes
		Recourse | N1 | FR Y-14Q Schedule H.2 | Proprietary, Public | no
		Loans Sold with Recourse | N15 | FR Y-9C | Public | no
		Closed-End Loan Flag | C1 || Public, Proprietary | no
		Closed-end loans secured by junior liens | N15 | FR Y-9C | Public | no
		Closed Block of Business Flag | C1 || Proprietary, Public | no
		Account Closed Flag | C1 || Confidential | no
		Education Loan Flag | C1 || Public, Proprietary | no
		Student Education Level | C10 || Confidential | yes
		Collection Channel | C10 || Proprietary | no
		In Collection Flag | C1 || Confidential | no
		Customer Satisfaction Score | N3 || Confidential, Proprietary | no
		Net Promoter Score | N3 || Confidential, Proprietary | no
		ESG Score | N5.2 || Confidential, Proprietary, Public | no
		Geocode Match Score | N3 || Confidential, Proprietary | no
		Risk Score | N3 || HRCI | yes
		Score | N3 || HRCI | yes
		Portfolio Manager Comment | C200 || Confidential | no
		Portfolio Manager Name | C60 || Confidential | yes
		Credit Default Swap Indicator | C1 || Public, Proprietary | no
		Default Value | C10 || Proprietary, Public | no
		Default Fund Contribution | N15.2 || Confidential | no
		Default Flag | C1 || Confidential | no
		Lock Box Flag | C1 || Proprietary, Public | no
		Line Locked Flag | C1 || Confidential | no
		Medical Office Building Flag | C1 | FR Y-14Q Schedule H.2 | Public, Proprietary | no
		Medical Equipment Collateral Type | C10 || Public | no
		Medical History | C200 || HRCI | yes
		Account Disabled Flag | C1 || Proprietary, Confidential | no
		Disability Insurance Flag | C1 || Proprietary | no
		Building Age | N3 | FR Y-14Q Schedule H.2 | Confidential | no
		Average Age of Receivables | N5 | FR Y-14Q Schedule H.1 | Confidential | no
		Age of Oldest Trade Line | N4 || Confidential | no, yes
		Age Restricted Housing Flag | C1 || Proprietary, Public | no
		Age of the Co-Borrower | N3 || Confidential | yes
		Age | N3 || Confidential | yes
		Vehicle Color | C10 || Confidential, Public, Proprietary | no
		Restricted Cash | N15 | FR Y-9C | Public | no
		Restructuring Charges | N15 | FR Y-9C | Public | no
		Capitalized Servicing Assets | N15 | FR Y-9C | Public | no
		Deferred Tax Assets | N15 | FR Y-9C | Public | no
		Judgmental Override Flag | C1 || Proprietary, Confidential | no
		Contract Language | C10 || Confidential, Proprietary, Public | no
		Settlement | N1 || Confidential | no
		Account Default | C1 || Confidential | no
		Collection Code | C2 || Confidential | no
		Medical | C1 || HRCI | yes
		Minor | C1 || Confidential | yes
		Trading assets held at fair value | N15 | FR Y-9C | Public | no
		Loans to depository institutions | N15 | Call Report | Public | no
		Deposits of individuals, partnerships, and corporations | N15 | Call Report | Public | no
		Number of full-time equivalent employees | N6 | FR Y-9C | Public | no
		Name of the external auditing firm | C40 | FR Y-9C | Public | no
		Printed Name of the Chief Financial Officer | C40 | FR Y-9C | Public | yes
		Date of Report | Date | FR Y-9C | Public | no
		Internal Obligor Number | C40 | FR Y-14Q Schedule H.1 | Confidential | no
		Obligor Country | C2 | FR Y-14Q Schedule H.1 | Public | no
		Industry Code Type | N1 | FR Y-14Q Schedule H.1 | Public | no
		Lower of Cost or Market Flag | N1 | FR Y-14Q Schedule H.1 | Public, Proprietary | no
		Interest Rate Variability | N1 | FR Y-14Q Schedule H.1 | Public, Proprietary | no
		Committed Exposure Global | N15 | FR Y-14Q Schedule H.1 | Confidential | no
		Date Financials Last Audited | Date | FR Y-14Q Schedule H.1 | Confidential | no
		Nonaccrual Date of the Facility | Date | FR Y-14Q Schedule H.1 | Confidential | no
		Anchor Tenant | C1 | FR Y-14Q Schedule H.2 | Proprietary, Public, Confidential | no
		Current Occupancy | N6.4 | FR Y-14Q Schedule H.2 | Confidential | no
		Interest Reserves | N15 | FR Y-14Q Schedule H.2 | Confidential | no
		Private Placement Flag | C1 | FR Y-14Q Schedule B.1 | Public, Proprietary | no
		Hedging Instrument at Fair Value | N15 | FR Y-14Q Schedule B.2 | Confidential | no
		Effective Maturity Bucket | C10 | FR 2052a | Public, Proprietary, Confidential | no
		Encumbrance Type | C10 | FR 2052a | Public, Proprietary | no
		Forward Start Amount | N15 | FR 2052a | Confidential | no
		Treasury Control | C1 | FR 2052a | Proprietary, Public | no
		Rehypothecated | C1 | FR 2052a | Proprietary, Public, Confidential | no
	`)
}

// TestWordsThatDecideAlone classifies names in which one word decides, and the others only name a facet or a party.
func TestWordsThatDecideAlone(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Medical Indicator ||| HRCI | yes
		Disabled Indicator ||| HRCI | yes
		Borrower Disabled Flag ||| HRCI | yes
		Account Disabled Flag ||| Confidential | no
		Online Banking Disabled Flag ||| Confidential | no
		LOCK_IND ||| Confidential | no
		Deferred Indicator ||| Confidential | no
		Extension Flag ||| Confidential | no
		Settlement Reason ||| Confidential | no
		Collection Reason ||| Confidential | no
		Customer Conviction Indicator ||| Confidential | yes
		Customer Language Code ||| Confidential | yes
		CUST_LANG_CD ||| Confidential | yes
		PREF_LANG_CD ||| Confidential | yes
		Judgment Indicator ||| Confidential | no
		Levy Indicator ||| Confidential | no
		Locked Indicator ||| Confidential | no
		Repurchase Indicator ||| Confidential | no
		Borrower Restricted Indicator ||| Confidential | no
		ACCT_RSTRCT_IND ||| Confidential | no
		Color ||| Confidential | yes, no
		Vehicle Color Code ||| Confidential | no
		Card Color ||| Proprietary | no
	`)
}

// TestTypesOfProtectedData classifies the type, category and class of data that no public vocabulary makes public.
func TestTypesOfProtectedData(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		RACE_TYPE_CD ||| Confidential | yes
		ETHNCTY_TYP_CD ||| Confidential | yes
		GENDER_TYPE_CD ||| Confidential | yes
		RELIG_TYPE_CD ||| Confidential | yes
		Marital Category ||| Confidential | yes
		Military Category ||| Confidential | yes
		OCCUPATION_TYPE ||| Confidential | yes
		DISABILITY_TYPE_CD ||| HRCI | yes
		Diagnosis Category ||| HRCI | yes
		Biometric Type ||| HRCI | yes
		BKRPTCY_TYPE_CD ||| Confidential | yes
		Hardship Type ||| Confidential | no
		Forbearance Type ||| Confidential | no
		Foreclosure Type ||| Confidential | no
		Modification Type ||| Confidential | no
		Workout Type ||| Confidential | no
		Delinquency Category ||| Confidential | no
		FRAUD_TYPE_CD ||| Confidential | no
		Nonaccrual Type ||| Confidential | no
		Default Type ||| Confidential | no
		Judgment Type ||| Confidential | no
		MRA Category ||| HRCI | no
		Password Type ||| HRCI | no
		Risk Class ||| HRCI | no
		Obligor Risk Category ||| HRCI | no
		Zyxwv Type ||| Proprietary | no
	`)
}

// TestAnyKindOfProtectedDataIsProtected adds type, category and class to each phrase of the concepts for protected
// data.
func TestAnyKindOfProtectedDataIsProtected(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	e := New(p)
	names := 0
	for _, phrase := range p.Phrases {
		protected := slices.Contains([]string{"protected", "relief", "action", "health"}, p.TermName(phrase.Term))
		if phrase.Term.Kind != policy.TermConcept || !protected {
			continue
		}
		text := strings.Join(phrase.Words, " ")
		if text == "settlement" { // a settlement type is how a trade is settled
			continue
		}
		for _, kind := range []string{"Type", "Category", "Class"} {
			names++
			a := e.Classify(Input{Attribute: attribute(text+" "+kind, "")})
			switch got := a.InformationSecurityClassification; got {
			case schema.TierConfidential, schema.TierHRCI:
			default:
				t.Errorf("%s %s: got %s, want Confidential or HRCI: %s", text, kind, got, a.Rationale)
			}
		}
	}
	if names < 300 {
		t.Errorf("names: got %d, want at least 300", names)
	}
}

// TestNamesOfPeopleInPublicPlaces classifies names that begin with a word of a public vocabulary and continue with a
// person.
func TestNamesOfPeopleInPublicPlaces(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Nursing Home Patient Name ||| HRCI | yes
		Nursing Home Resident Flag ||| HRCI | yes
		Nursing Home Flag ||| Public | no
		Multifamily Tenant Name ||| Confidential | yes
		Hotel Owner Name ||| Confidential | yes
		Hotel Company Name ||| Confidential | no
		Auto Loan Owner Name ||| Confidential | yes
		Education Loan Student Name ||| Confidential | yes
		Education Loan Standing ||| Confidential | no
		Student Loan Borrower Surname ||| Confidential | yes
		Student Loan Decision ||| Confidential | no
		Student Loan Flag ||| Public | no
		Section 8 Tenant Name ||| Confidential | yes
		Product Name | C30 | FR Y-14Q Schedule H.1 | Public | no
		Vehicle Make Name ||| Public | no
		Occupancy Status | N1 || Public | no
		Lien Status | N1 || Public | no
		Judgment Lien Status ||| Confidential | no
		ADDR_TYP_CD ||| Public | no
	`)
}

// TestScoresInSystems classifies scores that systems call numbers, codes or texts, and attributes of scoring models.
func TestScoresInSystems(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		FICO_NBR ||| HRCI | yes
		FICO_NUM | int || HRCI | yes
		FICO_CD | char(3) || HRCI | yes
		CR_SCR_TXT | varchar(5) || HRCI | yes
		Credit Score Number ||| HRCI | yes
		Scorecard Value ||| HRCI | yes
		Scorecard Points ||| HRCI | yes
		Scoring Model Result ||| HRCI | yes
		Internal Model Rating ||| HRCI | yes
		Credit Score Version Number ||| Proprietary | no
		Credit Score Model Name ||| Proprietary | no
		Score Card Name ||| Proprietary | no
		FICO Score Type Code ||| Proprietary | no
		Score Model Code ||| Proprietary | no
		Scorecard Number ||| Proprietary | no
		Internal Credit Score Flag | N1 || Proprietary | no
		Credit Score Reason Code ||| Confidential | yes
		Survey Score Number ||| Confidential | no
	`)
}

// TestAbbreviatedCardNumbersAndSecrets classifies card numbers and secrets in the short names of systems.
func TestAbbreviatedCardNumbersAndSecrets(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		CC_NUM ||| HRCI | yes
		CC_NBR ||| HRCI | yes
		CC_NUMBER ||| HRCI | yes
		CC_ID ||| Confidential | yes
		GL_CC_NUM ||| Proprietary | no
		CC_CD ||| Proprietary | no
		CARD_NUMBER_CD ||| HRCI | yes
		PAN_CD ||| HRCI | yes
		IBAN_CD ||| HRCI | yes
		Masked Card Number Code ||| Confidential | yes
		Card Number Source Code ||| Proprietary, Confidential | no
		USR_PSWD ||| HRCI | no
		PSWD ||| HRCI | no
		SEC_ANS_1 ||| HRCI | no
		SEC_QSTN_ANS ||| HRCI | no
	`)
	e := New(policy.Default())
	for _, tt := range []struct {
		table, name string
		want        schema.Tier
	}{
		{"GL_JRNL", "CC_NUM", schema.TierConfidential},
		{"GL_ACCT", "CC_NUM", schema.TierConfidential},
		{"CARD", "CC_NUM", schema.TierHRCI},
		{"GL_CARD", "CREDIT_CARD_NUMBER", schema.TierHRCI},
	} {
		t.Run(tt.table+"."+tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(tt.name, "VARCHAR(16)"), Table: tt.table})
			if got := a.InformationSecurityClassification; got != tt.want {
				t.Errorf("got %s, want %s: %s", got, tt.want, a.Rationale)
			}
		})
	}
}

// TestValuesOfOneAccountAreNotAggregates classifies values of one account of a portfolio or a manager.
func TestValuesOfOneAccountAreNotAggregates(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Portfolio Account Credit Score ||| HRCI | yes
		Managed Account Credit Score ||| HRCI | yes
		Portfolio Loan FICO ||| HRCI | yes
		Consolidated Loan Credit Score ||| HRCI | yes
		Portfolio Credit Score ||| Confidential | no
		Weighted Average Credit Score ||| Confidential | no
	`)
}

func TestDisabilityClaimsAreHealthData(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Disability Insurance Claim Flag ||| HRCI | yes
		Disability Insurance Flag | C1 || Proprietary | no
	`)
}

func TestOtherScores(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Credit Quality Score ||| HRCI | yes
		Credit Score at Maturity ||| HRCI | yes
		Quality Score ||| Confidential | no
	`)
	e := New(policy.Default())
	for _, name := range []string{"Quality Score", "Examination Score", "Maturity Score", "Survey Score"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := e.Classify(Input{Attribute: attribute(name, "N3")}).Rule; got != "score of something else" {
				t.Errorf("rule: got %q, want score of something else", got)
			}
		})
	}
}

// answersAs classifies the names of a table by the default policy. Each line has a name, a type, a filing, the
// acceptable tiers, and whether the name is personal.
func answersAs(t *testing.T, table string) {
	t.Helper()
	e := New(policy.Default())
	for line := range strings.Lines(table) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 5 {
			t.Fatalf("parts of %q: got %d, want 5", line, len(f))
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		t.Run(strings.TrimSpace(f[0]+" "+f[1]), func(t *testing.T) {
			t.Parallel()
			a := e.Classify(Input{Attribute: attribute(f[0], f[1]), Report: f[2]})
			tier, personal := string(a.InformationSecurityClassification), yesOrNo(a.PIIFlag)
			if !slices.Contains(strings.Split(f[3], ", "), tier) ||
				!slices.Contains(strings.Split(f[4], ", "), personal) {
				t.Errorf("got %s, personal %s, want %s, %s: %s", tier, personal, f[3], f[4], a.Rationale)
			}
		})
	}
}
