package datatype_test

import (
	"fmt"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

func ExampleParse() {
	form, table := datatype.Parse("N12.2"), datatype.Parse("NUMERIC(12, 2)")
	fmt.Println(form == table, form.Kind == datatype.Number, form.Length, form.Scale)
	fmt.Println(datatype.Parse("geometry").Kind == datatype.Unknown)
	// Output:
	// true true 12 2
	// true
}
