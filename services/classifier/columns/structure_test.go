package columns

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// lendingSystem returns tables that each have the columns of a framework, and a table that only links two others.
func lendingSystem() []schema.SourceColumn {
	var all []schema.SourceColumn
	for _, table := range []string{"loan", "loan_product", "customer", "collateral_pledge", "audit", "branch"} {
		all = append(all, columnsOf(table, "id|bigint", "status|varchar(100)", "modified|timestamp", "idx|integer")...)
	}
	return slices.Concat(all,
		columnsOf("loan", "restructure_date|date", "amount|numeric(14,2)", "branch_id|bigint"),
		columnsOf("membership", "id|bigint", "customer_id|bigint", "account_id|bigint", "type|varchar(255)"),
		columnsOf("account", "id|bigint", "number|varchar(32)", "name|varchar(255)"))
}

func TestReport_FindsColumnsAmongThoseThatAllTablesHave(t *testing.T) {
	t.Parallel()
	asked := []struct{ name, dataType, want string }{
		{"Loan Identifier", "C20", "S.loan.id"},                  // not that of the table of links
		{"Loan Status", "C10", "S.loan.status"},                  // not that of a product, however long it is declared
		{"Modification Date", "Date", "S.loan.restructure_date"}, // not when a row was written
		{"Loan Amount", "N14.2", "S.loan.amount"},
	}
	var attributes []schema.Attribute
	for _, a := range asked {
		attributes = append(attributes, attribute(a.name, a.dataType))
	}
	report := NewIndex(lendingSystem()).Report(attributes)
	for i, a := range asked {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			if got := report.Rank(attributes[i]); got.SourceField != a.want {
				t.Errorf("got %s, want %s: %s", orNothing(got.SourceField), a.want, got.Rationale)
			}
		})
	}
}

func TestNewIndex_MarksMetadataAndLinks(t *testing.T) {
	t.Parallel()
	ix := NewIndex(lendingSystem())
	for _, c := range ix.columns {
		if want := c.columnName == "modified" || c.columnName == "idx" || c.columnName == "status"; c.metadata != want {
			t.Errorf("%s is metadata: got %t, want %t", c.field, c.metadata, want)
		}
		if want := c.field == "S.membership.id"; c.linkKey != want {
			t.Errorf("%s is the key of a link: got %t, want %t", c.field, c.linkKey, want)
		}
	}
}

func TestReport_IsUnclearIfItsColumnsRepeatEachOther(t *testing.T) {
	t.Parallel()
	var copies []schema.SourceColumn
	var attributes []schema.Attribute
	for i := range 6 {
		copies = append(copies, columnsOf(fmt.Sprintf("TABLE_%d", i), "BALANCE|N12.2", "RATE|N6.3", "STATUS|C2",
			"OPEN_DATE|DATE")...)
	}
	for range 5 {
		attributes = append(attributes, attribute("Balance", "N12.2"), attribute("Rate", "N6.3"),
			attribute("Status", "C2"), attribute("Open Date", "Date"))
	}
	unclear := NewIndex(copies).Report(attributes).Rank(attributes[0])
	clear := NewIndex(copies[:4]).Report(attributes).Rank(attributes[0])
	if unclear.Unclear != 1 || clear.Unclear != 0 || unclear.Confidence >= clear.Confidence {
		t.Errorf("unclear and confidence: got %g, %d and %g, %d without copies, want 1 and less, and 0 and more",
			unclear.Unclear, unclear.Confidence, clear.Unclear, clear.Confidence)
	}
}

func TestIndex_RelationsHoldForOtherFormsOfAWord(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("T", "WAIVING_AMT|NUMBER(9,2)")) // waived is near forgiven, and waiving a form of waived
	waiving, forgiven := ix.ids["waiving"], ix.ids["forgiven"]
	for _, of := range [][2]int{{waiving, forgiven}, {forgiven, waiving}} {
		isOther := func(l link) bool { return l.id == of[1] && 0.7 < l.degree && l.degree < 0.8 }
		if !slices.ContainsFunc(ix.terms[of[0]].related, isOther) {
			t.Errorf("related to %s: got %v, want %s with .765", ix.terms[of[0]].text, ix.terms[of[0]].related,
				ix.terms[of[1]].text)
		}
	}
}
