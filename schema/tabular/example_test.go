package tabular_test

import (
	"fmt"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

func ExampleAttributes() {
	file, err := tabular.Attributes(
		"attributes.csv",
		[]byte("Attribute Name;Line Item Number;is_cde (Y,N)\nBalance;1;Y\n"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, a := range file.Rows {
		fmt.Println(file.Places[i], "-", a.AttributeName, a.LineItemNumber, a.IsCDE)
	}
	// Output: line 2 - Balance 1 true
}

func ExampleColumns() {
	file, err := tabular.Columns("columns.csv", []byte("data_source,schema,table,column\nCards,CRD,ACCT,BAL_AMT\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	c := file.Rows[0]
	fmt.Println(file.Columns)
	fmt.Println(schema.SourceColumn{
		SchemaName: c.SchemaName, TableName: c.TableName, ColumnName: c.ColumnName,
	}.SourceField())
	// Output:
	// [data_source schema table column]
	// CRD.ACCT.BAL_AMT
}

// The error lists every problem with its line and column. It never repeats a value.
func ExampleMappings() {
	_, err := tabular.Mappings("mappings.csv",
		[]byte("attribute_name,mapping_type\nBalance,magic\nBalance,direct\nBalance,lookup\n"))
	fmt.Println(err)
	// Output:
	// mappings.csv:2: mapping_type: must be direct, calculated, lookup or conditional
	// mappings.csv:4: attribute_name: the mapping of the attribute is already in line 3; remove one of the two rows
}

func ExampleReadReport() {
	report, err := tabular.ReadReport(tabular.Sources{
		Attributes: &tabular.Source{Name: "attributes.csv", Content: []byte("attribute_name\nBalance\nLimit\n")},
		Columns: &tabular.Source{
			Name: "columns.csv", Content: []byte("data_source,schema,table,column\nCards,CRD,ACCT,BAL_AMT\n"),
		},
	}, tabular.Columns)
	if err != nil {
		fmt.Println(err)
		return
	}
	data := report.Data()
	data.CycleID, data.ReportID, data.Author = "2026-Q3", "FR_Y_14M_D1", "olga"
	fmt.Println("report", data.ReportID, "of", data.CycleID, "by", data.Author)
	fmt.Println(len(report.Attributes.Rows), "attributes with", data.Attributes.Fields)
	fmt.Println(len(report.Columns.Rows), "column")
	// Output:
	// report FR_Y_14M_D1 of 2026-Q3 by olga
	// 2 attributes with [attribute_name]
	// 1 column
}

// A row that does not come from a file follows the same rules.
func ExampleCheckAttribute() {
	attribute, err := tabular.CheckAttribute(schema.Attribute{AttributeName: "  Loan\u00a0Balance "})
	fmt.Printf("%q %v\n", attribute.AttributeName, err)
	_, err = tabular.CheckAttribute(schema.Attribute{AttributeName: "N/A"})
	fmt.Println(err)
	// Output:
	// "Loan Balance" <nil>
	// attribute_name: must not be empty; -, N/A, NA and null count as empty
}
