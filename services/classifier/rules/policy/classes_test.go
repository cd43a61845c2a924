package policy

import "testing"

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
