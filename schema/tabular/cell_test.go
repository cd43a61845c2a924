package tabular_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// cell reads a CSV file of one attribute whose column has the text, and returns the row or the reason.
func cell(t *testing.T, column, text string) (row schema.Attribute, reason string) {
	t.Helper()
	quoted := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	file, err := tabular.Attributes("a.csv", []byte("attribute_name,mdrm,is_cde,description,line_item_number\n"+
		map[string]string{
			"attribute_name":   quoted + ",,,,1",
			"mdrm":             "A," + quoted + ",,,1",
			"is_cde":           "A,," + quoted + ",,1",
			"description":      "A,,," + quoted + ",1",
			"line_item_number": "A,,,," + quoted,
		}[column]+"\n"))
	if err != nil {
		_, reason, _ = strings.Cut(err.Error(), column+": ")
		return schema.Attribute{}, reason
	}
	return file.Rows[0], ""
}

func TestACellIsNormalizedByTheKindOfItsColumn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ column, text, want string }{
		{"attribute_name", "  Balance\u00a0", "Balance"},
		{"attribute_name", "\ufeffBalance\u200b", "Balance"},
		{"attribute_name", "Loan \r\n  Balance", "Loan Balance"},
		{"attribute_name", "Loan\u2003Balance", "Loan Balance"},
		{"attribute_name", "می\u200cشود", "می\u200cشود"},
		{"attribute_name", "Balance = Amount", "Balance = Amount"},
		{"attribute_name", "=", "="},
		{"mdrm", "00123", "00123"},
		{"mdrm", "1E5", "1E5"},
		{"mdrm", "1-3", "1-3"},
		{"mdrm", "", ""},
		{"description", "two\nlines\tand a tab", "two\nlines\tand a tab"},
		{"description", "=SUM(A1:A2)", "=SUM(A1:A2)"},
		{"description", "1.5E+10", "1.5E+10"},
		{"description", "2026-01-03", "2026-01-03"},
		{"description", "a\u200bb", "a\u200bb"},
		{"line_item_number", "N/A", ""},
		{"line_item_number", "\u2013", ""},
		{"line_item_number", "null", ""},
		{"line_item_number", "nullable", "nullable"},
	} {
		t.Run(tt.column+" "+tt.text, func(t *testing.T) {
			t.Parallel()
			row, reason := cell(t, tt.column, tt.text)
			got := map[string]string{
				"attribute_name": row.AttributeName, "mdrm": row.MDRM, "description": row.Description,
				"line_item_number": row.LineItemNumber,
			}[tt.column]
			if reason != "" || got != tt.want {
				t.Errorf("got %q (%s), want %q", got, reason, tt.want)
			}
		})
	}
}

func TestACellIsRefusedByTheKindOfItsColumn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ column, text, want string }{
		{"attribute_name", "=ROW()", "the text of a formula"},
		{"attribute_name", "a\x00b", "control characters"},
		{"attribute_name", "a\u200bb", "invisible characters"},
		{"attribute_name", "a\u200cb", "invisible characters"},
		{"attribute_name", "\u202ebalance", "invisible characters"},
		{"attribute_name", "#REF!", "shows an error"},
		{"attribute_name", strings.Repeat("ä", 1001), "at most 1000 characters"},
		{"mdrm", "1.23E+15", "a number with an exponent"},
		{"mdrm", "1,23e-4", "a number with an exponent"},
		{"mdrm", "Jan-03", "a date in place of a code"},
		{"mdrm", "3-Jan-2026", "a date in place of a code"},
		{"mdrm", "2026-01-03 00:00:00", "a date in place of a code"},
		{"mdrm", "1/3/2026", "a date in place of a code"},
		{"mdrm", "#N/A", "shows an error"},
		{"mdrm", "#WERT!", "shows an error"},
		{"mdrm", "#NAME?", "shows an error"},
		{"is_cde", "perhaps", "must be true, yes, y or 1"},
		{"is_cde", "2", "must be true, yes, y or 1"},
		{"description", "a\x07b", "control characters"},
		{"description", "#DIV/0!", "shows an error"},
		{"description", "\xff\xfe", "not UTF-8"},
	} {
		t.Run(tt.column+" "+tt.text[:min(len(tt.text), 20)], func(t *testing.T) {
			t.Parallel()
			if row, reason := cell(t, tt.column, tt.text); !strings.Contains(reason, tt.want) {
				t.Errorf("got %+v, reason %q, want a reason with %q", row, reason, tt.want)
			}
		})
	}
}

func TestParseFlag_IgnoresCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{
		"true": {true, true}, "TRUE": {true, true}, "Yes": {true, true}, "y": {true, true}, "1": {true, true},
		"false": {false, true}, "NO": {false, true}, "n": {false, true}, "0": {false, true},
		"": {false, false}, "ja": {false, false}, "on": {false, false}, " true": {false, false},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if value, ok := tabular.ParseFlag(text); value != want[0] || ok != want[1] {
				t.Errorf("ParseFlag: got %v, %v, want %v, %v", value, ok, want[0], want[1])
			}
		})
	}
}

