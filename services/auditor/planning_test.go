package auditor_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// planning does the same to the report that the routes of the api do: an import, then one attribute and one data
// source. It returns the changes by object.
func (f *fixture) planning() map[schema.PlanningObject]schema.PlanningChange {
	f.T.Helper()
	const by = "olga"
	err := f.DB.RunInTx(f.T.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, schema.ReportData{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Author: by,
			Attributes: schema.Rows[schema.Attribute]{
				All: slices.Values([]schema.Attribute{{AttributeName: "New", LineItemNumber: "n1"}}),
			},
			Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
				{DataSource: "Ledger", SchemaName: "gl", TableName: "acct", ColumnName: "bal"},
			})},
			Mappings: slices.Values([]schema.MappingRow{{LineItemNumber: "1", PDEName: "Balance"}}),
		})
		if err != nil {
			return err
		}
		attribute := schema.Attribute{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, AttributeName: "One", LineItemNumber: "n2",
			CreatedBy: by,
		}
		if _, err := schema.InsertAttribute(ctx, tx, attribute); err != nil {
			return err
		}
		_, err = schema.InsertDataSource(ctx, tx, schema.DataSource{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Name: "Warehouse", CreatedBy: by,
		})
		return err
	})
	if err != nil {
		f.T.Fatal(err)
	}
	changes, err := schema.ListUnpublishedPlanningChanges(f.T.Context(), f.DB, 10)
	if err != nil {
		f.T.Fatal(err)
	}
	byObject := map[schema.PlanningObject]schema.PlanningChange{}
	for _, change := range changes {
		byObject[change.Object] = change
	}
	return byObject
}

// unaudited counts the changes that the auditor has not compared with the log.
func (f *fixture) unaudited() (n int) {
	f.T.Helper()
	if err := f.DB.NewRaw("select count(*) from unaudited_changes").Scan(f.T.Context(), &n); err != nil {
		f.T.Fatal(err)
	}
	return n
}

func TestPlanningChangesAreLoggedWithTheirCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	changes := f.planning()
	options := eager()
	options.Patience = 300 * time.Millisecond
	f.audit(options)
	f.publish(events.PlanningChangedOf(changes[schema.PlanningObjectAttribute]))
	one := func(added int64) schema.PlanningCount { return schema.PlanningCount{Added: added} }
	want := map[schema.PlanningObject]schema.PlanningCounts{
		schema.PlanningObjectReport: {
			Attributes: one(
				1,
			), DataSources: one(1), Columns: one(1), Mappings: schema.PlanningCount{Added: 1, Updated: 1},
		},
		schema.PlanningObjectAttribute:  {Attributes: one(1), Mappings: one(1)},
		schema.PlanningObjectDataSource: {DataSources: one(1)},
	}
	if got := slices.Sorted(maps.Keys(changes)); len(got) != len(want) {
		t.Fatalf("recorded changes: got %q, want %d", got, len(want))
	}
	for object, counts := range want {
		t.Run(fmt.Sprint(object), func(t *testing.T) {
			f := f.in(t)
			change := changes[object]
			row := f.waitRow("planning/" + change.ID)
			if row.Actor != "olga" || row.CycleID != schematest.CycleID || row.ReportID != schematest.ReportID ||
				!row.Verified ||
				!row.OccurredAt.Equal(change.ChangedAt) ||
				row.Type != events.TopicPlanningChanged.Type() ||
				row.Subject != "planning.changed."+change.ID {
				t.Errorf("%s: got %+v, want %+v by olga, verified", object, row, change)
			}
			if object != schema.PlanningObjectAttribute && row.Origin != audit.OriginRows {
				t.Errorf("%s: origin: got %s, want %s", object, row.Origin, audit.OriginRows)
			}
			event, err := decode[events.PlanningChanged](row.Data)
			if err != nil || event.Counts != counts || event.Object != object {
				t.Errorf("%s: got %s (%v), want counts %+v", object, row.Data, err, counts)
			}
		})
	}
	f.waitRow("changed/" + f.ids[0])
	f.Eventually("the queue is empty", func() bool { return f.unaudited() == 0 })
	f.mustBeSound()

	f.Exec("update planning_changes set counts = '{}' where object = 'report'")
	id := "planning/" + changes[schema.PlanningObjectReport].ID
	f.mustFind(audit.Finding{Problem: audit.ProblemDiffers, Seq: f.waitRow(id).Seq, EventID: id})
	f.Exec("delete from planning_changes where object = 'data_source'")
	id = "planning/" + changes[schema.PlanningObjectDataSource].ID
	f.mustFind(audit.Finding{Problem: audit.ProblemUnfounded, Seq: f.waitRow(id).Seq, EventID: id})
}

