package concepts

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

func TestVocabulary_KindOf(t *testing.T) {
	t.Parallel()
	v := Default()
	for _, tt := range []struct {
		name, dataType string
		want           Kind
	}{
		// The words decide if nothing is declared.
		{"Opening Date", "", KindDate},
		{"Closed Flag", "", KindFlag},
		{"Status Code", "", KindCode},
		{"Account Number", "", KindIdentifier},
		{"Borrower Name", "", KindName},
		{"Current Balance", "", KindAmount},
		{"Interest Rate", "", KindRate},
		{"Credit Score", "", KindScore},
		{"Number of Months", "", KindCount},
		{"Zyxwv", "", KindAny},
		// A strong word decides over a weak one, and the last of several strong ones.
		{"Balance Code", "", KindCode},
		{"Date Number", "", KindIdentifier},
		// The declared type decides over the words.
		{"Balance", "DATE", KindDate},
		{"Balance", "BOOLEAN", KindFlag},
		{"Balance", "BLOB", KindBinary},
		{"Balance", "NUMBER(1)", KindCode},
		{"Closed Flag", "NUMBER(1)", KindFlag},
		{"Number of Months", "NUMBER(2)", KindCount},
		{"Zyxwv", "NUMBER(12,2)", KindAmount},
		{"Credit Score", "NUMBER(12,2)", KindScore},
		{"Zyxwv", "NUMBER(5,3)", KindRate},
		{"Balance", "NUMBER(5,3)", KindAmount},
		{"Balance", "DOUBLE", KindAmount},
		{"Interest Rate", "NUMERIC(12,4)", KindRate}, // more decimals than money has
		{"Interest Rate", "NUMERIC(12,2)", KindAmount},
		{"Balance", "JSONB", KindText},
		{"Principal Minor", "BIGINT", KindAmount}, // in cents
		{"Balance", "CHAR(1)", KindFlag},
		{"Balance", "CHAR(4)", KindCode},
		{"Balance", "VARCHAR(15)", KindAny},
		{"Balance", "VARCHAR(80)", KindText},
		{"Status Code", "VARCHAR(10)", KindCode},
		{"Status Code", "VARCHAR(80)", KindText},
		{"Borrower Name", "VARCHAR(80)", KindName},
		{"Zyxwv", "VARCHAR", KindAny},
	} {
		t.Run(tt.name+" "+tt.dataType, func(t *testing.T) {
			t.Parallel()
			if got, _ := v.KindOf(v.Terms(nil, tt.name), datatype.Parse(tt.dataType)); got != tt.want {
				t.Errorf("kindOf(%q, %q): got %s, want %s", tt.name, tt.dataType, got, tt.want)
			}
		})
	}
}

func TestKindNamed(t *testing.T) {
	t.Parallel()
	for k := KindDate; k <= KindCount; k++ {
		if got, ok := kindNamed(k.String()); !ok || got != k {
			t.Errorf("kindNamed(%q): got %s, %t, want %s, true", k, got, ok, k)
		}
	}
	for _, name := range []string{"", "value", "binary", "Date"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := kindNamed(name); ok {
				t.Errorf("kindNamed(%q): got %s, want none", name, got)
			}
		})
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wanted, column Kind
		degree         float64
		how            schema.MappingType
	}{
		{KindDate, KindDate, 1, schema.MappingTypeDirect},
		{KindAny, KindDate, unknownKindFit, schema.MappingTypeDirect},
		{KindDate, KindAny, unknownKindFit, schema.MappingTypeDirect},
		{KindDate, KindBinary, binaryFit, schema.MappingTypeDirect},
		{KindAny, KindBinary, binaryFit, schema.MappingTypeDirect},
		{KindDate, KindAmount, unlistedFit, schema.MappingTypeDirect},
		{KindFlag, KindCode, 0.9, schema.MappingTypeConditional},
		{KindCode, KindFlag, 0.88, schema.MappingTypeDirect},
		{KindCode, KindName, 0.65, schema.MappingTypeLookup},
		{KindCount, KindDate, 0.7, schema.MappingTypeCalculated},
		{KindRate, KindAmount, 0.4, schema.MappingTypeCalculated},
	} {
		t.Run(tt.wanted.String()+" from "+tt.column.String(), func(t *testing.T) {
			t.Parallel()
			degree, how := Fit(tt.wanted, tt.column)
			if degree != tt.degree || how != tt.how {
				t.Errorf("fit(%s, %s): got %g, %s, want %g, %s", tt.wanted, tt.column, degree, how, tt.degree, tt.how)
			}
		})
	}
}

func TestFits_AreListedOnceAndFitLessThanTheSameKind(t *testing.T) {
	t.Parallel()
	listed := map[[2]Kind]bool{}
	for _, f := range fits {
		if listed[[2]Kind{f.wanted, f.column}] {
			t.Errorf("%s for %s is listed twice", f.column, f.wanted)
		}
		listed[[2]Kind{f.wanted, f.column}] = true
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
		{"C40", "BOOLEAN", textFromFlag},
		{"C2", "BOOLEAN", 1},
		{"C20", "DOUBLE PRECISION", textFromFloat},
		{"N8.5", "INTEGER", otherNumberLength},
		{"N8", "INTEGER", 1},
		{"C2", "", 1},
		{"", "VARCHAR(40)", 1},
	} {
		t.Run(tt.wanted+" from "+tt.column, func(t *testing.T) {
			t.Parallel()
			if got := CapacityFit(datatype.Parse(tt.wanted), datatype.Parse(tt.column)); got != tt.want {
				t.Errorf("capacityFit(%q, %q): got %g, want %g", tt.wanted, tt.column, got, tt.want)
			}
		})
	}
}
