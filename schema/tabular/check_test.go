package tabular_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

func TestCheckAttribute_NormalizesTexts(t *testing.T) {
	t.Parallel()
	got, err := tabular.CheckAttribute(schema.Attribute{
		AttributeName: " Loan\nBalance ", LineItemNumber: "N/A", IsCDE: true, Description: " two\nlines ",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := schema.Attribute{AttributeName: "Loan Balance", IsCDE: true, Description: "two\nlines"}
	if diff := cmp.Diff(want, got, rowsOnly); diff != "" {
		t.Errorf("attribute differs (-want +got):\n%s", diff)
	}
}

func TestCheckAttribute_ReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := tabular.CheckAttribute(schema.Attribute{
		MDRM: "a\x07b", LineItemNumber: strings.Repeat("1", 101), DataType: "=A1", TechnicalLineItemName: "3-Jan",
	})
	want := []string{
		"0|attribute_name|must not be empty",
		"0|data_type|has the text of a formula in place of its value; save the values",
		"0|line_item_number|must have at most 100 characters",
		"0|technical_line_item_name|has a date in place of a code: spreadsheets turn entries such as 1-3 into dates; " +
			"format the column as text and type the code again",
		"0|mdrm|must not have control characters",
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
}

// TestCheckAttribute_AgreesWithAFile checks that the same texts are accepted and normalized in the same way, whether
// they come from a file or not.
func TestCheckAttribute_AgreesWithAFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Balance", " Balance ", "a\u00a0b", "two\nlines", "N/A", "-", "=ROW()", "3-Jan", "#N/A", "a\u200bb", "\xff",
		strings.Repeat("é", 1000), strings.Repeat("é", 1001),
	} {
		t.Run(name, func(t *testing.T) {
			file, fileErr := tabular.Attributes("a.csv", []byte("attribute_name\n\""+name+"\"\n"))
			got, err := tabular.CheckAttribute(schema.Attribute{AttributeName: name})
			if (err == nil) != (fileErr == nil) {
				t.Fatalf("got error %v, want that of a file, %v", err, fileErr)
			}
			if err == nil && got.AttributeName != file.Rows[0].AttributeName {
				t.Errorf("got %q, want that of a file, %q", got.AttributeName, file.Rows[0].AttributeName)
			}
		})
	}
}

func TestCheckDataSource_LimitsTheName(t *testing.T) {
	t.Parallel()
	_, err := tabular.CheckDataSource(schema.DataSource{Name: strings.Repeat("x", 256)})
	if diff := cmp.Diff([]string{"0|name|must have at most 255 characters"}, lines(err)); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
}

func TestReadReport_ReturnsTheProblemsOfAllFiles(t *testing.T) {
	t.Parallel()
	_, err := tabular.ReadReport(tabular.Sources{
		Attributes: &tabular.Source{Name: "a.csv", Content: []byte("attribute_name,is_cde\nA,perhaps\n")},
		Columns:    &tabular.Source{Name: "c.csv", Content: []byte("data_source,schema,table,column\nA,B,C,\n")},
		Mappings:   &tabular.Source{Name: "m.csv", Content: []byte("attribute_name\n")},
	}, tabular.Columns)
	want := "a.csv:2: is_cde: must be true, yes, y or 1, or else false, no, n or 0\n" +
		"c.csv:2: column: must not be empty\n" +
		"m.csv: there are no rows under the header"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestReport_LocateNamesFileAndCell(t *testing.T) {
	t.Parallel()
	report, err := tabular.ReadReport(tabular.Sources{
		Attributes: &tabular.Source{Name: "a.csv", Content: []byte("attribute_name,mdrm\nA,M1\n")},
		Mappings: &tabular.Source{Name: "m.xlsx", Content: rawWorkbook(t, "",
			rawSheet{name: "S", rows: texts("attribute_name", "source_field") + texts("A", "s.t.c")})},
	}, tabular.Columns)
	if err != nil {
		t.Fatal(err)
	}
	got := report.Locate(schema.ImportProblems{
		{Part: "attributes", Place: report.Attributes.Places[0], Column: "mdrm", Reason: "is ambiguous"},
		{Part: "mappings", Place: report.Mappings.Places[0], Column: "source_field", Reason: "is unknown"},
	})
	want := "a.csv:2: mdrm: is ambiguous\nm.xlsx:S!B2: source_field: is unknown"
	if got.Error() != want {
		t.Errorf("got %s, want %s", got.Error(), want)
	}
}
