package words

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesOfAnyMakeGiveTheirWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		// separators and case
		{"ACCT_OPN_DT", "account open date"},
		{"acctOpenDate", "account open date"},
		{"Account Open Date", "account open date"},
		{"account-open/date", "account open date"},
		{"dbo.ACCT.OPN_DT", "dbo account open date"},
		{"Borrower's Income", "borrower income"},
		{"Borrowers’ income", "borrower income"},
		{"Amount – current month", "amount current month"},
		{"APRs and IDs", "annual percent rate and identifier"},
		{"NSFFee", "nonsufficient fund fee"},
		{"rssdID", "rssd identifier"},
		{"EADid", "exposure at default identifier"},
		{"Prénom", "first name"},
		{"", ""},
		{" _-/ ", ""},
		// digits
		{"60+ DPD", "60 plus day past due"},
		{"DPD60PlusLast3YrFlg", "day past due 60 plus last 3 year flag"},
		{"60 plus days past due in the last three years", "60 plus day past due in the last 3 year"},
		{"ADDR_LN_2", "address line 2"},
		{"Basel3LGD", "basel 3 loss given default"},
		{"PMT_HIST_24M", "payment history 24 month"},
		{"1st lien bal", "first lien balance"},
		{"LTV %", "loan to value percent"},
		// abbreviations
		{"CO_BORR_FICO_ORIG", "co borrower fico original"},
		{"PD", "probability of default"},
		{"DTI", "debt to income"},
		{"MTG_ESCR_BAL", "mortgage escrow balance"},
		{"GL_ACCT_NBR", "general ledger account number"},
		{"EMP_HIRE_DT", "employee hire date"},
		{"MIN_PYMT_DUE", "minimum payment due"},
		{"CHGOFF_RSN_CD", "charge off reason code"},
		{"CUST_ADDR_ZIP_CD", "customer address zip code"},
		{"CC_NUM", "cc number"}, // of a credit card or a cost center: the table tells
		{"CC_CD", "cost center code"},
		{"CC_BAL", "credit card balance"},
		{"USR_PSWD", "user password"},
		{"SEC_QSTN_ANS", "security question answer"},
		{"ACCT_RSTRCT_IND", "account restricted indicator"},
		// run together
		{"CURRBAL", "current balance"},
		{"ACCTNBR", "account number"},
		{"CUSTID", "customer identifier"},
		{"opendt", "open date"},
		{"DLQSTAT", "delinquency status"},
		{"ODLMT", "overdraft limit"},
		{"AVGCOLBALMTD", "average collected balance month to date"},
		{"INTPDYTD", "interest paid year to date"},
		{"password", "password"},
		{"candidate", "candidate"},
		{"consent", "consent"},
		{"intent", "intent"},
		{"investment contact", "investment contact"},
		{"outstanding", "outstanding"},
		// spelling and number
		{"Charge-off", "charge off"},
		{"chargeoff", "charge off"},
		{"charged off", "charge off"},
		{"co-borrower", "co borrower"},
		{"Re-age", "reage"},
		{"REAGE_DT", "reage date"},
		{"delinquent accounts", "delinquency account"},
		{"securitised", "securitized"},
		{"properties, taxes, statuses", "property tax status"},
		{"gross losses basis", "gross loss basis"},
		{"overlimit fees", "over limit fee"},
	} {
		if got := strings.Join(Split(tt.name), " "); got != tt.want {
			t.Errorf("Split(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTheContextChoosesBetweenMeanings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"CR_LMT_AMT", "credit limit amount"},
		{"CURR_CR_LMT_AMT", "current credit limit amount"},
		{"CR_MTH_BAL", "current month balance"},
		{"CURR_CD", "currency code"},
		{"CURR_BAL", "current balance"},
		{"CO_AMT", "charge off amount"},
		{"CO_NM", "company name"},
		{"CO_APPL_NM", "co applicant name"},
		{"ACCT_NO", "account number"},
		{"NO_OF_CARDS", "number of card"},
		{"NO_DOC_IND", "no document indicator"},
		{"no fee", "no fee"},
		{"PD_DT", "paid date"},
		{"DAYS_PD", "day past due"},
		{"ORIG_DT", "origination date"},
		{"ORIG_BAL", "original balance"},
		{"COLL_TYP", "collateral type"},
		{"COLL_AGCY", "collection agency"},
		{"INT_RT", "interest rate"},
		{"INT_SCR", "internal score"},
		{"ST_CD", "state code"},
		{"ST_NM", "street name"},
		{"REC_AMT", "recovery amount"},
		{"REC_ID", "record identifier"},
		{"CD_TERM", "certificate of deposit term"},
		{"PROD_CD", "product code"},
		{"DL_NBR", "driver license number"},
		{"RE_TAX_AMT", "real estate tax amount"},
	} {
		if got := strings.Join(Split(tt.name), " "); got != tt.want {
			t.Errorf("Split(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAppendKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	got := Append([]string{"before"}, "CUST_NM")
	if want := []string{"before", "customer", "name"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatWasSplitSplitsTheSameAgain(t *testing.T) {
	t.Parallel()
	for key, e := range dictionary().entries {
		for _, m := range e.meanings {
			phrase := strings.Join(m.words, " ")
			if phrase == key { // a short word that means this only in its context
				continue
			}
			if again := strings.Join(Split(phrase), " "); again != phrase {
				t.Errorf("%s: %q is not in normal form, it reads as %q", key, phrase, again)
			}
		}
	}
}

func TestConditionsNameKnownWords(t *testing.T) {
	t.Parallel()
	d := dictionary()
	for key, e := range d.entries {
		for _, m := range e.meanings {
			for _, context := range m.contexts {
				for _, c := range context {
					for _, w := range c.words {
						if w != "#" && !d.knows(w) {
							t.Errorf("%s: condition %q is no word that the dictionary knows", key, w)
						}
					}
				}
			}
		}
	}
}

func TestTheDictionaryCoversABank(t *testing.T) {
	t.Parallel()
	if n := len(dictionary().entries); n < 1000 {
		t.Errorf("%d entries, want at least 1000", n)
	}
}

func TestAMistakeInTheDictionaryNamesItsLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"# fine\nacct: account\nacct: action\n", `line 3: "acct" stands twice`},
		{"re-age: reage\nre-age: reage", `line 2: "re-age" stands twice`},
		{"cr: credit [before limit]", `line 1: "cr": the last meaning must have no condition`},
		{"cr: credit [before limit", "no closing bracket"},
		{"cr: credit [beside limit] / cr", `unknown condition "beside"`},
		{"cr: credit [before] / cr", `"before" needs words`},
		{"cr: credit [last limit] / cr", `"last" takes no words`},
		{"cr: credit [] / cr", "empty condition"},
		{"cr:", "no words"},
	} {
		_, err := parse(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parse(%q) = %v, want %q", tt.text, err, tt.want)
		}
	}
}

func FuzzSplitTakesAnything(f *testing.F) {
	f.Add("ACCT_OPN_DT")
	f.Add("EADid ’s \xff 60+%")
	f.Fuzz(func(t *testing.T, name string) {
		for _, w := range Split(name) {
			if w == "" || strings.ToLower(w) != w {
				t.Errorf("Split(%q) has the word %q", name, w)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	names := []string{"CURR_CR_LMT_AMT", "CO_BORR_FICO_ORIG", "Total payment due at cycle end", "ACCTNBR"}
	dst := make([]string, 0, 32)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		dst = Append(dst[:0], names[i%len(names)])
	}
}
