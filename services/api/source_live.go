package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/introspect"
)

// SourcePath has the parameters of the path of a data source.
type SourcePath struct {
	ReportPath
	ID string `path:"id"`
}

// ConnectionTest is the result of a test of a connection.
type ConnectionTest struct {
	OK            bool     `json:"ok"`
	Reason        *string  `json:"reason" doc:"A stable name of the reason, such as authentication_failed; null if ok."`
	Message       string   `json:"message" doc:"What was found, or what is wrong and what to do."`
	Database      *string  `json:"database" doc:"The product and the version; null unless ok."`
	Tables        int      `json:"tables" doc:"The number of tables and views that the user may see."`
	Columns       int      `json:"columns"`
	HiddenSchemas []string `json:"hidden_schemas" nullable:"false" doc:"Schemas that the user may not use; at most 5."`
}

// SourceSummary is a data source with a page of its tables.
type SourceSummary struct {
	DataSource
	TableCount      int64 `json:"table_count"`
	PrimaryKeyCount int64 `json:"primary_key_count" doc:"Columns of primary keys, as far as they are known."`
	ForeignKeyCount int64 `json:"foreign_key_count" doc:"Columns of foreign keys, as far as they are known."`
	MissingCount    int64 `json:"missing_count" doc:"Columns that the last import of the data source lacked."`
	Page[SourceTable]
}

