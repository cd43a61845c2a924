package api

import (
	"context"
	"errors"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/api/introspect"
)

// ImportedDatabase is a database that an import has read.
type ImportedDatabase struct {
	DataSource    string   `json:"data_source" doc:"The name of the data source."`
	Database      string   `json:"database" doc:"The product and the version."`
	Tables        int      `json:"tables"`
	Columns       int      `json:"columns"`
	HiddenSchemas []string `json:"hidden_schemas" nullable:"false" doc:"Schemas that the user may not use; at most 5."`
}

// checkSource returns a [Problem] unless the parts for a database are complete. It normalizes the name of the source.
func (u *upload) checkSource() error {
	switch {
	case u.sourceURL == "" && u.sourceName == "" && u.sourceCA == "":
		return nil
	case u.sourceURL == "":
		return newFieldProblem("body.source_url", "is needed with source_name and source_ca")
	case u.sourceName == "":
		return newFieldProblem("body.source_name", "is needed with source_url: the name of the data source")
	case u.Columns != nil:
		return newFieldProblem("body.source_url", "must be left out with a file of columns: send two requests")
	}
	source, err := tabular.CheckDataSource(schema.DataSource{Name: u.sourceName})
	if problems, ok := errors.AsType[tabular.Problems](err); ok {
		return newFieldProblem("body.source_name", problems.First[0].Reason)
	}
	u.sourceName = source.Name
	return err
}

// importDatabase reads the database of an import, if it has one, and adds the columns to the data.
func (s *Server) importDatabase(
	ctx context.Context, in ReportPath, sent upload, data *schema.ReportData,
) (*ImportedDatabase, error) {
	if sent.sourceURL == "" {
		return nil, nil //nolint:nilnil // the response has null
	}
	const location = "body.source_url"
	c, err := parseConnection(location, sent.sourceURL, sent.sourceCA)
	if err != nil {
		return nil, err
	}
	if err := schema.RequireNoActiveJob(ctx, s.db, in.CycleID, in.ReportID); err != nil {
		return nil, planningError(err)
	}
	reading, err := s.readBetweenImports(ctx, location, c)
	if err != nil {
		return nil, err
	}
	for i := range reading.Columns {
		reading.Columns[i].DataSource = sent.sourceName
	}
	data.Columns = schema.Rows[schema.ColumnRow]{All: slices.Values(reading.Columns)}
	data.Connections = map[string]schema.Connection{sent.sourceName: s.storedConnection(c, reading)}
	return &ImportedDatabase{
		DataSource: sent.sourceName, Database: reading.Version, Tables: reading.Tables, Columns: len(reading.Columns),
		HiddenSchemas: orEmpty(reading.Hidden),
	}, nil
}

// readBetweenImports reads a database without the import slot of the request, so that a slow database does not keep
// others from importing.
func (s *Server) readBetweenImports(
	ctx context.Context, location string, c introspect.Connection,
) (introspect.Reading, error) {
	<-s.imports
	defer func() { s.imports <- struct{}{} }()
	return s.readDatabase(ctx, location, c)
}
