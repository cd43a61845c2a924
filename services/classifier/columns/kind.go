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

// ofText is what a text is whose words announce a kind, by its length: a text holds no amounts, and a long one no
// codes.
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

// fit returns how well a column of kind column can feed an attribute of kind wanted, 0 to 1, and how it would.
func fit(wanted, column kind) (degree float64, how schema.MappingType) {
	if wanted == column {
		return 1, schema.Direct
	}
	if column == binaryKind {
		return binaryFit, schema.Direct
	}
	if wanted == anyKind || column == anyKind {
		return unknownKindFit, schema.Direct
	}
	for _, f := range fits {
		if f.wanted == wanted && f.column == column {
			return f.degree, f.how
		}
	}
	return unlistedFit, schema.Direct
}

// room returns how well the values of the wanted type go into the column's, 0 to 1, beyond their kind: a form's one
// digit is not taken from an amount with cents.
func room(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Kind == datatype.Date && (column.Kind == datatype.Text || column.Kind == datatype.Number):
		return dateInOtherType
	case wanted.Length == 0 || column.Length == 0:
		return 1
	case wanted.Kind == datatype.Number && column.Kind == datatype.Number:
		return numbersRoom(wanted, column)
	case wanted.Kind == datatype.Number && column.Kind == datatype.Text:
		return textRoom(wanted, column.Length)
	case wanted.Kind == datatype.Text && column.Kind == datatype.Text && wanted.Length <= 3 && column.Length > 10,
		wanted.Kind == datatype.Text && column.Kind == datatype.Text && column.Length*2 < wanted.Length && column.Length <= 3:
		return otherTextLength
	default:
		return 1
	}
}

func numbersRoom(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Scale == 0 && column.Scale > 0 && wanted.Length <= 3:
		return digitFromAmount
	case wanted.Scale > 0 && column.Scale == 0, wanted.Length <= 3 && column.Length >= 9:
		return otherNumberLength
	default:
		return 1
	}
}

// textRoom is for a number that is to come from a text.
func textRoom(wanted datatype.Type, length int) float64 {
	switch {
	case wanted.Scale > 0:
		return decimalsFromText
	case wanted.Length <= 9 && length > longestCode:
		return numberFromLongText
	default:
		return 1
	}
}