func TestProblem_LocationNamesWhatIsKnown(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]tabular.Problem{
		"a.csv":               {File: "a.csv"},
		"a.csv:3":             {File: "a.csv", Line: 3},
		"a.csv:3: mdrm":       {File: "a.csv", Line: 3, Column: "mdrm"},
		"a.xlsx:S!B3: mdrm":   {File: "a.xlsx", Cell: "S!B3", Line: 3, Column: "mdrm"},
		"a.csv: mdrm":         {File: "a.csv", Column: "mdrm"},
		"mdrm":                {Column: "mdrm"},
		"a.xlsx:'My sheet'!A": {File: "a.xlsx", Cell: "'My sheet'!A"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := p.Location(); got != want {
				t.Errorf("Location: got %q, want %q", got, want)
			}
			p.Reason = "is wrong"
			if got := p.String(); got != want+": is wrong" {
				t.Errorf("String: got %q, want %q", got, want+": is wrong")
			}
		})
	}
}

func TestAttributes_ReadsTheCSVFilesOfManyPrograms(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"Unix":                    "attribute_name,mdrm\nA,1\n",
		"Windows":                 "attribute_name,mdrm\r\nA,1\r\n",
		"old Macs":                "attribute_name,mdrm\rA,1\r",
		"DOS":                     "attribute_name,mdrm\r\nA,1\r\n\x1a\x00\x00",
		"a byte order mark":       "\xef\xbb\xbfattribute_name,mdrm\nA,1",
		"two byte order marks":    "\xef\xbb\xbf\xef\xbb\xbfattribute_name,mdrm\nA,1",
		"semicolons":              "attribute_name;mdrm\nA;1\n",
		"a separator line":        "sep=|\nattribute_name|mdrm\nA|1\n",
		"a quoted separator line": "\"sep=\t\"\r\nattribute_name\tmdrm\r\nA\t1\r\n",
		"a title":                 "FR Y-14M\n\nattribute_name,mdrm\nA,1\n",
		"other spellings":         " Attribute Name ,MDRM\nA,1\n",
		"spaces after commas":     "attribute_name, mdrm\nA, 1\n",
		"empty cells at the end":  "attribute_name,mdrm,,\nA,1,,\n",
		"empty lines":             "\n\nattribute_name,mdrm\n\n\"\",\nA,1\n,\n\n",
		"quotes everywhere":       "\"attribute_name\",\"mdrm\"\n\"A\",\"1\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := tabular.Attributes("a.csv", []byte(content))
			if err != nil || len(file.Rows) != 1 || file.Rows[0].AttributeName != "A" || file.Rows[0].MDRM != "1" {
				t.Errorf("Attributes: got %+v (%v), want A with 1", file.Rows, err)
			}
		})
	}
}

// A file that is cut off has at most the rows of the whole one, or else problems that name it.
func TestAttributes_OfAFileThatIsCutOffAnywhere(t *testing.T) {
	t.Parallel()
	content := "sep=;\r\nattribute_name;line_item_number;is_cde;description\r\n" +
		"\"Balance; in \"\"USD\"\"\";1;yes;\"two\r\nlines\"\r\nRate;2;;\r\nÄnderung;3;0;x\r\n"
	for end := range len(content) {
		file, err := tabular.Attributes("a.csv", []byte(content[:end]))
		if err != nil && !strings.HasPrefix(err.Error(), "a.csv") || len(file.Rows) > 3 {
			t.Fatalf("the first %d bytes: got %d rows (%v), want at most 3 or an error", end, len(file.Rows), err)
		}
		for i, row := range file.Rows {
			if checked, err := tabular.CheckAttribute(row); err != nil || checked.AttributeName != row.AttributeName {
				t.Fatalf("the first %d bytes: got row %d %+v (%v), want a valid one", end, i, row, err)
			}
		}
	}
}

func TestAttributes_RefusesAWideLineBeforeItReadsIt(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"the header": "attribute_name" + strings.Repeat(",", 1<<20) + "\n",
		"semicolons": "sep=;\nattribute_name\nA" + strings.Repeat(";", 1<<20) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tabular.Attributes("a.csv", []byte(content))
			if line := strings.Count(content, "\n"); err == nil ||
				!strings.Contains(err.Error(), fmt.Sprintf("a.csv:%d: the line has more than", line)) {
				t.Errorf("Attributes: got error %v, want one of line %d", err, line)
			}
		})
	}
}

func FuzzProtect(f *testing.F) {
	for _, seed := range []string{"", "a", "=1", "'=1", "''", "＝1", "\t", "-", "'@", "\xff=", "+'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		protected := tabular.Protect(text)
		if strings.ContainsAny(protected[:min(len(protected), 1)], "=+-@\t\r\n") {
			t.Errorf("Protect: got %q, want a text that no spreadsheet runs", protected)
		}
		if got := tabular.Unprotect(protected); got != text {
			t.Errorf("Unprotect: got %q, want %q", got, text)
		}
	})
}
