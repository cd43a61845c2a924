package columns

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
)

// readForTest reads an attribute into a new request.
func readForTest(ix *Index, a schema.Attribute) *request {
	r := newRequest(len(ix.terms))
	r.read(ix, &a)
	return &r
}

// summary lists the terms of the requirements: (t) marks one of the technical name, (p) a word of a phrase.
func (r *request) summary() string {
	var all []string
	for _, a := range r.requirements {
		text := a.text
		switch {
		case a.technical:
			text += "(t)"
		case a.phrase > 0:
			text += "(p)"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestRequest_Requirements(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN", "CURR_BAL_AMT|NUMBER(12,2)", "CYC_END_DT|DATE", "ORIG_DT|DATE"))
	for _, tt := range []struct{ name, technical, want string }{
		{"Current Balance", "", "current, balance"},
		{"Current Balance, current", "", "current, balance"},
		{"Date of the Cycle End", "", "date, cycle end, cycle(p), end(p)"},
		{"Balance", "CurrBalAmt", "balance, current(t)"}, // an amount is another word for a balance
		{"Cycle Date", "CycleEndDate", "cycle, date"},
		{"of the", "", ""},
		{"", "CurrBal", "current(t), balance(t)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := readForTest(ix, schema.Attribute{AttributeName: tt.name, TechnicalLineItemName: tt.technical})
			if got := r.summary(); got != tt.want {
				t.Errorf("%q, %q: got %q, want %q", tt.name, tt.technical, got, tt.want)
			}
		})
	}
}

func TestRequest_Kind(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN", "CURR_BAL_AMT|NUMBER(12,2)"))
	for _, tt := range []struct {
		name, technical, dataType string
		want                      concepts.Kind
	}{
		{"Current Balance", "", "", concepts.KindAmount},
		{"Zyxwv", "ZyxwvDate", "", concepts.KindDate},           // the name announces none
		{"Current Balance", "BalDate", "", concepts.KindAmount}, // and only then
		{"Current Balance", "", "C1", concepts.KindFlag},
		{"Zyxwv", "", "", concepts.KindAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := readForTest(ix, schema.Attribute{
				AttributeName: tt.name, TechnicalLineItemName: tt.technical, DataType: tt.dataType,
			})
			if r.kind != tt.want {
				t.Errorf("%q, %q, %q: got %s, want %s", tt.name, tt.technical, tt.dataType, r.kind, tt.want)
			}
		})
	}
}

func TestRequest_Weights(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN",
		"CURR_BAL_AMT|NUMBER(12,2)", "CURR_DT|DATE", "CURR_STAT_CD|CHAR(1)", "CURR_RT|NUMBER(6,3)"))
	weight := func(a schema.Attribute, text string) float64 {
		r := readForTest(ix, a)
		i := slices.IndexFunc(r.requirements, func(a requirement) bool { return a.text == text })
		if i < 0 {
			t.Fatalf("%q: got no requirement %q in %q, want one", a.AttributeName, text, r.summary())
		}
		return r.requirements[i].weight
	}
	rare := weight(schema.Attribute{AttributeName: "Current Balance"}, "balance")
	common := weight(schema.Attribute{AttributeName: "Current Balance"}, "current")
	technical := weight(schema.Attribute{AttributeName: "Rate", TechnicalLineItemName: "BalanceRate"}, "balance")
	unknown := weight(schema.Attribute{AttributeName: "Zyxwv"}, "zyxwv")
	if rare <= common {
		t.Errorf("a rare term: got %g, want more than %g", rare, common)
	}
	if want := rare * technicalShare; technical != want {
		t.Errorf("a term of the technical name: got %g, want %g", technical, want)
	}
	if unknown != unknownWeight {
		t.Errorf("an unknown term: got %g, want %g", unknown, unknownWeight)
	}
	r := readForTest(ix, schema.Attribute{AttributeName: "End of the Cycle End"})
	i := slices.IndexFunc(r.requirements, func(a requirement) bool { return a.text == "end" && a.phrase == 0 })
	if i >= 0 && r.requirements[i].weight != 0 {
		t.Errorf("a word that is also in a phrase: got %g, want 0", r.requirements[i].weight)
	}
}

