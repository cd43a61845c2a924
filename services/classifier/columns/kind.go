package columns

import (
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// kind is the kind of value of an attribute or a column.
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
	// binaryKind is the kind of a BLOB, which no report has.
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

// ofNumber returns the kind of a number whose words announce a kind. The number of digits may overrule the words.
func ofNumber(announced kind, t datatype.Type) kind {
	switch {
	case t.Floating || t.Length == 0 && announced != anyKind:
	case t.Length == 0 && t.Scale == 2: // money
		return amountKind
	case t.Length > 0 && t.Length <= 2 && t.Scale == 0:
		if announced != flagKind && announced != countKind {
			return codeKind
		}
	case t.Scale >= 2 && t.Length-t.Scale >= 6:
		if announced != scoreKind {
			return amountKind
		}
	case t.Scale >= 2 && announced != scoreKind && announced != amountKind:
		return rateKind
	}
	return announced
}

// longestCode is the maximum length of a code.
const longestCode = 20

// ofText returns the kind of a text whose words announce a kind. A text is no amount, and a long one is no code.
func ofText(announced kind, length int) kind {
	coded := announced == codeKind || announced == flagKind
	numeric := announced == amountKind || announced == rateKind || announced == countKind || announced == scoreKind
	switch {
	case coded && length > longestCode:
		return textKind
	case !numeric && announced != anyKind:
		return announced
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

// fit returns how well a column of one kind can feed an attribute of another, 0 to 1, and in which way.
func fit(wanted, column kind) (degree float64, how schema.MappingType) {
	if wanted == column {
		return 1, schema.MappingTypeDirect
	}
	if column == binaryKind {
		return binaryFit, schema.MappingTypeDirect
	}
	if wanted == anyKind || column == anyKind {
		return unknownKindFit, schema.MappingTypeDirect
	}
	for _, f := range fits {
		if f.wanted == wanted && f.column == column {
			return f.degree, f.how
		}
	}
	return unlistedFit, schema.MappingTypeDirect
}

// capacityFit compares the lengths of the declared types, 0 to 1: a form's one-digit number is not taken from an
// amount with cents.
func capacityFit(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Kind == datatype.Date && (column.Kind == datatype.Text || column.Kind == datatype.Number):
		return dateInOtherType
	case wanted.Length == 0 || column.Length == 0:
		return 1
	case wanted.Kind == datatype.Number && column.Kind == datatype.Number:
		return numberCapacityFit(wanted, column)
	case wanted.Kind == datatype.Number && column.Kind == datatype.Text:
		return textCapacityFit(wanted, column.Length)
	case wanted.Kind == datatype.Text && column.Kind == datatype.Text && wanted.Length <= 3 && column.Length > 10,
		wanted.Kind == datatype.Text && column.Kind == datatype.Text && column.Length*2 < wanted.Length &&
			column.Length <= 3:
		return otherTextLength
	default:
		return 1
	}
}

func numberCapacityFit(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Scale == 0 && column.Scale > 0 && wanted.Length <= 3:
		return digitFromAmount
	case wanted.Scale > 0 && column.Scale == 0, wanted.Length <= 3 && column.Length >= 9:
		return otherNumberLength
	default:
		return 1
	}
}

// textCapacityFit compares a number with a text column.
func textCapacityFit(wanted datatype.Type, length int) float64 {
	switch {
	case wanted.Scale > 0:
		return decimalsFromText
	case wanted.Length <= 9 && length > longestCode:
		return numberFromLongText
	default:
		return 1
	}
}
