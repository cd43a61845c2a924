package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestImport_StoresMappingsWithTheirHistory(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	row := schema.MappingRow{
		Line: 2, AttributeName: "Balance", PDEName: "Balance due", PDECode: "P-1", PDEDescription: "of the month",
		SourceField: "svc.LOANS.BAL",
		MappingType: schema.MappingTypeCalculated, TransformationRule: "sum", BusinessProcess: "closing",
		BusinessOwner: "Finance", DataSteward: "Data office",
	}
	data.Mappings = slices.Values([]schema.MappingRow{row})

	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Added: 4}) {
		t.Errorf("got %+v, want 4 mappings added, including the imported one", done.Mappings)
	}

	got := mappingOf(t, db, "item:1")
	if got.PDEName != row.PDEName || got.PDECode != row.PDECode || got.PDEDescription != row.PDEDescription ||
		got.SourceField != row.SourceField ||
		got.MappingType != row.MappingType || got.TransformationRule != row.TransformationRule ||
		got.BusinessProcess != row.BusinessProcess ||
		got.BusinessOwner != row.BusinessOwner || got.DataSteward != row.DataSteward || got.MappingConfirmedByUser ||
		got.Version != 2 {
		t.Errorf("got %+v, want the values of %+v", got, row)
	}
	var source string
	if err := db.NewRaw("select name from data_sources where id = ?", got.DataSourceID).
		Scan(t.Context(), &source); err != nil || source != "Loans" {
		t.Errorf("data source: got %q, %v, want the only one with such a column", source, err)
	}
	changes := historyOf(t, db, got.ID)
	if len(changes) != 1 || changes[0].JobID != "" || changes[0].ChangedBy != "alice" ||
		changes[0].Comment != "imported" ||
		!changes[0].ChangedAt.Equal(got.UpdatedAt) {
		t.Fatalf("history: got %+v, want one import by alice", changes)
	}
	var before, after schema.Image
	if err := errors.Join(json.Unmarshal(changes[0].Before, &before),
		json.Unmarshal(changes[0].After, &after)); err != nil {
		t.Fatal(err)
	}
	if before.SourceField != nil || before.Version != 1 {
		t.Errorf("before: got %+v, want unmapped", before)
	}
	if diff := cmp.Diff(got.Image(), after); diff != "" {
		t.Errorf("after differs from the row (-row +history):\n%s", diff)
	}

	data = schema.ReportData{Mappings: slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "1",
		DataSteward: "Risk office",
	}})}
	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Updated: 1}) {
		t.Errorf("got %+v, want 1 updated", done.Mappings)
	}
	if again := mappingOf(t, db, "item:1"); again.DataSteward != "Risk office" ||
		again.SourceField != row.SourceField || again.Version != 3 {
		t.Errorf("got %+v, want only the steward changed, because the other cells are empty", again)
	}
	if err := json.Unmarshal(historyOf(t, db, got.ID)[0].After, &after); err != nil || after.DataSteward == nil ||
		*after.DataSteward != "Risk office" {
		t.Errorf("after: got %+v, %v, want the new steward", after, err)
	}
	data.Mappings = slices.Values([]schema.MappingRow{{Line: 2, LineItemNumber: "1", DataSteward: "Risk office"}})
	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Unchanged: 1}) ||
		len(historyOf(t, db, got.ID)) != 2 {
		t.Errorf("second import of the same data: got %+v, want 1 unchanged", done.Mappings)
	}
}

func TestImport_KeepsConfirmedMappings(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	data.Mappings = slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "1", SourceField: "svc.LOANS.BAL",
		Confirmed: true,
	}})
	loaded(t, db, data)
	before := mappingOf(t, db, "item:1")
	if !before.MappingConfirmedByUser {
		t.Fatal("MappingConfirmedByUser: got false, want true as imported")
	}

	data = small()
	data.Mappings = slices.Values([]schema.MappingRow{
		{Line: 2, LineItemNumber: "1", DataSource: "Bureau", SourceField: "svc.LOANS.FLG", Confirmed: true},
		{Line: 3, LineItemNumber: "2", DataSource: "Bureau", SourceField: "svc.LOANS.FLG"},
	})
	if done := loaded(t, db, data); done.Mappings != (schema.Tally{Updated: 1, Kept: 1}) {
		t.Errorf("got %+v, want 1 kept and 1 updated", done.Mappings)
	}
	if diff := cmp.Diff(before, mappingOf(t, db, "item:1")); diff != "" {
		t.Errorf("the confirmed mapping differs (-before +after):\n%s", diff)
	}
}

