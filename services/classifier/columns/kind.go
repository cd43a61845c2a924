package columns

import (
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// kind is the sort of value that an attribute asks for or a column holds.
type kind int

const (
	anyKind kind = iota
	dateKind
	flagKind
	codeKind
	identifierKind
	nameKind
	textKind
	amountKind
	rateKind
	scoreKind
	countKind
	// binaryKind is what no report asks for.
	binaryKind
)

func kindNamed(name string) (kind, bool) {
	for k := dateKind; k <= countKind; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return anyKind, false
}

func (k kind) String() string {
	switch k {
	case dateKind:
		return "date"
	case flagKind:
		return "flag"
	case codeKind:
		return "code"
	case identifierKind:
		return "identifier"
	case nameKind:
		return "name"
	case textKind:
		return "text"
	case amountKind:
		return "amount"
	case rateKind:
		return "rate"
	case scoreKind:
		return "score"
	case countKind:
		return "count"
	case binaryKind:
		return "binary"
	default:
		return "value"
	}
}

// kindOf tells what sort of value a name with these terms and this declared type has. The type outranks the words: a thing called a
// balance that has one digit is no amount.
func (v *vocabulary) kindOf(terms []string, t datatype.Type) kind {
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return dateKind
	case datatype.Boolean:
		return flagKind
	case datatype.Binary:
		return binaryKind
	case datatype.Number:
		return ofNumber(v.saidKind(terms), t)
	case datatype.Text:
		return ofText(v.saidKind(terms), t.Length)
	case datatype.Unknown:
	}
	return v.saidKind(terms)
}

// ofNumber is what a number is whose words announce a kind, by its digits.
func ofNumber(said kind, t datatype.Type) kind {
	switch {
	case t.Floating:
	case t.Length > 0 && t.Length <= 2 && t.Scale == 0:
		if said != flagKind && said != countKind {
			return codeKind
		}
	case t.Scale >= 2 && t.Length-t.Scale >= 6:
		if said != scoreKind {
			return amountKind
		}
	case t.Scale >= 2 && said != scoreKind && said != amountKind:
		return rateKind
	}
	return said
}

// longestCode is the longest text that is taken for a code.
const longestCode = 20

// ofText is what a text is whose words announce a kind, by its length: a text holds no amounts, and a long one no codes.
func ofText(said kind, length int) kind {
	coded := said == codeKind || said == flagKind
	numeric := said == amountKind || said == rateKind || said == countKind || said == scoreKind
	switch {
	case coded && length > longestCode:
		return textKind
	case !numeric && said != anyKind:
		return said
	case length == 0:
		return anyKind
	case length == 1:
		return flagKind
	case length <= 4:
		return codeKind
	case length <= longestCode:
		return anyKind
	default:
		return textKind
	}
}

// saidKind is the kind that the words announce: the last strong one, else the last one.
func (v *vocabulary) saidKind(terms []string) kind {
	weak, strong := anyKind, anyKind
	for i, term := range terms {
		a, ok := v.kinds[term]
		switch {
		case !ok:
		case term == "number" && i == 0 && len(terms) > 1: // number of payments
			weak = countKind
		case a.strong:
			strong = a.kind
		default:
			weak = a.kind
		}
	}
	if strong != anyKind {
		return strong
	}
	return weak
}

// fit says how well a column of kind column can feed an attribute of kind wanted, 0 to 1, and how it would.
func fit(wanted, column kind) (degree float64, how schema.MappingType) {
	if wanted == column {
		return 1, schema.Direct
	}
	if column == binaryKind {
		return 0.05, schema.Direct
	}
	if wanted == anyKind || column == anyKind {
		return 0.92, schema.Direct
	}
	for _, f := range fits {
		if f.wanted == wanted && f.column == column {
			return f.degree, f.how
		}
	}
	return 0.2, schema.Direct
}

