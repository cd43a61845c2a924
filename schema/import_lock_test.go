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

func TestAReportWithAnActiveJobIsNotChanged(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	job := schematest.Job(t, db, 1)
	before := contents(t, db)
	attribute := schema.Attribute{CycleID: schematest.CycleID, ReportID: schematest.ReportID, AttributeName: "New", CreatedBy: "alice"}
	source := schema.DataSource{CycleID: schematest.CycleID, ReportID: schematest.ReportID, Name: "New", CreatedBy: "alice"}
	ways := map[string]func(bun.Tx) error{
		"import": func(tx bun.Tx) error {
			_, err := schema.Import(t.Context(), tx, schema.ReportData{
				CycleID: schematest.CycleID, ReportID: schematest.ReportID, Author: "alice", Attributes: attributes(attribute),
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
		err := in(t.Context(), db, way)
		if active, ok := errors.AsType[*schema.ActiveJobError](err); !ok || active.JobID != job.ID {
			t.Errorf("%s: error is %v, want that job %s is active", name, err, job.ID)
		}
	}
	if diff := cmp.Diff(before, contents(t, db)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}

	if _, err := db.ExecContext(t.Context(), "update jobs set listed_at = now(), ended_at = now()"); err != nil {
		t.Fatal(err)
	}
	for name, way := range ways {
		if name == "import" {
			continue // what it brings is there once the attribute is
		}
		if err := in(t.Context(), db, way); err != nil {
			t.Errorf("%s after the job: %v", name, err)
		}
		if err := in(t.Context(), db, way); !errors.Is(err, schema.ErrExists) {
			t.Errorf("%s once more: error is %v, want that it exists", name, err)
		}
	}
	report, err := schema.GetReport(t.Context(), db, schematest.CycleID, schematest.ReportID)
	if err != nil || report.MappingCount != 2 {
		t.Errorf("report is %+v (%v), want two mappings", report, err)
	}
}

func TestAddingToAReportThatIsNotThereMakesNone(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	err := in(t.Context(), db, func(tx bun.Tx) error {
		_, err := schema.InsertAttribute(t.Context(), tx, schema.Attribute{CycleID: "c", ReportID: "r", AttributeName: "New", CreatedBy: "alice"})
		return err
	})
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("attribute: error is %v", err)
	}
	err = in(t.Context(), db, func(tx bun.Tx) error {
		_, err := schema.InsertDataSource(t.Context(), tx, schema.DataSource{CycleID: "c", ReportID: "r", Name: "New", CreatedBy: "alice"})
		return err
	})
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("data source: error is %v", err)
	}
}

func ask(t *testing.T, tx bun.Tx) (inserted bool, err error) {
	t.Helper()
	_, inserted, err = schema.InsertJob(t.Context(), tx, schema.Job{
		ID: uuid.NewString(), JobType: schema.JobTypePDERegeneration, CycleID: "c", ReportID: "r", Classifier: schema.ClassifierRules, Scope: schema.ScopeAll,
		MappingCount: 1, RequestedBy: "tina", Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	})
	return inserted, err
}

// untilSomebodyWaits returns once a session of the test's database waits for a lock.
func untilSomebodyWaits(t *testing.T, db *schema.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for waiting := 0; waiting == 0; {
		err := db.NewRaw("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").
			Scan(ctx, &waiting)
		if err != nil {
			t.Fatalf("nobody waits for a lock: %v", err)
		}
	}
}

func begin(t *testing.T, db *schema.DB) bun.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // which a committed one does not mind
	return tx
}

// patiently does it again as long as it gives up waiting for the report, as a caller does.
func patiently(do func() error) error {
	for {
		err := do()
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "55P03" {
			return err
		}
	}
}

func TestAJobThatIsBeingAskedForStopsAnImport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	asking := begin(t, db)
	if inserted, err := ask(t, asking); err != nil || !inserted {
		t.Fatalf("inserted %v, %v", inserted, err)
	}
	importing := make(chan error, 1)
	go func() {
		importing <- patiently(func() error {
			_, err := load(t.Context(), db, schema.ReportData{Attributes: attributes(schema.Attribute{AttributeName: "New"})})
			return err
		})
	}()
	untilSomebodyWaits(t, db)

	if err := asking.Commit(); err != nil {
		t.Fatal(err)
	}

	if _, ok := errors.AsType[*schema.ActiveJobError](<-importing); !ok {
		t.Error("the import changed the report of a job")
	}
}

func TestAnImportHoldsUpAJobThatIsAskedFor(t *testing.T) {
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
	asking := make(chan error, 1)
	go func() {
		asking <- patiently(func() error {
			return in(t.Context(), db, func(tx bun.Tx) error {
				if _, err := ask(t, tx); err != nil {
					return err
				}
				report, err := schema.GetReport(t.Context(), tx, "c", "r")
				if err == nil && report.MappingCount != 5 {
					err = fmt.Errorf("the job sees %d mappings", report.MappingCount)
				}
				return err
			})
		})
	}()
	untilSomebodyWaits(t, db)

	if err := importing.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-asking; err != nil {
		t.Error(err)
	}
}

func TestWhoHoldsTheReportWaitsForTheRestAsUsual(t *testing.T) {
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
				return fmt.Errorf("it is there: %w", err)
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
		var timeout string
		err := in(t.Context(), db, func(tx bun.Tx) error {
			if err := hold(tx); err != nil {
				return err
			}
			return tx.NewRaw("show lock_timeout").Scan(t.Context(), &timeout)
		})
		if err != nil || timeout != "0" {
			t.Errorf("%s: from then on the transaction waits for %s (%v), want without an end", name, timeout, err)
		}
	}
}

func TestImportsOfOneReportTakeTurns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const imports, each = 8, 50
	failed := make(chan error, imports)
	for i := range imports {
		go func() {
			failed <- patiently(func() error {
				_, err := load(t.Context(), db, schema.ReportData{ // half of what the one before brings, and as much that is new
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
		t.Errorf("the report counts %d mappings and has %d (%v)", report.MappingCount, mappings, err)
	}
}

func TestAnImportHasNoTimeLimitInAPoolThatHasOne(t *testing.T) {
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
	for range 2 { // a new report, and one that is there
		err := in(t.Context(), db, func(tx bun.Tx) error {
			before := timeout(tx)
			_, err := schema.Import(t.Context(), tx, schema.ReportData{CycleID: "c", ReportID: "r", Author: "alice"})
			if after := timeout(tx); before != "10s" || after != "0" {
				t.Errorf("the time limit is %s before the import and %s in it, want 10s and 0", before, after)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
