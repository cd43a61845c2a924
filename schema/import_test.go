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

// load imports the data into the report of cycle c and id r, by alice, and returns the counts.
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

	want := schema.ImportResult{
		Attributes: schema.Tally{Added: 4}, DataSources: schema.Tally{Added: 2}, Columns: schema.Tally{Added: 3}, Mappings: schema.Tally{Added: 4},
	}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
	report, err := schema.GetReport(t.Context(), db, "c", "r")
	if err != nil {
		t.Fatal(err)
	}
	if report.Name != "Loans" || report.MappingCount != 4 || report.CreatedBy != "alice" || report.UpdatedAt != report.CreatedAt {
		t.Errorf("report is %+v", report)
	}
	mapping := mappingOf(t, db, "name:Comment")
	if mapping.SourceField != "" || mapping.ReviewStatus != schema.ReviewStatusPending || mapping.Version != 1 || mapping.UpdatedBy != "alice" ||
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
	report, err := schema.GetReport(t.Context(), db, "c", "r")
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
