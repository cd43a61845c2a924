package schema_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// quarters is a report in one cycle with decisions, and the next cycle.
type quarters struct {
	t  *testing.T
	db *schema.DB
}

const nextCycle = "2026-Q4"

// loans returns the data of a report of four attributes and three columns.
func loans(cycleID string) schema.ReportData {
	data := schema.ReportData{
		CycleID: cycleID, ReportID: schematest.ReportID, Name: "Loans", Author: "ida",
		Attributes: attributes(
			schema.Attribute{
				AttributeName: "Balance", LineItemNumber: "1", Description: "What is owed", DataType: "N10",
			},
			schema.Attribute{AttributeName: "Flag", LineItemNumber: "2", Description: "A flag", IsCDE: true},
			schema.Attribute{AttributeName: "Date", LineItemNumber: "3", DataType: "Date"},
			schema.Attribute{AttributeName: "Comment"}),
		Columns: columns(
			schema.ColumnRow{
				DataSource: "Loans", SchemaName: "svc", TableName: "LOANS", ColumnName: "BAL", DataType: "NUMBER(10)",
			},
			column("Loans", "FLG"), column("Bureau", "FLG"), column("Loans", "DT")),
	}
	return data
}

// newQuarters imports the report into the first cycle, where tess edits the mappings of three attributes and mona
// approves two of them. The mapping of the attribute Comment has a job's values.
func newQuarters(t *testing.T) quarters {
	t.Helper()
	q := quarters{t: t, db: schematest.New(t)}
	q.load(loans(schematest.CycleID))
	for name, edit := range map[string]schema.MappingEdit{
		"Balance": {SourceField: new("svc.LOANS.BAL"), RiskLevel: new(schema.LevelHigh)},
		"Flag":    {SourceField: new("svc.LOANS.FLG"), DataSourceID: new(q.source(schematest.CycleID, "Bureau"))},
		"Date": {
			SourceFields: &schema.SourceFields{"svc.LOANS.DT", "svc.LOANS.FLG"}, BusinessOwner: new("Treasury"),
			MappingType: new(schema.MappingTypeConditional), TransformationRule: new("if the flag is set"),
		},
	} {
		if _, err := edited(t.Context(), q.db, q.mapping(schematest.CycleID, name).ID, "tess", edit); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Balance", "Flag"} {
		id := q.mapping(schematest.CycleID, name).ID
		if err := reviewed(t.Context(), q.db, id, "mona", schema.ReviewStatusApproved); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, q.db, `update pde_mappings set source_field = 'svc.LOANS.BAL', confidence_score = 70,
		data_source_id = ?, information_security_classification = 'Public', pii_flag = false, input_hash = 'x',
		alternative_mappings = '[{"source_field": "svc.LOANS.DT", "score": 50, "reason": "it may"}]'
		where id = ?`, q.source(schematest.CycleID, "Loans"), q.mapping(schematest.CycleID, "Comment").ID)
	return q
}

func (q quarters) load(data schema.ReportData) {
	q.t.Helper()
	err := in(q.t.Context(), q.db, func(tx bun.Tx) error {
		_, err := schema.Import(q.t.Context(), tx, data)
		return err
	})
	if err != nil {
		q.t.Fatal(err)
	}
}

func (q quarters) source(cycleID, name string) (id string) {
	q.t.Helper()
	err := q.db.NewRaw("select id from data_sources where cycle_id = ? and name = ?", cycleID, name).
		Scan(q.t.Context(), &id)
	if err != nil {
		q.t.Fatal(err)
	}
	return id
}

// mapping returns the mapping of the attribute with this name.
func (q quarters) mapping(cycleID, name string) (m schema.Mapping) {
	q.t.Helper()
	err := q.db.NewSelect().Model(&m).Join("join attributes a on a.id = m.attribute_id").
		Where("m.cycle_id = ? and a.attribute_name = ?", cycleID, name).Scan(q.t.Context())
	if err != nil {
		q.t.Fatal(err)
	}
	return m
}

func nextQuarter() schema.CarryOver {
	return schema.CarryOver{
		CycleID: nextCycle, ReportID: schematest.ReportID, FromCycleID: schematest.CycleID, Author: "cora",
	}
}

func carry(ctx context.Context, db *schema.DB, o schema.CarryOver) (done schema.CarryResult, err error) {
	err = in(ctx, db, func(tx bun.Tx) (err error) {
		done, err = o.Run(ctx, tx)
		return err
	})
	return done, err
}

func (q quarters) carried(o schema.CarryOver) schema.CarryResult {
	q.t.Helper()
	preview, err := o.Preview(q.t.Context(), q.db)
	if err != nil {
		q.t.Fatal(err)
	}
	done, err := carry(q.t.Context(), q.db, o)
	if err != nil {
		q.t.Fatal(err)
	}
	if diff := cmp.Diff(counts(done), counts(preview)); diff != "" {
		q.t.Errorf("Preview differs from Run (-run +preview):\n%s", diff)
	}
	return done
}

// counts returns the attributes of the result as "kind: name reason".
func counts(done schema.CarryResult) (lines []string) {
	for _, part := range []struct {
		name string
		rows schema.CarriedRows
	}{
		{"carried", done.Carried},
		{"changed", done.Changed},
		{"kept", done.Kept},
		{"added", done.Added},
		{"dropped", done.Dropped},
	} {
		lines = append(lines, fmt.Sprintf("%s %d", part.name, part.rows.Count))
		for _, row := range part.rows.First {
			lines = append(lines, strings.TrimSpace(part.name+": "+row.AttributeName+" "+row.Reason))
		}
	}
	return lines
}

// digest returns a digest of every row of the cycle.
func (q quarters) digest(cycleID string) (digest string) {
	q.t.Helper()
	err := q.db.NewRaw(`select md5(string_agg(row, '' order by row)) from (
			select t::text as row from reports t where cycle_id = ?0
			union all select t::text from attributes t where cycle_id = ?0
			union all select t::text from data_sources t where cycle_id = ?0
			union all select t::text from source_columns t join data_sources d on d.id = t.data_source_id
				where d.cycle_id = ?0
			union all select t::text from pde_mappings t where cycle_id = ?0
			union all select t::text from classification_history t join pde_mappings m on m.id = t.mapping_id
				where m.cycle_id = ?0) rows`, cycleID).Scan(q.t.Context(), &digest)
	if err != nil {
		q.t.Fatal(err)
	}
	return digest
}
