package tabular_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

var rowsOnly = cmpopts.IgnoreTypes(bun.BaseModel{})

// lines returns the problems, each as "line|column|reason".
func lines(err error) []string {
	problems, ok := errors.AsType[tabular.Problems](err)
	if !ok {
		return nil
	}
	var texts []string
	for _, p := range problems.First {
		texts = append(texts, fmt.Sprintf("%d|%s|%s", p.Line, p.Column, p.Reason))
	}
	return texts
}

const nameTwice = "an attribute without a line_item_number is identified by its name: " +
	"give each a line_item_number, or remove one"

func attributeProblems(content string) []string {
	_, err := tabular.Attributes("attributes.csv", []byte(content))
	return lines(err)
}

func TestEveryColumnOfEachKindIsRead(t *testing.T) {
	t.Parallel()
	attributes, err := tabular.Attributes("a.csv", []byte("\xef\xbb\xbf"+
		"attribute_name,description,data_type,line_item_number,technical_line_item_name,mdrm,"+
		"is_mandatory,is_cde,is_primary_key,has_issues,validation_rules\r\n"+
		"\" Loan  Balance \",\"Unpaid principal,\r\nat month's end\",N12,7,LoanBal,M100,yes,1,TRUE,n,not blank\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := schema.Attribute{
		AttributeName: "Loan  Balance", Description: "Unpaid principal,\nat month's end", DataType: "N12",
		LineItemNumber:        "7",
		TechnicalLineItemName: "LoanBal", MDRM: "M100", IsMandatory: true, IsCDE: true, IsPrimaryKey: true,
		ValidationRules: "not blank",
	}
	if diff := cmp.Diff([]schema.Attribute{want}, attributes.Rows, rowsOnly); diff != "" {
		t.Errorf("attribute differs (-want +got):\n%s", diff)
	}
	if len(attributes.Columns) != 11 {
		t.Errorf("got %d columns, want 11: %v", len(attributes.Columns), attributes.Columns)
	}

	columns, err := tabular.Columns(
		"c.csv",
		[]byte("column,Table,SCHEMA,data-source,Data Type,description\nBAL,LOANS,svc,Loans,NUMBER,owed\n"),
	)
	if err != nil {
		t.Fatal(err)
	}
	wantColumn := schema.ColumnRow{
		DataSource:  "Loans",
		SchemaName:  "svc",
		TableName:   "LOANS",
		ColumnName:  "BAL",
		DataType:    "NUMBER",
		Description: "owed",
	}
	if diff := cmp.Diff([]schema.ColumnRow{wantColumn}, columns.Rows); diff != "" {
		t.Errorf("column differs (-want +got):\n%s", diff)
	}
	wantNames := []string{"data_source", "schema", "table", "column", "data_type", "description"}
	if diff := cmp.Diff(wantNames, columns.Columns); diff != "" {
		t.Errorf("columns differ (-want +got):\n%s", diff)
	}

	mappings, err := tabular.Mappings("m.csv", []byte(
		"attribute_name,line_item_number,pde_name,pde_code,pde_description,data_source,source_field,mapping_type,"+
			"transformation_rule,"+
			"business_process,business_owner,data_steward,mapping_confirmed_by_user\n\n"+
			"Balance,7,Due,P-1,owed,Loans,svc.LOANS.BAL,Calculated,sum,closing,Finance,Office,Y\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	wantMapping := schema.MappingRow{
		Line: 3, AttributeName: "Balance", LineItemNumber: "7", PDEName: "Due", PDECode: "P-1", PDEDescription: "owed",
		DataSource:  "Loans",
		SourceField: "svc.LOANS.BAL", MappingType: schema.MappingTypeCalculated, TransformationRule: "sum",
		BusinessProcess: "closing",
		BusinessOwner:   "Finance", DataSteward: "Office", Confirmed: true,
	}
	if diff := cmp.Diff([]schema.MappingRow{wantMapping}, mappings.Rows); diff != "" {
		t.Errorf("mapping differs (-want +got):\n%s", diff)
	}
}

func TestAttributes_RecognisesSemicolons(t *testing.T) {
	t.Parallel()
	file, err := tabular.Attributes("a.csv", []byte("attribute_name;description\nBalance;owed, in dollars\n"))
	if err != nil || file.Rows[0].Description != "owed, in dollars" {
		t.Errorf("got %+v, %v, want the whole description", file.Rows, err)
	}
}

func TestAttributes_SkipsEmptyRows(t *testing.T) {
	t.Parallel()
	file, err := tabular.Attributes("a.csv", []byte("attribute_name,mdrm,,\n\n,,,\n Balance , ,,\n  \n,\n"))
	if err != nil || len(file.Rows) != 1 || file.Rows[0].AttributeName != "Balance" {
		t.Errorf("got %+v, %v, want Balance", file.Rows, err)
	}
}

func TestAWrongHeaderIsRefusedWithTheColumnsItHasAndNeeds(t *testing.T) {
	t.Parallel()
	const takes = "the header needs attribute_name, and takes description, data_type, line_item_number, " +
		"technical_line_item_name, mdrm, " +
		"is_mandatory, is_cde, is_primary_key, has_issues and validation_rules"
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"empty":       {"", []string{"0||the file is empty; " + takes}},
		"only a mark": {"\xef\xbb\xbf", []string{"0||the file is empty; " + takes}},
		"only spaces": {"  \n \n", []string{"0||the file is empty; " + takes}},
		"only header": {"attribute_name,mdrm\n", []string{"0||there are no rows under the header"}},
		"no header": {
			"123-45-6789,Jane Doe\n", []string{"1||none of the cells in this line names a column; " + takes},
		},
		"tabs": {
			"attribute_name\tmdrm\n",
			[]string{
				"1||none of the cells in this line names a column; " + takes + "; the line has tabs: separate the " +
					"cells by commas",
			},
		},
		"unknown": {
			"attribute_name,mandatory\nA,yes\n", []string{"1|mandatory|there is no such column; " + takes},
		},
		"twice": {"attribute_name,mdrm,MDRM\nA,1,2\n", []string{"1|mdrm|the header has the column twice"}},
		"needed": {
			"mdrm,is_cde\nM1,yes\n", []string{"1|attribute_name|the column is missing; the header has mdrm and is_cde"},
		},
		"all of these": {
			"mdrm,mdrm,nonsense\nM1,yes\n",
			[]string{
				"1|mdrm|the header has the column twice", "1|nonsense|there is no such column; " + takes,
				"1|attribute_name|the column is missing; the header has mdrm",
			},
		},
		"latin 1": {"attribute_name,pr\xe9nom\n", []string{"1||is not UTF-8 text; save the file as CSV UTF-8"}},
		"terminal": {
			"attribute_name,\"\x1b[31m" + strings.Repeat("x", 60) + "\"\n",
			[]string{"1|cell B|there is no such column; " + takes},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, attributeProblems(c.content)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
	_, err := tabular.Mappings("m.csv", []byte("pde_name,source_field\nA,b\n"))
	want := []string{
		"1|attribute_name|one of the columns attribute_name or line_item_number is needed; the header has pde_name " +
			"and source_field",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("mappings: problems differ (-want +got):\n%s", diff)
	}
	_, err = tabular.Columns("c.csv", []byte("schema,column\nA,b\n"))
	want = []string{
		"1|data_source|the column is missing; the header has schema and column", "1|table|the column is missing; the " +
			"header has schema and column",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("columns: problems differ (-want +got):\n%s", diff)
	}
}

func TestAWrongCellIsReportedByLineAndColumn(t *testing.T) {
	t.Parallel()
	const header = "attribute_name,line_item_number,is_cde,description\n"
	for name, c := range map[string]struct {
		rows string
		want []string
	}{
		"no name": {",1,yes,\n", []string{"2|attribute_name|must not be empty"}},
		"truth": {
			"A,1,maybe,\n", []string{"2|is_cde|must be true, yes, y or 1, or else false, no, n or 0"},
		},
		"too few": {
			"A,1\n",
			[]string{
				"2||the line has 2 cells and the header has 4; write every separator, and quotes around a cell with " +
					"a separator in it",
			},
		},
		"too many": {
			"A,1,yes,owed, in dollars\n",
			[]string{
				"2||there is a value under no column name; the header names every column, and quotes stand around a " +
					"cell with a separator in it",
			},
		},
		"more, empty": {"A,1,yes,owed,,\n", nil},
		"not UTF-8": {
			"A,1,yes,caf\xe9\n", []string{"2|description|is not UTF-8 text; save the file as CSV UTF-8"},
		},
		"NUL": {
			"A\x00B,1,yes,a\x00\n",
			[]string{
				"2|attribute_name|must not have control characters", "2|description|must not have control characters",
			},
		},
		"escape":    {"A,1,yes,\x1b[31mred\n", []string{"2|description|must not have control characters"}},
		"invisible": {"A\u200bB,1,yes,\n", []string{"2|attribute_name|must not have invisible characters"}},
		"two lines": {"\"A\nB\",1,yes,\"a\nb\"\n", nil},
		"too long": {
			strings.Repeat("é", 1001) + "," + strings.Repeat("1", 101) + ",,\n",
			[]string{
				"2|attribute_name|must have at most 1000 characters",
				"2|line_item_number|must have at most 100 characters",
			},
		},
		"long enough": {
			strings.Repeat("é", 1000) + "," + strings.Repeat("1", 100) + ",," + strings.Repeat("é", 400_000) + "\n",
			nil,
		},
		"same number": {
			"A,1,,\n\nB,1,,\n",
			[]string{
				"4|line_item_number|the attribute is already in line 2; attributes with one line_item_number need an " +
					"mdrm each, or remove one",
			},
		},
		"same name": {
			"A,,,\nA,,,\n", []string{"3|attribute_name|the attribute is already in line 2; " + nameTwice},
		},
		"equal names": {"A,1,,\nA,2,,\nA,,,\n", nil},
		"line of the record": {
			"A,1,,\"one\ntwo\nthree\"\nB,2,what,\n",
			[]string{"5|is_cde|must be true, yes, y or 1, or else false, no, n or 0"},
		},
		"quotes": {
			"A,1,,\nB,2,,\"a \"quoted\" word\"\n",
			[]string{
				"3||the quotes do not match: put quotes around a cell that contains one, and double each quote in it",
			},
		},
		"no end": {
			"A,1,,\"\nB,2,,\nC,3,,\n",
			[]string{
				"2||the quotes do not match: put quotes around a cell that contains one, and double each quote in it",
			},
		},
		"in order": {
			",1,x,\nA,2,x,\n",
			[]string{
				"2|is_cde|must be true, yes, y or 1, or else false, no, n or 0", "2|attribute_name|must not be empty",
				"3|is_cde|must be true, yes, y or 1, or else false, no, n or 0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, attributeProblems(header+c.rows)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrongRowsOfColumnsAndMappingsAreReported(t *testing.T) {
	t.Parallel()
	_, err := tabular.Columns(
		"c.csv",
		[]byte("data_source,schema,table,column\nLoans,svc,T,A\nLoans,svc,T,\nLoans,svc,T,A\nCards,svc,T,A\n"),
	)
	want := []string{
		"3|column|must not be empty",
		"4|column|the column is already in line 2; remove one of the two rows",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("columns: problems differ (-want +got):\n%s", diff)
	}
	_, err = tabular.Mappings("m.csv", []byte("attribute_name,line_item_number,mapping_type,pde_name\n"+
		"A,1,direct,x\nA,1,,x\n,,lookup,x\nB,,,x\nB,,secret,x\n"))
	want = []string{
		"3|line_item_number|the mapping of the attribute is already in line 2; remove one of the two rows",
		"4||one of attribute_name or line_item_number must not be empty",
		"6|mapping_type|must be direct, calculated, lookup or conditional",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("mappings: problems differ (-want +got):\n%s", diff)
	}
}

func TestAtMostAHundredProblemsAreListedAndTheOthersCounted(t *testing.T) {
	t.Parallel()
	_, err := tabular.Attributes("attributes.csv", []byte("attribute_name,is_cde\n"+strings.Repeat(",what\n", 300)))
	problems, ok := errors.AsType[tabular.Problems](err)
	if !ok || len(problems.First) != schema.MaxProblems || problems.First[99].Line != 51 || problems.More != 500 {
		t.Errorf("got %d problems and %d more, the last %v, want 100 up to line 51, and 500 more",
			len(problems.First), problems.More, problems.First[len(problems.First)-1])
	}
	if !strings.HasSuffix(err.Error(), "\nand 500 more") {
		t.Errorf("got an error that ends with %q, want the number of other problems", err.Error()[len(err.Error())-60:])
	}
}

func TestAFileInAnotherFormatIsRefusedByFormat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, want string }{
		"old workbook": {
			"a.xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
			"0||it is an .xls workbook, or one with a password; save it as .xlsx without a password, or as .csv",
		},
		"text as xlsx": {
			"a.XLSX", "attribute_name\nA\n",
			"0||it is named .xlsx and is not a workbook; save it as .xlsx, or name it .csv if it is text",
		},
		"UTF-16": {"a.csv", "\xff\xfea\x00", "0||it is UTF-16 text; save it as CSV UTF-8"},
		"broken zip": {
			"a.xlsx", "PK\x03\x04 and nothing else",
			"0||the workbook cannot be read; open it in a spreadsheet program and save it again as .xlsx",
		},
		"zip as csv": {
			"a.csv", "PK\x03\x04 and nothing else",
			"0||the workbook cannot be read; open it in a spreadsheet program and save it again as .xlsx",
		},
		"empty as xlsx": {
			"a.xlsx", "",
			"0||the file is empty; the header needs data_source, schema, table and column, and takes data_type and " +
				"description",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tabular.Columns(c.file, []byte(c.content))
			if diff := cmp.Diff([]string{c.want}, lines(err)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblems_ErrorNamesTheFile(t *testing.T) {
	t.Parallel()
	_, err := tabular.Attributes("lines.csv", []byte("attribute_name,is_cde\nA,what\n,\nB,\nB,\n"))
	want := "lines.csv:2: is_cde: must be true, yes, y or 1, or else false, no, n or 0\n" +
		"lines.csv:5: attribute_name: the attribute is already in line 4; " + nameTwice
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func FuzzNoReasonRepeatsACell(f *testing.F) {
	for _, seed := range []string{"", "x", "a,b", "a;b\n", "\"", "\x00", "\xff", "true", "A,1\nB", "PK\x03\x04"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cells string) {
		const secret = "123-45-6789"
		content := []byte(
			"attribute_name,is_cde,mapping_type\n" + secret + cells + "," + secret + "," + cells + secret + "\n",
		)
		for _, err := range []error{
			second(tabular.Attributes("f.csv", content)),
			second(tabular.Columns("f.csv", content)),
			second(tabular.Mappings("f.csv", content)),
		} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("got error %v, want one without the cell's text", err)
			}
			if problems, ok := errors.AsType[tabular.Problems](err); err != nil &&
				(!ok || len(problems.First) > schema.MaxProblems) {
				t.Errorf("got error %v, want at most %d problems", err, schema.MaxProblems)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
