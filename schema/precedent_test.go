package schema_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// The 25 precedents of a name and the 8 of a column have other columns and names, so that each is found in one way.
func TestListPrecedents_ReturnsTheLatestOfEachNameAndColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const names, columnRows = 25, 8
	var (
		all        []schema.Attribute
		candidates []schema.ColumnRow
		mappings   []schema.MappingRow
	)
	add := func(name, item, columnName string) {
		all = append(all, schema.Attribute{AttributeName: name, LineItemNumber: item})
		mappings = append(mappings, schema.MappingRow{
			LineItemNumber: item, SourceField: "svc.LOANS." + columnName, MappingType: schema.MappingTypeDirect,
			Confirmed: true,
		})
	}
	for i := range names {
		name := fmt.Sprintf("C%02d", i)
		candidates = append(candidates, column("core", name))
		add("Balance", fmt.Sprintf("n%02d", i), name)
	}
	candidates = append(candidates, column("core", "FEE"))
	for i := range columnRows {
		add(fmt.Sprintf("Charge %d", i), fmt.Sprintf("c%02d", i), "FEE")
	}
	load := func(cycle string, data schema.ReportData) {
		t.Helper()
		data.CycleID, data.ReportID, data.Author = cycle, "r", "alice"
		if err := in(t.Context(), db, func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	load("c1", schema.ReportData{
		Attributes: attributes(all...), Columns: columns(candidates...), Mappings: slices.Values(mappings),
	})
	load("c2", schema.ReportData{
		Attributes: attributes(schema.Attribute{AttributeName: "balance"}), Columns: columns(column("core", "FEE")),
		Mappings: slices.Values([]schema.MappingRow(nil)),
	})
	// The later ones have the higher numbers.
	exec(t, db, `update pde_mappings m
		set updated_at = m.created_at + right(a.line_item_number, 2)::int * interval '1 s'
		from attributes a where a.id = m.attribute_id and m.cycle_id = 'c1'`)
	got, err := schema.ListPrecedents(t.Context(), db, "c2", "r", []string{"svc.LOANS.FEE"})
	if err != nil {
		t.Fatal(err)
	}
	var byName, byColumn []string
	for _, p := range got {
		if p.AttributeName == "Balance" {
			byName = append(byName, p.SourceField)
		} else {
			byColumn = append(byColumn, p.AttributeName)
		}
	}
	if len(byName) != 20 || byName[0] != "svc.LOANS.C24" || byName[19] != "svc.LOANS.C05" {
		t.Errorf("precedents of the name: got %q, want the 20 from C24 to C05", byName)
	}
	want := []string{"Charge 7", "Charge 6", "Charge 5", "Charge 4", "Charge 3"}
	if !slices.Equal(byColumn, want) {
		t.Errorf("precedents of the column: got %q, want %q", byColumn, want)
	}
}

func TestListPrecedents(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	row := func(attribute, field string, confirmed bool) schema.MappingRow {
		return schema.MappingRow{
			AttributeName: attribute, SourceField: field, MappingType: schema.MappingTypeDirect, Confirmed: confirmed,
		}
	}
	load := func(cycle, report string, columnNames, names []string, mappings ...schema.MappingRow) {
		t.Helper()
		var all []schema.Attribute
		for _, name := range names {
			all = append(all, schema.Attribute{AttributeName: name})
		}
		var candidates []schema.ColumnRow
		for _, name := range columnNames {
			candidates = append(candidates, column("core", name))
		}
		if err := in(t.Context(), db, func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, schema.ReportData{
				CycleID: cycle, ReportID: report, Author: "alice", Attributes: attributes(all...),
				Columns: columns(candidates...), Mappings: slices.Values(mappings),
			})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	load("c2", "r", []string{"BAL", "FEE"}, []string{"Balance", "Fee"}, row("Fee", "svc.LOANS.FEE", true))
	load("c1", "r", []string{"OLD", "BAL", "OTHER", "GUESS"}, []string{"BALANCE", "Owed", "Unlike", "Fee", "Refused"},
		row("BALANCE", "svc.LOANS.OLD", true), row("Owed", "svc.LOANS.BAL", true),
		row("Unlike", "svc.LOANS.OTHER", true), row("Fee", "svc.LOANS.GUESS", false),
		row("Refused", "svc.LOANS.BAL", true))
	// A rejected mapping is no precedent.
	exec(t, db, `update pde_mappings set review_status = 'rejected', reviewed_by = 'mia', reviewed_at = now()
		where attribute_id in (select id from attributes where attribute_name = 'Refused')`)
	got, err := schema.ListPrecedents(t.Context(), db, "c2", "r", []string{"svc.LOANS.BAL", "svc.LOANS.FEE"})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b schema.Precedent) int { return len(a.AttributeName) - len(b.AttributeName) })
	want := []schema.Precedent{
		{
			CycleID: "c1", ReportID: "r", AttributeName: "Owed", SourceField: "svc.LOANS.BAL",
			MappingType: schema.MappingTypeDirect,
		},
		{
			CycleID: "c1", ReportID: "r", AttributeName: "BALANCE", SourceField: "svc.LOANS.OLD",
			MappingType: schema.MappingTypeDirect,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}
