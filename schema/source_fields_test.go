package schema_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestParseSourceFields_ReturnsTheColumnsOfTheText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]schema.SourceFields{
		"":                               {},
		"a.b.c":                          {"a.b.c"},
		" a.b.c,d.e.f ":                  {"a.b.c", "d.e.f"},
		`a.b."x.y", a.b."q,r"`:           {`a.b."x.y"`, "a.b.q,r"},
		`a.b."say ""hi, you""", "d".e.f`: {`a.b."say ""hi, you"""`, "d.e.f"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := schema.ParseSourceFields(text)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("got %q, %v, want %q", got, err, want)
			}
			if again, err := schema.ParseSourceFields(got.String()); err != nil || !slices.Equal(again, want) {
				t.Errorf("%s: got %q, %v, want %q", got, again, err, want)
			}
		})
	}
	for _, text := range []string{",", "a.b", "a.b.c,", "a.b.c;d.e.f", `a.b."c`} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got, err := schema.ParseSourceFields(text); !errors.Is(err, schema.ErrSourceFields) {
				t.Errorf("got %q, %v, want ErrSourceFields", got, err)
			}
		})
	}
}

// calculated is an edit to a mapping of two columns.
func calculated() schema.MappingEdit {
	return schema.MappingEdit{
		SourceFields: &schema.SourceFields{"svc.LN_MSTR.ORIG_DT", "svc.LN_MSTR.MAT_DT"},
		MappingType:  new(schema.MappingTypeCalculated), TransformationRule: new("days from ORIG_DT to MAT_DT"),
	}
}

// dates adds two columns to the report of schematest.
func dates(t *testing.T, db *schema.DB) {
	t.Helper()
	for _, name := range []string{"ORIG_DT", "MAT_DT"} {
		exec(t, db, `insert into source_columns (id, data_source_id, identity, schema_name, table_name, column_name,
				created_at, created_by, updated_at, updated_by)
			select ?, id, ?, 'svc', 'LN_MSTR', ?, now(), 'olga', now(), 'olga' from data_sources`,
			name, schema.ColumnIdentity("svc", "LN_MSTR", name), name)
	}
}

func TestEditMapping_SetsSeveralColumns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	dates(t, db)
	set := func(t *testing.T, edit schema.MappingEdit) (after schema.Mapping) {
		t.Helper()
		d, err := edited(t.Context(), db, ids[0], "olga", edit)
		if err != nil {
			t.Fatal(err)
		}
		return d.After
	}
	want := *calculated().SourceFields
	got := set(t, calculated())
	if got.SourceField != want[0] || !slices.Equal(got.SourceFields, want) || got.DataSourceID == "" ||
		got.PDEName != "ORIG_DT" || got.TransformationRule == "" || !got.MappingConfirmedByUser {
		t.Errorf("two columns: got %+v, want %v, confirmed", got, want)
	}
	if got = set(t, schema.MappingEdit{RiskLevel: new(schema.LevelLow)}); !slices.Equal(got.SourceFields, want) {
		t.Errorf("after another edit: got columns %q, want %q", got.SourceFields, want)
	}
	got = set(t, schema.MappingEdit{SourceField: new("svc.LN_MSTR.VIN")})
	if want := (schema.SourceFields{"svc.LN_MSTR.VIN", "svc.LN_MSTR.MAT_DT"}); !slices.Equal(got.SourceFields, want) {
		t.Errorf("another main column: got %q, want %q", got.SourceFields, want)
	}
	got = set(t, schema.MappingEdit{SourceField: new("svc.LN_MSTR.MAT_DT")})
	if got.SourceField != "svc.LN_MSTR.MAT_DT" || got.SourceFields != nil {
		t.Errorf("the second column as the main one: got %q and %q, want it alone", got.SourceField, got.SourceFields)
	}
	set(t, calculated())
	got = set(t, schema.MappingEdit{SourceFields: &schema.SourceFields{}})
	if got.SourceField != "" || got.SourceFields != nil || got.MappingType != "" || got.TransformationRule != "" {
		t.Errorf("no column: got %+v, want neither a type nor a rule", got)
	}
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Undo(ctx, tx, decisionOf(ids[0], "olga"), func(schema.HistoryAction) error { return nil })
		return err
	})
	m, getErr := schema.GetMapping(t.Context(), db, schematest.CycleID, schematest.ReportID, ids[0])
	if err := errors.Join(err, getErr); err != nil || !slices.Equal(m.SourceFields, want) ||
		m.MappingType != schema.MappingTypeCalculated {
		t.Errorf("after Undo: got %q, %v, want %q", m.SourceFields, err, want)
	}
}

