package rules

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
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
		var parts []string
		for start, part := range segments(tt.name) {
			if tt.name[start:start+len(part)] != part {
				t.Errorf("%q: the part %q does not start at %d", tt.name, part, start)
			}
			parts = append(parts, part)
		}
		if got := strings.Join(parts, "|"); got != tt.want {
			t.Errorf("segments(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestRead_Places shows where the words of an input stand: h in the head, q qualifying it, t in the technical name, d in the description.
func TestRead_Places(t *testing.T) {
	t.Parallel()
	p := mechanicsForTest(t)
	for _, tt := range []struct {
		attribute schema.Attribute
		want      string
	}{
		{attribute("Apple Date", ""), "apple/h date/h"},
		{attribute("Apple for the Pear", ""), "apple/h for/q the/q pear/q"},
		{attribute("Number of Pears", ""), "number/h of/h pear/h"}, // of ends no head
		{attribute("Apple (Pear)", ""), "apple/h pear/q"},
		{attribute("For Apple", ""), "for/h apple/h"}, // nor does a preposition at the beginning
		{attribute("Date of the Apple Pie", ""), "date/h of/h the/h apple/h pie/h"},
		{attribute("Fecha de nacimiento", ""), "birth/h date/h"},
		{schema.Attribute{TechnicalLineItemName: "AppleDt", Description: "a pear"}, "apple/t date/t a/d pear/d"},
	} {
		var got []string
		for _, one := range read(p, Input{Attribute: tt.attribute}).tokens {
			got = append(got, one.text+"/"+"hqtdT"[one.place:one.place+1])
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%q is read as %q, want %q", tt.attribute.AttributeName, text, tt.want)
		}
	}
}

func TestReading_Source(t *testing.T) {
	t.Parallel()
	p := defaultForTest(t)
	for _, tt := range []struct{ name, concept, want string }{
		{"ACCT_NBR (CUST_FICO)", "score", "FICO"},
		{"Credit–Score", "score", "Credit–Score"},
		{"Date of birth", "birth", "Date of birth"},
		{"Fecha de nacimiento", "birth", "Fecha de nacimiento"},
		{"Número de la seguridad social", "government number", "Número de la seguridad social"},
		{"fechaNacimientoCliente", "birth", "fechaNacimiento"},
	} {
		r, found := read(p, Input{Attribute: attribute(tt.name, "")}), ""
		for _, m := range r.mentions {
			if m.term.kind == conceptTerm && p.concepts[m.term.id].name == tt.concept && len(r.source(m)) > len(found) {
				found = r.source(m)
			}
		}
		if found != tt.want {
			t.Errorf("%q has %s in %q, want %q", tt.name, tt.concept, found, tt.want)
		}
	}
}

func TestCutLong(t *testing.T) {
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
		if got := cutLong(tt.text, tt.limit); got != tt.want {
			t.Errorf("cutLong(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func TestLeadingFacet(t *testing.T) {
	t.Parallel()
	p := defaultForTest(t)
	for _, tt := range []struct{ name, dataType, want string }{
		{"FLAG_PHONE", "integer", "flag"},
		{"IS_ACTIVE", "", "flag"},
		{"HAS_EMAIL", "varchar(5)", "flag"},
		{"Is the Balance Zero", "N1", "flag"},
		{"FLAG", "", "flag"},
		{"FLAG_DATE", "", "date"},
		{"FLAG_BALANCE", "NUMBER(12,2)", "amount"}, // the type rules a flag out
		{"BALANCE_FLAG", "", "flag"},
	} {
		r := read(p, Input{Attribute: attribute(tt.name, tt.dataType)})
		if r.facet < 0 || p.facets[r.facet].name != tt.want {
			t.Errorf("%s %s has the facet %d, want %s", tt.name, tt.dataType, r.facet, tt.want)
		}
	}
}
