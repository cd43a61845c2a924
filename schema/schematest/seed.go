//go:build unix

package schematest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// CycleID and ReportID identify the report that [Report] creates.
const (
	CycleID  = "2026-Q3"
	ReportID = "auto-loans"
)

// Report inserts a small report: a data source with five columns, and the given number of attributes, each
// with an unmapped mapping. It returns the ids of the mappings in ascending order.
func Report(t testing.TB, db *schema.DB, mappings int) []string {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	const by = "test"
	insert(t, db, &map[string]any{
		"cycle_id": CycleID, "report_id": ReportID, "name": "Auto loans", "mapping_count": mappings,
		"created_at": now, "created_by": by, "updated_at": now, "updated_by": by,
	}, "reports")
	source := schema.DataSource{
		ID: id(t), CycleID: CycleID, ReportID: ReportID, Name: "Loan servicing",
		CreatedAt: now, CreatedBy: by, UpdatedAt: now, UpdatedBy: by,
	}
	insert(t, db, &source, "")
	var columns []schema.SourceColumn
	for name, dataType := range map[string]string{
		"LN_CURR_BAL_AMT": "NUMBER(14,2)", "LN_ORIG_DT": "DATE", "BORR_SSN": "CHAR(9)", "DLR_CD": "VARCHAR2(6)",
		"VIN": "CHAR(17)",
	} {
		columns = append(columns, schema.SourceColumn{
			ID: id(t), DataSourceID: source.ID, Identity: schema.ColumnIdentity("svc", "LN_MSTR", name),
			SchemaName: "svc", TableName: "LN_MSTR", ColumnName: name, DataType: dataType,
			CreatedAt: now, CreatedBy: by, UpdatedAt: now, UpdatedBy: by,
		})
	}
	insert(t, db, &columns, "")

	names := []string{
		"Current Loan Balance", "Loan Origination Date", "Borrower Tax Number", "Dealer Code", "Vehicle Color",
	}
	attributes := make([]schema.Attribute, mappings)
	rows := make([]schema.Mapping, mappings)
	ids := make([]string, mappings)
	for i := range mappings {
		item := fmt.Sprint(i + 1)
		attributes[i] = schema.Attribute{
			ID: id(t), CycleID: CycleID, ReportID: ReportID, Identity: "item:" + item,
			AttributeName: names[i%len(names)], LineItemNumber: item, IsMandatory: true,
			CreatedAt: now, CreatedBy: by, UpdatedAt: now, UpdatedBy: by,
		}
		ids[i] = id(t)
		rows[i] = schema.Mapping{
			ID: ids[i], CycleID: CycleID, ReportID: ReportID, AttributeID: attributes[i].ID,
			ReviewStatus: schema.ReviewStatusPending, Version: 1,
			CreatedAt: now, CreatedBy: by, UpdatedAt: now, UpdatedBy: by,
		}
	}
	if mappings > 0 {
		insert(t, db, &attributes, "")
		insert(t, db, &rows, "")
	}
	return ids
}

// Job inserts a regeneration of all mappings of the report that [Report] created, and returns its row.
func Job(t testing.TB, db *schema.DB, mappings int) schema.Job {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	job := schema.Job{
		ID: id(t), JobType: schema.JobTypePDERegeneration, CycleID: CycleID, ReportID: ReportID,
		Classifier: schema.ClassifierRules, Scope: schema.ScopeAll, MappingCount: int64(mappings), RequestedBy: "tina",
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Intent:      schema.IntentRun, IntentVersion: 1, Version: 1, PublishedIntent: 1,
		CreatedAt: now, CreatedBy: "tina", UpdatedAt: now, UpdatedBy: "tina",
	}
	insert(t, db, &job, "")
	insert(t, db, &schema.JobIntent{
		JobID: job.ID, Version: 1, Intent: schema.IntentRun, RequestedBy: "tina", Traceparent: job.Traceparent,
		CreatedAt: now, CreatedBy: "tina", UpdatedAt: now, UpdatedBy: "tina",
	}, "")
	return job
}

// ListedJob inserts the same job as [Job], started and with all its items.
func ListedJob(t testing.TB, db *schema.DB, mappings int) schema.Job {
	t.Helper()
	job := Job(t, db, mappings)
	if err := schema.MarkStarted(t.Context(), db, job.ID); err != nil {
		t.Fatal(err)
	}
	for job.ListedAt.IsZero() {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if job, err = schema.InsertItems(t.Context(), tx, job.ID, 1000); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return job
}

func insert(t testing.TB, db bun.IDB, rows any, table string) {
	t.Helper()
	query := db.NewInsert().Model(rows)
	if table != "" {
		query = query.Table(table)
	}
	if _, err := query.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func id(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}
