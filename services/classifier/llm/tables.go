package llm

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// maxNamed is the number of tables whose columns become the candidates.
	maxNamed = 5
	// maxTablesTokens bounds the reply that names them.
	maxTablesTokens = 250
)

// Table is a table that a model may name.
type Table struct {
	// Name is SCHEMA.TABLE, and Columns the number of columns.
	Name    string
	Columns int
}

// tablesSchema is the JSON schema of a reply that names tables.
var tablesSchema = json.RawMessage(encode(map[string]any{
	"type": "object", "additionalProperties": false, "required": tablesFields,
	"properties": map[string]any{
		"reason": map[string]any{"type": "string"},
		"tables": map[string]any{"type": "array", "items": map[string]any{"type": "integer"}},
	},
}))

var tablesFields = []string{"reason", "tables"}

// Tables returns the request that asks in which tables the column could be.
func (p *Prompt) Tables(q Question) provider.Request {
	d := data{
		head: head{shorten(q.Report, maxName), attributeOf(q.Attribute)}, rowsAre: "tables: index, name, columns",
	}
	for i, t := range q.Tables {
		d.rows = append(d.rows, row{i, shorten(t.Name, maxName), t.Columns})
	}
	return provider.Request{
		System: p.system, SchemaName: "mapping_tables", Schema: tablesSchema, MaxOutputTokens: maxTablesTokens,
		Messages: []provider.Message{{
			Role: provider.RoleUser, Text: strings.Replace(p.sections["tables"], "{data}", block(d), 1),
		}},
	}
}

// parseTables reads a reply that names tables: their indexes without repetitions, at most maxNamed.
func parseTables(q Question, text string) ([]int, error) {
	var reply struct {
		Reason string `json:"reason"`
		Tables []int  `json:"tables"`
	}
	if err := decode(text, &reply, tablesFields); err != nil {
		return nil, err
	}
	var named []int
	for _, i := range reply.Tables {
		if i < 0 || i >= len(q.Tables) {
			return nil, errors.New("tables has a number that is not the index of a table")
		}
		if !slices.Contains(named, i) && len(named) < maxNamed {
			named = append(named, i)
		}
	}
	return named, nil
}
