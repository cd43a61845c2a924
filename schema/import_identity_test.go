package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// attributeData returns an import of the attributes that has only these fields; nil means all.
func attributeData(fields []string, attributes ...schema.Attribute) schema.ReportData {
	places := make([]schema.Place, len(attributes))
	for i := range places {
		places[i].Line = i + 2
	}
	return schema.ReportData{Attributes: schema.Rows[schema.Attribute]{
		All: slices.Values(attributes), Fields: fields,
		Places: places,
	}}
}

// identities returns the attributes of the report as "line item number|mdrm|name|description".
func identities(t *testing.T, db *schema.DB) []string {
	t.Helper()
	attributes, err := schema.ListAttributes(t.Context(), db, "c", "r", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range attributes {
		got = append(got, strings.Join([]string{a.LineItemNumber, a.MDRM, a.AttributeName, a.Description}, "|"))
	}
	return got
}

func TestImport_IdentifiesAttributesByLineItemNumberAndMDRM(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	all := []string{"attribute_name", "line_item_number", "mdrm"}
	columnA := schema.Attribute{AttributeName: "Retained earnings (column A)", LineItemNumber: "2", MDRM: "RCFAKW00"}
	columnB := schema.Attribute{AttributeName: "Retained earnings (column B)", LineItemNumber: "2", MDRM: "RCOAKW00"}
	if done := loaded(t, db, attributeData(all, columnA, columnB)); done.Attributes.Added != 2 {
		t.Fatalf("got %+v, want 2 attributes added", done)
	}
	columnB.AttributeName = "Retained earnings, B"
	if done := loaded(t, db,
		attributeData(all, columnA, columnB)); done.Attributes != (schema.Tally{Updated: 1, Unchanged: 1}) {
		t.Errorf("second import: got %+v, want 1 updated and 1 unchanged", done.Attributes)
	}
	want := []string{"2|RCFAKW00|Retained earnings (column A)|", "2|RCOAKW00|Retained earnings, B|"}
	if diff := cmp.Diff(want, identities(t, db)); diff != "" {
		t.Errorf("attributes differ (-want +got):\n%s", diff)
	}

	// A row without an mdrm matches the attribute with its name. If no or several attributes have the name,
	// the row is refused.
	data := attributeData([]string{"attribute_name", "line_item_number", "description"},
		schema.Attribute{AttributeName: "Retained earnings, B", LineItemNumber: "2", Description: "of B"})
	if done := loaded(t, db, data); done.Attributes != (schema.Tally{Updated: 1}) {
		t.Errorf("import without mdrm: got %+v, want 1 updated", done.Attributes)
	}
	_, err := load(t.Context(), db,
		attributeData([]string{"attribute_name", "line_item_number"},
			schema.Attribute{AttributeName: "Earnings", LineItemNumber: "2"}))
	problems, ok := errors.AsType[schema.ImportProblems](err)
	if !ok || len(problems) != 1 || problems[0].Line != 2 || problems[0].Part != "attributes" ||
		problems[0].Column != "line_item_number" {
		t.Errorf("got %v, want a problem of the ambiguous line_item_number in line 2", err)
	}
	want[1] += "of B"
	if diff := cmp.Diff(want, identities(t, db)); diff != "" {
		t.Errorf("attributes differ (-want +got):\n%s", diff)
	}
}

func TestImport_AddsTheMDRMOfALaterFile(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, attributeData([]string{"attribute_name", "line_item_number"},
		schema.Attribute{AttributeName: "Balance", LineItemNumber: "1"},
		schema.Attribute{AttributeName: "Limit", LineItemNumber: "2"}))

	done := loaded(t, db, attributeData([]string{"attribute_name", "line_item_number", "mdrm"},
		schema.Attribute{AttributeName: "Balance", LineItemNumber: "1", MDRM: "M001"},
		schema.Attribute{AttributeName: "Limit", LineItemNumber: "2", MDRM: "M002"},
		schema.Attribute{AttributeName: "Limit", LineItemNumber: "2", MDRM: "M003"}))

	if done.Attributes != (schema.Tally{Added: 1, Updated: 2}) {
		t.Errorf("got %+v, want 1 added and 2 updated", done.Attributes)
	}
	if diff := cmp.Diff([]string{"1|M001|Balance|", "2|M002|Limit|", "2|M003|Limit|"}, identities(t, db)); diff != "" {
		t.Errorf("attributes differ (-want +got):\n%s", diff)
	}
	// A file without the column does not change the code.
	done = loaded(t, db,
		attributeData([]string{"attribute_name", "line_item_number"},
			schema.Attribute{AttributeName: "Balance of the month", LineItemNumber: "1"}))
	if done.Attributes != (schema.Tally{Updated: 1}) || identities(t, db)[0] != "1|M001|Balance of the month|" {
		t.Errorf("got %+v and %s, want 1 updated with its mdrm", done.Attributes, identities(t, db)[0])
	}
}

