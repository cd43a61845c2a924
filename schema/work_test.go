package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// judged returns the mapping with a new value in every field that a job writes.
func judged(m schema.Mapping) schema.Mapping {
	yes, sure := true, 91
	m.PDEName, m.PDECode, m.PDEDescription = "LN_CURR_BAL_AMT", "P-17", "the balance today"
	m.SourceField, m.MappingType = "svc.LN_MSTR.LN_CURR_BAL_AMT", schema.MappingTypeCalculated
	m.TransformationRule = "sum"
	m.ConfidenceScore, m.MappingRationale = &sure, "the words fit"
	m.AlternativeMappings = []schema.Alternative{{SourceField: "svc.LN_MSTR.VIN", Score: 3, Reason: "same table"}}
	m.InformationSecurityClassification = schema.TierConfidential
	m.Criticality, m.RiskLevel, m.RegulatoryFlag, m.PIIFlag = schema.LevelHigh, schema.LevelMedium, &yes, &yes
	m.ClassificationConfidence, m.ClassificationRationale = &sure, "a balance of the account"
	m.RegulatoryReferences, m.ClassifiedBy = []string{"FR Y-14"}, "rules@1"
	m.SuggestedSourceField, m.SuggestedInformationSecurityClassification = "svc.LN_MSTR.DLR_CD", schema.TierHRCI
	m.SuggestedCriticality, m.SuggestedRiskLevel = schema.LevelLow, schema.LevelHigh
	m.SuggestedRegulatoryFlag, m.SuggestedPIIFlag = &yes, &yes
	return m
}

func save(ctx context.Context, db *schema.DB, jobID string, before, after schema.Mapping) (saved bool, err error) {
	errNotSaved := errors.New("not saved")
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		saved, err = schema.SaveWork(ctx, tx, jobID, before, after, schema.ItemResult{
			Outcome: schema.OutcomeSucceeded, Attempt: 1, Classifier: after.ClassifiedBy,
			Duration: 3 * time.Millisecond,
		})
		if err == nil && !saved {
			return errNotSaved
		}
		return err
	})
	if errors.Is(err, errNotSaved) {
		err = nil
	}
	return saved, err
}

func read(t *testing.T, db *schema.DB, jobID, mappingID string) schema.Work {
	t.Helper()
	work, err := schema.GetWork(t.Context(), db, jobID, mappingID)
	if err != nil {
		t.Fatal(err)
	}
	return work
}

func TestSaveWork_WritesMappingItemAndHistory(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	before := read(t, db, job.ID, ids[0]).Mapping
	want := judged(before)

	if saved, err := save(t.Context(), db, job.ID, before, want); err != nil || !saved {
		t.Fatalf("SaveWork: got %v (%v), want true", saved, err)
	}

	after := read(t, db, job.ID, ids[0])
	want.Version, want.UpdatedBy = 2, "job:"+job.ID
	if diff := cmp.Diff(
		want,
		after.Mapping,
		cmpopts.IgnoreFields(schema.Mapping{}, "UpdatedAt"),
		cmpopts.IgnoreUnexported(bun.BaseModel{}),
	); diff != "" {
		t.Errorf("mapping differs (-want +got):\n%s", diff)
	}
	item := after.Item
	if item.Outcome != schema.OutcomeSucceeded || item.Attempt != 1 || item.DurationMS != 3 ||
		item.Classifier != "rules@1" ||
		item.InformationSecurityClassification != schema.TierConfidential {
		t.Errorf("item: got %+v, want the first attempt, succeeded, Confidential", item)
	}
	var history schema.History
	if err := db.NewSelect().Model(&history).Where("mapping_id = ?", ids[0]).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]time.Time{
		"item ended": item.EndedAt, "item updated": item.UpdatedAt, "history changed": history.ChangedAt,
	} {
		t.Run(name, func(t *testing.T) {
			if !at.Equal(after.Mapping.UpdatedAt) {
				t.Errorf("%s: got %v and mapping updated at %v, want the same time", name, at, after.Mapping.UpdatedAt)
			}
		})
	}
	var image schema.Image
	if err := json.Unmarshal(history.After, &image); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Image(), image); diff != "" {
		t.Errorf("image after differs (-want +got):\n%s", diff)
	}
	if history.JobID != job.ID || history.ChangedBy != "job:"+job.ID {
		t.Errorf("history: got the user %s and job %s, want those of %s", history.ChangedBy, history.JobID, job.ID)
	}
}

