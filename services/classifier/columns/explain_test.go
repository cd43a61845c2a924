package columns

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
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
	for k := anyKind; k <= binaryKind; k++ {
		want := "a " + k.String()
		if k == identifierKind || k == amountKind {
			want = "an " + k.String()
		}
		if got := article(k.String()); got != want {
			t.Errorf("article(%q): got %q, want %q", k, got, want)
		}
	}
}
