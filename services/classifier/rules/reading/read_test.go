package reading

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"", ""},
		{"Account Status", "Account Status"},
		{"Status - Closed Date", "Status | Closed Date"},
		{"Status: Closed (Date)", "Status| Closed |Date|"},
		{"Loan-to-Value", "Loan-to-Value"},
		{"Loan–to–Value", "Loan–to–Value"},
		{"Status – Closed", "Status | Closed"},
		{"Status—Closed", "Status|Closed"},
		{"-Status-", "|Status|"},
		{"a, b; c", "a| b| c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var parts []string
			for start, part := range segments(tt.name) {
				if got := tt.name[start : start+len(part)]; got != part {
					t.Errorf("text at offset %d: got %q, want %q", start, got, part)
				}
				parts = append(parts, part)
			}
			if got := strings.Join(parts, "|"); got != tt.want {
				t.Errorf("segments(%q): got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

// TestRead_Places shows the place of each word: h in the head, q qualifier, t technical name, d description, T table.
func TestRead_Places(t *testing.T) {
	t.Parallel()
	rd := NewReader(parse(t, fruit))
	for _, tt := range []struct {
		input Input
		want  string
	}{
		{named("Apple Date"), "apple/h date/h"},
		{named("Apple for the Pear"), "apple/h for/q the/q pear/q"},
		{named("Number of Pears"), "number/h of/h pear/h"}, // "of" does not end the head
		{named("Apple (Pear)"), "apple/h pear/q"},
		{named("For Apple"), "for/h apple/h"}, // nor does a preposition at the beginning
		{named("Pie with Cream Date"), "pie/h with/h cream/h date/h"},
		{named("Date of the Apple Pie"), "date/h of/h the/h apple/h pie/h"},
		{named("Fecha de nacimiento"), "birth/h date/h"},
		{
			Input{Attribute: schema.Attribute{TechnicalLineItemName: "AppleDt", Description: "a pear"}, Table: "PEARS"},
			"apple/t date/t a/d pear/d pear/T",
		},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			var all []string
			for _, w := range rd.Read(tt.input).Words {
				all = append(all, w.Text+"/"+"hqtdT"[w.Place:w.Place+1])
			}
			if got := strings.Join(all, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRead_Filing(t *testing.T) {
	t.Parallel()
	rd := NewReader(parse(t, fruit))
	for _, tt := range []struct {
		name                    string
		input                   Input
		report                  string
		filed, numbered, marked bool
	}{
		{name: "nothing", input: named("Apple")},
		{name: "known report", input: Input{Report: "form 7"}, report: "form", filed: true},
		{name: "known report of a table", input: Input{Report: "form 7", Table: "T"}, report: "form", filed: true},
		{name: "unknown report", input: Input{Report: "form 8"}, filed: true},
		{name: "unknown report of a table", input: Input{Report: "form 8", Table: "T"}},
		{name: "blank report", input: Input{Report: "  "}},
		{name: "MDRM code", input: Input{Attribute: schema.Attribute{MDRM: " ABCD1 "}}, filed: true},
		{
			name: "line item", input: Input{Attribute: schema.Attribute{LineItemNumber: "7"}},
			filed: true, numbered: true,
		},
		{name: "marks", input: Input{Attribute: schema.Attribute{IsCDE: true, IsMandatory: true}}, marked: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, report := rd.Read(tt.input), ""
			if r.Report != nil {
				report = r.Report.Name
			}
			if report != tt.report || r.Filed != tt.filed || r.Numbered != tt.numbered {
				t.Errorf("report, filed, numbered: got %q, %t, %t, want %q, %t, %t",
					report, r.Filed, r.Numbered, tt.report, tt.filed, tt.numbered)
			}
			if marked := r.Marks == policy.MarkCritical|policy.MarkMandatory; marked != tt.marked {
				t.Errorf("marks: got %b, want critical and mandatory: %v", r.Marks, tt.marked)
			}
		})
	}
}

func TestRead_TruncatesLongInputs(t *testing.T) {
	t.Parallel()
	rd := NewReader(parse(t, fruit))
	r := rd.Read(Input{Attribute: schema.Attribute{
		AttributeName: strings.Repeat("Zyx ", 5000), Description: strings.Repeat("x ", 5000),
	}})
	if len(r.Name) != maxName {
		t.Errorf("bytes of the name: got %d, want %d", len(r.Name), maxName)
	}
	if got, want := len(r.Words), maxName/len("Zyx ")+maxDescription/len("x "); got != want {
		t.Errorf("words: got %d, want %d", got, want)
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aéb", 2, "a"}, // not within a letter
		{"é", 1, ""},
		{"", 0, ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := truncate(tt.text, tt.limit); got != tt.want {
				t.Errorf("truncate(%q, %d): got %q, want %q", tt.text, tt.limit, got, tt.want)
			}
		})
	}
}

func FuzzRead_NeverPanics(f *testing.F) {
	rd := NewReader(policy.Default())
	f.Add("Date of Birth", "CUST_DOB", "birth date of the applicant", "N12.2", "HMDA", "CUST")
	f.Add("- ( of ) –", "of", "of of", "(", "*", "")
	f.Fuzz(func(t *testing.T, name, technical, description, dataType, report, table string) {
		r := rd.Read(Input{
			Attribute: schema.Attribute{
				AttributeName: name, TechnicalLineItemName: technical, Description: description, DataType: dataType,
			},
			Report: report, Table: table,
		})
		if r.Coverage < 0 || r.Coverage > 100 {
			t.Errorf("coverage: got %d, want 0 to 100", r.Coverage)
		}
		for _, o := range r.Occurrences {
			if r.Text(o) == "" && o.Place > InQualifier {
				t.Errorf("occurrence: got %+v without a text, want one", o)
			}
		}
	})
}
