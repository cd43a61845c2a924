package columns

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

// inOrder indexes columns in their order, so that a test can refer to them by position.
func inOrder(candidates []schema.SourceColumn) *Index {
	return newIndex(candidates, make([]int, len(candidates)), nil)
}

// scoreForTest scores every column of an index, and returns the verdicts by source field.
func scoreForTest(ix *Index, a schema.Attribute) map[string]verdict {
	s := scorer{ix: ix, request: readForTest(ix, a)}
	all := map[string]verdict{}
	for i := range ix.columns {
		all[ix.columns[i].field] = s.score(i)
	}
	return all
}

// TestScore_Order compares pairs of columns that differ in one respect, which must decide.
func TestScore_Order(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		respect       string
		attribute     schema.Attribute
		better, worse []schema.SourceColumn
	}{
		{
			"an answered word", attribute("Late Fee", "N9.2"), columnsOf("T", "LATE_FEE_AMT|NUMBER(9,2)"),
			columnsOf("T", "ANN_FEE_AMT|NUMBER(9,2)"),
		},
		{
			"an unasked word", attribute("Fee", "N9.2"), columnsOf("T", "FEE_AMT|NUMBER(9,2)"),
			columnsOf("T", "WIRE_FEE_AMT|NUMBER(9,2)"),
		},
		{
			"the name before the table", attribute("Fee", "N9.2"), columnsOf("T", "FEE_AMT|NUMBER(9,2)"),
			columnsOf("FEE", "WIRE_AMT|NUMBER(9,2)"),
		},
		{
			"the kind", attribute("Closing", "Date YYYYMMDD"), columnsOf("T", "CLS_DT|DATE"),
			columnsOf("T", "CLS_RSN_CD|CHAR(2)"),
		},
		{"the type", attribute("Fee", "N1"), columnsOf("T", "FEE_CD|NUMBER(1)"), columnsOf("T", "FEE_AMT|NUMBER(9,2)")},
		{
			"a contradicting qualifier", attribute("Original Limit", "N9.2"),
			columnsOf("T", "ORIG_LMT_AMT|NUMBER(9,2)"), columnsOf("T", "CURR_LMT_AMT|NUMBER(9,2)"),
		},
		{
			"a contradicting table", attribute("Balance at Cycle End", "N9.2"),
			columnsOf("CYC_END", "BAL_AMT|NUMBER(9,2)"), columnsOf("MTH_END", "BAL_AMT|NUMBER(9,2)"),
		},
		{
			"an unasked party", attribute("Income", "N9.2"),
			columnsOf("T", "INC_AMT|NUMBER(9,2)"), columnsOf("T", "CO_BORR_INC_AMT|NUMBER(9,2)"),
		},
		{
			"silence about a party", attribute("Income of the Co-borrower", "N9.2"),
			columnsOf("T", "CO_BORR_INC_AMT|NUMBER(9,2)"), columnsOf("T", "INC_AMT|NUMBER(9,2)"),
		},
		{
			"a word that alters the thing", attribute("Late Fee", "N9.2"),
			columnsOf("T", "LATE_FEE_AMT|NUMBER(9,2)"), columnsOf("T", "LATE_FEE_WVD_AMT|NUMBER(9,2)"),
		},
		{
			"the thing that is identified", attribute("Account Number", "C18"),
			columnsOf("T", "ACCT_NBR|CHAR(18)"), columnsOf("T", "CUST_NBR|CHAR(18)"),
		},
		{
			"a table of past records", attribute("Fee", "N9.2"),
			columnsOf("FEES", "FEE_AMT|NUMBER(9,2)"), columnsOf("FEES_ARCHIVE", "FEE_AMT|NUMBER(9,2)"),
		},
		{
			"a table of the system", attribute("Fee", "N9.2"),
			columnsOf("FEES", "FEE_AMT|NUMBER(9,2)"), columnsOf("STG_FEES", "FEE_AMT|NUMBER(9,2)"),
		},
		{
			"a lookup table", attribute("Product Code", "C2"),
			columnsOf("ACCT", "PROD_CD|CHAR(2)"), columnsOf("REF_PROD", "PROD_CD|CHAR(2)"),
		},
		{
			"a description", attribute("Accrued Interest", "N9.2"),
			columnsOf("T", "QZV_AMT|NUMBER(9,2)|Interest accrued"),
			columnsOf("T", "QZV_AMT|NUMBER(9,2)|Something else"),
		},
	} {
		t.Run(tt.respect, func(t *testing.T) {
			t.Parallel()
			score := func(columns []schema.SourceColumn) float64 {
				other := columnsOf("OTHER", "ZZ_A|CHAR(1)", "ZZ_B|DATE", "ZZ_C|NUMBER(3)", "ZZ_D|NUMBER(9,2)")
				return scoreForTest(NewIndex(append(columns, other...)), tt.attribute)[columns[0].SourceField()].score
			}
			if better, worse := score(tt.better), score(tt.worse); better <= worse {
				t.Errorf("score of %s.%s: got %.3f, want more than %s.%s with %.3f", tt.better[0].TableName,
					tt.better[0].ColumnName, better,
					tt.worse[0].TableName, tt.worse[0].ColumnName, worse)
			}
		})
	}
}

