package columns

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns/concepts"
	"github.com/pdeflow/pdeflow/services/classifier/datatype"
)

// alike returns n columns of one type.
func alike(n int, dataType string) []schema.SourceColumn {
	all := make([]schema.SourceColumn, n)
	for i := range all {
		all[i].DataType = dataType
	}
	return all
}

func TestDefaultsOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		columns []schema.SourceColumn
		want    defaults
	}{
		{"no types", alike(40, ""), defaults{}},
		{"few columns", alike(fewTyped-1, "varchar(255)"), defaults{}},
		{"long texts", alike(fewTyped, "varchar(255)"), defaults{text: 255}},
		{"codes", alike(fewTyped, "char(2)"), defaults{}},
		{"one length among others", append(alike(10, "varchar(255)"), alike(30, "varchar(40)")...), defaults{text: 40}},
		{"many decimals", alike(fewTyped, "decimal(21,9)"), defaults{digits: 21, decimals: 9}},
		{"money", alike(fewTyped, "decimal(18,2)"), defaults{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := defaultsOf(tt.columns); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDefaults_KindOf(t *testing.T) {
	t.Parallel()
	v, d := concepts.Default(), defaults{text: 255, digits: 21, decimals: 9}
	for _, tt := range []struct {
		name     []string
		declared string
		want     concepts.Kind
	}{
		{[]string{"status"}, "varchar(255)", concepts.KindCode},
		{[]string{"status"}, "varchar(100)", concepts.KindCode},
		{[]string{"harbour"}, "varchar(255)", concepts.KindText},
		{[]string{"penalty", "rate"}, "decimal(21,9)", concepts.KindRate},
		{[]string{"penalty"}, "decimal(21,9)", concepts.KindAmount},
		{[]string{"rate"}, "decimal(18,2)", concepts.KindAmount},
	} {
		t.Run(tt.declared, func(t *testing.T) {
			t.Parallel()
			if got, _ := d.kindOf(v, tt.name, datatype.Parse(tt.declared)); got != tt.want {
				t.Errorf("kind of %v, %s: got %s, want %s", tt.name, tt.declared, got, tt.want)
			}
		})
	}
}