// fits are the ways from one kind of value to another; what is not listed does not go.
var fits = [...]struct {
	wanted, column kind
	degree         float64
	how            schema.MappingType
}{
	{flagKind, codeKind, 0.9, schema.Conditional},
	{flagKind, dateKind, 0.7, schema.Conditional},
	{flagKind, countKind, 0.55, schema.Conditional},
	{flagKind, amountKind, 0.4, schema.Conditional},
	{flagKind, textKind, 0.5, schema.Conditional},
	{flagKind, identifierKind, 0.6, schema.Conditional},
	{codeKind, flagKind, 0.88, schema.Direct},
	{codeKind, countKind, 0.85, schema.Direct},
	{codeKind, identifierKind, 0.7, schema.Direct},
	{codeKind, nameKind, 0.65, schema.Lookup},
	{codeKind, textKind, 0.65, schema.Lookup},
	{codeKind, dateKind, 0.4, schema.Conditional},
	{codeKind, scoreKind, 0.4, schema.Conditional},
	{identifierKind, codeKind, 0.85, schema.Direct},
	{identifierKind, textKind, 0.7, schema.Direct},
	{identifierKind, nameKind, 0.4, schema.Lookup},
	{identifierKind, countKind, 0.5, schema.Direct},
	{nameKind, textKind, 0.9, schema.Direct},
	{nameKind, codeKind, 0.75, schema.Lookup},
	{nameKind, identifierKind, 0.5, schema.Lookup},
	{textKind, nameKind, 0.9, schema.Direct},
	{textKind, codeKind, 0.75, schema.Lookup},
	{textKind, identifierKind, 0.6, schema.Direct},
	{amountKind, rateKind, 0.3, schema.Calculated},
	{amountKind, countKind, 0.4, schema.Calculated},
	{rateKind, amountKind, 0.4, schema.Calculated},
	{rateKind, scoreKind, 0.5, schema.Direct},
	{rateKind, countKind, 0.35, schema.Calculated},
	{scoreKind, countKind, 0.6, schema.Direct},
	{scoreKind, codeKind, 0.5, schema.Lookup},
	{scoreKind, rateKind, 0.6, schema.Direct},
	{countKind, dateKind, 0.7, schema.Calculated},
	{countKind, codeKind, 0.75, schema.Direct},
	{countKind, identifierKind, 0.6, schema.Direct},
	{countKind, amountKind, 0.35, schema.Calculated},
	{countKind, scoreKind, 0.5, schema.Direct},
}

// room says how well the values of the wanted type go into the column's, 0 to 1, beyond their kind: a form's one digit is not taken from an
// amount with cents.
func room(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Kind == datatype.Date && (column.Kind == datatype.Text || column.Kind == datatype.Number):
		return 0.9
	case wanted.Length == 0 || column.Length == 0:
		return 1
	case wanted.Kind == datatype.Number && column.Kind == datatype.Number:
		return numbersRoom(wanted, column)
	case wanted.Kind == datatype.Number && column.Kind == datatype.Text:
		return textRoom(wanted, column.Length)
	case wanted.Kind == datatype.Text && column.Kind == datatype.Text && wanted.Length <= 3 && column.Length > 10,
		wanted.Kind == datatype.Text && column.Kind == datatype.Text && column.Length*2 < wanted.Length && column.Length <= 3:
		return 0.75
	default:
		return 1
	}
}

func numbersRoom(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Scale == 0 && column.Scale > 0 && wanted.Length <= 3:
		return 0.6
	case wanted.Scale > 0 && column.Scale == 0, wanted.Length <= 3 && column.Length >= 9:
		return 0.85
	default:
		return 1
	}
}

// textRoom is for a number that is to come from a text.
func textRoom(wanted datatype.Type, length int) float64 {
	switch {
	case wanted.Scale > 0:
		return 0.5
	case wanted.Length <= 9 && length > longestCode:
		return 0.7
	default:
		return 1
	}
}
