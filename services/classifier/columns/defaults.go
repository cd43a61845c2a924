package columns

import (
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// defaults has the lengths that a system declares by default. They are 0 if there are none. Some systems declare nearly
// all texts or decimal numbers alike: VARCHAR(255), DECIMAL(21,9). Such a length is no evidence of the kind of value.
type defaults struct {
	text             int
	digits, decimals int
}

// defaultsOf returns the default lengths of the columns. Lengths of codes and of money are no defaults.
func defaultsOf(columns []schema.SourceColumn) defaults {
	texts, numbers := map[int]int{}, map[[2]int]int{}
	allTexts, allNumbers := 0, 0
	for i := range columns {
		switch t := datatype.Parse(columns[i].DataType); {
		case t.Kind == datatype.Text && t.Length > 0:
			texts[t.Length]++
			allTexts++
		case t.Kind == datatype.Number && t.Scale > 0:
			numbers[[2]int{t.Length, t.Scale}]++
			allNumbers++
		}
	}
	var d defaults
	for length, n := range texts {
		if allTexts >= fewTyped && float64(n) >= defaultTextShare*float64(allTexts) && length > d.text &&
			length > longestDeclaredCode {
			d.text = length
		}
	}
	for size, n := range numbers {
		if allNumbers >= fewTyped && float64(n) > defaultNumberShare*float64(allNumbers) && size[1] > moneyScale {
			d.digits, d.decimals = size[0], size[1]
		}
	}
	return d
}

// kindOf returns the kind of the column with a name. A long text is a code if its name ends so (a status of 255
// characters), and a default length of decimal numbers is no evidence of an amount.
func (d defaults) kindOf(v *concepts.Vocabulary, name []string, t datatype.Type) (k concepts.Kind, certain bool) {
	switch {
	case t.Kind == datatype.Text && t.Length > 0:
		if k, certain = v.KindOf(name, datatype.Type{Kind: datatype.Text}); certain && k == concepts.KindCode {
			return k, certain
		}
	case t.Kind == datatype.Number && t.Scale > 0 && t.Length == d.digits && t.Scale == d.decimals:
		t.Length, t.Scale = 0, moneyScale
	}
	return v.KindOf(name, t)
}

// forLength returns the declared type as far as its length is evidence.
func (d defaults) forLength(t datatype.Type) datatype.Type {
	if t.Kind == datatype.Text && t.Length == d.text {
		t.Length = 0
	}
	return t
}
