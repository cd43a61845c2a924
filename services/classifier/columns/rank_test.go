package columns

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// columnsOf returns the columns of a table. Each is a name, a type and an optional description, separated by
// bars.
func columnsOf(name string, columns ...string) []schema.SourceColumn {
	var all []schema.SourceColumn
	for _, c := range columns {
		parts := append(strings.Split(c, "|"), "", "")
		all = append(all, schema.SourceColumn{
			DataSourceID: "1", SchemaName: "S", TableName: name, ColumnName: parts[0], DataType: parts[1],
			Description: parts[2],
		})
	}
	return all
}

func attribute(name, dataType string) schema.Attribute {
	return schema.Attribute{AttributeName: name, DataType: dataType}
}

func TestQualifiersDecideBetweenNearTwins(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("ACCT", "ORIG_LN_LMT_AMT|NUMBER(12,2)", "CURR_LN_LMT_AMT|NUMBER(12,2)", "MIN_PMT_AMT|NUMBER(12,2)",
			"TOT_PMT_DUE_AMT|NUMBER(12,2)", "LATE_FEE_AMT|NUMBER(9,2)", "OVLMT_FEE_AMT|NUMBER(9,2)",
			"LATE_FEE_WVD_AMT|NUMBER(9,2)", "PURCH_APR|NUMBER(6,3)", "CASH_APR|NUMBER(6,3)"),
		columnsOf("CYC_END", "BAL_AMT|NUMBER(12,2)", "STAT_CD|CHAR(1)"),
		columnsOf("MTH_END", "BAL_AMT|NUMBER(12,2)", "STAT_CD|CHAR(1)"),
		columnsOf("LOSS", "GRS_CHGOFF_AMT|NUMBER(12,2)", "PRIN_CHGOFF_AMT|NUMBER(12,2)"),
		columnsOf("PARTY", "BORR_FICO|NUMBER(3)", "CO_BORR_FICO|NUMBER(3)"),
	))
	for _, tt := range []struct{ name, dataType, want string }{
		{"Original Limit", "N12.2", "ACCT.ORIG_LN_LMT_AMT"},
		{"Current Limit", "N12.2", "ACCT.CURR_LN_LMT_AMT"},
		{"Minimum Payment", "N12.2", "ACCT.MIN_PMT_AMT"},
		{"Total Payment", "N12.2", "ACCT.TOT_PMT_DUE_AMT"},
		{"Late Fee", "N12.2", "ACCT.LATE_FEE_AMT"},
		{"Over-limit Fee", "N12.2", "ACCT.OVLMT_FEE_AMT"},
		{"Waived Late Fees", "N12.2", "ACCT.LATE_FEE_WVD_AMT"},
		{"Purchase Rate", "N6.3", "ACCT.PURCH_APR"},
		{"Cash Rate", "N6.3", "ACCT.CASH_APR"},
		{"Balance at Cycle End", "N12.2", "CYC_END.BAL_AMT"},
		{"Month-end Balance", "N12.2", "MTH_END.BAL_AMT"},
		{"Status at the End of the Month", "N1", "MTH_END.STAT_CD"},
		{"Gross Charge-offs", "N12.2", "LOSS.GRS_CHGOFF_AMT"},
		{"Principal Charged Off", "N12.2", "LOSS.PRIN_CHGOFF_AMT"},
		{"Credit Score of the Co-borrower", "N3", "PARTY.CO_BORR_FICO"},
		{"Credit Score of the Borrower", "N3", "PARTY.BORR_FICO"},
		{"Penalty Rate", "N6.3", ""},
		{"Recoveries", "N12.2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ix.Rank(attribute(tt.name, tt.dataType))
			if want := strings.TrimPrefix("S."+tt.want, "S."); strings.TrimPrefix(got.SourceField, "S.") != want {
				t.Errorf("%s: got %s, want %s: %s", tt.name, orNothing(got.SourceField), orNothing(want), got.Rationale)
			}
		})
	}
}

