package classifier

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
)

// manyTables returns the columns of 30 tables with 5 columns each, whose names mean nothing.
func manyTables() []schema.SourceColumn {
	var all []schema.SourceColumn
	for table := range 30 {
		for column := range 5 {
			all = append(all, schema.SourceColumn{
				DataSourceID: "servicing", SchemaName: "svc", TableName: fmt.Sprintf("T%02d", table),
				ColumnName: fmt.Sprintf("QX%02d%d", table, column), DataType: "NUMBER",
			})
		}
	}
	return all
}

func TestTheModelNamesTablesFirstIfTheRankingIsUnsure(t *testing.T) {
	t.Parallel()
	from := candidatesOf("FR Y-14M", nil, manyTables())
	for name, tt := range map[string]struct {
		from   *candidates
		chosen choice
		want   int
	}{
		"unsure":                 {from, choice{}, 30},
		"all columns are listed": {candidatesOf("FR Y-14M", nil, manyTables()[:maxCandidates]), choice{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tables := tablesFor(tt.from, schema.Attribute{AttributeName: "Accrual Status"}, tt.chosen)
			if len(tables) != tt.want {
				t.Errorf("tables: got %d, want %d", len(tables), tt.want)
			}
		})
	}
	sure := choice{}
	sure.SourceField, sure.Confidence = "svc.T00.QX000", unsureTable
	if tables := tablesFor(from, schema.Attribute{}, sure); len(tables) != 0 {
		t.Errorf("a ranking that is sure: got %d tables, want none", len(tables))
	}
}

func TestPlan_NarrowMakesTheColumnsOfTheNamedTablesTheCandidates(t *testing.T) {
	t.Parallel()
	columns := manyTables()
	columns[2].ColumnName = "ACCRUAL_STATUS_TEXT"
	from := candidatesOf("FR Y-14M", nil, columns)
	work := workOn(schema.JobTypePDERegeneration, "Accrual Status", schema.Mapping{})
	var p plan
	p.question, p.positions, _ = question(from, work, choice{})
	p.tables = from.tables
	p.narrow(from, []int{29, 3})
	for _, column := range []int{2, 145, 146, 147, 148, 149, 15, 16, 17, 18, 19} {
		if !slices.Contains(p.positions, column) {
			t.Errorf("candidates: got %v, want the best of the ranking and the columns of both tables", p.positions)
		}
	}
	for i, position := range p.positions {
		if slices.Index(p.positions, position) != i || p.question.Candidates[i].ColumnName !=
			from.columns[position].ColumnName {
			t.Errorf("candidate %d: got %v, want column %d once", i, p.question.Candidates[i], position)
		}
	}
	before := slices.Clone(p.positions)
	if p.narrow(from, nil); !slices.Equal(p.positions, before) {
		t.Errorf("no tables: got candidates %v, want those of before", p.positions)
	}
}

func TestACallForTablesIsRecordedAndItsReplyIsChecked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault llmtest.Fault
		want  []schema.CallStep
	}{
		"a good reply": {llmtest.None, []schema.CallStep{schema.CallStepTables, schema.CallStepAnswer}},
		"a repaired reply": {
			llmtest.WrongIndex,
			[]schema.CallStep{schema.CallStepTables, schema.CallStepRepair, schema.CallStepAnswer},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fault, want := tt.fault, tt.want
			f := newFixture(t, 1)
			c, server := f.withModel(llmtest.Options{Script: llmtest.Sequence(fault)})
			f.addColumns(manyTables())
			f.Exec("update attributes set attribute_name = 'Zorgle', technical_line_item_name = ''")
			estimated := f.estimate(c, schema.ClassifierLLM, false)
			f.handleLLM(c, f.ids[0])
			f.wantItem(f.ids[0], outcome{schema.OutcomeSucceeded, 1, "", 0})
			calls, err := schema.ListModelCalls(t.Context(), f.DB, f.job.ID, f.ids[0], "", 10)
			if err != nil {
				t.Fatal(err)
			}
			var steps []schema.CallStep
			var cost schema.USD
			for _, call := range calls {
				steps, cost = append(steps, call.Step), cost+call.CostUSD
			}
			if !slices.Equal(steps, want) || server.Counts().Calls != len(want) {
				t.Errorf("calls: got %v, want %v", steps, want)
			}
			if spent := f.spent(); spent.CostUSD != cost || cost == 0 {
				t.Errorf("cost of the job: got %v, want that of all calls, %v", spent.CostUSD, cost)
			}
			if fault == llmtest.None {
				wantNear(t, "a mapping with tables", estimated.Usage, f.spent(), 0.2)
			}
			if e := f.estimate(c, schema.ClassifierLLM, false); e.Unchanged != 1 {
				t.Errorf("after the job: got %+v, want the mapping unchanged", e)
			}
			f.Exec("update source_columns set description = 'The status of accrual.' where column_name = 'QX290'")
			if e := f.estimate(c, schema.ClassifierLLM, false); e.Unchanged != 0 {
				t.Error("after a change of a column that the model may see: got the mapping unchanged")
			}
		})
	}
}

// addColumns adds columns to the report's data source.
func (f *fixture) addColumns(all []schema.SourceColumn) {
	f.T.Helper()
	for _, c := range all {
		f.Exec(`insert into source_columns (id, data_source_id, identity, schema_name, table_name, column_name,
				data_type, description, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid()::text, data_source_id, ?, ?, ?, ?, ?, '', now(), 'test', now(), 'test'
			from source_columns limit 1`, c.ColumnName, c.SchemaName, c.TableName, c.ColumnName, c.DataType)
	}
}
