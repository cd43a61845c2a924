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
	ColumnCount int64 `json:"column_count" doc:"How many candidate columns it has; an import brings them."`
}

// DataSourceBody is what somebody says of a data source.
type DataSourceBody struct {
	Name        string `json:"name" doc:"Its name in the files of columns and mappings, of at most 255 characters."`
	Description string `json:"description" required:"false"`
}

// registerDataSources registers the routes of data sources.
func (s *Server) registerDataSources() {
	path := reportPath + "/data-sources"
	route(s, Viewer, huma.Operation{
		OperationID: "list-data-sources", Method: http.MethodGet, Path: path, Tags: []string{"planning"},
		Summary: "Lists the data sources of a report in the order in which they came",
	}, func(ctx context.Context, in *struct {
		ReportPath
		PageQuery
	},
	) (*pageOutput[DataSource], error) {
		return listOfReport(ctx, s, in.ReportPath, in.PageQuery, showDataSource, func(d schema.DataSource) string { return d.ID },
			func(after string, limit int) ([]schema.DataSource, error) {
				return schema.ListDataSources(ctx, s.db, in.CycleID, in.ReportID, after, limit)
			})
	})
	route(s, Viewer, huma.Operation{
		OperationID: "get-data-source", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{"planning"}, Summary: "Reads one data source",
	}, func(ctx context.Context, in *struct {
		ReportPath
		ID string `path:"id"`
	},
	) (*oneOutput[DataSource], error) {
		source, err := schema.FindDataSource(ctx, s.db, in.CycleID, in.ReportID, in.ID)
		if err != nil {
			return nil, s.refuseMissing(ctx, in.ReportPath, "data source", err)
		}
		return &oneOutput[DataSource]{Body: showDataSource(source)}, nil
	})
	route(s, Tester, huma.Operation{
		OperationID: "add-data-source", Method: http.MethodPost, Path: path, Tags: []string{"planning"}, DefaultStatus: http.StatusCreated,
		Errors:  []int{http.StatusConflict},
		Summary: "Adds a data source, without columns",
	}, s.addDataSource)
}

func (s *Server) addDataSource(ctx context.Context, in *struct {
	ReportPath
	Body DataSourceBody
},
) (*createdOutput[DataSource], error) {
	source, err := tabular.DataSource(map[string]string{"name": in.Body.Name, "description": in.Body.Description})
	if err != nil {
		return nil, bodyProblems(err)
	}
	source.CycleID, source.ReportID, source.CreatedBy = in.CycleID, in.ReportID, callerOf(ctx).User
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		source, err = schema.AddDataSource(ctx, tx, source)
		return err
	})
	if errors.Is(err, schema.ErrExists) {
		return nil, refuse(alreadyExists, "The report has a data source with this name.")
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &createdOutput[DataSource]{
		Location: in.at("data-sources", source.ID), Body: showDataSource(source),
	}, nil
}

func showDataSource(d schema.DataSource) DataSource {
	return DataSource{ID: d.ID, DataSourceBody: DataSourceBody{Name: d.Name, Description: d.Description}, ColumnCount: d.ColumnCount}
}
