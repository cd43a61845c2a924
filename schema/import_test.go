package schema_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// in runs do in a transaction and returns its error.
func in(ctx context.Context, db *schema.DB, do func(tx bun.Tx) error) error {
	return db.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return do(tx) })
}

// load imports the data into report r of cycle c as alice, unless it has another author, and returns the
// counts.
func load(ctx context.Context, db *schema.DB, data schema.ReportData) (done schema.ImportResult, err error) {
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

func loaded(t *testing.T, db *schema.DB, data schema.ReportData) schema.ImportResult {
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

// small returns a report of four attributes and three columns. Two of the columns have the same name in
// different data sources.
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

// mappingOf returns the mapping of the attribute with this identity.
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

// contents returns all rows of the planning tables as text.
func contents(t *testing.T, db *schema.DB) []string {
	t.Helper()
	var all []string
	for _, table := range []string{
		"reports", "attributes", "data_sources", "source_columns", "pde_mappings",
		"classification_history",
	} {
		var rows []string
		if err := db.NewRaw("select t::text from ? t order by 1", bun.Ident(table)).
			Scan(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(table, ": ", len(rows)))
		all = append(all, rows...)
	}
	return all
}

func TestImport_InsertsAnUnmappedMappingForEachAttribute(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	data := small()
	data.Name = "Loans"

	done := loaded(t, db, data)

	want := schema.ImportResult{
		Attributes: schema.Tally{Added: 4}, DataSources: schema.Tally{Added: 2}, Columns: schema.Tally{Added: 3},
		Mappings: schema.Tally{Added: 4},
	}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
	report, err := schema.GetReport(t.Context(), db, "c", "r")
	if err != nil {
		t.Fatal(err)
	}
	if report.Name != "Loans" || report.MappingCount != 4 || report.CreatedBy != "alice" ||
		report.UpdatedAt != report.CreatedAt {
		t.Errorf("report: got %+v, want Loans of alice with 4 mappings", report)
	}
	mapping := mappingOf(t, db, "name:Comment")
	if mapping.SourceField != "" || mapping.ReviewStatus != schema.ReviewStatusPending || mapping.Version != 1 ||
		mapping.UpdatedBy != "alice" ||
		!mapping.UpdatedAt.Equal(report.CreatedAt) {
		t.Errorf("got %+v, want an unmapped, pending mapping by alice at %v", mapping, report.CreatedAt)
	}
}

func TestImport_UpdatesByIdentity(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	loaded(t, db, small())
	before, ids := contents(t, db), mappingOf(t, db, "item:3").ID

	if done := loaded(t, db, small()); done.Attributes != (schema.Tally{Unchanged: 4}) ||
		done.Columns != (schema.Tally{Unchanged: 3}) ||
		done.DataSources != (schema.Tally{Unchanged: 2}) || done.Mappings != (schema.Tally{}) {
		t.Errorf("second import of the same data: got %+v, want everything unchanged", done)
	}
	if diff := cmp.Diff(before, contents(t, db)); diff != "" {
		t.Errorf("second import of the same data: rows differ (-before +after):\n%s", diff)
	}

	done := loaded(t, db, schema.ReportData{Author: "bob", Attributes: attributes(
		schema.Attribute{AttributeName: "Flag of another name", LineItemNumber: "3"},
		schema.Attribute{AttributeName: "Balance"})})
	if done.Attributes != (schema.Tally{Added: 1, Updated: 1}) || done.Mappings != (schema.Tally{Added: 1}) {
		t.Errorf("got %+v, want line 3 updated and a Balance without a number added", done)
	}
	all, err := schema.ListAttributes(t.Context(), db, "c", "r", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 5 || all[2].AttributeName != "Flag of another name" || all[2].IsCDE ||
		all[2].CreatedBy != "alice" || all[2].UpdatedBy != "bob" {
		t.Errorf("got %+v, want 5 attributes, the third updated by bob", all)
	}
	if mappingOf(t, db, "item:3").ID != ids {
		t.Error("line 3 has a new mapping, want the previous one")
	}
	report, err := schema.GetReport(t.Context(), db, "c", "r")
	if err != nil || report.MappingCount != 5 || report.Name != "r" || report.UpdatedBy != "bob" {
		t.Errorf("report: got %+v, %v, want r by bob with 5 mappings", report, err)
	}
}

func TestImport_KeepsFieldsThatTheFileDoesNotHave(t *testing.T) {
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
		t.Errorf("got %+v, want a critical element with its description", all[0])
	}
}

func TestImport_KeepsTheOrderOfManyAttributes(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const n = 2345 // more than two pages

	done := loaded(t, db, schema.ReportData{
		Attributes: schema.Rows[schema.Attribute]{All: numbered(1, n)},
		Columns:    columns(column("Loans", "BAL")),
		Mappings: func(yield func(schema.MappingRow) bool) {
			for i := n; i > 0; i-- {
				if !yield(schema.MappingRow{
					Line: n - i + 2, LineItemNumber: fmt.Sprint(i),
					SourceField: "svc.LOANS.BAL",
				}) {
					return
				}
			}
		},
	})

	if done.Attributes.Added != n || done.Mappings.Added != n {
		t.Errorf("got %+v, want %d attributes and mappings added", done, n)
	}
	for _, table := range []string{"attributes", "pde_mappings"} {
		var out int
		join := "join attributes a on a.id = t.id"
		if table == "pde_mappings" {
			join = "join attributes a on a.id = t.attribute_id"
		}
		err := db.NewRaw(`select count(*) from (select a.line_item_number::integer as item,
			row_number() over (order by t.id) as place from ? t `+
			join+`) o where item <> place`, bun.Ident(table)).Scan(t.Context(), &out)
		if err != nil {
			t.Fatal(err)
		}
		if out > 0 {
			t.Errorf("%s: got %d rows out of the order of the file, want 0", table, out)
		}
	}
	var mapped, changes int
	err := db.NewRaw("select count(source_field), (select count(distinct mapping_id) from "+
		"classification_history) from pde_mappings").
		Scan(t.Context(), &mapped, &changes)
	if err != nil || mapped != n || changes != n {
		t.Errorf("got %d mapped and %d with a history, %v, want %d", mapped, changes, err, n)
	}
}