func TestRank_ChoosesAColumnOfTheRightType(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN",
		"CHGOFF_AMT|NUMBER(12,2)", "CHGOFF_DT|DATE", "CHGOFF_RSN_CD|CHAR(2)", "CHGOFF_IND|CHAR(1)"))
	for _, tt := range []struct{ dataType, want string }{
		{"N12.2", "CHGOFF_AMT"},
		{"Date YYYYMMDD", "CHGOFF_DT"},
	} {
		t.Run(tt.dataType, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute("Charge-off", tt.dataType)); got.SourceField != "S.LOAN."+tt.want {
				t.Errorf("Charge-off as %s: got %s, want %s", tt.dataType, orNothing(got.SourceField), tt.want)
			}
		})
	}
	onlyAmount := NewIndex(columnsOf("LOAN", "CHGOFF_AMT|NUMBER(12,2)"))
	if got := onlyAmount.Rank(attribute("Charge-off Date", "Date YYYYMMDD")); got.SourceField != "" {
		t.Errorf("Charge-off Date: got %s, want nothing", got.SourceField)
	}
}

func TestRank_IgnoresThePrefixOfASystem(t *testing.T) {
	t.Parallel()
	for _, b := range banks(t) {
		plain := NewIndex(b.candidates)
		marked := slices.Clone(b.candidates)
		for i := range marked {
			marked[i].ColumnName = "XQZ_" + marked[i].ColumnName
		}
		prefixed := NewIndex(marked)
		for _, g := range b.gold {
			want, got := plain.Rank(g.attribute), prefixed.Rank(g.attribute)
			copied := want.Column >= 0 && got.Column >= 0 &&
				isCopy([]string{want.SourceField}, b.candidates[got.Column])
			if want.Column != got.Column && !copied && b.name != "commercial" { // its columns have a prefix already
				t.Errorf("%s: %s with a prefix: got %s, want %s",
					b.name, g.attribute.AttributeName, orNothing(got.SourceField), orNothing(want.SourceField))
			}
		}
	}
}

func TestRank_ANearTwinLowersTheConfidence(t *testing.T) {
	t.Parallel()
	one := columnsOf("CUST", "HOME_PHN|VARCHAR(15)", "BRTH_DT|DATE", "EMAIL|VARCHAR(80)")
	twin := append(slices.Clone(one), columnsOf("CUST", "MOB_PHN|VARCHAR(15)")...)
	phone := attribute("Phone", "C15")
	alone, both := NewIndex(one).Rank(phone), NewIndex(twin).Rank(phone)
	if alone.SourceField != both.SourceField || alone.Confidence <= both.Confidence || alone.Margin <= both.Margin {
		t.Errorf("with a twin: got %s with %d, margin %d, want %s with less than %d, margin less than %d",
			both.SourceField, both.Confidence, both.Margin, alone.SourceField, alone.Confidence, alone.Margin)
	}
	if !strings.Contains(both.Rationale, "is S.CUST.MOB_PHN") {
		t.Errorf("rationale: got %q, want the name of the twin", both.Rationale)
	}
}

func TestRank_AColumnWithoutAPartyIsTheBorrowers(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("PARTY", "ORIG_FICO|NUMBER(3)", "ANN_INC_AMT|NUMBER(12,2)", "EMPLR_NM|VARCHAR(40)"))
	if got := ix.Rank(attribute("Original FICO of the Borrower", "N3")); got.SourceField != "S.PARTY.ORIG_FICO" {
		t.Errorf("score of the borrower: got %s, want ORIG_FICO", orNothing(got.SourceField))
	}
	if got := ix.Rank(attribute("Original FICO of the Co-borrower", "N3")); got.SourceField != "" {
		t.Errorf("score of the co-borrower: got %s with %d, want nothing: %s",
			got.SourceField, got.Confidence, got.Rationale)
	}
}

func TestRank_EqualTwinsHaveALowConfidence(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("RATING",
		"MOODY_RTG|CHAR(4)", "FITCH_RTG|CHAR(4)", "ISSR_NM|VARCHAR(80)", "CPN_RT|NUMBER(9,6)"))
	if got := ix.Rank(attribute("Rating", "C4")); got.SourceField == "" || got.Confidence >= 75 || got.Margin > 0 {
		t.Errorf("got %s with %d, margin %d, want a column with less than 75, margin 0: %s",
			orNothing(got.SourceField), got.Confidence, got.Margin, got.Rationale)
	}
}

