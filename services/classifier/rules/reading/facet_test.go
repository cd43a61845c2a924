package reading

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// facetOf returns the name of the facet of a reading, or "".
func facetOf(p *policy.Policy, r *Reading) string {
	if r.Facet < 0 {
		return ""
	}
	return p.Facets[r.Facet].Name
}

func TestFindFacet(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit)
	rd := NewReader(p)
	for _, tt := range []struct {
		name, technical, dataType, description string
		want                                   string
		from                                   FacetSource
	}{
		{"Apple Date", "", "", "", "date", FromName},
		{"Date of the Name", "", "", "", "date", FromName},
		{"Balance Date", "", "", "", "date", FromName},
		{"Date Balance Changed", "", "", "", "amount", FromName},
		{"Name - Closing Date", "", "", "", "date", FromName},
		{"Name (Date)", "", "", "", "name", FromName},
		{"Apple (Date)", "", "", "", "date", FromName},
		{"Apple since Date", "", "", "", "date", FromName},
		{"Number of Names", "", "", "", "amount", FromName},
		{"Apple", "AppleDate", "", "", "date", FromTechnicalName},
		{"Name Apple", "", "C10", "", "name", FromName},     // a facet without types can be in any type
		{"Apple Balance", "", "Date", "", "date", FromType}, // the type excludes an amount
		{"Apple Balance", "AppleName", "Date", "", "name", FromTechnicalName},
		{"Apple", "", "N12.2", "the date", "amount", FromType},
		{"Apple", "", "", "The date on which it fell", "date", FromDescription},
		{"Apple", "", "", "It fell from the tree on this very day or on the date before", "", FromNothing},
		{"Apple", "", "", "", "", FromNothing},
	} {
		t.Run(tt.name+tt.technical+tt.dataType+tt.description, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: schema.Attribute{
				AttributeName: tt.name, TechnicalLineItemName: tt.technical, DataType: tt.dataType,
				Description: tt.description,
			}})
			if got := facetOf(p, r); got != tt.want || r.FacetFrom != tt.from {
				t.Errorf("facet: got %q from %s, want %q from %s", got, r.FacetFrom, tt.want, tt.from)
			}
			if got := r.FacetPoints; got != facetPoints[tt.from] {
				t.Errorf("points: got %d, want %d", got, facetPoints[tt.from])
			}
		})
	}
}

func TestFindFacet_TheFirstWordDecides(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	rd := NewReader(p)
	for _, tt := range []struct{ name, dataType, want string }{
		{"FLAG_PHONE", "integer", "flag"},
		{"IS_ACTIVE", "", "flag"},
		{"HAS_EMAIL", "varchar(5)", "flag"},
		{"Is the Balance Zero", "N1", "flag"},
		{"FLAG", "", "flag"},
		{"FLAG_DATE", "", "date"},
		{"FLAG_BALANCE", "NUMBER(12,2)", "amount"}, // the type excludes a flag
		{"BALANCE_FLAG", "", "flag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: schema.Attribute{AttributeName: tt.name, DataType: tt.dataType}})
			if got := facetOf(p, r); got != tt.want {
				t.Errorf("facet of a %q: got %q, want %q", tt.dataType, got, tt.want)
			}
		})
	}
}