func TestAForgedPlanningChangeIsAClaim(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.audit(eager())
	forged := events.PlanningChangedOf(f.planning()[schema.PlanningObjectDataSource])
	forged.ChangedBy = "mallory"
	f.publish(forged)
	if row := f.waitRow("unverified/"); row.Verified || strings.Contains(string(row.Data), "mallory") {
		t.Errorf("forged change: got %s, verified %v, want its size, not verified", row.Data, row.Verified)
	}
}

func TestVerify_CountsTheGraceOfAnImportFromItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.planning() // and no auditor
	missing := func() (ids []string) {
		for _, f := range f.verify() {
			ids = append(ids, f.EventID)
		}
		return ids
	}
	// It began five minutes ago and has just been committed.
	f.Exec(`update classification_history set changed_at = changed_at - interval '5 minutes'`)
	f.Exec(`update planning_changes set changed_at = changed_at - interval '5 minutes'`)
	if got := missing(); len(got) > 0 {
		t.Errorf("missing changes of an import that has just ended: got %q, want none", got)
	}
	f.Exec(`update planning_changes set finished_at = finished_at - interval '2 minutes'`)
	if got := missing(); len(got) != 4 || !slices.Contains(got, "changed/"+f.ids[0]+"/2") {
		t.Errorf(
			"missing changes of an import that ended two minutes ago: got %q, want a mapping, three planning changes",
			got,
		)
	}
}

func TestVerify_KnowsTheChangesOfARemovedMapping(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	options := eager()
	options.Patience = time.Millisecond
	f.audit(options)
	f.planning()
	f.waitRow("changed/" + f.ids[0] + "/2")
	f.Exec("alter table classification_history drop constraint if exists classification_history_mapping_id_fkey")
	f.Exec("delete from pde_mappings where id = ?", f.ids[0])
	f.mustBeSound()
	f.Exec(`update classification_history set changed_by = 'nobody'`)
	if findings := f.verify(); len(findings) != 1 || findings[0].Problem != audit.ProblemDiffers {
		t.Errorf("Verify: got %s, want one finding: %s", describe(findings...), audit.ProblemDiffers)
	}
}

func TestTheAuditorReadsOnlyUnauditedChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.planning()
	page, err := audit.ListUnauditedChanges(t.Context(), f.DB, time.Hour, "", 10)
	if err != nil || len(page.Facts)+len(page.Audited) > 0 {
		t.Fatalf("changes younger than an hour: got %+v (%v), want none", page, err)
	}
	page, err = audit.ListUnauditedChanges(t.Context(), f.DB, 0, "", 3)
	if err != nil || len(page.Facts) != 3 || len(page.Audited) != 3 || page.Last == "" {
		t.Fatalf("the first page: got %+v (%v), want three and another page", page, err)
	}
	if err := audit.MarkChangesAudited(t.Context(), f.DB, page.Audited); err != nil {
		t.Fatal(err)
	}
	page, err = audit.ListUnauditedChanges(t.Context(), f.DB, 0, "", 3)
	if err != nil || len(page.Facts) != 1 || page.Last != "" {
		t.Errorf("the rest: got %+v (%v), want one and no other page", page, err)
	}
}
