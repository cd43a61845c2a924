package columns_test

import (
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

// table returns the columns of a table. Each is a name and a type.
func table(name string, columns ...[2]string) (all []schema.SourceColumn) {
	for _, c := range columns {
		all = append(all, schema.SourceColumn{SchemaName: "DW", TableName: name, ColumnName: c[0], DataType: c[1]})
	}
	return all
}

func accounts() []schema.SourceColumn {
	return table("ACCT",
		[2]string{"ORIG_LMT_AMT", "NUMBER(12,2)"},
		[2]string{"CURR_LMT_AMT", "NUMBER(12,2)"},
		[2]string{"OPN_DT", "DATE"},
	)
}

func ExampleNewIndex() {
	index := columns.NewIndex(accounts())
	for _, name := range []string{"Account Open Date", "Current Limit"} {
		fmt.Println(name+":", index.Rank(schema.Attribute{AttributeName: name}).SourceField)
	}
	// Output:
	// Account Open Date: DW.ACCT.OPN_DT
	// Current Limit: DW.ACCT.CURR_LMT_AMT
}

func ExampleIndex_Rank() {
	index := columns.NewIndex(accounts())
	r := index.Rank(schema.Attribute{AttributeName: "Original Credit Limit", DataType: "N12.2"})
	fmt.Println(r.SourceField, r.MappingType)
	fmt.Println(strings.ReplaceAll(r.Rationale, ". ", ".\n"))
	// Output:
	// DW.ACCT.ORIG_LMT_AMT direct
	// ORIG_LMT_AMT matches 'original' and 'limit'.
	// NUMBER(12,2) fits the amount.
	// The next best is DW.ACCT.CURR_LMT_AMT, which has 'current' instead of 'original'.
}

func ExampleIndex_Rank_nothingFits() {
	index := columns.NewIndex(accounts())
	r := index.Rank(schema.Attribute{AttributeName: "Collateral Appraisal", DataType: "N12.2"})
	fmt.Printf("%q %d\n", r.SourceField, r.Column)
	fmt.Println(r.Rationale)
	// Output:
	// "" -1
	// No column fits: no match for 'collateral' and 'appraisal'.
}

// Without candidates nothing is known, so the confidence is 0.
func ExampleIndex_Rank_noCandidates() {
	r := columns.NewIndex(nil).Rank(schema.Attribute{AttributeName: "Account Number"})
	fmt.Println(r.Confidence, r.Rationale)
	// Output:
	// 0 Nothing could be compared: the report's data sources have no columns.
}

// The word that names a qualifier decides between near twins.
func ExampleIndex_Rank_qualifier() {
	index := columns.NewIndex(table("PARTY",
		[2]string{"BORR_FICO", "NUMBER(3)"},
		[2]string{"CO_BORR_FICO", "NUMBER(3)"},
	))
	for _, name := range []string{"Credit Score of the Borrower", "Credit Score of the Joint Applicant"} {
		fmt.Println(index.Rank(schema.Attribute{AttributeName: name, DataType: "N3"}).SourceField)
	}
	// Output:
	// DW.PARTY.BORR_FICO
	// DW.PARTY.CO_BORR_FICO
}

// A column that scores nearly the same lowers the confidence.
func ExampleIndex_Rank_nearTwin() {
	phone := schema.Attribute{AttributeName: "Phone", DataType: "C15"}
	one := table("CUST", [2]string{"HOME_PHN", "VARCHAR(15)"}, [2]string{"BRTH_DT", "DATE"})
	two := append(one, table("CUST", [2]string{"MOB_PHN", "VARCHAR(15)"})...)
	alone, twin := columns.NewIndex(one).Rank(phone), columns.NewIndex(two).Rank(phone)
	fmt.Println(alone.SourceField == twin.SourceField, alone.Confidence > twin.Confidence, alone.Margin > twin.Margin)
	// Output:
	// true true true
}

func ExampleRanking_alternatives() {
	index := columns.NewIndex(accounts())
	r := index.Rank(schema.Attribute{AttributeName: "Limit", DataType: "N12.2"})
	fmt.Println(r.SourceField)
	for _, a := range r.Alternatives {
		fmt.Println("or", a.SourceField, "-", a.Reason)
	}
	// Output:
	// DW.ACCT.CURR_LMT_AMT
	// or DW.ACCT.ORIG_LMT_AMT - also has 'original'
}

// The mapping type follows from the kinds of value: days are computed from a date.
func ExampleRanking_mappingType() {
	index := columns.NewIndex(table("LOAN",
		[2]string{"PAST_DUE_SINCE_DT", "DATE"},
		[2]string{"CURR_BAL", "NUMBER(12,2)"},
	))
	for _, a := range []schema.Attribute{
		{AttributeName: "Days Past Due", DataType: "N3"},
		{AttributeName: "Current Balance", DataType: "N12.2"},
	} {
		r := index.Rank(a)
		fmt.Println(r.SourceField, r.MappingType)
	}
	// Output:
	// DW.LOAN.PAST_DUE_SINCE_DT calculated
	// DW.LOAN.CURR_BAL direct
}

// A lookup table has the numbers of a form for the letters of a system.
func ExampleRanking_lookup() {
	index := columns.NewIndex(append(
		table("ACCT", [2]string{"STAT_CD", "CHAR(1)"}, [2]string{"OPN_DT", "DATE"}),
		table("REF_STAT", [2]string{"STAT_CD", "CHAR(1)"}, [2]string{"STAT_DESC", "VARCHAR(40)"})...,
	))
	r := index.Rank(schema.Attribute{AttributeName: "Account Status Code", DataType: "N1"})
	fmt.Println(r.SourceField, r.MappingType)
	// Output:
	// DW.ACCT.STAT_CD lookup
}

// The description of a column may have the words that its name omits.
func ExampleRanking_description() {
	index := columns.NewIndex([]schema.SourceColumn{
		{
			SchemaName: "DW", TableName: "T", ColumnName: "QZV_AMT", DataType: "NUMBER(9,2)",
			Description: "Interest accrued",
		},
		{SchemaName: "DW", TableName: "T", ColumnName: "FEE_AMT", DataType: "NUMBER(9,2)"},
	})
	fmt.Println(index.Rank(schema.Attribute{AttributeName: "Accrued Interest", DataType: "N9.2"}).SourceField)
	// Output:
	// DW.T.QZV_AMT
}

// Words in a system's short forms and several words with one meaning are read alike.
func ExampleRanking_rationale() {
	index := columns.NewIndex(table("ACCT", [2]string{"ARREARS_AMT", "NUMBER(12,2)"}, [2]string{"OPN_DT", "DATE"}))
	r := index.Rank(schema.Attribute{AttributeName: "Past Due Amount", DataType: "N12.2"})
	first, _, _ := strings.Cut(r.Rationale, ". ")
	fmt.Println(first)
	// Output:
	// ARREARS_AMT matches 'past due' (as 'arrears') and 'amount'
}
