package rules

import (
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// classes is a set of the sorts of data type that the policy tells apart.
type classes uint16

const (
	dateClass classes = 1 << iota
	// amountClass is a number with cents, rateClass one with more decimals or few digits before them, numberClass one
	// without.
	amountClass
	rateClass
	numberClass
	// codeClass is too short for anything but a code or a flag.
	codeClass
	booleanClass
	// shortTextClass is text that may be a number as well: systems keep scores and rates as text. A policy that says
	// text means both.
	shortTextClass
	textClass
	binaryClass
)

// classOf is the class of a declared data type; 0 where it says nothing.
func classOf(declared string) classes {
	if declared == "" {
		return 0
	}
	t := datatype.Parse(declared)
	switch t.Kind {
	case datatype.Date, datatype.Timestamp:
		return dateClass
	case datatype.Boolean:
		return booleanClass
	case datatype.Binary:
		return binaryClass
	case datatype.Text:
		switch {
		case t.Length == 0 || looseText <= t.Length && t.Length < freeText:
			return 0
		case t.Length <= 3:
			return codeClass
		case t.Length <= shortText:
			return shortTextClass
		}
		return textClass
	case datatype.Number:
		return numberClassOf(t)
	default:
		return 0
	}
}

func (c classes) String() string {
	var names []string
	if c&textClass != 0 {
		c &^= shortTextClass
	}
	for i, name := range classNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

var classNames = []string{"date", "amount", "rate", "number", "code", "boolean", "short text", "text", "binary"}

// Up to shortText a text may be a number, from looseText on it may hold anything, as in tables that files were loaded
// into; from freeText on it holds prose.
const shortText, looseText, freeText = 12, 60, 1000

// wholeAmount is the number of digits from which a number without decimals is an amount in whole units.
const wholeAmount = 12

func numberClassOf(t datatype.Type) classes {
	switch {
	case t.Floating: // its decimals are not declared; no code, name or whole number is kept as one
		return rateClass | amountClass
	case t.Scale > 2, t.Scale > 0 && t.Length > 0 && t.Length <= 7:
		return rateClass
	case t.Scale > 0:
		return amountClass
	case t.Length == 1 || t.Length == 2:
		return codeClass
	case t.Length >= wholeAmount:
		return amountClass
	default:
		return numberClass
	}
}
