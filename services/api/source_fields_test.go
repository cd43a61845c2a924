package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// dated imports a report whose data source has two dates.
func (f *fixture) dated(mappings int) []string {
	f.T.Helper()
	ids := f.imported(mappings)
	f.importReport(schema.ReportData{
		CycleID: cycle, ReportID: report, Author: "test",
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
			{DataSource: "cards", SchemaName: "core", TableName: "accounts", ColumnName: "open_dt"},
			{DataSource: "cards", SchemaName: "core", TableName: "accounts", ColumnName: "close,dt"},
		})},
	})
	return ids
}

const (
	openDate, closeDate = "core.accounts.open_dt", "core.accounts.close,dt"
	bothDates           = `"source_fields": ["` + openDate + `", "` + closeDate + `"]`
)

func TestAMappingOfSeveralColumnsIsEditedExportedAndDecided(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.dated(2)
	f.classified(ids...)
	got := must[api.DecidedMapping](t, f.edit("tina", ids[0], `"1"`, `{`+bothDates+`, "mapping_type": "calculated",
		"transformation_rule": "days from open_dt to close_dt"}`), http.StatusOK)
	if *got.SourceField != openDate || !slices.Equal(got.SourceFields, schema.SourceFields{openDate, closeDate}) {
		t.Errorf("mapping: got %+v, want both columns, the opening date first", got)
	}
	if got := f.mapping(ids[1]).SourceFields; !slices.Equal(got, schema.SourceFields{column}) {
		t.Errorf("columns of a mapping of one: got %q, want the column", got)
	}
	change := fieldsOf(f.history(ids[0])[0])
	if !slices.Contains(change, "source_fields") || !slices.Contains(change, "transformation_rule") {
		t.Errorf("history: got changes of %q, want source_fields and transformation_rule", change)
	}
	p := refused(t, f.edit("tom", ids[0], `"1"`, `{"risk_level": "Low"}`), http.StatusPreconditionFailed,
		"version-changed")
	if diff := cmp.Diff([]any{openDate, closeDate}, p.Changes[0].Fields[2].After); diff != "" {
		t.Errorf("changes of the 412 (-want +got): %+v\n%s", p.Changes[0].Fields, diff)
	}

	const cell = `core.accounts.open_dt, core.accounts."close,dt"`
	csv := f.export("csv", "").body
	if !strings.Contains(csv, `"core.accounts.open_dt, core.accounts.""close,dt"""`) {
		t.Errorf("CSV: got %s, want the columns in one cell", csv)
	}
	workbook := f.export("xlsx", "").body
	for name, content := range map[string]string{"a.csv": csv, "a.xlsx": workbook} {
		done := must[api.ImportedDecisions](t, f.importFile("tina", api.Tester, "", name, content), http.StatusOK)
		if done.Unchanged != 2 {
			t.Errorf("%s as it was: got %+v, want 2 unchanged", name, done)
		}
	}
	p = refused(t, f.importFile("tina", api.Tester, "", "a.xlsx", filledIn(t, workbook, map[int]map[string]any{
		2: {"source_fields": cell + ", core.accounts.open"}, 3: {"source_fields": cell},
	})), http.StatusUnprocessableEntity, "decisions-refused")
	if len(p.Errors) != 2 || p.Errors[0].Column != "source_fields" ||
		!strings.Contains(p.Errors[0].Message, "column 3 of the list: no data source") ||
		!strings.Contains(p.Errors[0].Message, openDate) || p.Errors[1].Column != "mapping_type" {
		t.Errorf("impossible columns: got %+v, want one of the third column and one of the mapping type", p.Errors)
	}
	must[api.ImportedDecisions](t, f.importFile("tina", api.Tester, "", "a.xlsx", filledIn(t, workbook,
		map[int]map[string]any{
			2: {"source_fields": openDate, "mapping_type": "direct", "transformation_rule": ""},
			3: {"source_fields": cell, "mapping_type": "lookup", "transformation_rule": "by code"},
		})), http.StatusOK)
	if got := f.mapping(ids[0]); !slices.Equal(got.SourceFields, schema.SourceFields{openDate}) {
		t.Errorf("columns after the import: got %q, want the opening date", got.SourceFields)
	}
	if got := f.mapping(ids[1]); len(got.SourceFields) != 2 || *got.SourceField != openDate {
		t.Errorf("columns after the import: got %q, want two, the opening date first", got.SourceFields)
	}
	undone := must[api.DecidedMapping](t, f.act("tina", api.Tester, ids[0], "undo", ""), http.StatusOK)
	if len(undone.SourceFields) != 2 {
		t.Errorf("columns after undo: got %q, want 2", undone.SourceFields)
	}
}

func fieldsOf(entry api.HistoryEntry) (fields []string) {
	for _, change := range entry.Before.Changes(entry.After) {
		fields = append(fields, change.Field)
	}
	return fields
}

func TestEditMapping_NamesTheColumnOfTheListThatDoesNotFit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.dated(1)[0]
	for body, want := range map[string][2]string{
		`{"source_fields": ["` + openDate + `", "core.accounts.open"]}`: {
			"body.source_fields[1]", "similar ones are " + openDate,
		},
		`{"source_fields": ["` + openDate + `", "\u0007"]}`: {"body.source_fields[1]", "control characters"},
		`{` + bothDates + `}`:                               {"body.mapping_type", "calculated, lookup or conditional"},
		`{` + bothDates + `, "mapping_type": "lookup"}`:     {"body.transformation_rule", "how the value is made"},
		`{` + bothDates + `, "source_field": "` + closeDate + `"}`: {
			"body.source_field", "the first of source_fields",
		},
		`{"source_fields": ["` + openDate + `", "` + openDate + `"]}`: {"body.source_fields[1]", "twice"},
	} {
		t.Run(body, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.edit("tina", id, `"1"`, body), http.StatusUnprocessableEntity, "invalid")
			if p.Errors[0].Location != want[0] || !strings.Contains(p.Errors[0].Message, want[1]) {
				t.Errorf("got %+v, want %s: %s", p.Errors[0], want[0], want[1])
			}
		})
	}
}
