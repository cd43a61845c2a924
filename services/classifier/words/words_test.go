package words

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
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
		{"BORR_MI", "borrower middle initial"},
		{"mi_data", "mi data"},
		{"PD", "probability of default"},
		{"DTI", "debt to income"},
		{"MTG_ESCR_BAL", "mortgage escrow balance"},
		{"GL_ACCT_NBR", "general ledger account number"},
		{"EMP_HIRE_DT", "employee hire date"},
		{"MIN_PYMT_DUE", "minimum payment due"},
		{"CHGOFF_RSN_CD", "charge off reason code"},
		{"CUST_ADDR_ZIP_CD", "customer address zip code"},
		{"CC_NUM", "cc number"}, // of a credit card or a cost center, depending on the table
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
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(Split(tt.name), " "); got != tt.want {
				t.Errorf("Split(%q): got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestSplit_ChoosesMeaningsByContext(t *testing.T) {
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
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(Split(tt.name), " "); got != tt.want {
				t.Errorf("Split(%q): got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestAppend_KeepsTheSlice(t *testing.T) {
	t.Parallel()
	got := Append([]string{"before"}, "CUST_NM")
	if want := []string{"before", "customer", "name"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSplit_IsIdempotent(t *testing.T) {
	t.Parallel()
	for key, e := range embedded().entries {
		for _, m := range e.meanings {
			phrase := strings.Join(m.words, " ")
			if phrase == key { // a short word that means this only in its context
				continue
			}
			if again := strings.Join(Split(phrase), " "); again != phrase {
				t.Errorf("Split of a meaning of %s: got %q, want %q", key, again, phrase)
			}
		}
	}
}

func TestDictionary_ConditionsListKnownWords(t *testing.T) {
	t.Parallel()
	d := embedded()
	for key, e := range d.entries {
		for _, m := range e.meanings {
			for _, context := range m.contexts {
				for _, c := range context {
					for _, w := range c.words {
						if w != "#" && !d.knows(w) {
							t.Errorf("%s: got a condition with the unknown word %q, want known words", key, w)
						}
					}
				}
			}
		}
	}
}

func TestDictionary_IsComplete(t *testing.T) {
	t.Parallel()
	if n := len(embedded().entries); n < 1000 {
		t.Errorf("entries: got %d, want at least 1000", n)
	}
}

func TestParse_ReportsTheLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"# fine\nacct: account\nacct: action\n", `line 3: "acct" appears twice`},
		{"re-age: reage\nre-age: reage", `line 2: "re-age" appears twice`},
		{"cr: credit [before limit]", `line 1: "cr": the last meaning must have no condition`},
		{"cr: credit [before limit", "no closing bracket"},
		{"cr: credit [near limit] / cr", `unknown condition "near"`},
		{"cr: credit [before] / cr", `"before" needs words`},
		{"cr: credit [last limit] / cr", `"last" takes no words`},
		{"cr: credit [] / cr", "empty condition"},
		{"cr:", "no words"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			_, err := parse(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parse: got error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		word string
		want bool
	}{
		{"account", true},
		{"ACCT", true},
		{"Accts", true},
		{"statuses", true},
		{"zyxwv", false},
		{"kunde", false}, // only in the translations
		{"", false},
	} {
		t.Run(tt.word, func(t *testing.T) {
			t.Parallel()
			if got := Known(tt.word); got != tt.want {
				t.Errorf("Known(%q): got %t, want %t", tt.word, got, tt.want)
			}
		})
	}
}

func TestSplit_UsesEveryCondition(t *testing.T) {
	t.Parallel()
	d, err := parse(`limit
month
bal: balance
cr: first [first] / alone [alone] / last [last] / current [before month] / credit [after bal] / with [with limit] / a
x: both [before month, after limit] / either [before balance; after month] / plain
n: number [before #] / none
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"cr", "alone"},
		{"cr month", "first month"},
		{"bal cr", "balance last"},
		{"zyx cr month", "zyx current month"},
		{"zyx cr months", "zyx current month"}, // a neighbour counts in the singular
		{"bal cr zyx", "balance credit zyx"},
		{"zyx cr qwu limit", "zyx with qwu limit"},
		{"zyx cr qwu", "zyx a qwu"},
		{"limit x month", "limit both month"},
		{"zyx x month", "zyx plain month"},
		{"zyx x bal", "zyx either balance"}, // the meaning of a neighbour counts
		{"month x", "month either"},
		{"n 7", "number 7"},
		{"n zyx", "none zyx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(d.append(nil, tt.name), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSegment(t *testing.T) {
	t.Parallel()
	known := func(part string, last bool) bool {
		return slices.Contains([]string{"open", "date", "opendate", "dat", "ab"}, part) || part == "dt" && last
	}
	for _, tt := range []struct {
		run  string
		want []string
	}{
		{"opendate", nil}, // a known word is not cut
		{"dateopen", []string{"date", "open"}},
		{"opendt", []string{"open", "dt"}},
		{"dtopen", nil}, // dt only ends a run
		{"openzyx", nil},
		{"abab", nil}, // too short to be cut
		{"opendateopendate", []string{"opendate", "opendate"}},
		{strings.Repeat("open", 8), nil}, // too long
	} {
		t.Run(tt.run, func(t *testing.T) {
			t.Parallel()
			var ends [maxRun + 1]int
			var got []string
			if segment(tt.run, known, &ends) {
				for from := 0; from < len(tt.run); from = ends[from] {
					got = append(got, tt.run[from:ends[from]])
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("segment(%q): got %q, want %q", tt.run, got, tt.want)
			}
		})
	}
}

func TestSingular(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		word, want string
		plural     bool
	}{
		{"accounts", "account", true},
		{"properties", "property", true},
		{"taxes", "tax", true},
		{"losses", "loss", true},
		{"branches", "branch", true},
		{"days", "day", true},
		{"loss", "loss", false},
		{"status", "status", false},
		{"basis", "basis", false},
		{"is", "is", false},
		{"date", "date", false},
	} {
		t.Run(tt.word, func(t *testing.T) {
			t.Parallel()
			stem, plural := singular([]byte(tt.word))
			if string(stem) != tt.want || plural != tt.plural {
				t.Errorf("singular(%q): got %q, %t, want %q, %t", tt.word, stem, plural, tt.want, tt.plural)
			}
		})
	}
}

func FuzzSplit_NormalizesAnything(f *testing.F) {
	f.Add("ACCT_OPN_DT")
	f.Add("EADid ’s \xff 60+%")
	f.Fuzz(func(t *testing.T, name string) {
		for _, w := range Split(name) {
			if w == "" || strings.ToLower(w) != w {
				t.Errorf("Split(%q): got %q, want lower case", name, w)
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

func TestSplit_ReadsTheNumberSign(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Card #": "card number", "ACCT#": "account number", "# of Cards": "number of card",
		"Borrower #2": "borrower 2", "#": "", "# 1": "1", "Phone # (Home)": "phone home",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(Split(name), " "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