func TestEditMapping_RefusesColumnsThatDoNotFit(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	dates(t, db)
	columns := func(fields ...string) *schema.SourceFields { return new(schema.SourceFields(fields)) }
	const first, second = "svc.LN_MSTR.ORIG_DT", "svc.LN_MSTR.MAT_DT"
	for name, tt := range map[string]struct {
		change func(*schema.MappingEdit)
		want   schema.EditError
	}{
		"an unknown column": {
			func(e *schema.MappingEdit) { e.SourceFields = columns(first, "svc.LN_MSTR.MAT") },
			schema.EditError{
				Field: "source_fields", Index: 1, Reason: schema.EditReasonUnknown, Text: "svc.LN_MSTR.MAT",
			},
		},
		"an unknown main column": {
			func(e *schema.MappingEdit) { e.SourceFields = columns("svc.LN_MSTR.MAT", first) },
			schema.EditError{Field: "source_fields", Reason: schema.EditReasonUnknown, Text: "svc.LN_MSTR.MAT"},
		},
		"an empty column": {
			func(e *schema.MappingEdit) { e.SourceFields = columns(first, "") },
			schema.EditError{Field: "source_fields", Index: 1, Reason: schema.EditReasonMalformed},
		},
		"a column twice": {
			func(e *schema.MappingEdit) { e.SourceFields = columns(first, second, `"svc".LN_MSTR.ORIG_DT`) },
			schema.EditError{Field: "source_fields", Index: 2, Reason: schema.EditReasonTwice},
		},
		"another main column": {
			func(e *schema.MappingEdit) { e.SourceField = new(second) },
			schema.EditError{Field: "source_field", Reason: schema.EditReasonNotFirst},
		},
		"no column and two": {
			func(e *schema.MappingEdit) { e.SourceField = new("") },
			schema.EditError{Field: "source_field", Reason: schema.EditReasonNotFirst},
		},
		"a direct mapping": {
			func(e *schema.MappingEdit) { e.MappingType = new(schema.MappingTypeDirect) },
			schema.EditError{Field: "mapping_type", Reason: schema.EditReasonDirect},
		},
		"no type": {
			func(e *schema.MappingEdit) { e.MappingType = nil },
			schema.EditError{Field: "mapping_type", Reason: schema.EditReasonDirect},
		},
		"no rule": {
			func(e *schema.MappingEdit) { e.TransformationRule = nil },
			schema.EditError{Field: "transformation_rule", Reason: schema.EditReasonWithoutRule},
		},
		"a lookup of one column without a rule": {
			func(e *schema.MappingEdit) {
				*e = schema.MappingEdit{SourceField: new(first), MappingType: new(schema.MappingTypeLookup)}
			},
			schema.EditError{Field: "transformation_rule", Reason: schema.EditReasonWithoutRule},
		},
	} {
		t.Run(name, func(t *testing.T) {
			edit := calculated()
			tt.change(&edit)
			_, err := edited(t.Context(), db, ids[0], "olga", edit)
			got, _ := errors.AsType[schema.EditErrors](err)
			if diff := cmp.Diff(schema.EditErrors{&tt.want}, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditMapping_NamesTheFieldOfTheRequest(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	dates(t, db)
	exec(t, db, `insert into data_sources
			(id, cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		select 'copy', cycle_id, report_id, 'Empty', now(), 'olga', now(), 'olga' from data_sources`)
	if _, err := edited(t.Context(), db, ids[0], "olga", calculated()); err != nil {
		t.Fatal(err)
	}
	_, err := edited(t.Context(), db, ids[0], "olga", schema.MappingEdit{DataSourceID: new("copy")})
	wrong, _ := errors.AsType[schema.EditErrors](err)
	if len(wrong) != 1 || wrong[0].Field != "source_field" || wrong[0].Reason != schema.EditReasonElsewhere {
		t.Errorf("EditMapping of the data source alone: got %v, want an error of source_field", err)
	}
}

func TestDeleteColumn_ReturnsAMappingThatLosesAColumnForRevision(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	dates(t, db)
	for _, id := range ids {
		if _, err := edited(t.Context(), db, id, "olga", calculated()); err != nil {
			t.Fatal(err)
		}
	}
	swapped := calculated()
	slices.Reverse(*swapped.SourceFields)
	if _, err := edited(t.Context(), db, ids[1], "olga", swapped); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*schema.ConfirmedError](deleteColumn(t, db, "olga", "MAT_DT", false)); !ok {
		t.Error("DeleteColumn of the second column of a confirmed mapping: got no ConfirmedError")
	}
	// The one who removes the column was also the last editor.
	removeColumn(t, db, "olga", "MAT_DT")
	first, err := schema.GetMapping(t.Context(), db, schematest.CycleID, schematest.ReportID, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if first.SourceField != "svc.LN_MSTR.ORIG_DT" || first.SourceFields != nil || !first.MappingConfirmedByUser ||
		first.TransformationRule == "" || first.ReviewStatus != schema.ReviewStatusNeedsRevision ||
		first.ReviewedBy != schema.ColumnRemoval {
		t.Errorf("a mapping without its second column: got %+v, want the main column and a revision asked for", first)
	}
	second, err := schema.GetMapping(t.Context(), db, schematest.CycleID, schematest.ReportID, ids[1])
	if err != nil || second.SourceField != "" || second.SourceFields != nil ||
		second.MappingConfirmedByUser || second.TransformationRule != "" {
		t.Errorf("a mapping without its main column: got %+v, %v, want no column", second, err)
	}
	if _, found := check(t, db, schema.CheckScope{}); len(found) != 0 {
		t.Errorf("check: got %q, want nothing", found)
	}
}

func TestCheck_FindsMappingsOfSeveralColumnsWithoutARule(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 1)
	exec(t, db, `update pde_mappings set source_field = 'a.b.c', source_fields = '["a.b.c", "d.e.f"]'`)
	_, found := check(t, db, schema.CheckScope{})
	want := []string{"decision pde_mappings " + ids[0] + ": it has several columns, and no rule that describes them"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found differs (-want +got):\n%s", diff)
	}
}

func TestImport_SetsSeveralColumns(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := planned()
	row := schema.MappingRow{
		Line: 2, LineItemNumber: "1", SourceFields: schema.SourceFields{"svc.LOANS.LMT", "svc.LOANS.RT"},
		MappingType: schema.MappingTypeCalculated, TransformationRule: "LMT * RT",
	}
	data.Mappings = slices.Values([]schema.MappingRow{row})
	loaded(t, db, data)
	got := mappingsOf(t, db)["Balance"]
	if got.SourceField != row.SourceFields[0] || !slices.Equal(got.SourceFields, row.SourceFields) ||
		got.DataSourceID == "" || got.TransformationRule != row.TransformationRule {
		t.Errorf("mapping: got %+v, want the columns %q", got, row.SourceFields)
	}
	for name, tt := range map[string]struct {
		change func(*schema.MappingRow)
		column string
	}{
		"an unknown column": {func(r *schema.MappingRow) { r.SourceFields[1] = "svc.LOANS.NONE" }, "source_fields"},
		"another main column": {
			func(r *schema.MappingRow) { r.SourceField = "svc.LOANS.RT" }, "source_fields",
		},
		"a direct mapping": {
			func(r *schema.MappingRow) { r.MappingType = schema.MappingTypeDirect }, "mapping_type",
		},
		"no rule": {
			func(r *schema.MappingRow) { r.LineItemNumber, r.TransformationRule = "2", "" }, "transformation_rule",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := row
			wrong.SourceFields = slices.Clone(row.SourceFields)
			tt.change(&wrong)
			_, err := load(t.Context(), db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{wrong})})
			problems, ok := errors.AsType[schema.ImportProblems](err)
			if !ok || len(problems) != 1 || problems[0].Column != tt.column {
				t.Errorf("got %v, want a problem in %s", err, tt.column)
			}
		})
	}
	// A row with only the main column keeps the others.
	loaded(t, db, schema.ReportData{Mappings: slices.Values([]schema.MappingRow{{
		Line: 2, LineItemNumber: "1", SourceField: "svc.LOANS.BAL", DataSource: "Loans",
	}})})
	want := schema.SourceFields{"svc.LOANS.BAL", "svc.LOANS.RT"}
	if got := mappingsOf(t, db)["Balance"]; !slices.Equal(got.SourceFields, want) {
		t.Errorf("columns: got %q, want %q", got.SourceFields, want)
	}
}
