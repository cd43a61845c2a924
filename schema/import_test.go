package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// in runs do in a transaction and returns its error.
func in(ctx context.Context, db *schema.DB, do func(tx bun.Tx) error) error {
	return db.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return do(tx) })
}

// load imports the data into the report of cycle c and id r, by alice, and returns the counts.
func load(ctx context.Context, db *schema.DB, data schema.ReportData) (done schema.Imported, err error) {
	data.CycleID, data.ReportID = "c", "r"
	if data.Author == "" {
		data.Author = "alice"
	}
	err = in(ctx, db, func(tx bun.Tx) (err error) {
		done, err = schema.Import(ctx, tx, data)
		return err
	})
	return done, err
}

func loaded(t *testing.T, db *schema.DB, data schema.ReportData) schema.Imported {
	t.Helper()
	done, err := load(t.Context(), db, data)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func attributes(rows ...schema.Attribute) schema.Rows[schema.Attribute] {
	return schema.Rows[schema.Attribute]{All: slices.Values(rows)}
}

func columns(rows ...schema.ColumnRow) schema.Rows[schema.ColumnRow] {
	return schema.Rows[schema.ColumnRow]{All: slices.Values(rows)}
}

func column(source, name string) schema.ColumnRow {
	return schema.ColumnRow{DataSource: source, SchemaName: "svc", TableName: "LOANS", ColumnName: name}
}

// numbered yields attributes with the line items from first to last.
func numbered(first, last int) iter.Seq[schema.Attribute] {
	return func(yield func(schema.Attribute) bool) {
		for i := first; i <= last; i++ {
			if !yield(schema.Attribute{AttributeName: fmt.Sprint("Line ", i), LineItemNumber: fmt.Sprint(i)}) {
				return
			}
		}
	}
}

// small is a report of three attributes and three columns, two of which are called the same in two systems.
func small() schema.ReportData {
	return schema.ReportData{
		Attributes: attributes(
			schema.Attribute{AttributeName: "Balance", LineItemNumber: "1", Description: "What is owed"},
			schema.Attribute{AttributeName: "Flag", LineItemNumber: "2"},
			schema.Attribute{AttributeName: "Flag", LineItemNumber: "3", IsCDE: true},
			schema.Attribute{AttributeName: "Comment"}),
		Columns: columns(column("Loans", "BAL"), column("Loans", "FLG"), column("Bureau", "FLG")),
	}
}

// mappingOf reads the mapping of the attribute with this identity.
func mappingOf(t *testing.T, db *schema.DB, identity string) schema.Mapping {
	t.Helper()
	var mapping schema.Mapping
	err := db.NewSelect().Model(&mapping).Join("join attributes a on a.id = m.attribute_id").
		Where("a.identity = ?", identity).Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return mapping
}

func historyOf(t *testing.T, db *schema.DB, mappingID string) []schema.History {
	t.Helper()
	changes, err := schema.ListHistory(t.Context(), db, mappingID, schema.History{}.ChangedAt, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// contents is everything that the planning tables hold, as text.
func contents(t *testing.T, db *schema.DB) []string {
	t.Helper()
	var all []string
	for _, table := range []string{"reports", "attributes", "data_sources", "source_columns", "pde_mappings", "classification_history"} {
		var rows []string
		if err := db.NewRaw("select t::text from ? t order by 1", bun.Ident(table)).Scan(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(table, ": ", len(rows)))
		all = append(all, rows...)
	}
	return all
}

func TestEveryImportedAttributeHasOneUnmappedMapping(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	data.Name = "Loans"

	done := loaded(t, db, data)

	want := schema.Imported{
		Attributes: schema.Tally{Added: 4}, DataSources: schema.Tally{Added: 2}, Columns: schema.Tally{Added: 3}, Mappings: schema.Tally{Added: 4},
	}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
	report, err := schema.FindReport(t.Context(), db, "c", "r")
	if err != nil {
		t.Fatal(err)
	}
	if report.Name != "Loans" || report.MappingCount != 4 || report.CreatedBy != "alice" || report.UpdatedAt != report.CreatedAt {
		t.Errorf("report is %+v", report)
	}
	mapping := mappingOf(t, db, "name:Comment")
	if mapping.SourceField != "" || mapping.ReviewStatus != schema.ReviewPending || mapping.Version != 1 || mapping.UpdatedBy != "alice" ||
		!mapping.UpdatedAt.Equal(report.CreatedAt) {
		t.Errorf("mapping is %+v, want it unmapped, pending and signed with the transaction's clock", mapping)
	}
}

func TestImportingAgainUpdatesByIdentity(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	before, ids := contents(t, db), mappingOf(t, db, "item:3").ID

	if done := loaded(t, db, small()); done.Attributes != (schema.Tally{Unchanged: 4}) || done.Columns != (schema.Tally{Unchanged: 3}) ||
		done.DataSources != (schema.Tally{Unchanged: 2}) || done.Mappings != (schema.Tally{}) {
		t.Errorf("the same again counts %+v", done)
	}
	if diff := cmp.Diff(before, contents(t, db)); diff != "" {
		t.Errorf("the same again wrote something (-before +after):\n%s", diff)
	}

	done := loaded(t, db, schema.ReportData{Author: "bob", Attributes: attributes(
		schema.Attribute{AttributeName: "Flag of another name", LineItemNumber: "3"}, schema.Attribute{AttributeName: "Balance"})})
	if done.Attributes != (schema.Tally{Added: 1, Updated: 1}) || done.Mappings != (schema.Tally{Added: 1}) {
		t.Errorf("counts are %+v, want line 3 updated and a Balance without a number added", done)
	}
	all, err := schema.ListAttributes(t.Context(), db, "c", "r", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 5 || all[2].AttributeName != "Flag of another name" || all[2].IsCDE || all[2].CreatedBy != "alice" || all[2].UpdatedBy != "bob" {
		t.Errorf("attributes are %+v", all)
	}
	if mappingOf(t, db, "item:3").ID != ids {
		t.Error("line 3 has another mapping than before")
	}
	report, err := schema.FindReport(t.Context(), db, "c", "r")
	if err != nil || report.MappingCount != 5 || report.Name != "r" || report.UpdatedBy != "bob" {
		t.Errorf("report is %+v (%v)", report, err)
	}
}

func TestWhatAFileDoesNotSayStaysAsItIs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())

	rows := attributes(schema.Attribute{AttributeName: "Balance", LineItemNumber: "1", IsCDE: true})
	rows.Fields = []string{"attribute_name", "line_item_number", "is_cde"}
	loaded(t, db, schema.ReportData{Attributes: rows})

	all, err := schema.ListAttributes(t.Context(), db, "c", "r", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Description != "What is owed" || !all[0].IsCDE {
		t.Errorf("attribute is %+v, want a critical element with its description", all[0])
	}
}

func TestAnImportedMappingIsKeptWithItsHistory(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	row := schema.MappingRow{
		Line: 2, AttributeName: "Balance", PDEName: "Balance due", PDECode: "P-1", PDEDescription: "of the month", SourceField: "svc.LOANS.BAL",
		MappingType: schema.Calculated, TransformationRule: "sum", BusinessProcess: "closing", BusinessOwner: "Finance", DataSteward: "Data office",
	}
	data.Mappings = slices.Values([]schema.MappingRow{row})

	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Added: 4}) {
		t.Errorf("counts are %+v, want four mappings added, the imported one among them", done.Mappings)
	}

	got := mappingOf(t, db, "item:1")
	if got.PDEName != row.PDEName || got.PDECode != row.PDECode || got.PDEDescription != row.PDEDescription || got.SourceField != row.SourceField ||
		got.MappingType != row.MappingType || got.TransformationRule != row.TransformationRule || got.BusinessProcess != row.BusinessProcess ||
		got.BusinessOwner != row.BusinessOwner || got.DataSteward != row.DataSteward || got.MappingConfirmedByUser || got.Version != 2 {
		t.Errorf("mapping is %+v", got)
	}
	var source string
	if err := db.NewRaw("select name from data_sources where id = ?", got.DataSourceID).Scan(t.Context(), &source); err != nil || source != "Loans" {
		t.Errorf("data source is %q (%v), want the only one with such a column", source, err)
	}
	changes := historyOf(t, db, got.ID)
	if len(changes) != 1 || changes[0].JobID != "" || changes[0].ChangedBy != "alice" || changes[0].Comment != "imported" ||
		!changes[0].ChangedAt.Equal(got.UpdatedAt) {
		t.Fatalf("history is %+v", changes)
	}
	var before, after schema.Image
	if err := errors.Join(json.Unmarshal(changes[0].Before, &before), json.Unmarshal(changes[0].After, &after)); err != nil {
		t.Fatal(err)
	}
	if before.SourceField != nil || before.Version != 1 {
		t.Errorf("before is %+v, want unmapped", before)
	}
	if diff := cmp.Diff(got.Image(), after); diff != "" {
		t.Errorf("the history's after is not the row (-row +history):\n%s", diff)
	}

	data = schema.ReportData{Mappings: slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "1", DataSteward: "Nobody"}})}
	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Updated: 1}) {
		t.Errorf("counts are %+v", done.Mappings)
	}
	if again := mappingOf(t, db, "item:1"); again.DataSteward != "Nobody" || again.SourceField != row.SourceField || again.Version != 3 {
		t.Errorf("mapping is %+v, want only the steward changed: an empty cell says nothing", again)
	}
	if err := json.Unmarshal(historyOf(t, db, got.ID)[0].After, &after); err != nil || after.DataSteward == nil || *after.DataSteward != "Nobody" {
		t.Errorf("the history's after is %+v (%v), want the new steward in it", after, err)
	}
	data.Mappings = slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "1", DataSteward: "Nobody"}})
	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Unchanged: 1}) || len(historyOf(t, db, got.ID)) != 2 {
		t.Errorf("the same again counts %+v", done.Mappings)
	}
}

