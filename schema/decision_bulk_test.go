package schema_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// decided locks the mappings and makes a decision about each.
func decided(
	t *testing.T, db *schema.DB, ids []string, decide func(i int, m schema.Mapping) schema.BulkDecision,
) (outcomes []schema.BulkOutcome) {
	t.Helper()
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockMappings(ctx, tx, schematest.CycleID, schematest.ReportID, ids)
		if err != nil {
			return err
		}
		var decisions []schema.BulkDecision
		for i, id := range ids {
			decisions = append(decisions, decide(i, locked[id]))
		}
		outcomes, err = schema.DecideMappings(ctx, tx, decisionOf("", "olga"), decisions)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func TestDecideMappings_SavesWhatIsPossible(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 7)
	if _, err := edited(t.Context(), db, ids[4], "olga", schema.MappingEdit{PDEName: new("own")}); err != nil {
		t.Fatal(err)
	}
	approved := schema.BulkDecision{Status: schema.ReviewStatusApproved}
	outcomes := decided(t, db, ids, func(i int, m schema.Mapping) schema.BulkDecision {
		d := []schema.BulkDecision{
			{Edit: schema.MappingEdit{SourceField: new("svc.LN_MSTR.VIN")}},
			approved,
			{Edit: schema.MappingEdit{SourceField: new("no.such.column"), DataSourceID: new("none")}},
			{Edit: schema.MappingEdit{SourceField: new("VIN")}},
			approved,
			{Edit: schema.MappingEdit{PDECode: new("")}},
			{Status: schema.ReviewStatusRejected, DryRun: true},
		}[i]
		d.Mapping, d.Comment = m, fmt.Sprint("comment ", i)
		return d
	})
	got := map[int]string{}
	for i, o := range outcomes {
		got[i] = fmt.Sprint(o.Changed, " ", o.Err)
	}
	want := map[int]string{
		0: "true <nil>", 1: "true <nil>",
		2: "false data_source_id is unknown; source_field is unknown",
		3: "false source_field is malformed",
		4: "false the reviewer was the last to edit 1 of the mappings",
		5: "true <nil>", // an edit confirms, even if it changes no value
		6: "true <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	for i, want := range map[int]string{0: "edited", 1: "reviewed", 2: "", 3: "", 5: "edited", 6: ""} {
		changes, err := schema.ListHistory(t.Context(), db, ids[i], time.Time{}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && len(changes) > 0 || want != "" && (len(changes) != 1 || string(changes[0].Action) != want ||
			changes[0].Comment != fmt.Sprint("comment ", i)) {
			t.Errorf("history of mapping %d: got %+v, want %q", i, changes, want)
		}
	}
}

func TestDecideMappings_SendsTheSameStatementsForManyMappings(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 42)
	decide := func(ids []string) int64 {
		return schematest.CountStatements(t, func(counted *schema.DB) {
			decided(t, counted, ids, func(i int, m schema.Mapping) schema.BulkDecision {
				if i%2 == 0 {
					return schema.BulkDecision{Mapping: m, Status: schema.ReviewStatusApproved}
				}
				return schema.BulkDecision{Mapping: m, Edit: schema.MappingEdit{SourceField: new("svc.LN_MSTR.VIN")}}
			})
		})
	}
	few, many := decide(ids[:2]), decide(ids[2:])
	if few != many {
		t.Errorf("got %d statements for 40 mappings, want %d as for 2", many, few)
	}
}

func TestListMappingsAt_ReturnsTheMappingBeforeAChange(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	id := schematest.Report(t, db, 1)[0]
	for _, name := range []string{"first", "second", "third"} {
		if _, err := edited(t.Context(), db, id, "olga", schema.MappingEdit{PDEName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for version, want := range map[int64]string{2: "first", 3: "second"} {
		at, err := schema.ListMappingsAt(t.Context(), db, []schema.MappingVersion{{ID: id, Version: version}})
		if err != nil || at[id].PDEName != want {
			t.Errorf("version %d: got %q (%v), want %q", version, at[id].PDEName, err, want)
		}
	}
	none, err := schema.ListMappingsAt(t.Context(), db, []schema.MappingVersion{{ID: id, Version: 9}})
	if err != nil || len(none) != 0 {
		t.Errorf("version 9: got %v, %v, want none", none, err)
	}
}

func TestFindReportOf_NamesTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	cycleID, reportID, err := schema.FindReportOf(t.Context(), db, []string{"none", ids[0]})
	if err != nil || cycleID != schematest.CycleID || reportID != schematest.ReportID {
		t.Errorf("FindReportOf: got %s %s, %v, want the cycle and the report of the mappings", cycleID, reportID, err)
	}
	if _, _, err := schema.FindReportOf(t.Context(), db, []string{"none"}); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("FindReportOf of no mapping: got %v, want ErrNotFound", err)
	}
}

func TestCountMappings_CountsWhatThePagesHave(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 5)
	edit := schema.MappingEdit{
		SourceField: new("svc.LN_MSTR.VIN"), InformationSecurityClassification: new(schema.TierHRCI),
	}
	if _, err := edited(t.Context(), db, ids[0], "olga", edit); err != nil {
		t.Fatal(err)
	}
	filter := schema.MappingFilter{CycleID: schematest.CycleID, ReportID: schematest.ReportID}
	for name, c := range map[string]struct {
		narrow func(*schema.MappingFilter)
		want   int64
	}{
		"all":      {func(*schema.MappingFilter) {}, 5},
		"unmapped": {func(f *schema.MappingFilter) { f.Unmapped = new(true) }, 4},
		"tier":     {func(f *schema.MappingFilter) { f.InformationSecurityClassification = schema.TierHRCI }, 1},
		"search":   {func(f *schema.MappingFilter) { f.Search = "ln_mstr" }, 1},
		"none":     {func(f *schema.MappingFilter) { f.ReportID = "none" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			narrowed := filter
			c.narrow(&narrowed)
			if got, err := schema.CountMappings(t.Context(), db, narrowed); err != nil || got != c.want {
				t.Errorf("CountMappings: got %d, %v, want %d", got, err, c.want)
			}
		})
	}
}

func TestListAmbiguousAttributes_ReturnsThoseWithTheNameOfAnother(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 4)
	exec(t, db, `update attributes set attribute_name = 'Balance'
		where id in (select id from attributes order by id limit 2)`)
	var ids []string
	if err := db.NewRaw("select id from attributes order by id").Scan(t.Context(), &ids); err != nil {
		t.Fatal(err)
	}
	got, err := schema.ListAmbiguousAttributes(t.Context(), db, ids[1:])
	if err != nil || len(got) != 1 || got[0].ID != ids[1] {
		t.Errorf("ListAmbiguousAttributes: got %+v, %v, want the second", got, err)
	}
}
