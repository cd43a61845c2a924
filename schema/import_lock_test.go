package schema_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAReportWithAnActiveJobCannotBeChanged(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	job := schematest.Job(t, db, 1)
	before := contents(t, db)
	attribute := schema.Attribute{
		CycleID: schematest.CycleID, ReportID: schematest.ReportID, AttributeName: "New",
		CreatedBy: "alice",
	}
	source := schema.DataSource{
		CycleID: schematest.CycleID, ReportID: schematest.ReportID, Name: "New",
		CreatedBy: "alice",
	}
	ways := map[string]func(bun.Tx) error{
		"import": func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, schema.ReportData{
				CycleID: schematest.CycleID, ReportID: schematest.ReportID, Author: "alice",
				Attributes: attributes(attribute),
			})
			return err
		},
		"attribute": func(tx bun.Tx) error {
			_, err := schema.InsertAttribute(t.Context(), tx, attribute)
			return err
		},
		"data source": func(tx bun.Tx) error {
			_, err := schema.InsertDataSource(t.Context(), tx, source)
			return err
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			err := in(t.Context(), db, way)
			if active, ok := errors.AsType[*schema.ActiveJobError](err); !ok || active.JobID != job.ID {
				t.Errorf("%s: got %v, want that job %s is active", name, err, job.ID)
			}
		})
	}
	if diff := cmp.Diff(before, contents(t, db)); diff != "" {
		t.Errorf("rows differ (-before +after):\n%s", diff)
	}

	if _, err := db.ExecContext(t.Context(), "update jobs set listed_at = now(), ended_at = now()"); err != nil {
		t.Fatal(err)
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			if name == "import" {
				return // the attribute would exist before or after it
			}
			if err := in(t.Context(), db, way); err != nil {
				t.Errorf("%s after the job: got %v, want no error", name, err)
			}
			if err := in(t.Context(), db, way); !errors.Is(err, schema.ErrExists) {
				t.Errorf("%s repeated: got %v, want %v", name, err, schema.ErrExists)
			}
		})
	}
	report, err := schema.GetReport(t.Context(), db, schematest.CycleID, schematest.ReportID)
	if err != nil || report.MappingCount != 2 {
		t.Errorf("report: got %+v, %v, want 2 mappings", report, err)
	}
}

func TestInsertAttributeAndInsertDataSource_NeedAnExistingReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	err := in(t.Context(), db, func(tx bun.Tx) error {
		_, err := schema.InsertAttribute(t.Context(), tx,
			schema.Attribute{CycleID: "c", ReportID: "r", AttributeName: "New", CreatedBy: "alice"})
		return err
	})
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("InsertAttribute: got %v, want %v", err, schema.ErrNotFound)
	}
	err = in(t.Context(), db, func(tx bun.Tx) error {
		_, err := schema.InsertDataSource(t.Context(), tx,
			schema.DataSource{CycleID: "c", ReportID: "r", Name: "New", CreatedBy: "alice"})
		return err
	})
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("InsertDataSource: got %v, want %v", err, schema.ErrNotFound)
	}
}

func insertJob(t *testing.T, tx bun.Tx) (inserted bool, err error) {
	t.Helper()
	_, inserted, err = schema.InsertJob(t.Context(), tx, schema.Job{
		ID: uuid.NewString(), JobType: schema.JobTypePDERegeneration, CycleID: "c", ReportID: "r",
		Classifier: schema.ClassifierRules, Scope: schema.ScopeAll,
		MappingCount: 1, RequestedBy: "tina", Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	})
	return inserted, err
}

// untilASessionWaits returns once a session of the test's database waits for a lock.
func untilASessionWaits(t *testing.T, db *schema.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for waiting := 0; waiting == 0; {
		err := db.NewRaw("select count(*) from pg_stat_activity where datname = current_database() and "+
			"wait_event_type = 'Lock'").
			Scan(ctx, &waiting)
		if err != nil {
			t.Fatalf("sessions that wait for a lock: got none (%v), want one", err)
		}
	}
}

func begin(t *testing.T, db *schema.DB) bun.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // has no effect after a commit
	return tx
}

// retryLockTimeouts repeats do while it stops waiting for the lock of the report, as a caller does.
func retryLockTimeouts(do func() error) error {
	for {
		err := do()
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "55P03" {
			return err
		}
	}
}