func TestAnImportKeepsWhatAPersonHasConfirmed(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	data.Mappings = slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "1", SourceField: "svc.LOANS.BAL", Confirmed: true}})
	loaded(t, db, data)
	before := mappingOf(t, db, "item:1")
	if !before.MappingConfirmedByUser {
		t.Fatal("the mapping is not confirmed, as the import says it is")
	}

	data = small()
	data.Mappings = slices.Values([]schema.MappingRow{
		{Line: 2, LineItemNumber: "1", DataSource: "Bureau", SourceField: "svc.LOANS.FLG", Confirmed: true},
		{Line: 3, LineItemNumber: "2", DataSource: "Bureau", SourceField: "svc.LOANS.FLG"},
	})
	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Updated: 1, Kept: 1}) {
		t.Errorf("counts are %+v, want one kept and one updated", done.Mappings)
	}
	if diff := cmp.Diff(before, mappingOf(t, db, "item:1")); diff != "" {
		t.Errorf("a confirmed mapping has changed (-before +after):\n%s", diff)
	}
}

func TestAReplacedColumnTakesWhatWasSaidOfItAlong(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	_, err := db.ExecContext(t.Context(), `update pde_mappings set source_field = 'svc.LOANS.FLG', confidence_score = 93, mapping_rationale = 'the words agree',
		alternative_mappings = '[{"source_field": "svc.LOANS.BAL", "score": 40, "reason": "same table"}]', suggested_source_field = 'svc.LOANS.BAL',
		criticality = 'High', review_status = 'approved', reviewed_by = 'mia', reviewed_at = now()
		where attribute_id = (select id from attributes where identity = 'item:1')`)
	if err != nil {
		t.Fatal(err)
	}

	loaded(t, db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "1", SourceField: "svc.LOANS.BAL"}})})

	got := mappingOf(t, db, "item:1")
	if got.ConfidenceScore == nil || *got.ConfidenceScore != 0 || strings.Contains(got.MappingRationale, "words") || got.MappingRationale == "" ||
		got.AlternativeMappings != nil || got.SuggestedSourceField != "" {
		t.Errorf("mapping is %+v, want nothing left of what was said of the column before", got)
	}
	if got.ReviewStatus != schema.ReviewPending || got.ReviewedBy != "" || !got.ReviewedAt.IsZero() {
		t.Error("the review of the mapping as it stood before still counts")
	}
	if got.Criticality != schema.High {
		t.Error("the classification, which is the attribute's, is gone")
	}
	var after schema.Image
	if err := json.Unmarshal(historyOf(t, db, got.ID)[0].After, &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Image(), after); diff != "" {
		t.Errorf("the history's after is not the row (-row +history):\n%s", diff)
	}
}