func TestRank_ReadsInitialsThatAreInNoDictionary(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("HOUSE", "QZM_AMT|NUMBER(9,2)", "TAX_AMT|NUMBER(9,2)", "INS_AMT|NUMBER(9,2)"))
	if got := ix.Rank(attribute("Quarterly Zoning Mandate", "N9.2")); got.SourceField != "S.HOUSE.QZM_AMT" {
		t.Errorf("got %s, want QZM_AMT: %s", orNothing(got.SourceField), got.Rationale)
	}
}

func TestRank_DaysAreCalculatedFromADate(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN", "PAST_DUE_SINCE_DT|DATE", "MAT_DT|DATE", "CURR_BAL|NUMBER(12,2)"))
	got := ix.Rank(attribute("Days Past Due", "N3"))
	if got.SourceField != "S.LOAN.PAST_DUE_SINCE_DT" || got.MappingType != schema.MappingTypeCalculated {
		t.Errorf("got %s, %q, want PAST_DUE_SINCE_DT, %q: %s",
			orNothing(got.SourceField), got.MappingType, schema.MappingTypeCalculated, got.Rationale)
	}
}

func TestAlternatives_AreSortedAndExcludeTheChoice(t *testing.T) {
	t.Parallel()
	for _, b := range banks(t) {
		ix := NewIndex(b.candidates)
		for _, g := range b.gold {
			got := ix.Rank(g.attribute)
			if len(got.Alternatives) > maxAlternatives {
				t.Errorf("alternatives of %s: got %d, want at most %d",
					g.attribute.AttributeName, len(got.Alternatives), maxAlternatives)
			}
			least := 100
			if got.SourceField != "" {
				least = got.Confidence
			}
			for _, a := range got.Alternatives {
				if a.SourceField == got.SourceField {
					t.Errorf("%s: got the chosen %s as an alternative, want others only",
						g.attribute.AttributeName, a.SourceField)
				}
				if a.Score > least || a.Reason == "" {
					t.Errorf("%s: alternative %s: got %d with the reason %q, want at most %d with a reason",
						g.attribute.AttributeName, a.SourceField, a.Score, a.Reason, least)
				}
				least = a.Score
			}
			if got.Confidence < 0 || got.Confidence > 100 || got.Rationale == "" ||
				(got.SourceField == "") != (got.Column < 0) {
				t.Errorf("%s: got confidence %d, column %d (%s), rationale %q, want 0 to 100, a rationale",
					g.attribute.AttributeName, got.Confidence, got.Column, got.SourceField, got.Rationale)
			}
			if got.Column >= 0 && b.candidates[got.Column].SourceField() != got.SourceField {
				t.Errorf("%s: column %d: got %s, want %s", g.attribute.AttributeName, got.Column,
					b.candidates[got.Column].SourceField(), got.SourceField)
			}
		}
	}
}

func TestRank_TheOrderOfCandidatesDecidesOnlyTies(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, b := range banks(t) {
		ix := NewIndex(b.candidates)
		shuffled := slices.Clone(b.candidates)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again := NewIndex(shuffled)
		for _, g := range b.gold {
			want, got := ix.Rank(g.attribute), again.Rank(g.attribute)
			if want.SourceField != got.SourceField && want.Margin > 0 && len(g.want) < 2 {
				t.Errorf("%s in another order: got %s, want %s",
					g.attribute.AttributeName, orNothing(got.SourceField), orNothing(want.SourceField))
			}
		}
	}
}

