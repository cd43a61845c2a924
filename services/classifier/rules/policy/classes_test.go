package policy

import "testing"

func TestClassOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		declared string
		want     Classes
	}{
		{"", 0},
		{"DATE", ClassDate},
		{"TIMESTAMP(6)", ClassDate},
		{"BOOLEAN", ClassBoolean},
		{"BLOB", ClassBinary},
		{"CHAR(1)", ClassCode},
		{"CHAR(3)", ClassCode},
		{"CHAR(4)", ClassShortText},
		{"VARCHAR(12)", ClassShortText},
		{"VARCHAR(13)", ClassText},
		{"VARCHAR(60)", 0}, // as in tables that files were loaded into
		{"VARCHAR(999)", 0},
		{"VARCHAR(1000)", ClassText},
		{"TEXT", 0},
		{"NUMBER(1)", ClassCode},
		{"NUMBER(2)", ClassCode},
		{"NUMBER(3)", ClassNumber},
		{"NUMBER(12)", ClassAmount},
		{"NUMBER(12,2)", ClassAmount},
		{"NUMBER(7,2)", ClassRate},
		{"NUMBER(12,4)", ClassRate},
		{"DOUBLE", ClassRate | ClassAmount},
		{"FLOAT", ClassRate | ClassAmount},
		{"GEOMETRY", 0},
	} {
		t.Run(tt.declared, func(t *testing.T) {
			t.Parallel()
			if got := ClassOf(tt.declared); got != tt.want {
				t.Errorf("ClassOf(%q): got %q, want %q", tt.declared, got, tt.want)
			}
		})
	}
}

func TestClasses_String(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		classes Classes
		want    string
	}{
		{0, ""},
		{ClassDate, "date"},
		{ClassRate | ClassAmount, "amount or rate"},
		{ClassText | ClassShortText, "text"}, // a policy that names text means both
		{ClassShortText, "short text"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if got := tt.classes.String(); got != tt.want {
				t.Errorf("String of %b: got %q, want %q", tt.classes, got, tt.want)
			}
		})
	}
}

func TestFacet_Allows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		types, declared Classes
		want            bool
	}{
		{0, ClassDate, true},
		{ClassDate, 0, true},
		{ClassDate | ClassText, ClassDate, true},
		{ClassDate, ClassText, false},
		{ClassAmount, ClassRate | ClassAmount, true},
		{ClassCode | ClassNumber, ClassRate | ClassAmount, false},
	} {
		t.Run(tt.types.String()+" for "+tt.declared.String(), func(t *testing.T) {
			t.Parallel()
			if got := (&Facet{Types: tt.types}).Allows(tt.declared); got != tt.want {
				t.Errorf("Allows: got %t, want %t", got, tt.want)
			}
		})
	}
}