func TestFindFacet_AShortTextIsANumberOnlyIfTheFacetEndsTheName(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	rd := NewReader(p)
	for _, tt := range []struct{ name, want string }{
		{"Credit Limit", "amount"},
		{"Purchase APR", "rate"},
		{"Balance of the Loan", "amount"},
		{"Loan Product", "text"},
		{"Sales Region", "text"},
		{"Tax District", "text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: schema.Attribute{AttributeName: tt.name, DataType: "C12"}})
			if got := facetOf(p, r); got != tt.want {
				t.Errorf("facet: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFindFacet_GuessesFromCodesAndTexts(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit)
	rd := NewReader(p)
	for _, tt := range []struct {
		name, dataType string
		guessed        bool
		excluded       string
	}{
		{"Apple", "C1", true, ""},
		{"Apple", "DATE", false, ""},
		{"Apple Flag", "C1", false, ""},
		{"Apple Balance", "C1", true, "amount"},
		{"Apple Balance", "DATE", false, "amount"},
		{"Apple", "", false, ""},
	} {
		t.Run(tt.name+" "+tt.dataType, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: schema.Attribute{AttributeName: tt.name, DataType: tt.dataType}})
			if r.FacetGuessed != tt.guessed {
				t.Errorf("guessed: got %t, want %t", r.FacetGuessed, tt.guessed)
			}
			excluded := ""
			if r.Excluded >= 0 {
				excluded = p.Facets[r.Excluded].Name
			}
			if excluded != tt.excluded {
				t.Errorf("excluded: got %q, want %q", excluded, tt.excluded)
			}
		})
	}
}

func TestFindParty(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit)
	rd := NewReader(p)
	for _, tt := range []struct {
		name    string
		input   Input
		want    string
		guessed bool
	}{
		{"head", named("Borrower Name"), "person", false},
		{"last of the head", named("Borrower Teller Name"), "staff", false},
		{"head before qualifier", named("Teller Name for the Borrower"), "staff", false},
		{"first qualifier", named("Name (Borrower, Teller)"), "person", false},
		{"technical name", Input{Attribute: schema.Attribute{TechnicalLineItemName: "TellerNm"}}, "staff", false},
		{"description", Input{Attribute: schema.Attribute{Description: "of the borrower"}}, "person", true},
		{"table", Input{Table: "BORROWER"}, "person", false},
		{"report", Input{Report: "form 7"}, "staff", false},
		{"name before report", Input{Attribute: named("Borrower Name").Attribute, Report: "form 7"}, "person", false},
		{"none", named("Name"), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, got := rd.Read(tt.input), ""
			if r.Party >= 0 {
				got = p.Parties[r.Party]
			}
			if got != tt.want || r.PartyGuessed != tt.guessed {
				t.Errorf("party: got %q, guessed %t, want %q, guessed %t", got, r.PartyGuessed, tt.want, tt.guessed)
			}
		})
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		declared string
		want     policy.Classes
	}{
		{"", 0},
		{"DATE", policy.ClassDate},
		{"TIMESTAMP(6)", policy.ClassDate},
		{"BOOLEAN", policy.ClassBoolean},
		{"BLOB", policy.ClassBinary},
		{"CHAR(1)", policy.ClassCode},
		{"CHAR(3)", policy.ClassCode},
		{"CHAR(4)", policy.ClassShortText},
		{"VARCHAR(12)", policy.ClassShortText},
		{"VARCHAR(13)", policy.ClassText},
		{"VARCHAR(60)", 0}, // as in tables that files were loaded into
		{"VARCHAR(999)", 0},
		{"VARCHAR(1000)", policy.ClassText},
		{"TEXT", 0},
		{"NUMBER(1)", policy.ClassCode},
		{"NUMBER(2)", policy.ClassCode},
		{"NUMBER(3)", policy.ClassNumber},
		{"NUMBER(12)", policy.ClassAmount},
		{"NUMBER(12,2)", policy.ClassAmount},
		{"NUMBER(7,2)", policy.ClassRate},
		{"NUMBER(12,4)", policy.ClassRate},
		{"DOUBLE", policy.ClassRate | policy.ClassAmount},
		{"FLOAT", policy.ClassRate | policy.ClassAmount},
		{"GEOMETRY", 0},
	} {
		t.Run(tt.declared, func(t *testing.T) {
			t.Parallel()
			if got := classOf(tt.declared); got != tt.want {
				t.Errorf("classOf(%q): got %q, want %q", tt.declared, got, tt.want)
			}
		})
	}
}
