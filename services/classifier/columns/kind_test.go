package columns

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

func TestVocabulary_KindOf(t *testing.T) {
	t.Parallel()
	v := knowledge()
	for _, tt := range []struct {
		name, dataType string
		want           kind
	}{
		// The words decide if nothing is declared.
		{"Opening Date", "", dateKind},
		{"Closed Flag", "", flagKind},
		{"Status Code", "", codeKind},
		{"Account Number", "", identifierKind},
		{"Borrower Name", "", nameKind},
		{"Current Balance", "", amountKind},
		{"Interest Rate", "", rateKind},
		{"Credit Score", "", scoreKind},
		{"Number of Months", "", countKind},
		{"Zyxwv", "", anyKind},
		// A strong word decides over a weak one, and the last of several strong ones.
		{"Balance Code", "", codeKind},
		{"Date Number", "", identifierKind},
		// The declared type decides over the words.
		{"Balance", "DATE", dateKind},
		{"Balance", "BOOLEAN", flagKind},
		{"Balance", "BLOB", binaryKind},
		{"Balance", "NUMBER(1)", codeKind},
		{"Closed Flag", "NUMBER(1)", flagKind},
		{"Number of Months", "NUMBER(2)", countKind},
		{"Zyxwv", "NUMBER(12,2)", amountKind},
		{"Credit Score", "NUMBER(12,2)", scoreKind},
		{"Zyxwv", "NUMBER(5,3)", rateKind},
		{"Balance", "NUMBER(5,3)", amountKind},
		{"Balance", "DOUBLE", amountKind},
		{"Balance", "CHAR(1)", flagKind},
		{"Balance", "CHAR(4)", codeKind},
		{"Balance", "VARCHAR(15)", anyKind},
		{"Balance", "VARCHAR(80)", textKind},
		{"Status Code", "VARCHAR(10)", codeKind},
		{"Status Code", "VARCHAR(80)", textKind},
		{"Borrower Name", "VARCHAR(80)", nameKind},
		{"Zyxwv", "VARCHAR", anyKind},
	} {
		if got, _ := v.kindOf(v.terms(nil, tt.name), datatype.Parse(tt.dataType)); got != tt.want {
			t.Errorf("kindOf(%q, %q): got %s, want %s", tt.name, tt.dataType, got, tt.want)
		}
	}
}

func TestKindNamed(t *testing.T) {
	t.Parallel()
	for k := dateKind; k <= countKind; k++ {
		if got, ok := kindNamed(k.String()); !ok || got != k {
			t.Errorf("kindNamed(%q): got %s, %t, want %s, true", k, got, ok, k)
		}
	}
	for _, name := range []string{"", "value", "binary", "Date"} {
		if got, ok := kindNamed(name); ok {
			t.Errorf("kindNamed(%q): got %s, want none", name, got)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wanted, column kind
		degree         float64
		how            schema.MappingType
	}{
		{dateKind, dateKind, 1, schema.MappingTypeDirect},
		{anyKind, dateKind, unknownKindFit, schema.MappingTypeDirect},
		{dateKind, anyKind, unknownKindFit, schema.MappingTypeDirect},
		{dateKind, binaryKind, binaryFit, schema.MappingTypeDirect},
		{anyKind, binaryKind, binaryFit, schema.MappingTypeDirect},
		{dateKind, amountKind, unlistedFit, schema.MappingTypeDirect},
		{flagKind, codeKind, 0.9, schema.MappingTypeConditional},
		{codeKind, flagKind, 0.88, schema.MappingTypeDirect},
		{codeKind, nameKind, 0.65, schema.MappingTypeLookup},
		{countKind, dateKind, 0.7, schema.MappingTypeCalculated},
		{rateKind, amountKind, 0.4, schema.MappingTypeCalculated},
	} {
		degree, how := fit(tt.wanted, tt.column)
		if degree != tt.degree || how != tt.how {
			t.Errorf("fit(%s, %s): got %g, %s, want %g, %s", tt.wanted, tt.column, degree, how, tt.degree, tt.how)
		}
	}
}

func TestFits_AreListedOnceAndFitLessThanTheSameKind(t *testing.T) {
	t.Parallel()
	listed := map[[2]kind]bool{}
	for _, f := range fits {
		if listed[[2]kind{f.wanted, f.column}] {
			t.Errorf("%s for %s is listed twice", f.column, f.wanted)
		}
		listed[[2]kind{f.wanted, f.column}] = true
		if f.degree <= unlistedFit || f.degree >= unknownKindFit || f.wanted == f.column {
			t.Errorf("%s for %s: got %g, want more than %g and less than %g", f.column, f.wanted, f.degree,
				unlistedFit, unknownKindFit)
		}
	}
}

func TestCapacityFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wanted, column string
		want           float64
	}{
		{"N12.2", "NUMBER(12,2)", 1},
		{"N1", "NUMBER(12,2)", digitFromAmount},
		{"N3", "NUMBER(12)", otherNumberLength},
		{"N12.2", "NUMBER(12)", otherNumberLength},
		{"N12.2", "VARCHAR(15)", decimalsFromText},
		{"N3", "VARCHAR(80)", numberFromLongText},
		{"N3", "VARCHAR(3)", 1},
		{"Date YYYYMMDD", "DATE", 1},
		{"Date YYYYMMDD", "CHAR(8)", dateInOtherType},
		{"Date YYYYMMDD", "NUMBER(8)", dateInOtherType},
		{"C2", "VARCHAR(40)", otherTextLength},
		{"C40", "CHAR(2)", otherTextLength},
		{"C40", "VARCHAR(40)", 1},
		{"C2", "", 1},
		{"", "VARCHAR(40)", 1},
	} {
		if got := capacityFit(datatype.Parse(tt.wanted), datatype.Parse(tt.column)); got != tt.want {
			t.Errorf("capacityFit(%q, %q): got %g, want %g", tt.wanted, tt.column, got, tt.want)
		}
	}
}
