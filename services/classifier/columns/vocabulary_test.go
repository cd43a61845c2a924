package columns

import (
	"strings"
	"testing"
)

func TestPhrasesBecomeOneTerm(t *testing.T) {
	t.Parallel()
	v := knowledge()
	for _, tt := range []struct{ text, want string }{
		{"APR", "apr"},
		{"annual percentage rate", "apr"},
		{"ANN_PCT_RT", "apr"},
		{"Credit bureau score", "bureau score"},
		{"FICO_SCR", "bureau score"},
		{"postal code", "zip"},
		{"ZIP", "zip"},
		{"delinquent", "past due"},
		{"the end of the month", "month end"},
		{"card scheme", "network"},
		{"primary account holder", "primary borrower"},
		{"as of date", "as date"},
		{"as agreed", "agreed"},
		{"of the", ""},
	} {
		if got := strings.Join(v.terms(nil, tt.text), ", "); got != tt.want {
			t.Errorf("%q reads as %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestAMistakeInTheVocabularyNamesItsLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"\nsame: zip = postal code\nsame: post = postal code", `line 3: "postal code" is the same as both "zip" and "post"`},
		{"same: zip = of the", `line 1: "of the" says nothing`},
		{"near 2: a1 = b1", `degree "2" is not between 0 and 1`},
		{"near: rate = ratio", "near needs a degree"},
		{"kind number: rate", `unknown kind "number"`},
		{"kind rate weak: rate", "nothing but strong"},
		{"likes: rate = ratio", `unknown line "likes"`},
		{"weak: of", `"of" is not one term but []`},
	} {
		_, err := parseVocabulary(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parseVocabulary(%q) = %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestShortFormsOfWhatIsAskedAreGuessed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		short, word string
		want        bool
	}{
		{"rnwl", "renewal", true},
		{"cvrg", "coverage", true},
		{"chptr", "chapter", true},
		{"rsdn", "residence", true},
		{"cum", "cumulative", true},
		{"partcp", "participation", true},
		{"renewal", "renewal", false},
		{"rl", "renewal", false},
		{"wnr", "renewal", false},
		{"cst", "construction", false},
		{"mbr", "market", false},
	} {
		if got := abbreviates(tt.short, tt.word); got != tt.want {
			t.Errorf("%s for %s: %v, want %v", tt.short, tt.word, got, tt.want)
		}
	}
	for _, tt := range []struct {
		letters, words string
		want           int
	}{
		{"lob", "line of business", 3},
		{"pti", "payment to income ratio", 3},
		{"upb", "unpaid principal balance", 3},
		{"upb", "unpaid balance", 0},
		{"u", "unpaid", 0},
	} {
		if got := initials(tt.letters, strings.Fields(tt.words)); got != tt.want {
			t.Errorf("%s for %q: %d words, want %d", tt.letters, tt.words, got, tt.want)
		}
	}
}

func TestAPrefixIsAMarkOnlyWhereMostColumnsHaveIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		table string
		names []string
		want  string
	}{
		{"LOAN", []string{"XYZ_A", "XYZ_B", "XYZ_C", "XYZ_D", "LOAD_TS"}, "XYZ_"},
		{"LOAN", []string{"XYZ_A", "XYZ_B", "C", "D", "E"}, ""},
		{"LOAN", []string{"XYZ_A", "XYZ_B"}, ""},
		{"WRKOUT_PLN", []string{"WO_A", "WO_B", "WO_C", "WO_D", "WO_E"}, "WO_"},
		{"CUST", []string{"CUST_A", "CUST_B", "CUST_C", "CUST_D", "CUST_E"}, ""},
	} {
		prefix := commonPrefix(tt.names)
		if !isMark(strings.TrimSuffix(prefix, "_"), tt.table) {
			prefix = ""
		}
		if prefix != tt.want {
			t.Errorf("%s of %q: prefix %q, want %q", tt.table, tt.names, prefix, tt.want)
		}
	}
}

func TestTablesHaveRoles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		table   string
		columns []string
		want    role
	}{
		{"ACCT_MSTR", []string{"ACCT_NBR", "OPN_DT"}, recordTable},
		{"REF_PROD", []string{"PROD_CD", "PROD_NM"}, lookupTable},
		{"ChargeOffReason", []string{"ReasonId", "ReasonDescription"}, lookupTable},
		{"ACCT_HIST", []string{"ACCT_NBR"}, pastTable},
		{"STG_ACCT", []string{"ACCT_NBR"}, plumbingTable},
	} {
		if got := roleOf(tt.table, tt.columns); got != tt.want {
			t.Errorf("%s is a %s, want a %s", tt.table, got, tt.want)
		}
	}
}
