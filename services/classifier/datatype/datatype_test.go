package datatype

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		declared string
		want     Type
	}{
		{"C18", Type{Kind: Text, Length: 18}},
		{"N1", Type{Kind: Number, Length: 1}},
		{"N12.2", Type{Kind: Number, Length: 12, Scale: 2}},
		{"Date YYYYMMDD", Type{Kind: Date}},
		{"date", Type{Kind: Date}},
		{"NUMBER(12, 2)", Type{Kind: Number, Length: 12, Scale: 2}},
		{"numeric(5,4)", Type{Kind: Number, Length: 5, Scale: 4}},
		{"VARCHAR2(40 CHAR)", Type{Kind: Text, Length: 40}},
		{"character varying(255)", Type{Kind: Text, Length: 255}},
		{"CHAR(1)", Type{Kind: Text, Length: 1}},
		{"TIMESTAMP WITH TIME ZONE", Type{Kind: Timestamp}},
		{"timestamp(6)", Type{Kind: Timestamp, Length: 6}},
		{"double precision", Type{Kind: Number, Floating: true}},
		{"bit(1)", Type{Kind: Boolean, Length: 1}},
		{"bit(64)", Type{Kind: Binary, Length: 64}},
		{"bytea", Type{Kind: Binary}},
		{"money", Type{Kind: Number, Scale: 2}},
		{"int2", Type{Kind: Number, Integer: true}},
		{"INT64", Type{Kind: Number, Integer: true}},
		{"uint8", Type{Kind: Number, Integer: true}},
		{"float8", Type{Kind: Number, Floating: true}},
		{"serial4", Type{Kind: Number, Integer: true}},
		{"FLOAT(24)", Type{Kind: Number, Length: 24, Floating: true}},
		{"INT(11)", Type{Kind: Number, Length: 11, Integer: true}},
		{"bigint unsigned", Type{Kind: Number, Integer: true}},
		{"jsonb", Type{Kind: Document}},
		{"XMLTYPE", Type{Kind: Document}},
		{"interval", Type{}},
		{"LONG", Type{}}, // text in one system, a number in another
		{"", Type{}},
		{"geometry", Type{}},
		{"N99999999999999999999", Type{Kind: Number}},
		{"数字(3)", Type{Length: 3}},
	} {
		t.Run(tt.declared, func(t *testing.T) {
			t.Parallel()
			if got := Parse(tt.declared); got != tt.want {
				t.Errorf("Parse(%q): got %+v, want %+v", tt.declared, got, tt.want)
			}
		})
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		declared, name string
		length, scale  int
	}{
		{"  Number ( 12 , 2 ) ", "number", 12, 2},
		{"N12.2", "n", 12, 2},
		{"int8", "int", 0, 0},
		{"int8(3)", "int", 3, 0},
		{"double precision", "double", 0, 0},
		{"character varying(255)", "character", 255, 0},
		{"", "", 0, 0},
		{"(7)", "", 7, 0},
	} {
		t.Run(tt.declared, func(t *testing.T) {
			t.Parallel()
			name, length, scale := cut(tt.declared)
			if name != tt.name || length != tt.length || scale != tt.scale {
				t.Errorf("cut: got %q, %d, %d, want %q, %d, %d", name, length, scale, tt.name, tt.length, tt.scale)
			}
		})
	}
}

func FuzzParse_AcceptsAnything(f *testing.F) {
	f.Add("N12.2")
	f.Add("VARCHAR2(40 CHAR)")
	f.Fuzz(func(t *testing.T, declared string) {
		if got := Parse(declared); got.Length < 0 || got.Scale < 0 {
			t.Errorf("Parse(%q): got %+v, want no negative number", declared, got)
		}
	})
}