func TestScore_Contradiction(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T", "ORIG_LMT_AMT|NUMBER(9,2)", "CURR_LMT_AMT|NUMBER(9,2)", "LMT_AMT|NUMBER(9,2)"))
	r := readForTest(ix, attribute("Original Limit", "N9.2"))
	s := scorer{ix: ix, request: r}
	for number, want := range map[int]string{0: "", 1: "current for original", 2: ""} {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			v, got := s.score(number), ""
			if v.against >= 0 {
				got = ix.terms[v.against].text + " for " + r.requirements[v.insteadOf].text
			}
			if got != want {
				t.Errorf("%s: contradiction: got %q, want %q", ix.columns[number].columnName, got, want)
			}
		})
	}
}

func TestScorer_Recall(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("LATE", "LATE_FEE_AMT|NUMBER(9,2)", "FEE_AMT|NUMBER(9,2)", "OTH_AMT|NUMBER(9,2)|Late fee"))
	r := readForTest(ix, attribute("Late Fee", ""))
	s := scorer{ix: ix, request: r}
	var recall [3]float64
	for i := range recall {
		v := verdict{}
		recall[i] = s.recall(&ix.columns[i], &v)
	}
	if recall[0] != 1 {
		t.Errorf("recall of a column with every term: got %g, want 1", recall[0])
	}
	if recall[1] <= answeredInTable || recall[1] >= 1 {
		t.Errorf("recall of a column with one term in the table: got %g, want more than %g and less than 1",
			recall[1], answeredInTable)
	}
	if recall[2] != answeredInDescription {
		t.Errorf("recall of a column with the terms in the description: got %g, want %g",
			recall[2], answeredInDescription)
	}
	v := verdict{}
	if got := (&scorer{ix: ix, request: readForTest(ix, attribute("", ""))}).recall(&ix.columns[0], &v); got != 0 {
		t.Errorf("recall without a name: got %g, want 0", got)
	}
}

func TestScorer_Precision(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T", "FEE_AMT|NUMBER(9,2)", "WIRE_FEE_AMT|NUMBER(9,2)", "RATE_RT|NUMBER(6,3)"))
	s := scorer{ix: ix, request: readForTest(ix, attribute("Fee", "N9.2"))}
	var precision [3]float64
	for i := range precision {
		v := verdict{how: schema.MappingTypeDirect}
		precision[i] = s.precision(&ix.columns[i], &v)
	}
	if precision[0] != 1 {
		t.Errorf("precision of a name with nothing else: got %g, want 1", precision[0])
	}
	if precision[1] <= 0 || precision[1] >= 1 {
		t.Errorf("precision of a name with an unasked word: got %g, want more than 0 and less than 1",
			precision[1])
	}
	if precision[2] != 0 {
		t.Errorf("precision of another name: got %g, want 0", precision[2])
	}
}

