package policy

import (
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// Classes is a set of classes of data types. The empty set is an unknown type.
type Classes uint16

// The classes. ClassRate is a number with more decimals than an amount, or with few digits before them. ClassCode is
// too short for anything but a code or a flag. ClassShortText is text that may hold a number: some systems store scores
// and rates as text. A policy that lists "text" means both classes of text.
const (
	ClassDate Classes = 1 << iota
	ClassAmount
	ClassRate
	ClassNumber
	ClassCode
	ClassBoolean
	ClassShortText
	ClassText
	ClassBinary
)

// classNames are the names of the classes in a policy file, in the order of their bits.
var classNames = []string{"date", "amount", "rate", "number", "code", "boolean", "short text", "text", "binary"}

// String returns the names of the classes, joined by "or".
func (c Classes) String() string {
	var names []string
	if c&ClassText != 0 {
		c &^= ClassShortText
	}
	for i, name := range classNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

const (
	// maxCode is the length up to which a text is a code or a flag.
	maxCode = 3
	// maxShortText is the length up to which a text may be a number.
	maxShortText = 12
	// From minLooseText on, a column may hold anything, as in tables that were loaded from files. From minFreeText on,
	// it holds prose.
	minLooseText, minFreeText = 60, 1000
	// minWholeAmount is the number of digits from which a number without decimals is an amount in whole units.
	minWholeAmount = 12
)

// ClassOf returns the class of a declared data type, or the empty set if the type is missing or rules nothing out.
func ClassOf(declared string) Classes {
	if declared == "" {
		return 0
	}
	t := datatype.Parse(declared)
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return ClassDate
	case datatype.Boolean:
		return ClassBoolean
	case datatype.Binary:
		return ClassBinary
	case datatype.Text:
		return textClass(t.Length)
	case datatype.Number:
		return numberClass(t)
	default:
		return 0
	}
}

func textClass(length int) Classes {
	switch {
	case length == 0, minLooseText <= length && length < minFreeText:
		return 0
	case length <= maxCode:
		return ClassCode
	case length <= maxShortText:
		return ClassShortText
	default:
		return ClassText
	}
}

func numberClass(t datatype.Type) Classes {
	switch {
	case t.Floating: // the decimals are not declared; no code, name or whole number is stored in such a type
		return ClassRate | ClassAmount
	case t.Scale > 2, t.Scale > 0 && t.Length > 0 && t.Length <= 7:
		return ClassRate
	case t.Scale > 0:
		return ClassAmount
	case t.Length == 1 || t.Length == 2:
		return ClassCode
	case t.Length >= minWholeAmount:
		return ClassAmount
	default:
		return ClassNumber
	}
}
