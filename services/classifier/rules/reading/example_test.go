package reading_test

import (
	"fmt"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/rules/reading"
)

func ExampleReader_Read() {
	p := policy.Default()
	r := reading.NewReader(p).Read(reading.Input{
		Attribute: schema.Attribute{AttributeName: "Refreshed FICO Score of the Borrower", DataType: "N3"},
	})
	for _, o := range r.Occurrences {
		fmt.Printf("%q is a %s: %s\n", r.Text(o), o.Term.Kind, p.TermName(o.Term))
	}
	fmt.Println("facet:", p.Facets[r.Facet].Name, "from", r.FacetFrom)
	fmt.Println("party:", p.Parties[r.Party])
	// Output:
	// "Refreshed" is a filler: filler
	// "FICO Score" is a concept: score
	// "Score" is a facet: measure
	// "Borrower" is a party: person
	// "Borrower" is a concept: one of many
	// facet: measure from a word of the name
	// party: person
}

func ExampleReading_Unknown() {
	r := reading.NewReader(policy.Default()).Read(reading.Input{
		Attribute: schema.Attribute{AttributeName: "Zyxwv Credit Limit"},
	})
	fmt.Println(r.Unknown(), r.Coverage)
	// Output: [zyxwv] 66
}
