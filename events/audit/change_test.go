package audit_test

import (
	"context"
	"slices"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// appendChanges appends all changes that the log lacks, and returns how many these were.
func appendChanges(t *testing.T, db *schema.DB) int {
	t.Helper()
	page, err := audit.ListUnauditedChanges(t.Context(), db, 0, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	appendFacts(t, db, page.Facts...)
	if err := audit.MarkChangesAudited(t.Context(), db, page.Audited); err != nil {
		t.Fatal(err)
	}
	return len(page.Facts)
}

func TestTheAuditLogAgreesWithTheHistoryOfRemovedMappings(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	inTx := func(do func(ctx context.Context, tx bun.Tx) error) {
		t.Helper()
		if err := db.RunInTx(t.Context(), nil, do); err != nil {
			t.Fatal(err)
		}
	}
	inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, schema.ReportData{
			CycleID: "c", ReportID: "r", Author: "alice",
			Attributes: schema.Rows[schema.Attribute]{All: slices.Values([]schema.Attribute{
				{LineItemNumber: "1", AttributeName: "Balance"}, {LineItemNumber: "2", AttributeName: "Limit"},
			})},
		})
		return err
	})
	inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, schema.ReportData{
			CycleID: "c", ReportID: "r", Author: "alice",
			Mappings: slices.Values(
				[]schema.MappingRow{{LineItemNumber: "1", PDEName: "Balance"}, {LineItemNumber: "2", PDEName: "Limit"}},
			),
		})
		return err
	})
	if got := appendChanges(t, db); got != 4 {
		t.Errorf("entries of the imports: got %d, want 4: two imports and two mappings", got)
	}
	inTx(func(ctx context.Context, tx bun.Tx) error {
		return schema.DeleteReport(ctx, tx, schema.Removal{CycleID: "c", ReportID: "r", Author: "mia", Confirmed: true})
	})
	if got := appendChanges(t, db); got != 1 {
		t.Errorf("entries of the removal: got %d, want 1", got)
	}
	verdict, err := audit.Verify(
		t.Context(),
		db,
		func(f audit.Finding) { t.Errorf("got the finding %+v, want none", f) },
		nil,
	)
	if err != nil || verdict.Rows != 5 {
		t.Errorf("Verify: got %+v (%v), want 5 rows", verdict, err)
	}
}
