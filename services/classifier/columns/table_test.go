package columns

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/classifier/words"
)

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
		t.Run(tt.table, func(t *testing.T) {
			t.Parallel()
			prefix := commonPrefix(tt.names)
			if !isMark(nil, strings.TrimSuffix(prefix, "_"), tt.table) {
				prefix = ""
			}
			if prefix != tt.want {
				t.Errorf("prefix of %q: got %q, want %q", tt.names, prefix, tt.want)
			}
		})
	}
}

// TestIsMark_AnyTableName has names whose lower-case form has more bytes.
func TestIsMark_AnyTableName(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]bool{"ȺȺȺC": false, "ȺȺȺCA": true, "İCA": true, "ȾC_Ⱥ": false, "C": false} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			if got := isMark(nil, "CA", table); got != want {
				t.Errorf("isMark: got %t, want %t", got, want)
			}
		})
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
		{"STG_ACCT", []string{"ACCT_NBR"}, systemTable},
	} {
		t.Run(tt.table, func(t *testing.T) {
			t.Parallel()
			if got := roleOf(nil, tt.table, tt.columns); got != tt.want {
				t.Errorf("roleOf: got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRoleOf_EveryWordOfATablesPurpose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		words []string
		want  role
	}{
		{systemWords, systemTable},
		{pastWords, pastTable},
		{lookupWords, lookupTable},
	} {
		t.Run(fmt.Sprint(tt.words), func(t *testing.T) {
			t.Parallel()
			for _, w := range tt.words {
				if got := roleOf(nil, "ACCT_"+strings.ToUpper(w), []string{"A", "B"}); got != tt.want {
					t.Errorf("ACCT_%s: got %s, want a %s", strings.ToUpper(w), got, tt.want)
				}
			}
		})
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		table   string
		columns []string
		want    string
	}{
		{"REF_STAT", []string{"STAT_DESC", "STAT_CD"}, "STAT_CD"},
		{"REF_STAT", []string{"BLNG_STAT_CD", "STAT_ID"}, "STAT_ID"},
		{"STAT_LOOKUP", []string{"STATUS_TYPE"}, "STATUS_TYPE"},
		{"STAT_TABLE", []string{"STAT_NBR"}, "STAT_NBR"},
		{"REF_STAT", []string{"STAT_DESC"}, ""},
		{"REF_STAT", nil, ""},
	} {
		t.Run(tt.table, func(t *testing.T) {
			t.Parallel()
			if got := keyOf(nil, tt.table, tt.columns); got != tt.want {
				t.Errorf("keyOf(%s, %q): got %q, want %q", tt.table, tt.columns, got, tt.want)
			}
		})
	}
}

func TestDescribesCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		columns []string
		want    bool
	}{
		{[]string{"STAT_CD", "STAT_DESC"}, true},
		{[]string{"STAT_TYPE", "DESCRIPTION"}, true},
		{[]string{"STAT_CD", "STAT_NM"}, false},
		{[]string{"STAT_DESC"}, false},
		{[]string{"_", ""}, false},
		{nil, false},
	} {
		t.Run(fmt.Sprint(tt.columns), func(t *testing.T) {
			t.Parallel()
			if got := describesCodes(nil, tt.columns); got != tt.want {
				t.Errorf("describesCodes(%q): got %t, want %t", tt.columns, got, tt.want)
			}
		})
	}
}

func TestTable_Strip(t *testing.T) {
	t.Parallel()
	marked := &table{prefix: "XYZ_"}
	for name, want := range map[string]string{"XYZ_BAL": "BAL", "BAL": "BAL", "XYZ_": "XYZ_", "": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := marked.strip(name); got != want {
				t.Errorf("strip(%q): got %q, want %q", name, got, want)
			}
		})
	}
	if got := (&table{}).strip("BAL"); got != "BAL" {
		t.Errorf("without a prefix strip(BAL): got %q, want BAL", got)
	}
}

func TestTablesOf(t *testing.T) {
	t.Parallel()
	tables := tablesOf(nil, slices.Concat(
		columnsOf("LOAN", "XQZ_A|DATE", "XQZ_B|DATE", "XQZ_C|DATE", "XQZ_D|DATE", "LOAD_TS|DATE"),
		columnsOf("REF_STAT", "STAT_CD|CHAR(1)", "STAT_DESC|VARCHAR(40)"),
	))
	loan, stat := tables[tableKey{"1", "S", "LOAN"}], tables[tableKey{"1", "S", "REF_STAT"}]
	if len(tables) != 2 || loan == nil || stat == nil {
		t.Fatalf("tables: got %v, want LOAN and REF_STAT", tables)
	}
	if loan.prefix != "XQZ_" || loan.role != recordTable || loan.key != "" {
		t.Errorf("LOAN: got %+v, want a table of records with the prefix XQZ_", *loan)
	}
	if stat.prefix != "" || stat.role != lookupTable || stat.key != "STAT_CD" {
		t.Errorf("REF_STAT: got %+v, want a lookup table with the key STAT_CD", *stat)
	}
	if loan.number == stat.number {
		t.Errorf("number of both tables: got %d, want two numbers", loan.number)
	}
}

// The roles, marks and keys of tables are read with the words of an organisation.
func TestTablesOf_ReadsTheWordsOfAnOrganisation(t *testing.T) {
	t.Parallel()
	v, err := words.ParseVocabulary("own", []byte("zwk: staging\nqv: code\nxb: description\nkrt: account\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := roleOf(v, "ZWK_LOAN", []string{"A", "B"}); got != systemTable {
		t.Errorf("role: got %s, want %s", got, systemTable)
	}
	if got := roleOf(v, "STATES", []string{"STATE_QV", "STATE_XB"}); got != lookupTable {
		t.Errorf("role: got %s, want %s", got, lookupTable)
	}
	if got := keyOf(v, "REF_STAT", []string{"STAT_XB", "STAT_QV"}); got != "STAT_QV" {
		t.Errorf("key: got %q, want STAT_QV", got)
	}
	if isMark(v, "krt", "KRT_MASTER") {
		t.Error("a word of the organisation is taken for a mark of the system")
	}
	if !isMark(nil, "krt", "KRT_MASTER") {
		t.Error("an unknown word is not taken for a mark of the system")
	}
	if subject, isKey := keySubject(v, "KRT_QV"); isKey {
		t.Errorf("a code is taken for the key of %v", subject)
	}
}
