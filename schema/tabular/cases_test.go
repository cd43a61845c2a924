package tabular_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// fileCase is a file of testdata/cases with the expected result.
type fileCase struct {
	file string
	// rows has "name|line item number|mdrm|description" of each attribute.
	rows           []string
	sheets, unread []string
	headerLine     int
	// problems has "location: reason" of each; the reason may be truncated.
	problems []string
}

func attributeCases() []fileCase {
	return []fileCase{
		{file: "blank-before-quote.csv", headerLine: 1, rows: []string{
			"Record Identifier – always 2|||Value is 2",
			"Loan Identifier|||If purchased, or assumed, keep the first one",
		}},
		{
			file: "cover-sheet-first.xlsx", headerLine: 1, rows: []string{"Year of Birth|1||year"},
			sheets: []string{"FIELD LEVEL"}, unread: []string{"MODEL LEVEL", "TABLE LEVEL"},
		},
		{file: "cr-only.csv", headerLine: 1, rows: []string{"Current Balance|1||", "Credit Limit|2||"}},
		{file: "ctrl-z.csv", headerLine: 1, rows: []string{"Balance|1||"}},
		{file: "dates.xlsx", problems: []string{
			"dates.xlsx:S!B3: line_item_number: has a date in place of a code",
			"dates.xlsx:S!B4: line_item_number: has a date in place of a code",
		}},
		{file: "dots.attributes.csv", headerLine: 1, rows: []string{"Customer Address City|||"}},
		{file: "hindi.csv", headerLine: 1, rows: []string{"क्\u200dषेत्र कोड|1||"}},
		{
			file:     "long-codes.xlsx",
			problems: []string{"long-codes.xlsx:S!B4: line_item_number: has a number of more than 15 digits"},
		},
		{
			file:     "long-codes-mdrm.xlsx",
			problems: []string{"long-codes-mdrm.xlsx:S!C4: mdrm: has a number of more than 15 digits"},
		},
		{file: "nbsp-header.csv", headerLine: 1, rows: []string{"Current Balance|1||"}},
		{file: "persian.csv", headerLine: 1, rows: []string{
			"شماره\u200cمشتری|1||", "نام خانوادگی|2||", "می\u200cزان بدهی|3||",
		}},
		{file: "placeholders.csv", headerLine: 1, rows: []string{"First|||NA", "Second|||NA"}},
		{file: "same-line-number.csv", headerLine: 1, rows: []string{
			"Retained earnings (column A)|2|RCFAKW00|", "Retained earnings (column B)|2|RCOAKW00|",
		}},
		{file: "semicolon-comma-header.csv", headerLine: 1, rows: []string{"Balance|1||"}},
		{file: "sep-line.csv", headerLine: 2, rows: []string{"Current Balance|1||what is owed"}},
		{
			file: "title-row.xlsx", headerLine: 2,
			rows:   []string{"Applicant Consent|1||Click through", "Applicant Surname|2||Text"},
			sheets: []string{"Data Dictionary"}, unread: []string{"Analytics", "Forces", "Rules"},
		},
		{file: "two-boms.csv", headerLine: 1, rows: []string{"Balance|1||"}},
		{
			file:       "wrapped-header.xlsx",
			headerLine: 1,
			sheets:     []string{"S"},
			rows:       []string{"Current Balance|1||what\nis owed"},
		},
		{
			file:       "wrapped-name.xlsx",
			headerLine: 1,
			sheets:     []string{"S"},
			rows:       []string{"Current Balance|1||what\nis owed", "Credit Limit|2||"},
		},
		{
			file:     "~$lock.xlsx",
			problems: []string{"~$lock.xlsx: it is the lock file of a workbook that is open in another program"},
		},
	}
}

func TestFilesOfOtherProgramsAreReadOrRefusedByCell(t *testing.T) {
	t.Parallel()
	for _, c := range attributeCases() {
		t.Run(c.file, func(t *testing.T) {
			file, err := tabular.Attributes(c.file, readCase(t, c.file))
			var rows []string
			for _, a := range file.Rows {
				rows = append(
					rows,
					strings.Join([]string{a.AttributeName, a.LineItemNumber, a.MDRM, a.Description}, "|"),
				)
			}
			got := fileCase{
				file: c.file, rows: rows, sheets: file.Sheets, unread: file.Unread, headerLine: file.HeaderLine,
				problems: cut(err, c.problems),
			}
			if diff := cmp.Diff(c, got, cmp.AllowUnexported(fileCase{})); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongNamesAndTypesAreRead(t *testing.T) {
	t.Parallel()
	file, err := tabular.Attributes("long-name.csv", readCase(t, "long-name.csv"))
	if err != nil || len(file.Rows) != 2 || len(file.Rows[0].AttributeName) != 388 || file.Rows[0].MDRM == "" {
		t.Errorf("long-name.csv: got %d rows (%v), the first %+v, want 2 and a name of 388 characters",
			len(file.Rows), err, file.Rows)
	}
	columns, err := tabular.Columns("long-types.columns.csv", readCase(t, "long-types.columns.csv"))
	if err != nil {
		t.Fatal(err)
	}
	want := []schema.ColumnRow{
		{
			DataSource: "lake",
			SchemaName: "crm",
			TableName:  "customer",
			ColumnName: "address",
			DataType: "STRUCT<street STRING, house STRING, " +
				"city STRING, region STRING, postal_code STRING, country STRING, valid_from DATE, valid_to DATE, " +
				"source STRING>",
		},
		{
			DataSource: "lake",
			SchemaName: "crm",
			TableName:  "customer",
			ColumnName: "address.street",
			DataType:   "STRING",
		},
		{
			DataSource: "lake",
			SchemaName: "crm",
			TableName:  "loan",
			ColumnName: "status",
			DataType: "enum('pending','submitted','approved'," +
				"'active','withdrawn','rejected','closed_written_off','closed_obligations_met','overpaid')",
		},
	}
	if diff := cmp.Diff(want, columns.Rows); diff != "" {
		t.Errorf("long-types.columns.csv differs (-want +got):\n%s", diff)
	}
}

func TestColumnsWithDotsHaveDifferentSourceFields(t *testing.T) {
	t.Parallel()
	file, err := tabular.Columns("dots.columns.csv", readCase(t, "dots.columns.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range file.Rows {
		got = append(
			got,
			schema.SourceColumn{
				SchemaName: c.SchemaName,
				TableName:  c.TableName,
				ColumnName: c.ColumnName,
			}.SourceField(),
		)
	}
	if diff := cmp.Diff([]string{`crm."customer.address".city`, `crm.customer."address.city"`}, got); diff != "" {
		t.Errorf("source fields differ (-want +got):\n%s", diff)
	}
}

func readCase(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "cases", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// cut returns the problems, each truncated to the length of the wanted one.
func cut(err error, want []string) []string {
	if err == nil {
		return nil
	}
	got := strings.Split(err.Error(), "\n")
	for i := range got {
		if i < len(want) && len(got[i]) > len(want[i]) {
			got[i] = got[i][:len(want[i])]
		}
	}
	return got
}
