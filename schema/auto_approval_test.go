package schema_test

import (
	"context"
	"slices"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// An update that reaches its limit saves how far it has come, and the next one continues there. A changed rule starts
// again.
func TestSaveAutoApproval_ApprovesInParts(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 7)
	slices.Sort(ids)
	exec(t, db, `update pde_mappings set source_field = 'svc.LN_MSTR.VIN',
		data_source_id = (select min(id) from data_sources), confidence_score = 90, classification_confidence = 90,
		information_security_classification = 'Public', criticality = 'Low', risk_level = 'Low',
		regulatory_flag = false, pii_flag = false`)
	exec(t, db, "update pde_mappings set confidence_score = 80 where id = ?", ids[1])
	update := func(limit int, change func(*schema.AutoApproval)) (rule schema.AutoApproval, approved int64) {
		t.Helper()
		err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
			rule, approved, err = schema.SaveAutoApproval(ctx, tx, schema.AutoApprovalUpdate{
				CycleID: schematest.CycleID, ReportID: schematest.ReportID, Author: "mia", Limit: limit,
				Change: func(r schema.AutoApproval) schema.AutoApproval {
					change(&r)
					return r
				},
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return rule, approved
	}
	on := func(r *schema.AutoApproval) { r.Enabled = true }
	step := func(name string, limit int, change func(*schema.AutoApproval), wantApproved int64, wantAppliedTo string) {
		t.Helper()
		rule, approved := update(limit, change)
		if approved != wantApproved || rule.AppliedTo != wantAppliedTo {
			t.Errorf("%s: got %d approved up to %q, want %d up to %q", name, approved, rule.AppliedTo, wantApproved,
				wantAppliedTo)
		}
		stored, err := schema.GetAutoApproval(t.Context(), db, schematest.CycleID, schematest.ReportID)
		if err != nil || stored.AppliedTo != wantAppliedTo {
			t.Errorf("%s: got stored position %q (%v), want %q", name, stored.AppliedTo, err, wantAppliedTo)
		}
	}
	rule := schema.DefaultAutoApproval(schematest.CycleID, schematest.ReportID)
	if n, first, err := rule.Preview(t.Context(), db); err != nil || n != 6 || len(first) != 6 {
		t.Errorf("Preview: got %d and %q (%v), want 6", n, first, err)
	}
	step("first part", 2, on, 2, ids[2]) // without ids[1], whose confidence is too low
	step("second part", 2, on, 2, ids[4])
	step("a rule that approves more starts again", 2, func(r *schema.AutoApproval) { r.MinConfidence = 80 }, 2, ids[5])
	step("switched off", 2, func(r *schema.AutoApproval) { r.Enabled = false }, 0, "")
	step("rest", 2, on, 1, "")
	step("nothing left", 2, on, 0, "")
	var counts []int64
	err := db.NewRaw(`select (counts->'mappings'->>'updated')::bigint from planning_changes
		where object = 'auto_approval' order by id`).Scan(t.Context(), &counts)
	if want := []int64{2, 2, 2, 0, 1, 0}; err != nil || !slices.Equal(counts, want) {
		t.Errorf("recorded approvals: got %v (%v), want %v", counts, err, want)
	}
}

// An update does not read a whole report of which the rule approves nothing.
func TestSaveAutoApproval_StopsAfterManyMappingsThatItDoesNotApprove(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 12)
	slices.Sort(ids)
	exec(t, db, `update pde_mappings set source_field = 'svc.LN_MSTR.VIN', confidence_score = 90`)
	var rule schema.AutoApproval
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		rule, _, err = schema.SaveAutoApproval(ctx, tx, schema.AutoApprovalUpdate{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Author: "mia", Limit: 1,
			Change: func(r schema.AutoApproval) schema.AutoApproval {
				r.Enabled = true
				return r
			},
		})
		return err
	})
	if err != nil || rule.AppliedTo != ids[9] {
		t.Errorf("position: got %q (%v), want %q, the tenth mapping", rule.AppliedTo, err, ids[9])
	}
}