// SourceTable is a table or a view with its columns.
type SourceTable struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`

	Kind *schema.RelationKind `json:"kind" enum:"table,view,materialized_view,foreign_table" doc:"Null if unknown."`

	Columns []SourceColumn `json:"columns" nullable:"false" doc:"In the order of the table."`
}

// SourceColumn is a column of a table.
type SourceColumn struct {
	ID           string  `json:"id"`
	Name         string  `json:"name"`
	DataType     string  `json:"data_type"`
	Description  string  `json:"description"`
	IsPrimaryKey bool    `json:"is_primary_key"`
	References   *string `json:"references" doc:"The source field that a foreign key refers to."`

	MissingSince *time.Time `json:"missing_since" doc:"The first import without it; null if the last one had it."`
}

// Refreshed is the difference between two readings of a data source.
type Refreshed struct {
	DataSource
	SchemaChanges
	Message string `json:"message"`
}

// SchemaChanges are the columns that differ between two readings of a data source.
type SchemaChanges struct {
	Added    ChangedColumns `json:"added"`
	Dropped  ChangedColumns `json:"dropped"`
	Renamed  ChangedColumns `json:"renamed" doc:"Probably: another name, the same type, and the same position or, in a file, description."`
	Retyped  ChangedColumns `json:"retyped"`
	Revised  int64          `json:"need_revision" doc:"Mappings to dropped and renamed columns."`
	Unmapped int64          `json:"unmapped" doc:"Those of them that became unmapped, because the column was removed."`
}

// ChangedColumns are the columns that changed in one way.
type ChangedColumns struct {
	Count int64           `json:"count"`
	Items []ChangedColumn `json:"items" nullable:"false" doc:"The first 100 of them."`
}

// ChangedColumn is a column that has changed.
type ChangedColumn struct {
	SourceField    string  `json:"source_field" doc:"The column as schema.table.column."`
	NewSourceField *string `json:"new_source_field" doc:"The new name of a renamed column."`
	DataType       string  `json:"data_type" doc:"The previous type, or that of an added column."`
	NewDataType    *string `json:"new_data_type" doc:"The new type of a retyped column."`
}

// registerLiveSources registers the routes of data sources that are read from databases.
func (s *Server) registerLiveSources() {
	path := reportPath + "/data-sources/{id}"
	route(s, Tester, huma.Operation{
		OperationID: "test-data-source", Method: http.MethodPost, Path: path + "/test-connection",
		Tags: []string{"planning"}, Errors: []int{http.StatusConflict},
		Summary: "Tests the connection of a data source",
		Description: "Connects and reads the catalog, and changes nothing. The response names the reason if that " +
			"fails.",
	}, s.testDataSource)
	route(s, Viewer, huma.Operation{
		OperationID: "summarize-data-source", Method: http.MethodGet, Path: path + "/summary",
		Tags: []string{"planning"}, Summary: "Lists the tables of a data source with their columns and keys",
	}, s.summarizeDataSource)
	route(s, Tester, huma.Operation{
		OperationID: "refresh-data-source", Method: http.MethodPost, Path: path + "/refresh",
		Tags: []string{"planning"}, Errors: []int{http.StatusConflict},
		Summary: "Reads the schema of a data source again and lists what has changed",
		Description: "Mappings to columns that the database no longer has become unmapped and need revision. If a " +
			"column was probably renamed, the new name is suggested.",
	}, s.refreshDataSource)
}

func (s *Server) testDataSource(ctx context.Context, in *struct {
	SourcePath
	Body *PasswordBody
},
) (*oneOutput[ConnectionTest], error) {
	source, err := s.dataSource(ctx, in.SourcePath)
	if err != nil {
		return nil, err
	}
	var reading introspect.Reading
	c, err := s.openConnection(source, orZero(in.Body).Password)
	if err == nil {
		reading, err = s.tryDatabase(ctx, c)
	}
	if e, ok := errors.AsType[*introspect.Error](err); ok {
		return &oneOutput[ConnectionTest]{Body: ConnectionTest{
			Reason: orNull(string(e.Reason)), Message: e.Error(), HiddenSchemas: []string{},
		}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &oneOutput[ConnectionTest]{Body: ConnectionTest{
		OK: true, Database: orNull(reading.Version), Tables: reading.Tables, Columns: len(reading.Columns),
		HiddenSchemas: orEmpty(reading.Hidden),
		Message: fmt.Sprintf("The user sees %s with %s.%s", plural(reading.Tables, "table"),
			plural(len(reading.Columns), "column"), hiddenNote(reading)),
	}}, nil
}

// dataSource reads the data source. An error is a [Problem] if it does not exist.
func (s *Server) dataSource(ctx context.Context, in SourcePath) (schema.DataSource, error) {
	source, err := schema.GetDataSource(ctx, s.db, in.CycleID, in.ReportID, in.ID)
	return source, s.missingError(ctx, in.ReportPath, "data source", err)
}

func (s *Server) summarizeDataSource(ctx context.Context, in *struct {
	SourcePath
	PageQuery
},
) (*oneOutput[SourceSummary], error) {
	key, err := in.after(2)
	if err != nil {
		return nil, err
	}
	if key == nil {
		key = []string{"", ""}
	}
	source, err := s.dataSource(ctx, in.SourcePath)
	if err != nil {
		return nil, err
	}
	counts, err := schema.CountSource(ctx, s.db, source.ID)
	if err != nil {
		return nil, err
	}
	tables, err := schema.ListSourceTables(ctx, s.db, source.ID, key[0], key[1], in.rows())
	if err != nil {
		return nil, err
	}
	page, err := pageOf(in.PageQuery, tables, newSourceTable,
		func(t schema.SourceTable) []string { return []string{t.SchemaName, t.TableName} })
	return &oneOutput[SourceSummary]{Body: SourceSummary{
		DataSource: newDataSource(source), TableCount: counts.Tables, PrimaryKeyCount: counts.PrimaryKeys,
		ForeignKeyCount: counts.ForeignKeys, MissingCount: counts.Missing, Page: page,
	}}, err
}

func newSourceTable(t schema.SourceTable) SourceTable {
	table := SourceTable{
		Schema: t.SchemaName, Table: t.TableName, Kind: orNull(t.Kind), Columns: make([]SourceColumn, len(t.Columns)),
	}
	for i, c := range t.Columns {
		table.Columns[i] = SourceColumn{
			ID: c.ID, Name: c.ColumnName, DataType: c.DataType, Description: c.Description,
			IsPrimaryKey: c.IsPrimaryKey, References: orNull(c.References), MissingSince: timeOrNull(c.MissingSince),
		}
	}
	return table
}

func (s *Server) refreshDataSource(ctx context.Context, in *struct {
	SourcePath
	Body *PasswordBody
},
) (*oneOutput[Refreshed], error) {
	source, err := s.dataSource(ctx, in.SourcePath)
	if err != nil {
		return nil, err
	}
	// Checked before the database is read, to save the time, and again under the lock of the report.
	if err := schema.RequireNoActiveJob(ctx, s.db, in.CycleID, in.ReportID); err != nil {
		return nil, planningError(err)
	}
	password := orZero(in.Body).Password
	c, err := s.openConnection(source, password)
	if e, ok := errors.AsType[*introspect.Error](err); ok {
		return nil, connectionProblem("", e)
	}
	if err != nil {
		return nil, err
	}
	reading, err := s.readDatabase(ctx, "", c)
	if err != nil {
		return nil, err
	}
	refresh := schema.Refresh{
		CycleID: in.CycleID, ReportID: in.ReportID, SourceID: in.ID, Author: callerOf(ctx).User,
		Connection: s.storedConnection(c, reading), Columns: reading.Columns,
	}
	var result schema.SourceChanges
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		result, err = schema.RefreshDataSource(ctx, tx, refresh)
		return err
	})
	switch {
	case errors.Is(err, schema.ErrConnectionChanged):
		return nil, errConcurrent
	case errors.Is(err, schema.ErrNotFound):
		return nil, s.missingError(ctx, in.ReportPath, "data source", err)
	case err != nil:
		return nil, planningError(err)
	}
	return &oneOutput[Refreshed]{Body: newRefreshed(result, reading)}, nil
}

func newRefreshed(result schema.SourceChanges, reading introspect.Reading) Refreshed {
	done := Refreshed{DataSource: newDataSource(result.Source), SchemaChanges: newSchemaChanges(result)}
	done.Message = done.sentence() + hiddenNote(reading)
	return done
}

func newSchemaChanges(result schema.SourceChanges) SchemaChanges {
	return SchemaChanges{
		Added: newChangedColumns(result.Added), Dropped: newChangedColumns(result.Dropped),
		Renamed: newChangedColumns(result.Renamed), Retyped: newChangedColumns(result.Retyped),
		Revised: result.Revised, Unmapped: result.Unmapped,
	}
}

// sentence counts the changes.
func (c SchemaChanges) sentence() string {
	var parts []string
	for _, part := range []struct {
		n    int64
		text string
	}{
		{c.Added.Count, "added"},
		{c.Dropped.Count, "dropped"},
		{c.Renamed.Count, "probably renamed"},
		{c.Retyped.Count, "retyped"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	text := "No column was added, dropped, renamed or retyped."
	if len(parts) > 0 {
		text = "Columns: " + strings.Join(parts, ", ") + "."
	}
	need := "need"
	if c.Revised == 1 {
		need = "needs"
	}
	if c.Revised > 0 {
		text += fmt.Sprintf(" %s %s revision", plural(int(c.Revised), "mapping"), need)
		if c.Unmapped > 0 {
			text += fmt.Sprintf(", of which %d became unmapped", c.Unmapped)
		}
		text += "."
	}
	return text
}

func newChangedColumns(changes schema.ColumnChanges) ChangedColumns {
	list := ChangedColumns{Count: changes.Count, Items: make([]ChangedColumn, len(changes.First))}
	for i, c := range changes.First {
		before, after := c.Before, c.After
		switch {
		case before.ColumnName == "":
			list.Items[i] = ChangedColumn{SourceField: after.SourceField(), DataType: after.DataType}
		case after.ColumnName == "":
			list.Items[i] = ChangedColumn{SourceField: before.SourceField(), DataType: before.DataType}
		default:
			changed := ChangedColumn{SourceField: before.SourceField(), DataType: before.DataType}
			if after.Identity != before.Identity {
				changed.NewSourceField = orNull(after.SourceField())
			}
			if after.DataType != before.DataType {
				changed.NewDataType = orNull(after.DataType)
			}
			list.Items[i] = changed
		}
	}
	return list
}
