package classifier

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
)

const (
	// unsureTable is the confidence in a column below which the model names tables before it chooses one. It always
	// does so if the ranking has found none: few candidates resemble the attribute then.
	unsureTable = 60
	// maxTables is the number of tables that it chooses from.
	maxTables = 150
	// rankedFirst is the number of the ranking's best columns that stay candidates, whatever tables the model names.
	rankedFirst = 10
	// maxTableCandidates is the number of columns that it chooses from then.
	maxTableCandidates = 80
	// rankedForTables is the number of the best columns whose tables are listed first.
	rankedForTables = 1000
)

// tablesFor returns the tables that the model is asked to name, the most promising ones by the ranking first. There are
// none if the ranking is sure, or if all columns are candidates anyway.
func tablesFor(from *candidates, attribute schema.Attribute, chosen choice) []tableKey {
	sure := chosen.SourceField != "" && chosen.Confidence >= unsureTable
	if sure || len(from.columns) <= maxCandidates || len(from.tables) < 2 {
		return nil
	}
	tables := make([]tableKey, 0, min(len(from.tables), maxTables))
	has := make(map[tableKey]bool, maxTables)
	add := func(t tableKey) {
		if !has[t] && len(tables) < maxTables {
			has[t] = true
			tables = append(tables, t)
		}
	}
	for _, i := range from.ranking.Candidates(attribute, rankedForTables) {
		add(tableOf(from.columns[i]))
	}
	for _, t := range from.tables {
		add(t)
	}
	return tables
}

// listTables describes tables to the model.
func listTables(from *candidates, tables []tableKey) []llm.Table {
	var list []llm.Table
	for _, t := range tables {
		list = append(list, llm.Table{Name: t.schema + "." + t.table, Columns: len(from.byTable[t])})
	}
	return list
}

// tablesDigest identifies the columns of tables with everything that the model may be sent of them.
func tablesDigest(from *candidates, tables []tableKey) string {
	sum := fnv.New128a()
	for _, t := range tables {
		for _, i := range from.byTable[t] {
			c := from.columns[i]
			text, err := json.Marshal([]string{c.SourceField(), c.DataType, c.Description})
			if err != nil {
				panic(fmt.Sprintf("digest of a column: %v", err)) // not possible: texts can be encoded
			}
			_, _ = sum.Write(text) // it returns no error
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// ask asks the model what the plan asks. If the plan has tables, the model names some first, and their columns
// become the candidates.
func (p *plan) ask(ctx context.Context, model *llm.Model, from *candidates, send llm.Send) (llm.Opinion, error) {
	if len(p.tables) > 0 {
		named, err := model.AskTables(ctx, p.question, send)
		if err != nil {
			return llm.Opinion{}, err
		}
		p.narrow(from, named)
	}
	return model.Ask(ctx, p.question, send)
}

// narrow makes the columns of the tables with these indexes the candidates: the best ones of the ranking, in whatever
// table, then the ranked ones of the tables, and then the others of each table in turn. If there are no tables, the
// candidates stay as they are.
func (p *plan) narrow(from *candidates, named []int) {
	if len(named) == 0 {
		return
	}
	in := map[tableKey]bool{}
	for _, i := range named {
		in[p.tables[i]] = true
	}
	ranked := min(rankedFirst, len(p.positions))
	positions := slices.Clone(p.positions[:ranked])
	for _, i := range p.positions[ranked:] {
		if in[tableOf(from.columns[i])] {
			positions = append(positions, i)
		}
	}
	for _, i := range named {
		for _, column := range from.byTable[p.tables[i]] {
			if !slices.Contains(positions, column) && len(positions) < maxTableCandidates {
				positions = append(positions, column)
			}
		}
	}
	p.setCandidates(from, positions)
}

// setCandidates makes the columns at these positions the candidates of the question.
func (p *plan) setCandidates(from *candidates, positions []int) {
	p.positions, p.question.Candidates = positions, make([]schema.SourceColumn, len(positions))
	for i, position := range positions {
		p.question.Candidates[i] = from.columns[position]
	}
}
