package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// DataSource is a system whose columns may feed a report.
type DataSource struct {
	ID string `json:"id"`
	DataSourceBody
	ColumnCount int64 `json:"column_count" doc:"The number of candidate columns."`

	Connection *SourceConnection `json:"connection" doc:"Null if the columns come from files."`
}

// DataSourceBody has the fields of a data source that a request can set.
type DataSourceBody struct {
	Name        string `json:"name" doc:"The name in the files of columns and mappings, of at most 255 characters."`
	Description string `json:"description" required:"false"`
}

// NewDataSourceBody is the body of a request that adds a data source.
type NewDataSourceBody struct {
	DataSourceBody
	Connection *ConnectionBody `json:"connection,omitempty" doc:"The database to read the columns from."`
}

// registerDataSources registers the routes of data sources.
func (s *Server) registerDataSources() {
	path := reportPath + "/data-sources"
	route(s, Viewer, huma.Operation{
		OperationID: "list-data-sources", Method: http.MethodGet, Path: path, Tags: []string{"planning"},
		Summary: "Lists the data sources of a report, the oldest first",
	}, s.listDataSources)
	route(s, Viewer, huma.Operation{
		OperationID: "get-data-source", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{"planning"},
		Summary: "Reads one data source",
	}, func(ctx context.Context, in *struct {
		ReportPath
		ID string `path:"id"`
	},
	) (*oneOutput[DataSource], error) {
		source, err := schema.GetDataSource(ctx, s.db, in.CycleID, in.ReportID, in.ID)
		if err != nil {
			return nil, s.missingError(ctx, in.ReportPath, "data source", err)
		}
		return &oneOutput[DataSource]{Body: newDataSource(source)}, nil
	})
	route(s, Tester, huma.Operation{
		OperationID: "add-data-source", Method: http.MethodPost, Path: path, Tags: []string{"planning"},
		DefaultStatus: http.StatusCreated,
		Errors:        []int{http.StatusConflict},
		Summary:       "Adds a data source",
		Description: "With a connection, the columns, keys and comments are read from the database: those that the " +
			"user of the URL may see. Without, it has no columns until some are imported.",
	}, s.addDataSource)
	route(s, Tester, huma.Operation{
		OperationID: "correct-data-source", Method: http.MethodPut, Path: path + "/{id}", Tags: []string{"planning"},
		Errors: []int{http.StatusConflict}, Summary: "Renames or describes a data source",
		Description: "Only the fields in the body change. Refused if the report has an active job, and if another " +
			"data source has the name.",
	}, s.correctDataSource)
}

func (s *Server) listDataSources(ctx context.Context, in *struct {
	ReportPath
	PageQuery
},
) (*pageOutput[DataSource], error) {
	after, err := in.afterID()
	if err != nil {
		return nil, err
	}
	if err := s.requireReport(ctx, in.ReportPath); err != nil {
		return nil, err
	}
	rows, err := schema.ListDataSources(ctx, s.db, in.CycleID, in.ReportID, after, in.rows())
	if err != nil {
		return nil, err
	}
	body, err := pageOf(in.PageQuery, rows, newDataSource, func(d schema.DataSource) []string { return []string{d.ID} })
	return &pageOutput[DataSource]{Body: body}, err
}

func (s *Server) addDataSource(ctx context.Context, in *struct {
	ReportPath
	Body NewDataSourceBody
},
) (*createdOutput[DataSource], error) {
	source, err := tabular.CheckDataSource(schema.DataSource{Name: in.Body.Name, Description: in.Body.Description})
	if err != nil {
		return nil, bodyProblems(err)
	}
	source.CycleID, source.ReportID, source.CreatedBy = in.CycleID, in.ReportID, callerOf(ctx).User
	var columns []schema.ColumnRow
	if in.Body.Connection != nil {
		if err := schema.RequireNoActiveJob(ctx, s.db, in.CycleID, in.ReportID); err != nil {
			return nil, planningError(err)
		}
		if source.Connection, columns, err = s.readNew(ctx, *in.Body.Connection); err != nil {
			return nil, err
		}
	}
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		source, err = schema.InsertDataSource(ctx, tx, source, columns...)
		return err
	})
	if errors.Is(err, schema.ErrExists) {
		return nil, newProblem(alreadyExists, "The report has a data source with this name.")
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &createdOutput[DataSource]{
		Location: in.url("data-sources", source.ID), Body: newDataSource(source),
	}, nil
}

// readNew reads the database of a new data source.
func (s *Server) readNew(
	ctx context.Context, body ConnectionBody,
) (connection schema.Connection, columns []schema.ColumnRow, err error) {
	const location = "body.connection.url"
	c, err := parseConnection(location, body.URL, body.CACertificate)
	if err != nil {
		return connection, nil, err
	}
	reading, err := s.readDatabase(ctx, location, c)
	if err != nil {
		return connection, nil, err
	}
	return s.storedConnection(c, reading), reading.Columns, nil
}

// DataSourceEdit has the fields of a data source that a request corrects. Absent fields do not change.
type DataSourceEdit struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty" doc:"An empty text removes it."`
}

func (s *Server) correctDataSource(ctx context.Context, in *struct {
	ReportPath
	ID   string `path:"id"`
	Body DataSourceEdit
},
) (*oneOutput[DataSource], error) {
	edit := in.Body
	if edit == (DataSourceEdit{}) {
		return nil, newFieldProblem("body", "must have name or description")
	}
	checked := schema.DataSource{Name: "checked"} // a name that is not given is not checked
	setIfGiven(&checked.Name, edit.Name)
	setIfGiven(&checked.Description, edit.Description)
	checked, err := tabular.CheckDataSource(checked)
	if err != nil {
		return nil, bodyProblems(err)
	}
	if edit.Name != nil {
		edit.Name = &checked.Name
	}
	if edit.Description != nil {
		edit.Description = &checked.Description
	}
	var source schema.DataSource
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		source, err = schema.UpdateDataSource(ctx, tx, in.CycleID, in.ReportID, in.ID, callerOf(ctx).User, edit.Name,
			edit.Description)
		return err
	})
	switch {
	case errors.Is(err, schema.ErrExists):
		return nil, newProblem(alreadyExists, "The report has another data source with this name. Nothing was changed.")
	case errors.Is(err, schema.ErrNotFound):
		return nil, s.missingError(ctx, in.ReportPath, "data source", err)
	case err != nil:
		return nil, planningError(err)
	}
	return &oneOutput[DataSource]{Body: newDataSource(source)}, nil
}

func newDataSource(d schema.DataSource) DataSource {
	return DataSource{
		ID: d.ID, DataSourceBody: DataSourceBody{Name: d.Name, Description: d.Description}, ColumnCount: d.ColumnCount,
		Connection: newSourceConnection(d.Connection),
	}
}