func TestMappingsThatDoNotFitAreRefusedWithLineAndColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	data.Mappings = slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "3", DataSource: "Bureau", SourceField: "svc.LOANS.FLG"}})
	loaded(t, db, data)
	before := contents(t, db)

	_, err := load(t.Context(), db, schema.ReportData{
		Attributes: attributes(schema.Attribute{AttributeName: "New", LineItemNumber: "9"}),
		Columns:    columns(column("Ledger", "GL")),
		Mappings: slices.Values([]schema.MappingRow{
			{Line: 2, LineItemNumber: "9", SourceField: "svc.LOANS.GL"},
			{Line: 3, LineItemNumber: "77", SourceField: "svc.LOANS.BAL"},
			{Line: 4, AttributeName: "Secret", SourceField: "svc.LOANS.BAL"},
			{Line: 5, AttributeName: "Flag", SourceField: "svc.LOANS.BAL"},
			{Line: 6, AttributeName: "Balance", LineItemNumber: "2"},
			{Line: 7, AttributeName: "Balance", DataSource: "Mainframe"},
			{Line: 8, LineItemNumber: "1", SourceField: "svc.LOANS.BAL"},
			{Line: 9, AttributeName: "Comment", SourceField: "public.pde_mappings.id"},
			{Line: 10, LineItemNumber: "2", SourceField: "svc.LOANS.FLG"},
			{Line: 12, LineItemNumber: "3", DataSource: "Loans"},
		}),
	})

	problems, ok := errors.AsType[schema.MappingProblems](err)
	if !ok {
		t.Fatalf("error is %v, want problems", err)
	}
	want := []string{
		"3 line_item_number: the report has no such attribute",
		"4 attribute_name: the report has no such attribute",
		"5 attribute_name: several attributes have this name; give the line_item_number of the one that is meant",
		"6 attribute_name: the attribute with this line_item_number has another name",
		"7 data_source: the report has no such data source; import its columns first or with the mappings",
		"8 line_item_number: the mapping of this attribute is already in line 7",
		"9 source_field: no data source of the report has this column; write schema.table.column as in the columns file",
		"10 data_source: must be given: several data sources of the report have this column",
		"12 source_field: must be given: the column that the mapping has now is in another data source",
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s: %s", p.Line, p.Column, p.Reason))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, contents(t, db)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}

	_, err = load(t.Context(), db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{
		{Line: 2, LineItemNumber: "1", DataSource: "Bureau", SourceField: "svc.LOANS.BAL"},
	})})
	if problems, ok := errors.AsType[schema.MappingProblems](err); !ok || problems[0].Column != "source_field" {
		t.Errorf("error is %v, want that the data source has no such column", err)
	}
}

