package schema_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func decisionOf(id, author string) schema.Decision {
	return schema.Decision{
		CycleID: schematest.CycleID, ReportID: schematest.ReportID, MappingID: id, Author: author, Comment: "why",
	}
}

func edited(
	ctx context.Context,
	db *schema.DB,
	id, author string,
	edit schema.MappingEdit,
) (d schema.Decided, err error) {
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		d, err = schema.EditMapping(ctx, tx, decisionOf(id, author), edit)
		return err
	})
	return d, err
}

func reviewed(ctx context.Context, db *schema.DB, id, author string, status schema.ReviewStatus) error {
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.ReviewMapping(ctx, tx, decisionOf(id, author), status)
		return err
	})
}

func TestEditMapping_AndSaveWorkLoseNothing(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	work := read(t, db, job.ID, ids[0])

	// The person edits after the job has read the mapping: the job's save does nothing, and it reads again.
	edit := schema.MappingEdit{RiskLevel: new(schema.LevelLow)}
	if _, err := edited(t.Context(), db, ids[0], "olga", edit); err != nil {
		t.Fatal(err)
	}
	result := work.Mapping
	result.RiskLevel, result.Criticality = schema.LevelHigh, schema.LevelHigh
	if saved, err := save(t.Context(), db, job.ID, work.Mapping, result); err != nil || saved {
		t.Fatalf("SaveWork of the earlier version: got %t, %v, want false", saved, err)
	}
	work = read(t, db, job.ID, ids[0])
	if work.Mapping.RiskLevel != schema.LevelLow || !work.Mapping.MappingConfirmedByUser || work.Item.Outcome != "" {
		t.Errorf("work after the edit: got %+v, want risk level low, confirmed, and no outcome", work.Mapping)
	}
	result = work.Mapping
	result.Criticality, result.SuggestedRiskLevel = schema.LevelHigh, schema.LevelHigh
	if saved, err := save(t.Context(), db, job.ID, work.Mapping, result); err != nil || !saved {
		t.Fatalf("SaveWork: got %t, %v, want true", saved, err)
	}

	// The person edits the version from before the job.
	d := decisionOf(ids[0], "olga")
	d.Version = work.Mapping.Version
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.EditMapping(ctx, tx, d, schema.MappingEdit{PIIFlag: new(true)})
		return err
	})
	if stale, ok := errors.AsType[*schema.VersionError](err); !ok || stale.Current != 3 {
		t.Errorf("EditMapping of the earlier version: got %v, want version 3", err)
	}
	m := read(t, db, job.ID, ids[0]).Mapping
	if m.RiskLevel != schema.LevelLow || m.SuggestedRiskLevel != schema.LevelHigh || m.Criticality != schema.LevelHigh {
		t.Errorf("mapping: got %+v, want risk level low, suggestion high and criticality high", m)
	}
}

func TestUndo_RestoresEveryColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	m := read(t, db, job.ID, ids[0]).Mapping
	m = filled(t, filled(t, m, "job"), "import")
	m.SourceField, m.SourceFields = "", nil // the report has no such column
	if saved, err := save(t.Context(), db, job.ID, read(t, db, job.ID, ids[0]).Mapping, m); err != nil || !saved {
		t.Fatalf("SaveWork: got %t, %v, want true", saved, err)
	}
	exec(t, db, `update pde_mappings set business_process = 'a', business_owner = 'b', data_steward = 'c',
		mapping_confirmed_by_user = true`)
	before := read(t, db, job.ID, ids[0]).Mapping
	before.InputHash = "" // the mapping is no longer the result of a job
	edit := schema.MappingEdit{
		SourceField: new("svc.LN_MSTR.VIN"), TransformationRule: new("none"), BusinessOwner: new(""),
		InformationSecurityClassification: new(schema.TierPublic), PIIFlag: new(false),
	}
	if _, err := edited(t.Context(), db, ids[0], "olga", edit); err != nil {
		t.Fatal(err)
	}
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Undo(ctx, tx, decisionOf(ids[0], "olga"), func(schema.HistoryAction) error { return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffMappings(before, read(t, db, job.ID, ids[0]).Mapping); diff != "" {
		t.Errorf("mapping after Undo (-want +got):\n%s", diff)
	}
}

func TestCheck_FindsWrongDecisions(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 4)
	for _, id := range ids {
		if _, err := edited(t.Context(), db, id, "olga", schema.MappingEdit{PDEName: new("name")}); err != nil {
			t.Fatal(err)
		}
		if err := reviewed(t.Context(), db, id, "mia", schema.ReviewStatusApproved); err != nil {
			t.Fatal(err)
		}
	}
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 0 {
		t.Errorf("check of correct decisions: got %q, want nothing found", found)
	}
	exec(t, db, "update pde_mappings set reviewed_by = 'olga' where id = ?", ids[0])
	exec(t, db, "update pde_mappings set version = 4 where id = ?", ids[1])
	exec(t, db, `update classification_history set published = true where mapping_id <> ? or action = 'edited'`, ids[2])
	exec(
		t,
		db,
		"update classification_history set id = 'late', changed_at = now() - interval '61 seconds' where not published",
	)
	exec(t, db, `insert into classification_history (id, mapping_id, action, changed_at, changed_by, before, after,
			published, created_at, created_by, updated_at, updated_by)
		values ('bad', ?, 'edited', now() - interval '61 seconds', 'olga', '{}', '{"version": "2"}', false,
			now(), 'olga', now(), 'olga')`, ids[3])
	_, found := check(t, db, schema.CheckScope{CycleID: schematest.CycleID, ReportID: schematest.ReportID})
	want := []string{
		"decision pde_mappings " + ids[0] + ": its reviewer was the last to edit it",
		"decision pde_mappings " + ids[1] + ": the history has no entry of its version",
		"decision classification_history bad: mapping.changed cannot be published, because the image before " +
			"or after the change is damaged",
		"decision classification_history late: mapping.changed is not published, which is the work of the dispatcher",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found differs (-want +got):\n%s", diff)
	}
}