func TestImport_KeepsAMappingIfAnotherDataSourceGetsTheColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	row := schema.MappingRow{Line: 2, LineItemNumber: "1", SourceField: "svc.LOANS.BAL"}
	data.Mappings = slices.Values([]schema.MappingRow{row})
	loaded(t, db, data)
	before := mappingOf(t, db, "item:1")
	loaded(t, db, schema.ReportData{Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
		{DataSource: "Mirror", SchemaName: "svc", TableName: "LOANS", ColumnName: "BAL"},
	})}})

	again := schema.ReportData{Mappings: slices.Values([]schema.MappingRow{row})}
	if done := loaded(t, db, again); done.Mappings != (schema.Tally{Unchanged: 1}) {
		t.Errorf("second import of the same data: got %+v, want 1 unchanged", done.Mappings)
	}
	if diff := cmp.Diff(before, mappingOf(t, db, "item:1")); diff != "" {
		t.Errorf("the mapping differs (-before +after):\n%s", diff)
	}
	row.LineItemNumber = "2"
	other := schema.ReportData{Mappings: slices.Values([]schema.MappingRow{row})}
	if _, err := load(t.Context(), db, other); err == nil || !strings.Contains(err.Error(), "several data sources") {
		t.Errorf("a mapping without a column: got %v, want a problem of the ambiguous data source", err)
	}
}

func TestImport_ResetsTheAssessmentOfAReplacedColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	_, err := db.ExecContext(t.Context(), `update pde_mappings set source_field = 'svc.LOANS.FLG',
		confidence_score = 93, mapping_rationale = 'the words agree',
		alternative_mappings = '[{"source_field": "svc.LOANS.BAL", "score": 40, "reason": "same table"}]',
			suggested_source_field = 'svc.LOANS.BAL',
		criticality = 'High', review_status = 'approved', reviewed_by = 'mia', reviewed_at = now()
		where attribute_id = (select id from attributes where identity = 'item:1')`)
	if err != nil {
		t.Fatal(err)
	}

	loaded(t, db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "1",
		SourceField: "svc.LOANS.BAL",
	}})})

	got := mappingOf(t, db, "item:1")
	if got.ConfidenceScore == nil || *got.ConfidenceScore != 0 || strings.Contains(got.MappingRationale, "words") ||
		got.MappingRationale == "" ||
		got.AlternativeMappings != nil || got.SuggestedSourceField != "" {
		t.Errorf("got %+v, want no score, rationale or alternatives of the previous column", got)
	}
	if got.ReviewStatus != schema.ReviewStatusPending || got.ReviewedBy != "" || !got.ReviewedAt.IsZero() {
		t.Error("the mapping still has the review of the previous column, want it pending")
	}
	if got.Criticality != schema.LevelHigh {
		t.Errorf("Criticality: got %q, want %q, because it belongs to the attribute", got.Criticality, schema.LevelHigh)
	}
	var after schema.Image
	if err := json.Unmarshal(historyOf(t, db, got.ID)[0].After, &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Image(), after); diff != "" {
		t.Errorf("after differs from the row (-row +history):\n%s", diff)
	}
}

func TestImport_RefusesMappingsWithLineAndColumn(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	data.Mappings = slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "3", DataSource: "Bureau",
		SourceField: "svc.LOANS.FLG",
	}})
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

	problems, ok := errors.AsType[schema.ImportProblems](err)
	if !ok {
		t.Fatalf("got %v, want ImportProblems", err)
	}
	want := []string{
		"3 line_item_number: the report has no such attribute",
		"4 attribute_name: the report has no such attribute",
		"5 attribute_name: several attributes have this name; add the line_item_number to select one",
		"6 attribute_name: the attribute with this line_item_number has another name",
		"7 data_source: the report has no such data source; import its columns first or with the mappings",
		"8 line_item_number: the mapping of this attribute is already in line 7",
		"9 source_field: no data source of the report has this column; write schema.table.column as in the " +
			"columns file",
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
		t.Errorf("rows differ (-before +after):\n%s", diff)
	}

	_, err = load(t.Context(), db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{
		{Line: 2, LineItemNumber: "1", DataSource: "Bureau", SourceField: "svc.LOANS.BAL"},
	})})
	if problems, ok := errors.AsType[schema.ImportProblems](err); !ok || problems[0].Column != "source_field" {
		t.Errorf("got %v, want that the data source has no such column", err)
	}
}

func TestImport_ReportsEveryProblem(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	_, err := load(t.Context(), db, schema.ReportData{Mappings: func(yield func(schema.MappingRow) bool) {
		for i := range 5000 {
			if !yield(schema.MappingRow{Line: i + 2, LineItemNumber: fmt.Sprint(i)}) {
				return
			}
		}
	}})
	problems, ok := errors.AsType[schema.ImportProblems](err)
	if !ok || len(problems) != 5000 || problems[0].Line != 2 || problems[4999].Line != 5001 {
		t.Errorf("got %d problems, want those of lines 2 to 5001", len(problems))
	}
	if _, err := schema.GetReport(t.Context(), db, "c", "r"); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("GetReport: got %v, want %v", err, schema.ErrNotFound)
	}
}
