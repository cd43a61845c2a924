package schema_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

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