func TestSaveWork_StampsAnAutoApproval(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	before := read(t, db, job.ID, ids[0]).Mapping
	after := before
	after.ReviewStatus, after.ReviewedBy = schema.ReviewStatusApproved, schema.AutoApprover
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.SaveWork(ctx, tx, job.ID, before, after,
			schema.ItemResult{Outcome: schema.OutcomeSucceeded, Attempt: 1, Comment: "the rule"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m := read(t, db, job.ID, ids[0]).Mapping
	if m.ReviewedAt.IsZero() || !m.ReviewedAt.Equal(m.UpdatedAt) {
		t.Errorf("reviewed_at: got %s, want %s", m.ReviewedAt, m.UpdatedAt)
	}
	history, err := schema.ListHistory(t.Context(), db, ids[0], m.UpdatedAt, "", 10)
	if err != nil || len(history) != 1 {
		t.Fatalf("history: got %d entries, %v, want 1", len(history), err)
	}
	image, err := schema.DecodeImage(history[0].After)
	if err != nil || image.ReviewedAt == nil || !image.ReviewedAt.Equal(m.UpdatedAt) ||
		history[0].Comment != "the rule" {
		t.Errorf("history: got %+v with comment %q, %v, want the time of the review and the comment of the rule",
			image, history[0].Comment, err)
	}
}

// A manager who approves a mapping and then removes a column that it only mentions has not edited the mapping.
func TestDeleteColumn_IsNoEditOfMappingsThatKeepTheirColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	if _, err := edited(t.Context(), db, ids[0], "olga", schema.MappingEdit{PDEName: new("name")}); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `update pde_mappings set alternative_mappings =
		'[{"source_field": "svc.LN_MSTR.VIN", "score": 40, "reason": "similar name"}]'`)
	if err := reviewed(t.Context(), db, ids[0], "mia", schema.ReviewStatusApproved); err != nil {
		t.Fatal(err)
	}
	removeColumn(t, db, "mia", "VIN")
	m, err := schema.GetMapping(t.Context(), db, schematest.CycleID, schematest.ReportID, ids[0])
	if err != nil || len(m.AlternativeMappings) != 0 || m.ReviewStatus != schema.ReviewStatusApproved {
		t.Errorf("mapping after the removal: got %+v, want an approved one without alternatives", m)
	}
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 0 {
		t.Errorf("check: got %q, want nothing", found)
	}
	if err := reviewed(t.Context(), db, ids[0], "mia", schema.ReviewStatusRejected); err != nil {
		t.Errorf("second review by the same manager: got %v, want nil", err)
	}
}

func TestUndo_RefusesARemovedDataSource(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	exec(t, db, `insert into data_sources
			(id, cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		select 'copy', cycle_id, report_id, 'Copy', now(), 'olga', now(), 'olga' from data_sources limit 1`)
	exec(t, db, `insert into source_columns (id, data_source_id, identity, schema_name, table_name, column_name,
			data_type, description, created_at, created_by, updated_at, updated_by)
		select 'copy-vin', 'copy', identity, schema_name, table_name, column_name, data_type, description,
			now(), 'olga', now(), 'olga' from source_columns where column_name = 'VIN'`)
	for _, source := range []string{"copy", mappingSource(t, db)} {
		edit := schema.MappingEdit{SourceField: new("svc.LN_MSTR.VIN"), DataSourceID: new(source)}
		if _, err := edited(t.Context(), db, ids[0], "olga", edit); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db, "delete from source_columns where data_source_id = 'copy'")
	exec(t, db, "delete from data_sources where id = 'copy'")
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Undo(ctx, tx, decisionOf(ids[0], "olga"), func(schema.HistoryAction) error { return nil })
		return err
	})
	if _, ok := errors.AsType[schema.EditErrors](err); !ok {
		t.Errorf("got %v, want EditErrors", err)
	}
}

// mappingSource returns the id of the data source of schematest.
func mappingSource(t *testing.T, db *schema.DB) (id string) {
	t.Helper()
	if err := db.NewRaw("select id from data_sources where id <> 'copy'").Scan(t.Context(), &id); err != nil {
		t.Fatal(err)
	}
	return id
}

func removeColumn(t *testing.T, db *schema.DB, author, name string) {
	t.Helper()
	if err := deleteColumn(t, db, author, name, true); err != nil {
		t.Fatal(err)
	}
}

// deleteColumn removes a column by name; confirmed also if a person has confirmed mappings to it.
func deleteColumn(t *testing.T, db *schema.DB, author, name string, confirmed bool) error {
	t.Helper()
	var column schema.SourceColumn
	if err := db.NewSelect().Model(&column).Where("column_name = ?", name).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		return schema.DeleteColumn(ctx, tx, schema.Removal{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Author: author, Confirmed: confirmed,
		}, column.DataSourceID, column.ID)
	})
}
