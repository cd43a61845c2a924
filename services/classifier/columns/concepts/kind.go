package concepts

import "github.com/pdeflow/pdeflow/services/classifier/datatype"

// Kind is the kind of value of an attribute or a column.
type Kind int

// KindAny is unknown. No report has KindBinary, the kind of a BLOB.
const (
	KindAny Kind = iota
	KindDate
	KindFlag
	KindCode
	KindIdentifier
	KindName
	KindText
	KindAmount
	KindRate
	KindScore
	KindCount
	KindBinary
)

func kindNamed(name string) (Kind, bool) {
	for k := KindDate; k <= KindCount; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return KindAny, false
}

func (k Kind) String() string {
	switch k {
	case KindDate:
		return "date"
	case KindFlag:
		return "flag"
	case KindCode:
		return "code"
	case KindIdentifier:
		return "identifier"
	case KindName:
		return "name"
	case KindText:
		return "text"
	case KindAmount:
		return "amount"
	case KindRate:
		return "rate"
	case KindScore:
		return "score"
	case KindCount:
		return "count"
	case KindBinary:
		return "binary"
	default:
		return "value"
	}
}

// ofNumber returns the kind of a number whose words announce a kind. The number of digits may overrule the words.
func ofNumber(announced Kind, t datatype.Type) Kind {
	switch {
	case t.Floating || t.Length == 0 && announced != KindAny:
	case t.Length == 0 && t.Scale == 2: // money
		return KindAmount
	case t.Length > 0 && t.Length <= 2 && t.Scale == 0:
		if announced != KindFlag && announced != KindCount {
			return KindCode
		}
	case t.Scale >= rateScale && announced == KindRate: // more decimals than money has
	case t.Scale >= 2 && t.Length-t.Scale >= 6:
		if announced != KindScore {
			return KindAmount
		}
	case t.Scale >= 2 && announced != KindScore && announced != KindAmount:
		return KindRate
	}
	return announced
}

// rateScale is the number of decimals from which a number whose words announce a rate is no amount.
const rateScale = 4

// longestCode is the maximum length of a code.
const longestCode = 20

// ofText returns the kind of a text whose words announce a kind. A text is no amount, and a long one is no code.
func ofText(announced Kind, length int) Kind {
	coded := announced == KindCode || announced == KindFlag
	numeric := announced == KindAmount || announced == KindRate || announced == KindCount || announced == KindScore
	switch {
	case coded && length > longestCode:
		return KindText
	case !numeric && announced != KindAny:
		return announced
	case length == 0:
		return KindAny
	case length == 1:
		return KindFlag
	case length <= 4:
		return KindCode
	case length <= longestCode:
		return KindAny
	default:
		return KindText
	}
}