func TestNewIndex_TheKeyOfALookupTableIsNamedLikeTheTable(t *testing.T) {
	t.Parallel()
	columns := slices.Concat(
		columnsOf("REF_STAT", "BLNG_STAT_CD|CHAR(1)", "STAT_CD|CHAR(1)", "STAT_DESC|VARCHAR(40)"),
		columnsOf("REF_PROD_TYP", "BRND_CD|CHAR(2)", "PROD_TYP_CD|CHAR(1)", "PROD_TYP_DESC|VARCHAR(40)"),
	)
	ix, keys := inOrder(columns), []string(nil)
	for _, c := range ix.columns {
		if c.key {
			keys = append(keys, c.columnName)
		}
	}
	if want := []string{"STAT_CD", "PROD_TYP_CD"}; !slices.Equal(keys, want) {
		t.Errorf("keys: got %q, want %q", keys, want)
	}
	slices.Reverse(columns)
	turned := inOrder(columns)
	for _, name := range []string{"Brand Code", "Product Type", "Status", "Billing Status"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := ix.Rank(attribute(name, "C2")), turned.Rank(attribute(name, "C2"))
			if a.SourceField != b.SourceField || a.Confidence != b.Confidence {
				t.Errorf("%s in another order: got %s with %d, want %s with %d",
					name, b.SourceField, b.Confidence, a.SourceField, a.Confidence)
			}
		})
	}
}

func TestRank_IsPureAndSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := banks(t)[0]
	ix := NewIndex(b.candidates)
	var want []Ranking
	for _, g := range b.gold {
		want = append(want, ix.Rank(g.attribute))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, i := range rand.Perm(len(b.gold)) {
				if got := ix.Rank(b.gold[i].attribute); !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%s: got %+v, want %+v", b.gold[i].attribute.AttributeName, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}

func TestRank_WithoutCandidatesHasNoConfidence(t *testing.T) {
	t.Parallel()
	got := NewIndex(nil).Rank(attribute("Account Number", "C18"))
	if got.SourceField != "" || got.Column != -1 || got.Confidence != 0 || len(got.Alternatives) > 0 ||
		!strings.Contains(got.Rationale, "have no columns") {
		t.Errorf("got %+v, want no column with confidence 0, because there are no columns", got)
	}
}

func TestRank_AClearNameHasAHighConfidence(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("CUST", "BRTH_DT|DATE|Date of birth", "EMAIL_ADDR|VARCHAR(80)", "LST_NM|VARCHAR(40)",
		"FRST_NM|VARCHAR(40)", "ANN_INCM_AMT|NUMBER(12,2)"))
	for _, name := range []string{"Birth Date", "Email Address", "Last Name"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute(name, "")); got.Confidence > percent(maxCertainty) || got.Confidence < 90 {
				t.Errorf("%s: got %s with %d, want 90 to %d", name, orNothing(got.SourceField), got.Confidence,
					percent(maxCertainty))
			}
		})
	}
	for _, name := range []string{"Collateral Appraisal", "Zyxwv Qponm"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ix.Rank(attribute(name, ""))
			if got.SourceField != "" || got.Confidence < 50 || got.Confidence > 85 {
				t.Errorf("%s: got %s with %d, want nothing with 50 to 85, because a column may have an unknown name",
					name, orNothing(got.SourceField), got.Confidence)
			}
		})
	}
}

func FuzzRank(f *testing.F) {
	f.Add("ACCT_OPN_DT", "DATE", "Account Open Date", "date")
	f.Add("", "", "", "")
	f.Add("A__", "N(", "\xff ’s %", "N1")
	f.Fuzz(func(t *testing.T, column, columnType, name, dataType string) {
		ix := NewIndex(columnsOf("T", column+"|"+columnType, "OTHER_CD|CHAR(1)"))
		got := ix.Rank(attribute(name, dataType))
		if got.Confidence < 0 || got.Confidence > 100 || got.Rationale == "" {
			t.Errorf("got %+v, want a confidence of 0 to 100 and a rationale", got)
		}
	})
}

func BenchmarkRank(b *testing.B) {
	for _, bench := range []struct {
		name    string
		columns int
	}{{"300", 300}, {"100000", 100_000}} {
		b.Run(bench.name, func(b *testing.B) {
			columns, attributes := manyColumns(b, bench.columns)
			ix := NewIndex(columns)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ix.Rank(attributes[i%len(attributes)])
			}
		})
	}
}
