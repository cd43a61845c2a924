package columns_test

import (
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

func candidates() []schema.SourceColumn {
	return []schema.SourceColumn{
		{SchemaName: "DW", TableName: "ACCT", ColumnName: "ORIG_LMT_AMT", DataType: "NUMBER(12,2)"},
		{SchemaName: "DW", TableName: "ACCT", ColumnName: "CURR_LMT_AMT", DataType: "NUMBER(12,2)"},
		{SchemaName: "DW", TableName: "ACCT", ColumnName: "OPN_DT", DataType: "DATE"},
	}
}

func ExampleIndex_Rank() {
	index := columns.NewIndex(candidates())
	r := index.Rank(schema.Attribute{AttributeName: "Original Credit Limit", DataType: "N12.2"})
	fmt.Println(r.SourceField, r.MappingType)
	fmt.Println(strings.ReplaceAll(r.Rationale, ". ", ".\n"))
	// Output:
	// DW.ACCT.ORIG_LMT_AMT direct
	// ORIG_LMT_AMT says 'original' and 'limit'.
	// NUMBER(12,2) fits the amount.
	// Next is DW.ACCT.OPN_DT, which holds a date where an amount is asked.
}

func ExampleIndex_Rank_nothingFits() {
	index := columns.NewIndex(candidates())
	r := index.Rank(schema.Attribute{AttributeName: "Collateral Appraisal", DataType: "N12.2"})
	fmt.Printf("%q %d\n", r.SourceField, r.Column)
	fmt.Println(r.Rationale)
	// Output:
	// "" -1
	// Nothing fits: no column says 'collateral' and 'appraisal'.
}

func ExampleNewIndex() {
	index := columns.NewIndex(candidates())
	for _, name := range []string{"Account Open Date", "Current Limit"} {
		fmt.Println(name+":", index.Rank(schema.Attribute{AttributeName: name}).SourceField)
	}
	// Output:
	// Account Open Date: DW.ACCT.OPN_DT
	// Current Limit: DW.ACCT.CURR_LMT_AMT
}