func TestAHundredProblemsAreEnough(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	_, err := load(t.Context(), db, schema.ReportData{Mappings: func(yield func(schema.MappingRow) bool) {
		for i := range 5000 {
			if !yield(schema.MappingRow{Line: i + 2, LineItemNumber: fmt.Sprint(i)}) {
				return
			}
			if i > 2000 {
				t.Error("reading goes on")
				return
			}
		}
	}})
	problems, ok := errors.AsType[schema.MappingProblems](err)
	if !ok || len(problems) != 100 || problems[0].Line != 2 || problems[99].Line != 101 {
		t.Errorf("error is %v, want the problems of lines 2 to 101", err)
	}
	if _, err := schema.FindReport(t.Context(), db, "c", "r"); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("the report is there after all (%v)", err)
	}
}

func TestManyAttributesComeInTheirOrder(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const n = 2345 // more than two pages

	done := loaded(t, db, schema.ReportData{
		Attributes: schema.Rows[schema.Attribute]{All: numbered(1, n)},
		Columns:    columns(column("Loans", "BAL")),
		Mappings: func(yield func(schema.MappingRow) bool) {
			for i := n; i > 0; i-- {
				if !yield(schema.MappingRow{Line: n - i + 2, LineItemNumber: fmt.Sprint(i), SourceField: "svc.LOANS.BAL"}) {
					return
				}
			}
		},
	})

	if done.Attributes.Added != n || done.Mappings.Added != n {
		t.Errorf("counts are %+v", done)
	}
	for _, table := range []string{"attributes", "pde_mappings"} {
		var out int
		join := "join attributes a on a.id = t.id"
		if table == "pde_mappings" {
			join = "join attributes a on a.id = t.attribute_id"
		}
		err := db.NewRaw(`select count(*) from (select a.line_item_number::integer as item, row_number() over (order by t.id) as place from ? t `+
			join+`) o where item <> place`, bun.Ident(table)).Scan(t.Context(), &out)
		if err != nil {
			t.Fatal(err)
		}
		if out > 0 {
			t.Errorf("%d of %s are not in the order of the file", out, table)
		}
	}
	var mapped, changes int
	err := db.NewRaw("select count(source_field), (select count(distinct mapping_id) from classification_history) from pde_mappings").
		Scan(t.Context(), &mapped, &changes)
	if err != nil || mapped != n || changes != n {
		t.Errorf("%d are mapped and %d have a history (%v)", mapped, changes, err)
	}
}

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
			_, err := schema.AddAttribute(t.Context(), tx, attribute)
			return err
		},
		"data source": func(tx bun.Tx) error {
			_, err := schema.AddDataSource(t.Context(), tx, source)
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
	report, err := schema.FindReport(t.Context(), db, schematest.CycleID, schematest.ReportID)
	if err != nil || report.MappingCount != 2 {
		t.Errorf("report is %+v (%v), want two mappings", report, err)
	}
}

