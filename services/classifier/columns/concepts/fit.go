package concepts

import (
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// Degrees of fit between kinds of value that are not listed in fits.
const (
	binaryFit      = 0.05
	unknownKindFit = 0.92
	unlistedFit    = 0.2
)

// fits lists how a column of one kind can feed an attribute of another, and how well.
var fits = [...]struct {
	wanted, column Kind
	degree         float64
	how            schema.MappingType
}{
	{KindFlag, KindCode, 0.9, schema.MappingTypeConditional},
	{KindFlag, KindDate, 0.7, schema.MappingTypeConditional},
	{KindFlag, KindCount, 0.55, schema.MappingTypeConditional},
	{KindFlag, KindAmount, 0.4, schema.MappingTypeConditional},
	{KindFlag, KindText, 0.5, schema.MappingTypeConditional},
	{KindFlag, KindIdentifier, 0.6, schema.MappingTypeConditional},
	{KindCode, KindFlag, 0.88, schema.MappingTypeDirect},
	{KindCode, KindCount, 0.85, schema.MappingTypeDirect},
	{KindCode, KindIdentifier, 0.7, schema.MappingTypeDirect},
	{KindCode, KindName, 0.65, schema.MappingTypeLookup},
	{KindCode, KindText, 0.65, schema.MappingTypeLookup},
	{KindCode, KindDate, 0.4, schema.MappingTypeConditional},
	{KindCode, KindScore, 0.4, schema.MappingTypeConditional},
	{KindIdentifier, KindCode, 0.85, schema.MappingTypeDirect},
	{KindIdentifier, KindText, 0.7, schema.MappingTypeDirect},
	{KindIdentifier, KindName, 0.4, schema.MappingTypeLookup},
	{KindIdentifier, KindCount, 0.5, schema.MappingTypeDirect},
	{KindName, KindText, 0.9, schema.MappingTypeDirect},
	{KindName, KindCode, 0.75, schema.MappingTypeLookup},
	{KindName, KindIdentifier, 0.5, schema.MappingTypeLookup},
	{KindText, KindName, 0.9, schema.MappingTypeDirect},
	{KindText, KindCode, 0.75, schema.MappingTypeLookup},
	{KindText, KindIdentifier, 0.6, schema.MappingTypeDirect},
	{KindAmount, KindRate, 0.3, schema.MappingTypeCalculated},
	{KindAmount, KindCount, 0.4, schema.MappingTypeCalculated},
	{KindRate, KindAmount, 0.4, schema.MappingTypeCalculated},
	{KindRate, KindScore, 0.5, schema.MappingTypeDirect},
	{KindRate, KindCount, 0.35, schema.MappingTypeCalculated},
	{KindScore, KindCount, 0.6, schema.MappingTypeDirect},
	{KindScore, KindCode, 0.5, schema.MappingTypeLookup},
	{KindScore, KindRate, 0.6, schema.MappingTypeDirect},
	{KindCount, KindDate, 0.7, schema.MappingTypeCalculated},
	{KindCount, KindCode, 0.75, schema.MappingTypeDirect},
	{KindCount, KindIdentifier, 0.6, schema.MappingTypeDirect},
	{KindCount, KindAmount, 0.35, schema.MappingTypeCalculated},
	{KindCount, KindScore, 0.5, schema.MappingTypeDirect},
}

// Factors of the fit by the declared types.
const (
	dateInOtherType    = 0.9
	otherTextLength    = 0.75
	digitFromAmount    = 0.6
	otherNumberLength  = 0.85
	decimalsFromText   = 0.5
	numberFromLongText = 0.7
	textFromFloat      = 0.4
	textFromFlag       = 0.4
	// shortestText is the length from which a text is more than a code of a flag.
	shortestText = 10
)

// Fit returns how well a column of one kind can feed an attribute of another, 0 to 1, and in which way.
func Fit(wanted, column Kind) (degree float64, how schema.MappingType) {
	if wanted == column {
		return 1, schema.MappingTypeDirect
	}
	if column == KindBinary {
		return binaryFit, schema.MappingTypeDirect
	}
	if wanted == KindAny || column == KindAny {
		return unknownKindFit, schema.MappingTypeDirect
	}
	for _, f := range fits {
		if f.wanted == wanted && f.column == column {
			return f.degree, f.how
		}
	}
	return unlistedFit, schema.MappingTypeDirect
}

// CapacityFit compares the lengths of the declared types, 0 to 1: a form's one-digit number is not taken from an
// amount with cents.
func CapacityFit(wanted, column datatype.Type) float64 {
	switch {
	case wanted.Kind == datatype.Date && (column.Kind == datatype.Text || column.Kind == datatype.Number):
		return dateInOtherType
	case wanted.Kind == datatype.Text && column.Floating:
		return textFromFloat
	case wanted.Kind == datatype.Text && wanted.Length >= shortestText && column.Kind == datatype.Boolean:
		return textFromFlag
	case wanted.Scale > 0 && column.Integer:
		return otherNumberLength
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