func TestImport_WaitsForAJobThatIsBeingInsertedAndIsRefused(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	inserting := begin(t, db)
	if inserted, err := insertJob(t, inserting); err != nil || !inserted {
		t.Fatalf("InsertJob: got %v, %v, want true", inserted, err)
	}
	importing := make(chan error, 1)
	go func() {
		importing <- retryLockTimeouts(func() error {
			_, err := load(t.Context(), db,
				schema.ReportData{Attributes: attributes(schema.Attribute{AttributeName: "New"})})
			return err
		})
	}()
	untilASessionWaits(t, db)

	if err := inserting.Commit(); err != nil {
		t.Fatal(err)
	}

	if _, ok := errors.AsType[*schema.ActiveJobError](<-importing); !ok {
		t.Error("Import: got no ActiveJobError, want one")
	}
}

func TestInsertJob_WaitsForAnImport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	importing := begin(t, db)
	_, err := schema.Import(t.Context(), importing, schema.ReportData{
		CycleID: "c", ReportID: "r", Author: "alice", Attributes: attributes(schema.Attribute{AttributeName: "New"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	inserting := make(chan error, 1)
	go func() {
		inserting <- retryLockTimeouts(func() error {
			return in(t.Context(), db, func(tx bun.Tx) error {
				if _, err := insertJob(t, tx); err != nil {
					return err
				}
				report, err := schema.GetReport(t.Context(), tx, "c", "r")
				if err == nil && report.MappingCount != 5 {
					err = fmt.Errorf("mappings seen by the job: got %d, want 5", report.MappingCount)
				}
				return err
			})
		})
	}()
	untilASessionWaits(t, db)

	if err := importing.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-inserting; err != nil {
		t.Error(err)
	}
}

func TestTheLockTimeoutEndsWithTheLockOfTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	for name, hold := range map[string]func(bun.Tx) error{
		"job": func(tx bun.Tx) error {
			_, err := schema.LockReport(t.Context(), tx, "c", "r")
			return err
		},
		"job of no report": func(tx bun.Tx) error {
			if _, err := schema.LockReport(t.Context(), tx, "c", "missing"); !errors.Is(err, schema.ErrNotFound) {
				return fmt.Errorf("LockReport: got %w, want ErrNotFound", err)
			}
			return nil
		},
		"import": func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, schema.ReportData{CycleID: "c", ReportID: "r", Author: "alice"})
			return err
		},
		"import of a new report": func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, schema.ReportData{CycleID: "c", ReportID: "new", Author: "alice"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var timeout string
			err := in(t.Context(), db, func(tx bun.Tx) error {
				if err := hold(tx); err != nil {
					return err
				}
				return tx.NewRaw("show lock_timeout").Scan(t.Context(), &timeout)
			})
			if err != nil || timeout != "0" {
				t.Errorf("%s: lock_timeout afterwards: got %s, %v, want 0", name, timeout, err)
			}
		})
	}
}

func TestImportsOfOneReportRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const imports, each = 8, 50
	failed := make(chan error, imports)
	for i := range imports {
		go func() {
			failed <- retryLockTimeouts(func() error {
				_, err := load(t.Context(), db, schema.ReportData{ // half of the attributes are new
					Attributes: schema.Rows[schema.Attribute]{All: numbered(i*each/2, i*each/2+each-1)},
				})
				return err
			})
		}()
	}
	for range imports {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	var mappings int64
	if err := db.NewRaw("select count(*) from pde_mappings").Scan(t.Context(), &mappings); err != nil {
		t.Fatal(err)
	}
	report, err := schema.GetReport(t.Context(), db, "c", "r")
	if err != nil || report.MappingCount != mappings || mappings != each/2*(imports+1) {
		t.Errorf("got %d counted and %d stored mappings, %v, want %d", report.MappingCount, mappings, err,
			each/2*(imports+1))
	}
}

func TestImport_LiftsTheTimeLimitOfThePool(t *testing.T) {
	t.Parallel()
	schematest.New(t)
	db, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{StatementTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	timeout := func(tx bun.Tx) (text string) {
		if err := tx.NewRaw("show statement_timeout").Scan(t.Context(), &text); err != nil {
			t.Error(err)
		}
		return text
	}
	for range 2 { // a new and an existing report
		err := in(t.Context(), db, func(tx bun.Tx) error {
			before := timeout(tx)
			_, err := schema.Import(t.Context(), tx, schema.ReportData{CycleID: "c", ReportID: "r", Author: "alice"})
			if after := timeout(tx); before != "10s" || after != "0" {
				t.Errorf("statement_timeout: got %s before and %s after the import, want 10s and 0", before, after)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