func TestRequest_Specific(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN", "CURR_BAL_AMT|NUMBER(12,2)"))
	for name, want := range map[string]bool{"Status Code": false, "Balance": true, "": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := readForTest(ix, attribute(name, "")).specific; got != want {
				t.Errorf("%q is specific: got %t, want %t", name, got, want)
			}
		})
	}
}

func TestRequest_Guesses(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("HOUSE", "RNWL_DT|DATE", "QZM_AMT|NUMBER(9,2)", "BAL_AMT|NUMBER(9,2)"))
	for _, tt := range []struct{ name, want string }{
		{"Renewal Date", ""}, // the dictionary has rnwl
		{"Quarterly Zoning Mandate", "qzm for quarterly, qzm for zoning, qzm for mandate"},
		{"Quarterly Balance", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := readForTest(ix, attribute(tt.name, ""))
			var got []string
			for _, g := range r.guesses {
				got = append(got, ix.terms[g.term].text+" for "+r.requirements[g.requirement].text)
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("%q: got %q, want %q", tt.name, text, tt.want)
			}
		})
	}
}

func TestRequest_ExplainsAndAnswers(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN", "OPN_DT|DATE", "CURR_BAL_AMT|NUMBER(12,2)", "CURR_LMT_AMT|NUMBER(12,2)"))
	r := readForTest(ix, schema.Attribute{AttributeName: "Origination Date", Description: "Date of the limit"})
	for _, tt := range []struct {
		term      string
		explained float64
		answers   bool
	}{
		{"date", inNameDegree, true},
		{"origination", inNameDegree, true},
		{"limit", inDescriptionDegree, false},
		{"balance", 0, false},
	} {
		t.Run(tt.term, func(t *testing.T) {
			t.Parallel()
			id, ok := ix.ids[tt.term]
			if !ok {
				t.Errorf("the index has no term %q", tt.term)
				return
			}
			if r.explained[id] != tt.explained || len(r.answers[id]) > 0 != tt.answers {
				t.Errorf("%q: got explained %g, answered %v, want %g, %t",
					tt.term, r.explained[id], r.answers[id], tt.explained, tt.answers)
			}
		})
	}
	open := ix.ids["open"]
	if degree := r.explained[open]; degree <= 0 || degree >= 1 {
		t.Errorf("a related term: got %g, want more than 0 and less than 1", degree)
	}
	best, degree := r.answeredBy([]int{ix.ids["balance"], open, ix.ids["date"]}, 0)
	if best != open || degree <= 0 || degree >= 1 {
		t.Errorf("answeredBy: got %d, %g, want %d and less than 1", best, degree, open)
	}
	if best, degree := r.answeredBy([]int{ix.ids["balance"]}, 0); best != -1 || degree != 0 {
		t.Errorf("answeredBy of another term: got %d, %g, want -1, 0", best, degree)
	}
}

func TestRequest_Reset(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("LOAN", "OPN_DT|DATE", "CURR_BAL_AMT|NUMBER(12,2)"))
	used := newRequest(len(ix.terms))
	for _, name := range []string{"Current Balance", "Origination Date", "Quarterly Zoning Mandate", ""} {
		a := schema.Attribute{AttributeName: name, TechnicalLineItemName: "CycleEnd", Description: "The balance"}
		used.read(ix, &a)
		fresh := readForTest(ix, a)
		if used.summary() != fresh.summary() || used.kind != fresh.kind || used.specific != fresh.specific {
			t.Errorf("%q: got %q from a used request, want %q", name, used.summary(), fresh.summary())
		}
		if !slices.Equal(used.explained, fresh.explained) || !slices.Equal(used.guesses, fresh.guesses) {
			t.Errorf("%q: got other explained terms from a used request, want those of a new one", name)
		}
		for id := range used.answers {
			if !slices.Equal(used.answers[id], fresh.answers[id]) {
				t.Errorf("%q: %q: got %v, want %v", name, ix.terms[id].text, used.answers[id], fresh.answers[id])
			}
		}
		used.reset()
		answered := func(a []answer) bool { return len(a) > 0 }
		if slices.Max(used.explained) > 0 || slices.ContainsFunc(used.answers, answered) {
			t.Errorf("%q: got marks after a reset, want none", name)
		}
	}
}