// If all workers of a job lock the same row, even for a foreign key, each of their transactions writes multixacts.
func TestSaveWork_LocksNoSharedRow(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	before := read(t, db, job.ID, ids[0]).Mapping
	after := judged(before)
	sources, err := schema.ListDataSources(t.Context(), db, before.CycleID, before.ReportID, "", 1)
	if err != nil || len(sources) != 1 {
		t.Fatalf("data sources: got %v (%v), want 1", sources, err)
	}
	after.DataSourceID = sources[0].ID
	err = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		saved, err := schema.SaveWork(
			ctx, tx, job.ID, before, after, schema.ItemResult{Outcome: schema.OutcomeSucceeded, Attempt: 1},
		)
		if err != nil || !saved {
			return fmt.Errorf("SaveWork: got %v: %w", saved, err)
		}
		for _, table := range []string{
			"reports", "data_sources", "source_columns", "attributes", "jobs", "job_status",
		} {
			t.Run(table, func(t *testing.T) {
				if _, err := db.ExecContext(ctx, "select from ? for update nowait", bun.Ident(table)); err != nil {
					t.Errorf("lock of the rows of %s: got %v, want nil", table, err)
				}
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSaveWork_ReturnsFalseForAChangedRow(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	stale := read(t, db, job.ID, ids[0]).Mapping
	if _, err := db.ExecContext(t.Context(), `update pde_mappings set business_owner = 'Olga', version = version + 1,
		updated_at = clock_timestamp(), updated_by = 'olga' where id = ?`, ids[0]); err != nil {
		t.Fatal(err)
	}

	saved, err := save(t.Context(), db, job.ID, stale, judged(stale))
	if err != nil || saved {
		t.Fatalf("SaveWork: got %v (%v), want false", saved, err)
	}
	assertUntouched(t, db, job.ID, ids[0], "olga")
}

func TestSaveWork_ReturnsFalseForAnItemWithAnOutcome(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	before := read(t, db, job.ID, ids[0]).Mapping
	if n, _, err := schema.CancelItems(t.Context(), db, job.ID, "", 10); err != nil || n != 1 {
		t.Fatalf("CancelItems: got %d (%v), want 1", n, err)
	}

	saved, err := save(t.Context(), db, job.ID, before, judged(before))
	if err != nil || saved {
		t.Fatalf("SaveWork: got %v (%v), want false", saved, err)
	}
	work := read(t, db, job.ID, ids[0])
	if work.Item.Outcome != schema.OutcomeCancelled || work.Mapping.Version != 1 {
		t.Errorf("got item %s, mapping version %d, want cancelled, version 1", work.Item.Outcome, work.Mapping.Version)
	}
}

func assertUntouched(t *testing.T, db *schema.DB, jobID, mappingID, updatedBy string) {
	t.Helper()
	work := read(t, db, jobID, mappingID)
	if work.Item.Outcome != "" || work.Mapping.ClassifiedBy != "" || work.Mapping.UpdatedBy != updatedBy {
		t.Errorf("got item %q, classified by %q, updated by %q, want no outcome, nobody and %q",
			work.Item.Outcome, work.Mapping.ClassifiedBy, work.Mapping.UpdatedBy, updatedBy)
	}
	if n, err := db.NewSelect().Model((*schema.History)(nil)).Count(t.Context()); err != nil || n != 0 {
		t.Errorf("history rows: got %d (%v), want 0", n, err)
	}
}

func TestSaveWork_SucceedsOnceForConcurrentCalls(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 20)
	job := schematest.ListedJob(t, db, 20)
	for _, id := range ids {
		before := read(t, db, job.ID, id).Mapping
		var (
			wg    sync.WaitGroup
			saved atomic.Int64
		)
		for range 4 {
			wg.Go(func() {
				ok, err := save(t.Context(), db, job.ID, before, judged(before))
				if err != nil {
					t.Error(err)
				}
				if ok {
					saved.Add(1)
				}
			})
		}
		wg.Wait()
		if saved.Load() != 1 {
			t.Errorf("mapping %s: got %d saves, want 1", id, saved.Load())
		}
	}
	if n, err := db.NewSelect().Model((*schema.History)(nil)).Count(t.Context()); err != nil || n != 20 {
		t.Errorf("history rows of 20 mappings: got %d (%v), want 20", n, err)
	}
}

func TestALateAttemptChangesNoItem(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	first := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "broke"}
	due, err := schema.PostponeItem(t.Context(), db, job.ID, ids[0], first, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if item := read(t, db, job.ID, ids[0]).Item; !item.DueAt.Equal(due) || due.Sub(item.UpdatedAt) != time.Minute {
		t.Fatalf("due: got %v, %v after the write, want %v, a minute after it",
			item.DueAt, item.DueAt.Sub(item.UpdatedAt), due)
	}
	if _, err := schema.PostponeItem(
		t.Context(), db, job.ID, ids[0], first, time.Minute,
	); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("PostponeItem for the same attempt: got %v, want ErrNotFound", err)
	}
	if item := read(t, db, job.ID, ids[0]).Item; item.Attempt != 1 ||
		item.Outcome != "" || item.ErrorCode != schema.ErrorCodePanic {
		t.Errorf("item: got %+v, want one attempt that ended with a panic", item)
	}
	if due, err := dueItems(t.Context(), db, job.ID, 10); err != nil || len(due) != 0 {
		t.Errorf("due items: got %v, want none for a minute (%v)", due, err)
	}
	before := read(t, db, job.ID, ids[0]).Mapping
	if saved, err := save(t.Context(), db, job.ID, before, judged(before)); err != nil || !saved {
		t.Fatalf("SaveWork: got %v (%v), want true", saved, err)
	}
	if err := schema.FailItem(
		t.Context(), db, job.ID, ids[0], schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "late"},
	); err != nil {
		t.Fatal(err)
	}
	if item := read(t, db, job.ID, ids[0]).Item; item.Outcome != schema.OutcomeSucceeded || item.ErrorCode != "" {
		t.Errorf("item after a late failure: got %s with code %q, want succeeded without a code",
			item.Outcome, item.ErrorCode)
	}
}

func TestGetWork_ReturnsErrNotFound(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	if _, err := schema.GetWork(t.Context(), db, "no-job", "no-mapping"); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("GetWork: got %v, want ErrNotFound", err)
	}
}

func TestClearStarts_ResetsTheCount(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	for _, want := range []int{1, 2} { // the process died after the first
		if starts, err := schema.MarkStart(t.Context(), db, job.ID, ids[0]); err != nil || starts != want {
			t.Fatalf("MarkStart: got %d, want %d (%v)", starts, want, err)
		}
	}
	if err := schema.ClearStarts(t.Context(), db, job.ID, ids[0]); err != nil {
		t.Fatal(err)
	}
	if starts, err := schema.MarkStart(t.Context(), db, job.ID, ids[0]); err != nil || starts != 1 {
		t.Errorf("MarkStart after ClearStarts: got %d, want 1 (%v)", starts, err)
	}
}
