package columns

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

// termOf returns the term of an index with this text.
func termOf(t *testing.T, ix *Index, text string) *term {
	t.Helper()
	id, ok := ix.ids[text]
	if !ok {
		t.Fatalf("the index has no term %q", text)
	}
	return &ix.terms[id]
}

func TestNewIndex_Columns(t *testing.T) {
	t.Parallel()
	ix := inOrder(slices.Concat(
		columnsOf("REF_STAT", "STAT_CD|CHAR(1)", "STAT_DESC|VARCHAR(40)|What it means"),
		columnsOf("ACCT", "ACCT_NBR|CHAR(18)", "STAT_CD|CHAR(1)", "OPN_DT|DATE", "BAL_AMT|NUMBER(12,2)"),
	))
	for number, want := range []struct {
		field string
		kind  concepts.Kind
		role  role
		key   bool
		size  float64
	}{
		{"S.REF_STAT.STAT_CD", concepts.KindCode, lookupTable, true, 0.5},
		{"S.REF_STAT.STAT_DESC", concepts.KindText, lookupTable, false, 0.5},
		{"S.ACCT.ACCT_NBR", concepts.KindIdentifier, recordTable, true, 1},
		{"S.ACCT.STAT_CD", concepts.KindCode, recordTable, false, 1},
		{"S.ACCT.OPN_DT", concepts.KindDate, recordTable, false, 1},
		{"S.ACCT.BAL_AMT", concepts.KindAmount, recordTable, false, 1},
	} {
		t.Run(want.field, func(t *testing.T) {
			t.Parallel()
			c := &ix.columns[number]
			if c.field != want.field || c.kind != want.kind || c.role != want.role || c.key != want.key ||
				c.size != want.size {
				t.Errorf("column %d: got %s, a %s in a %s, key %t, size %g, want %+v",
					number, c.field, c.kind, c.role, c.key, c.size, want)
			}
		})
	}
	if c := &ix.columns[2]; c.head < 0 || ix.terms[c.head].text != "account" {
		t.Errorf("head of ACCT_NBR: got term %d, want account", c.head)
	}
	if c := &ix.columns[3]; c.head != -1 {
		t.Errorf("head of STAT_CD: got term %d, want none", c.head)
	}
	if !ix.explainsCode(&ix.columns[3]) || ix.explainsCode(&ix.columns[4]) {
		t.Error("explainsCode: want true for STAT_CD of ACCT only")
	}
	if !ix.columns[0].copies(&ix.columns[3]) || ix.columns[0].copies(&ix.columns[0]) ||
		ix.columns[0].copies(&ix.columns[4]) {
		t.Error("copies: want true for the two status codes only")
	}
}

func TestNewIndex_Postings(t *testing.T) {
	t.Parallel()
	ix := inOrder(slices.Concat(
		columnsOf("FEE", "FEE_AMT|NUMBER(9,2)|A fee", "WAIVED_DT|DATE"),
		columnsOf("ACCT", "LATE_FEE|NUMBER(9,2)"),
	))
	for text, want := range map[string][]int{"fee": {0, 1, 2}, "waived": {1}, "account": {2}, "co borrower": nil} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got := ix.postings[ix.ids[text]]; !slices.Equal(got, want) {
				t.Errorf("columns with %q: got %v, want %v", text, got, want)
			}
		})
	}
}

func TestNewIndex_Weights(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T",
		"CURR_BAL_AMT|NUMBER(12,2)", "CURR_DT|DATE", "CURR_STAT_CD|CHAR(1)", "ACCT_NBR|CHAR(18)"))
	rare, common, weak := termOf(t, ix, "balance"), termOf(t, ix, "current"), termOf(t, ix, "amount")
	if rare.weight <= common.weight {
		t.Errorf("a term of one column: got %g, want more than %g, the weight in three", rare.weight, common.weight)
	}
	if want := rare.weight * weakShare; weak.weight != want {
		t.Errorf("a weak term of one column: got %g, want %g", weak.weight, want)
	}
	for _, text := range []string{"balance", "current", "amount"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if one := termOf(t, ix, text); one.weight < minWeight*weakShare || one.weight > 1 {
				t.Errorf("%q: got %g, want %g to 1", text, one.weight, minWeight*weakShare)
			}
		})
	}
	if account := termOf(t, ix, "account"); account.strong < account.weight {
		t.Errorf("account in an identifier: got %g, want at least %g", account.strong, account.weight)
	}
}