func TestScorer_LimitPrecision(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T",
		"FEE_AMT|NUMBER(9,2)", "WIRE_AMT|NUMBER(9,2)", "WIRE_AMT_2|NUMBER(9,2)|Fee for a wire", "AMT|NUMBER(9,2)"))
	for _, tt := range []struct {
		name   string
		column int
		recall float64
		want   float64
	}{
		{"Fee", 0, 1, 0.9},
		{"Fee", 1, 1, 0.9 * afterOtherWords},
		{"Fee", 2, describedRecall, 0.9 * afterDescription},
		{"Fee", 2, describedRecall - 0.01, 0.9 * afterOtherWords},
		{"Fee", 3, 1, commonWordsLimit},
		{"Amount", 3, 1, 0.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := scorer{ix: ix, request: readForTest(ix, attribute(tt.name, "N9.2"))}
			if got := s.limitPrecision(&ix.columns[tt.column], tt.recall, 0.9); math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("%s from %s with the recall %g: got %g, want %g",
					tt.name, ix.columns[tt.column].columnName, tt.recall, got, tt.want)
			}
		})
	}
}

func TestImpliedDegree(t *testing.T) {
	t.Parallel()
	date := requirement{weak: true, announces: concepts.Announcement{Kind: concepts.KindDate, Strong: true}}
	for _, tt := range []struct {
		name        string
		requirement requirement
		kind        concepts.Kind
		how         schema.MappingType
		want        float64
	}{
		{"a date column for a date", date, concepts.KindDate, schema.MappingTypeDirect, answeredByKind},
		{"a code for a date", date, concepts.KindCode, schema.MappingTypeDirect, 0},
		{
			"a column to derive it from",
			requirement{announces: concepts.Announcement{Kind: concepts.KindDate, Strong: true}},
			concepts.KindCode,
			schema.MappingTypeConditional, answeredByKind,
		},
		{
			"a term that is assumed",
			requirement{assumed: true},
			concepts.KindCode, schema.MappingTypeDirect, answeredByDefault,
		},
		{
			"a term that announces weakly",
			requirement{weak: true, announces: concepts.Announcement{Kind: concepts.KindDate, Strong: false}},
			concepts.KindDate,
			schema.MappingTypeDirect, 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := impliedDegree(
				&request{kind: concepts.KindDate}, tt.requirement, &column{kind: tt.kind},
				&verdict{fit: 1, how: tt.how},
			)
			if got != tt.want {
				t.Errorf("%s: got %g, want %g", tt.name, got, tt.want)
			}
		})
	}
}

func TestRoleFactor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wanted concepts.Kind
		column column
		want   float64
	}{
		{concepts.KindCode, column{role: recordTable}, 1},
		{concepts.KindCode, column{role: pastTable}, afterPast},
		{concepts.KindCode, column{role: systemTable}, afterSystem},
		{concepts.KindCode, column{role: lookupTable}, afterLookup},
		{concepts.KindCode, column{role: lookupTable, key: true}, afterLookup * afterLookup},
		{concepts.KindName, column{role: lookupTable, key: true}, 1},
		{concepts.KindText, column{role: lookupTable}, 1},
		{concepts.KindName, column{role: pastTable}, afterPast},
	} {
		t.Run(fmt.Sprint(tt.wanted), func(t *testing.T) {
			t.Parallel()
			if got := roleFactor(&request{kind: tt.wanted}, &tt.column); got != tt.want {
				t.Errorf("a %s from a %s (key %t): got %g, want %g",
					tt.wanted, tt.column.role, tt.column.key, got, tt.want)
			}
		})
	}
}

func TestScorer_TableShare(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(columnsOf("FEE", "A|DATE"), columnsOf("QZV", "A|DATE"), columnsOf("RATE", "A|DATE")))
	s := scorer{ix: ix, request: readForTest(ix, attribute("Fee", ""))}
	for number, want := range map[int]float64{0: 1, 1: unreadableTable, 2: 0} {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			if got := s.tableShare(&ix.columns[number]); got != want {
				t.Errorf("share of %s: got %g, want %g", ix.columns[number].field, got, want)
			}
		})
	}
}
