package concepts_test

import (
	"fmt"

	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// A phrase is one term, and all names of a thing are the same one.
func ExampleVocabulary_Terms() {
	v := concepts.Default()
	for _, name := range []string{"Annual percentage rate", "ANN_PCT_RT", "Balance at the end of the month"} {
		fmt.Printf("%s: %q\n", name, v.Terms(nil, name))
	}
	// Output:
	// Annual percentage rate: ["apr"]
	// ANN_PCT_RT: ["apr"]
	// Balance at the end of the month: ["balance" "month end"]
}

// A rationale quotes the words that the name itself uses.
func ExampleVocabulary_OriginalWords() {
	fmt.Println(concepts.Default().OriginalWords("FICO_SCR", "bureau score"))
	// Output: fico score
}

// The declared type decides over the words of a name.
func ExampleVocabulary_KindOf() {
	v := concepts.Default()
	for _, declared := range []string{"", "DATE", "NUMBER(1)"} {
		kind, certain := v.KindOf(v.Terms(nil, "Balance"), datatype.Parse(declared))
		fmt.Printf("Balance %s: %s, certain %t\n", declared, kind, certain)
	}
	// Output:
	// Balance : amount, certain false
	// Balance DATE: date, certain true
	// Balance NUMBER(1): code, certain false
}

// A flag can be derived from a date: it is set if there is one.
func ExampleFit() {
	degree, how := concepts.Fit(concepts.KindFlag, concepts.KindDate)
	fmt.Println(degree, how)
	// Output: 0.7 conditional
}

// A digit of a form is hardly taken from an amount with cents.
func ExampleCapacityFit() {
	fmt.Println(concepts.CapacityFit(datatype.Parse("N1"), datatype.Parse("NUMBER(12,2)")))
	// Output: 0.6
}

func ExampleParts() {
	fmt.Printf("%q\n", concepts.Parts("Exposure at Default (EAD), current"))
	// Output: ["Exposure at Default" "EAD" "current"]
}

func ExampleAbbreviates() {
	fmt.Println(concepts.Abbreviates("cvrg", "coverage"), concepts.Abbreviates("cst", "construction"))
	// Output: true false
}