func TestImport_RefusesAMappingOfAnAmbiguousAttribute(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, attributeData(nil, schema.Attribute{AttributeName: "A", LineItemNumber: "2", MDRM: "M1"},
		schema.Attribute{AttributeName: "B", LineItemNumber: "2", MDRM: "M2"},
		schema.Attribute{AttributeName: "C", LineItemNumber: "3"}))
	mapping := func(row schema.MappingRow) string {
		row.Line, row.PDEName = 2, row.MDRM+row.AttributeName+"x"
		_, err := load(t.Context(), db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{row})})
		if problems, ok := errors.AsType[schema.ImportProblems](err); ok {
			return problems[0].Column + ": " + problems[0].Reason
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	for _, c := range []struct {
		row  schema.MappingRow
		want string
	}{
		{
			schema.MappingRow{LineItemNumber: "2"},
			"line_item_number: several attributes of the report have this line_item_number; add the mdrm or the " +
				"attribute_name to select one",
		},
		{schema.MappingRow{LineItemNumber: "2", MDRM: "M2"}, ""},
		{schema.MappingRow{LineItemNumber: "2", AttributeName: "A"}, ""},
		{
			schema.MappingRow{LineItemNumber: "2", MDRM: "M9"},
			"mdrm: no attribute with this line_item_number has this mdrm",
		},
		{schema.MappingRow{LineItemNumber: "3"}, ""},
		{schema.MappingRow{AttributeName: "B"}, ""},
		{
			schema.MappingRow{LineItemNumber: "3", AttributeName: "A"},
			"attribute_name: the attribute with this line_item_number has another name",
		},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := mapping(c.row); got != c.want {
				t.Errorf("%+v: got %q, want %q", c.row, got, c.want)
			}
		})
	}
}

func TestImport_StoresAndFindsLongNames(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	long := func(c string) string { return strings.Repeat(c, 999) }
	names := []string{long("語") + "1", long("語") + "2"}
	data := schema.ReportData{
		Attributes: schema.Rows[schema.Attribute]{All: slices.Values([]schema.Attribute{
			{AttributeName: names[0], DataType: strings.Repeat("x", 10_000), Description: strings.Repeat("d", 1<<20)},
			{AttributeName: names[1]},
		})},
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
			{DataSource: "s", SchemaName: long("a"), TableName: long("b"), ColumnName: names[0]},
			{DataSource: "s", SchemaName: long("a"), TableName: long("b"), ColumnName: names[1]},
		})},
		Mappings: slices.Values([]schema.MappingRow{{Line: 2, AttributeName: names[1], SourceField: long("a") + "." +
			long("b") + "." + names[0]}}),
	}
	if done := loaded(t, db, data); done.Attributes.Added != 2 || done.Columns.Added != 2 {
		t.Errorf("got %+v, want 2 attributes and 2 columns added", done)
	}
	if done := loaded(t, db, data); done.Attributes.Unchanged != 2 || done.Columns.Unchanged != 2 ||
		done.Mappings.Unchanged != 1 {
		t.Errorf("second import: got %+v, want everything unchanged", done)
	}
}

func TestParseSourceField_ReversesSourceField(t *testing.T) {
	t.Parallel()
	seen := map[string]schema.SourceColumn{}
	names := []string{"a", "a.b", `a"b`, `"`, ".", `a".b`, "a.", `".a"`}
	for _, s := range names {
		for _, table := range names {
			for _, c := range names {
				want := schema.SourceColumn{SchemaName: s, TableName: table, ColumnName: c}
				field := want.SourceField()
				if got, ok := schema.ParseSourceField(field); !ok || got != want {
					t.Errorf("ParseSourceField(%s): got %+v, %v, want %+v", field, got, ok, want)
				}
				if other, twice := seen[field]; twice {
					t.Errorf("%+v and %+v: got the same source field %s, want two", other, want, field)
				}
				seen[field] = want
			}
		}
	}
	for _, wrong := range []string{"", "a", "a.b", "a.b.c.d", `"a.b.c`, `a."b"x.c`, `a"b.c.d`, `"a"."b"`} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			if c, ok := schema.ParseSourceField(wrong); ok {
				t.Errorf("ParseSourceField(%s): got %+v, want false", wrong, c)
			}
		})
	}
	if got, ok := schema.ParseSourceField(`"crm"."t"."c"`); !ok || got.SourceField() != "crm.t.c" {
		t.Errorf("needless quotes: got %+v, %v, want crm.t.c", got, ok)
	}
}

func TestImport_ReadsQuotedNamesWithDots(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	columns := schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
		{DataSource: "lake", SchemaName: "crm", TableName: "customer.address", ColumnName: "city"},
		{DataSource: "lake", SchemaName: "crm", TableName: "customer", ColumnName: "address.city"},
	})}
	data := attributeData(nil, schema.Attribute{AttributeName: "City", LineItemNumber: "1"})
	data.Columns = columns
	data.Mappings = slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "1",
		SourceField: `"crm".customer."address.city"`,
	}})
	loaded(t, db, data)
	mappings, _, err := schema.ListMappings(t.Context(), db, schema.MappingFilter{CycleID: "c", ReportID: "r"},
		schema.MappingPosition{}, 2)
	if err != nil || len(mappings) != 1 || mappings[0].SourceField != `crm.customer."address.city"` {
		t.Errorf("got %+v, %v, want one mapping to the quoted name", mappings, err)
	}
	data.Mappings = slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "1",
		SourceField: "crm.customer.address.city",
	}})
	_, err = load(t.Context(), db, data)
	problems, ok := errors.AsType[schema.ImportProblems](err)
	if !ok || problems[0].Reason != "must be schema.table.column, with double quotes around a name that "+
		"contains a dot" {
		t.Errorf("got %v, want a problem of the source field", err)
	}
}
