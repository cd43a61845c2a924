package reading

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// fruit is a policy of made-up words. Its one rule only uses the concepts.
const fruit = `policy 1
facet date
  words: date
  types: date, text
  implied-by: date
facet amount
  words: amount, balance, number of
  types: amount
  implied-by: amount
facet flag
  words: flag
  begins: is, flag
  types: code
  implied-by: code
facet name
  words: name
party person
  words: borrower
party staff
  words: teller
filler
  words: ripe
concept apple
  words: apple
concept apple pie
  words: apple pie, pie with cream
concept quince
  words: jam
  alone: quince
report form
  names: FORM 7
  kind: special
  party: staff
risk
  leak High: HRCI
  leak Medium: Confidential
  leak Low: Proprietary, Public
rule fruit
  any: [apple], [apple pie], [quince]
  tier: Public
  personal: no
  criticality: Low
  because: it is fruit
`

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func named(name string) Input { return Input{Attribute: schema.Attribute{AttributeName: name}} }

// terms returns the name and text of each occurrence.
func terms(p *policy.Policy, r *Reading) []string {
	all := []string{}
	for _, o := range r.Occurrences {
		all = append(all, p.TermName(o.Term)+"="+r.Text(o))
	}
	return all
}

func TestReading_Text(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	rd := NewReader(p)
	for _, tt := range []struct{ name, concept, want string }{
		{"ACCT_NBR (CUST_FICO)", "score", "FICO"},
		{"Credit–Score", "score", "Credit–Score"},
		{"Date of birth", "birth", "Date of birth"},
		{"Fecha de nacimiento", "birth", "Fecha de nacimiento"},
		{"Número de la seguridad social", "government number", "Número de la seguridad social"},
		{"fechaNacimientoCliente", "birth", "fechaNacimiento"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, got := rd.Read(named(tt.name)), ""
			for _, o := range r.Occurrences {
				concept := o.Term.Kind == policy.TermConcept && p.TermName(o.Term) == tt.concept
				if concept && len(r.Text(o)) > len(got) {
					got = r.Text(o)
				}
			}
			if got != tt.want {
				t.Errorf("text of %s: got %q, want %q", tt.concept, got, tt.want)
			}
		})
	}
}

func TestReading_Text_NormalizesWordsOutsideTheName(t *testing.T) {
	t.Parallel()
	p := parse(t, fruit)
	r := NewReader(p).Read(Input{Attribute: schema.Attribute{TechnicalLineItemName: "ApplePIE"}})
	if got, want := terms(p, r), []string{"apple pie=apple pie"}; !slices.Equal(got, want) {
		t.Errorf("occurrences: got %q, want %q", got, want)
	}
}

func TestReading_Coverage(t *testing.T) {
	t.Parallel()
	rd := NewReader(parse(t, fruit))
	for _, tt := range []struct {
		name, dataType string
		want           int
		unknown        []string
	}{
		{"", "", 0, nil},
		{"Apple", "", 100, nil},
		{"Apple Zyx", "", 50, []string{"zyx"}},
		{"Ripe Apple of the Zyx 7", "", 66, []string{"zyx"}}, // numbers and grammatical words do not count
		{"Zyx - Qwu", "", 0, []string{"zyx", "qwu"}},
		{"Apple Balance", "", 100, nil},
		{"Apple Balance", "DATE", 50, []string{"balance"}}, // the type excludes an amount
	} {
		t.Run(tt.name+" "+tt.dataType, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: schema.Attribute{AttributeName: tt.name, DataType: tt.dataType}})
			if r.Coverage != tt.want {
				t.Errorf("coverage: got %d, want %d", r.Coverage, tt.want)
			}
			if got := r.Unknown(); !slices.Equal(got, tt.unknown) {
				t.Errorf("unknown words: got %q, want %q", got, tt.unknown)
			}
		})
	}
}

func TestReading_Points(t *testing.T) {
	t.Parallel()
	rd := NewReader(parse(t, fruit))
	for _, tt := range []struct {
		name         string
		attribute    schema.Attribute
		points, head int
	}{
		{"end of the head", schema.Attribute{AttributeName: "Zyx Apple"}, 4, headPoints},
		{"two words", schema.Attribute{AttributeName: "Apple Pie"}, 8, headPoints},
		{"not the end", schema.Attribute{AttributeName: "Apple Zyx"}, 4, 0},
		{"before the facet", schema.Attribute{AttributeName: "Apple Date"}, 4, headPoints},
		{"end of the head before a qualifier", schema.Attribute{AttributeName: "Apple for Zyx"}, 4, headPoints},
		{"qualifier", schema.Attribute{AttributeName: "Zyx for Apple"}, 3, 0},
		{"brackets", schema.Attribute{AttributeName: "Zyx (Apple)"}, 3, 0},
		{"technical name", schema.Attribute{TechnicalLineItemName: "Apple"}, 2, 0},
		{"description", schema.Attribute{Description: "Apple"}, 1, 0},
		{"long phrase in a description", schema.Attribute{Description: "pie with cream"}, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := rd.Read(Input{Attribute: tt.attribute}).Occurrences[0]
			if o.Points != tt.points || o.HeadPoints != tt.head {
				t.Errorf("points: got %d and %d, want %d and %d", o.Points, o.HeadPoints, tt.points, tt.head)
			}
		})
	}
	t.Run("table", func(t *testing.T) {
		t.Parallel()
		if o := rd.Read(Input{Table: "APPLE_PIE"}).Occurrences[0]; o.Points != 1 || o.Place != InTable {
			t.Errorf("got %d points in the %s, want 1 in the table", o.Points, o.Place)
		}
	})
}

func TestPlaces_AreNamed(t *testing.T) {
	t.Parallel()
	for place, want := range map[Place]string{
		InHead: "name", InTechnicalName: "technical name", InDescription: "description", InTable: "table",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := place.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
