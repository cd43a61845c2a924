package rules

import "testing"

func TestClassOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		declared string
		want     classes
	}{
		{"", 0},
		{"DATE", dateClass},
		{"TIMESTAMP(6)", dateClass},
		{"BOOLEAN", booleanClass},
		{"BLOB", binaryClass},
		{"CHAR(1)", codeClass},
		{"CHAR(3)", codeClass},
		{"CHAR(4)", shortTextClass},
		{"VARCHAR(12)", shortTextClass},
		{"VARCHAR(13)", textClass},
		{"VARCHAR(60)", 0}, // as in tables that files were loaded into
		{"VARCHAR(999)", 0},
		{"VARCHAR(1000)", textClass},
		{"TEXT", 0},
		{"NUMBER(1)", codeClass},
		{"NUMBER(2)", codeClass},
		{"NUMBER(3)", numberClass},
		{"NUMBER(12)", amountClass},
		{"NUMBER(12,2)", amountClass},
		{"NUMBER(7,2)", rateClass},
		{"NUMBER(12,4)", rateClass},
		{"DOUBLE", rateClass | amountClass},
		{"FLOAT", rateClass | amountClass},
		{"GEOMETRY", 0},
	} {
		if got := classOf(tt.declared); got != tt.want {
			t.Errorf("classOf(%q) = %q, want %q", tt.declared, got, tt.want)
		}
	}
}

func TestClasses_String(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		classes classes
		want    string
	}{
		{0, ""},
		{dateClass, "date"},
		{rateClass | amountClass, "amount or rate"},
		{textClass | shortTextClass, "text"}, // a policy that names text means both
		{shortTextClass, "short text"},
	} {
		if got := tt.classes.String(); got != tt.want {
			t.Errorf("%b is %q, want %q", tt.classes, got, tt.want)
		}
	}
}

func TestFacet_Allows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		types, declared classes
		want            bool
	}{
		{0, dateClass, true},
		{dateClass, 0, true},
		{dateClass | textClass, dateClass, true},
		{dateClass, textClass, false},
		{amountClass, rateClass | amountClass, true},
		{codeClass | numberClass, rateClass | amountClass, false},
	} {
		if got := (&facet{types: tt.types}).allows(tt.declared); got != tt.want {
			t.Errorf("a facet of %q allows %q: %t, want %t", tt.types, tt.declared, got, tt.want)
		}
	}
}