func TestAddingToAReportThatIsNotThereMakesNone(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	err := in(t.Context(), db, func(tx bun.Tx) error {
		_, err := schema.AddAttribute(t.Context(), tx, schema.Attribute{CycleID: "c", ReportID: "r", AttributeName: "New", CreatedBy: "alice"})
		return err
	})
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("attribute: error is %v", err)
	}
	err = in(t.Context(), db, func(tx bun.Tx) error {
		_, err := schema.AddDataSource(t.Context(), tx, schema.DataSource{CycleID: "c", ReportID: "r", Name: "New", CreatedBy: "alice"})
		return err
	})
	if !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("data source: error is %v", err)
	}
}

func ask(t *testing.T, tx bun.Tx) (inserted bool, err error) {
	t.Helper()
	_, inserted, err = schema.InsertJob(t.Context(), tx, schema.Job{
		ID: uuid.NewString(), JobType: schema.PDERegeneration, CycleID: "c", ReportID: "r", Classifier: schema.Rules, Scope: schema.ScopeAll,
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
		_, err := load(t.Context(), db, schema.ReportData{Attributes: attributes(schema.Attribute{AttributeName: "New"})})
		importing <- err
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
		asking <- in(t.Context(), db, func(tx bun.Tx) error {
			if _, err := ask(t, tx); err != nil {
				return err
			}
			report, err := schema.FindReport(t.Context(), tx, "c", "r")
			if err == nil && report.MappingCount != 5 {
				err = fmt.Errorf("the job sees %d mappings", report.MappingCount)
			}
			return err
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

func TestImportsOfOneReportTakeTurns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const imports, each = 8, 50
	failed := make(chan error, imports)
	for i := range imports {
		go func() {
			_, err := load(t.Context(), db, schema.ReportData{ // half of what the one before brings, and as much that is new
				Attributes: schema.Rows[schema.Attribute]{All: numbered(i*each/2, i*each/2+each-1)},
			})
			failed <- err
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
	report, err := schema.FindReport(t.Context(), db, "c", "r")
	if err != nil || report.MappingCount != mappings || mappings != each/2*(imports+1) {
		t.Errorf("the report counts %d mappings and has %d (%v)", report.MappingCount, mappings, err)
	}
}