func TestNewIndex_SharedTerms(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T", "LOAN_A|DATE", "LOAN_B|DATE", "LOAN_C|DATE", "LOAN_D|DATE", "OTHER|DATE"))
	loan := ix.ids["loan"]
	for i := range ix.columns {
		c := &ix.columns[i]
		for j, id := range c.name {
			if want := id == loan; c.shared[j] != want {
				t.Errorf("%s: %q is shared: got %t, want %t", c.columnName, ix.terms[id].text, c.shared[j], want)
			}
		}
	}
	few := inOrder(columnsOf("T", "LOAN_A|DATE", "LOAN_B|DATE"))
	if slices.Contains(few.columns[0].shared, true) {
		t.Error("a term is shared in a table of two columns")
	}
}

func TestNewIndex_RelatedTerms(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T", "OPN_DT|DATE"))
	for i := range ix.terms {
		related := ix.terms[i].related
		if len(related) == 0 || related[0] != (link{i, 1}) {
			t.Errorf("terms related to %q: got %v, want itself first", ix.terms[i].text, related)
			continue
		}
		for j := 2; j < len(related); j++ {
			if related[j].degree > related[j-1].degree {
				t.Errorf("%q: got %v, want falling degrees", ix.terms[i].text, related)
			}
		}
	}
	open, origination := termOf(t, ix, "open"), ix.ids["origination"]
	if !slices.ContainsFunc(open.related, func(l link) bool { return l.id == origination }) {
		t.Errorf("terms related to open: got %v, want origination among them", open.related)
	}
}

func TestNewIndex_OpaqueTerms(t *testing.T) {
	t.Parallel()
	ix := inOrder(columnsOf("T", "QZM_AMT|NUMBER(9,2)", "QXW_DT|DATE"))
	var got []string
	for _, id := range ix.opaque['q'] {
		got = append(got, ix.terms[id].text)
	}
	if want := []string{"qzm", "qxw"}; !slices.Equal(got, want) {
		t.Errorf("opaque terms with q: got %q, want %q", got, want)
	}
	for _, word := range []string{"amount", "7", "é"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			if ids := ix.opaque[word[0]]; len(ids) > 0 {
				t.Errorf("opaque terms like %q: got %v, want none", word, ids)
			}
		})
	}
	if termOf(t, ix, "amount").opaque || !termOf(t, ix, "qzm").opaque {
		t.Error("opaque: want false for amount, true for qzm")
	}
}

func TestRank_MappingType(t *testing.T) {
	t.Parallel()
	ix := inOrder(slices.Concat(
		columnsOf("ACCT", "STAT_CD|CHAR(1)", "CLS_RSN|CHAR(2)", "BAL_AMT|NUMBER(12,2)"),
		columnsOf("REF_STAT", "STAT_CD|CHAR(1)", "STAT_DESC|VARCHAR(40)"),
	))
	for _, tt := range []struct {
		column, dataType string
		how, want        schema.MappingType
	}{
		{"S.ACCT.BAL_AMT", "N12.2", schema.MappingTypeDirect, schema.MappingTypeDirect},
		{"S.ACCT.STAT_CD", "C1", schema.MappingTypeDirect, schema.MappingTypeDirect},
		{"S.ACCT.STAT_CD", "N1", schema.MappingTypeDirect, schema.MappingTypeLookup}, // REF_STAT explains the letters
		{"S.ACCT.CLS_RSN", "N1", schema.MappingTypeDirect, schema.MappingTypeDirect}, // nothing explains them
		{"S.ACCT.STAT_CD", "N1", schema.MappingTypeConditional, schema.MappingTypeConditional},
		{"S.REF_STAT.STAT_DESC", "C40", schema.MappingTypeDirect, schema.MappingTypeLookup},
	} {
		t.Run(tt.column, func(t *testing.T) {
			t.Parallel()
			r := readForTest(ix, attribute("Status Code", tt.dataType))
			number := slices.IndexFunc(ix.columns, func(c column) bool { return c.field == tt.column })
			if got := mappingType(ix, r, verdict{column: number, how: tt.how}); got != tt.want {
				t.Errorf("%s for a %s, %s: got %s, want %s", tt.column, tt.dataType, tt.how, got, tt.want)
			}
		})
	}
}
