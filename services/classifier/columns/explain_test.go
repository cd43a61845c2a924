package columns

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

// TestExplainer_WhyNot has a case for each reason that can be given against a column.
func TestExplainer_WhyNot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attribute schema.Attribute
		columns   []schema.SourceColumn
		want      string
	}{
		{
			attribute("Original Limit", "N9.2"), columnsOf("T", "CURR_LMT_AMT|NUMBER(9,2)"),
			"has 'current' instead of 'original'",
		},
		{
			attribute("Month-end Balance", "N9.2"), columnsOf("CYC_END", "BAL_AMT|NUMBER(9,2)"),
			"has 'cycle end' instead of 'month end'",
		},
		{
			attribute("Charge-off Amount", "N9.2"), columnsOf("T", "CHGOFF_DT|DATE"),
			"holds a date instead of an amount",
		},
		{attribute("Revolving Limit", "N9.2"), columnsOf("T", "LMT_AMT|NUMBER(9,2)"), "has no match for 'revolving'"},
		{attribute("Fee", "N9.2"), columnsOf("T", "WIRE_FEE_AMT|NUMBER(9,2)"), "also has 'wire'"},
		{
			attribute("Fee", "N9.2"), columnsOf("FEE_ARCHIVE", "FEE_AMT|NUMBER(9,2)"),
			"is in a table of past records",
		},
		{
			attribute("Fee", "N9.2"), columnsOf("STG_FEE", "FEE_AMT|NUMBER(9,2)"),
			"is in a table of the system itself",
		},
		{
			attribute("Fee", "N9.2"),
			slices.Concat(columnsOf("FEE", "FEE_AMT|NUMBER(9,2)"), columnsOf("ACCT", "FEE_AMT|NUMBER(9,2)")),
			"is the same element in another table",
		},
		{attribute("Status Flag", "N1"), columnsOf("T", "STAT_CD|CHAR(2)"), "holds a code instead of a flag"},
		{attribute("Fee", "N9.2"), columnsOf("T", "FEE_AMT|NUMBER(9)"), "has a type that fits less well: NUMBER(9)"},
		{attribute("Fee", "N9.2"), columnsOf("T", "FEE|NUMBER(9,2)"), "matches less exactly"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			ix := NewIndex(tt.columns)
			s := scorer{ix: ix, request: readForTest(ix, tt.attribute)}
			x := explainer{ix: ix, request: s.request}
			for number := range ix.columns {
				x.verdicts = append(x.verdicts, s.score(number))
			}
			if got := x.whyNot(x.verdicts[len(x.verdicts)-1]); got != tt.want {
				t.Errorf("whyNot: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExplainer_WhyFirst(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("ACCT", "OPN_DT|DATE", "LMT_AMT|NUMBER(9,2)", "STAT_CD|CHAR(1)",
			"UNBLD_AMT||Interest accrued and not billed"),
		columnsOf("QZV", "RNWL_DT|VARCHAR(10)"),
	))
	for _, tt := range []struct{ name, dataType, want string }{
		{"Open Date", "Date YYYYMMDD", "OPN_DT matches 'open' and 'date'. DATE fits the date."},
		{"Account Open Date", "Date YYYYMMDD", "OPN_DT matches 'open' and 'date', its table's name matches 'account'."},
		{"Renewal Date", "Date YYYYMMDD", "VARCHAR(10) fits"},
		{"Status Flag", "N1", "CHAR(1) holds a code, from which the flag must be derived. No other column is close."},
		{"Accrued Interest", "N9.2", "its description matches 'accrued' and 'interest'; its name also has 'unbld'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute(tt.name, tt.dataType)); !strings.Contains(got.Rationale, tt.want) {
				t.Errorf("%s: got %q, want a text with %q", tt.name, got.Rationale, tt.want)
			}
		})
	}
}

func TestExplainer_WhyNothing(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("T", "OPN_DT|DATE", "CURR_LMT_AMT|NUMBER(9,2)"))
	for _, tt := range []struct{ name, dataType, want string }{
		{"Collateral Appraisal", "", "No column fits: no match for 'collateral' and 'appraisal'."},
		{"Code", "", "No column fits: none matches enough of the attribute."},
		{
			"Original Limit", "N9.2",
			"No column fits. The closest, S.T.CURR_LMT_AMT, has 'current' instead of 'original'.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute(tt.name, tt.dataType)); got.Rationale != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got.Rationale, tt.want)
			}
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		items []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, "a"},
		{[]string{"a", "b"}, "a and b"},
		{[]string{"a", "b", "c"}, "a, b and c"},
		{[]string{"a", "b", "c", "d"}, "a, b, c and d"},
		{[]string{"a", "b", "c", "d", "e", "f"}, "a, b, c, d and 2 more"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if got := list(tt.items); got != tt.want {
				t.Errorf("list(%q): got %q, want %q", tt.items, got, tt.want)
			}
		})
	}
}

func TestQuoteAs(t *testing.T) {
	t.Parallel()
	if got, want := quoteAs("open", "open"), "'open'"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := quoteAs("origination", "open"), "'origination' (as 'open')"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestArticle(t *testing.T) {
	t.Parallel()
	for k := concepts.KindAny; k <= concepts.KindBinary; k++ {
		want := "a " + k.String()
		if k == concepts.KindIdentifier || k == concepts.KindAmount {
			want = "an " + k.String()
		}
		if got := article(k.String()); got != want {
			t.Errorf("article(%q): got %q, want %q", k, got, want)
		}
	}
}

func TestRationale_NamesTheReasons(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("ACCT", "OPN_DT|DATE", "ORIG_LMT_AMT|NUMBER(9,2)", "CURR_LMT_AMT|NUMBER(9,2)",
			"UNBLD_AMT|NUMBER(9,2)|Interest accrued and not billed", "STAT_CD|CHAR(1)"),
		columnsOf("REF_STAT", "STAT_CD|CHAR(1)", "STAT_DESC|VARCHAR(40)"),
	))
	for _, tt := range []struct {
		name, dataType string
		how            schema.MappingType
		want           []string
	}{
		{
			"Account Origination Date", "Date YYYYMMDD", schema.MappingTypeDirect,
			[]string{
				"OPN_DT matches 'origination' (as 'open') and 'date'",
				"its table's name matches 'account'",
				"DATE fits the date",
			},
		},
		{
			"Current Limit", "N9.2", schema.MappingTypeDirect,
			[]string{"ORIG_LMT_AMT, which has 'original' instead of 'current'"},
		},
		{
			"Accrued Interest", "N9.2", schema.MappingTypeDirect,
			[]string{"its description matches 'accrued' and 'interest'"},
		},
		{"Unbilled Interest", "N9.2", schema.MappingTypeDirect, []string{"UNBLD_AMT matches 'unbilled' (as 'unbld')"}},
		{"Current Revolving Limit", "N9.2", schema.MappingTypeDirect, []string{"no match for 'revolving'"}},
		{"Closed Flag", "N1", schema.MappingTypeConditional, []string{"from which the flag must be derived"}},
		{
			"Status Description", "C40", schema.MappingTypeLookup,
			[]string{"STAT_DESC matches 'status' and 'description'"},
		},
		{"Co-borrower Occupation", "C30", "", []string{"No column fits: no match for 'co borrower' and 'occupation'."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ix.Rank(attribute(tt.name, tt.dataType))
			if got.MappingType != tt.how {
				t.Errorf("%s from %s: got %q, want %q", tt.name, orNothing(got.SourceField), got.MappingType, tt.how)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.Rationale, want) {
					t.Errorf("%s: got %q, want a text with %q", tt.name, got.Rationale, want)
				}
			}
		})
	}
}

func TestRationale_QuotesTheWordsOfTheNames(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("BUREAU", "CO_BORR_FICO|NUMBER(3)", "VNTG_DT|DATE"),
		columnsOf("ACCT", "ARREARS_AMT|NUMBER(12,2)", "WRITE_OFF_AMT|NUMBER(12,2)", "OPN_DT|DATE"),
	))
	for _, tt := range []struct{ name, dataType, want string }{
		{
			"Credit Score of the Joint Applicant", "N3",
			"'credit score' (as 'fico') and 'joint applicant' (as 'co borrower')",
		},
		{"Past Due Amount", "N12.2", "'past due' (as 'arrears')"},
		{"Charged Off Amount", "N12.2", "'charge off' (as 'write off')"},
		{"Vantage Score of the Guarantor", "N3", "has 'co borrower' instead of 'guarantor'"},
		{"Heloc Payment Holiday", "N1", "'payment holiday'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute(tt.name, tt.dataType)); !strings.Contains(got.Rationale, tt.want) {
				t.Errorf("%s: got %q, want a text with %q", tt.name, got.Rationale, tt.want)
			}
		})
	}
}
