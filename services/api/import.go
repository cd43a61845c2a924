package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/columnfile"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

const (
	// maxImports is the number of imports that run at once. Each holds its files and all their rows in memory.
	maxImports = 2
	// maxReportName and maxReportKey bound the name and the ids of a report, in characters.
	maxReportName = 200
	maxReportKey  = 100
)

// Imported is the response to an import.
type Imported struct {
	CycleID      string        `json:"cycle_id"`
	ReportID     string        `json:"report_id"`
	Name         string        `json:"name"`
	MappingCount int64         `json:"mapping_count" doc:"The number of mappings of the report after the import."`
	Attributes   Tally         `json:"attributes"`
	DataSources  Tally         `json:"data_sources"`
	Columns      Tally         `json:"columns"`
	Mappings     MappingsTally `json:"mappings"`
	Gone         Gone          `json:"no_longer_in_files" doc:"Rows that are not in the files; see prune."`
	// Files are in the order of the parts.
	Files []ImportedFile `json:"files" doc:"The files that were read."`

	Changes []ImportedChanges `json:"changes" nullable:"false" doc:"The changes of the data sources that had columns before."`

	Database *ImportedDatabase `json:"database" doc:"The database of source_url that was read; null without one."`
}

// ImportedChanges are the changes of the columns of a data source.
type ImportedChanges struct {
	DataSourceID string `json:"data_source_id"`
	DataSource   string `json:"data_source" doc:"The name of the data source."`
	SchemaChanges
	Message string `json:"message"`
}

func newImportedChanges(result schema.SourceChanges) ImportedChanges {
	changes := newSchemaChanges(result)
	return ImportedChanges{
		DataSourceID: result.Source.ID, DataSource: result.Source.Name, SchemaChanges: changes,
		Message: changes.sentence(),
	}
}

// ImportedFile is a file that was read.
type ImportedFile struct {
	Part       string `json:"part" enum:"attributes,columns,mappings"`
	File       string `json:"file"`
	Rows       int    `json:"rows"`
	HeaderLine int    `json:"header_line" doc:"The line of the header, in the first sheet that was read."`
	// Sheets are the first sheet with the columns of the part, and the others with the same columns.
	Sheets []string `json:"sheets,omitempty" doc:"The sheets of a workbook that were read."`
	// Unread are hidden sheets, and those with other columns.
	Unread []string `json:"unread_sheets,omitempty" doc:"The other sheets, hidden or with other columns."`
}

// importedFile describes a file that was read; nothing if the file is absent.
func importedFile[R any](part string, f tabular.File[R]) []ImportedFile {
	if f.Name == "" {
		return nil
	}
	return []ImportedFile{{
		Part: part, File: f.Name, Rows: len(f.Rows), HeaderLine: f.HeaderLine, Sheets: f.Sheets, Unread: f.Unread,
	}}
}

// Tally counts rows by the effect of the import.
type Tally struct {
	Added     int64 `json:"added"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Removed   int64 `json:"removed"`
}

// MappingsTally counts mappings by the effect of the import.
type MappingsTally struct {
	Added     int64 `json:"added" doc:"Mappings of new attributes."`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Kept      int64 `json:"kept" doc:"Mappings that are unchanged because a person has confirmed them."`
	Removed   int64 `json:"removed" doc:"Mappings of removed attributes."`
	Unmapped  int64 `json:"unmapped" doc:"Mappings whose column was removed."`
}

// Gone has the rows of a report that are not in the files of an import.
type Gone struct {
	Attributes GoneRows `json:"attributes" doc:"Attributes, if the request has a file of attributes."`
	Columns    GoneRows `json:"columns" doc:"Columns of the data sources that the file of columns names."`
}

// GoneRows are rows of one kind.
type GoneRows struct {
	Count     int64     `json:"count"`
	Confirmed int64     `json:"confirmed" doc:"The number of them that a person has confirmed."`
	Items     []GoneRow `json:"items" doc:"The first 100 of them."`
}

// GoneRow is an attribute or a column.
type GoneRow struct {
	ID           string  `json:"id"`
	DataSourceID *string `json:"data_source_id" doc:"The data source of a column; null for an attribute."`
	Name         string  `json:"name" doc:"The name of an attribute, or the source field of a column."`
	Confirmed    bool    `json:"confirmed"`
}

func newGoneRows(gone schema.MissingRows) GoneRows {
	rows := GoneRows{Count: gone.Count, Confirmed: gone.Confirmed, Items: make([]GoneRow, len(gone.First))}
	for i, row := range gone.First {
		rows.Items[i] = GoneRow{
			ID: row.ID, DataSourceID: orNull(row.DataSourceID), Name: row.Name, Confirmed: row.Confirmed,
		}
	}
	return rows
}

// registerImport registers the import of a report.
func (s *Server) registerImport() {
	file := func(of, columns string) *huma.Schema {
		return &huma.Schema{
			Type: "string", Format: "binary",
			Description: fmt.Sprintf("The report's %s, .csv or .xlsx, with a header: %s.", of, columns),
		}
	}
	columns := file("candidate columns", "data_source, schema, table and column are needed")
	columns.Description += " Or an SQL script with CREATE TABLE, the manifest.json or a schema.yml of dbt, or a CSV " +
		"export of OpenMetadata."
	route(s, Tester, huma.Operation{
		OperationID: "import", Method: http.MethodPost, Path: reportPath + "/import", Tags: []string{"planning"},
		Summary: "Imports attributes, candidate columns and mappings, all or nothing",
		Description: "Creates the report if it does not exist. Existing rows are updated: attributes are identified " +
			"by line_item_number " +
			"(with mdrm if both are given), or by name if they have none; columns by data source, schema, table and " +
			"name; " +
			"mappings by attribute. Mappings that a person has confirmed are kept. Rows of the report that are not " +
			"in the files are listed, and removed with prune. Changes lists the columns of each data source that " +
			"were added, " +
			"dropped, renamed or retyped; mappings to dropped and renamed ones need revision. With prune=true the " +
			"import is refused if a person has confirmed any of them; prune=confirmed removes those too, and needs " +
			"the role manager. A database that " +
			"was read before is read as by refresh, which removes the columns that are gone.",
		Middlewares: huma.Middlewares{s.spooled, s.admitted}, SkipValidateBody: true, MaxBodyBytes: maxUpload,
		Errors: []int{http.StatusConflict},
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
			Type: "object", AdditionalProperties: false,
			Properties: map[string]*huma.Schema{
				"attributes": file("attributes", "attribute_name is needed"),
				"columns":    columns,
				"mappings":   file("mappings", "attribute_name or line_item_number is needed"),
				"name":       {Type: "string", Description: "The name of the report, of at most 200 characters."},
				"source_url": {
					Type: "string",
					Description: "The database to read candidate columns from, instead of a file of columns, such as " +
						"postgres://user:password@host/database?sslmode=verify-full. The password is stored " +
						"encrypted, and never returned.",
				},
				"source_name": {Type: "string", Description: "The name of the data source; needed with source_url."},
				"source_ca": {
					Type:        "string",
					Description: "PEM certificates of the authorities that the connection trusts.",
				},
			},
		}}}},
	}, s.importReport)
}

// admitted limits the number of imports that run at once.
func (s *Server) admitted(ctx huma.Context, next func(huma.Context)) {
	select {
	case s.imports <- struct{}{}:
		defer func() { <-s.imports }()
		next(ctx)
	default:
		r, w := humachi.Unwrap(ctx)
		s.write(w, r, importsBusy())
	}
}

// importsBusy returns the problem of an import that gets no slot.
func importsBusy() *Problem {
	return newProblem(busy,
		fmt.Sprintf("The server runs at most %d imports at once. Nothing was imported; try again.", maxImports)).
		addHeader("Retry-After", "5")
}

func (s *Server) importReport(ctx context.Context, in *struct {
	ReportPath
	Prune string `query:"prune" enum:"true,confirmed" doc:"Removes rows that are not in the files."`

	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte `contentType:"multipart/form-data"`
},
) (*oneOutput[Imported], error) {
	if err := refuseKeys(in.ReportPath); err != nil {
		return nil, err
	}
	sent, err := parts(in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	imported, err := s.importUpload(ctx, in.ReportPath, sent, importOptions{prune: in.Prune})
	if err != nil {
		return nil, err
	}
	return &oneOutput[Imported]{Body: imported}, nil
}

// importOptions are the options of an import.
type importOptions struct {
	// prune is the query parameter with the same name.
	prune string
	// dryRun checks the files and counts their rows, and saves nothing.
	dryRun bool
}

// errDryRun rolls back the transaction of a dry run.
var errDryRun = errors.New("dry run")

// importUpload imports the files of an upload.
func (s *Server) importUpload(
	ctx context.Context, in ReportPath, sent upload, opts importOptions,
) (imported Imported, err error) {
	read, err := tabular.ReadReport(sent.Sources, columnfile.Read)
	if problems, ok := errors.AsType[tabular.Problems](err); ok {
		return imported, refuseFiles(problems)
	}
	if err != nil {
		return imported, err
	}
	data := read.Data()
	database, err := s.importDatabase(ctx, in, sent, &data)
	if err != nil {
		return imported, err
	}
	data.CycleID, data.ReportID, data.Name, data.Author = in.CycleID, in.ReportID, sent.name, callerOf(ctx).User
	switch {
	case opts.prune == "confirmed" && callerOf(ctx).Role.Includes(Manager):
		data.Prune = schema.PruneConfirmed
	case opts.prune != "":
		data.Prune = schema.PruneUnconfirmed
	}
	var (
		done   schema.ImportResult
		report schema.Report
	)
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if done, err = schema.Import(ctx, tx, data); err != nil {
			return err
		}
		report, err = schema.GetReport(ctx, tx, in.CycleID, in.ReportID)
		if err == nil && opts.dryRun {
			err = errDryRun
		}
		return err
	})
	if problems, ok := errors.AsType[schema.ImportProblems](err); ok {
		return imported, refuseFiles(read.Locate(problems))
	}
	if confirmed, ok := errors.AsType[*schema.ConfirmedError](err); ok {
		return imported, refusePrune(confirmed, opts.prune)
	}
	if err != nil && !errors.Is(err, errDryRun) {
		return imported, planningError(err)
	}
	imported = newImported(report, done, read)
	imported.Database = database
	return imported, nil
}

// newImported returns the response to an import.
func newImported(report schema.Report, done schema.ImportResult, read tabular.Report) Imported {
	changes := make([]ImportedChanges, len(done.Changes))
	for i, result := range done.Changes {
		changes[i] = newImportedChanges(result)
	}
	tally := func(t schema.Tally) Tally {
		return Tally{Added: t.Added, Updated: t.Updated, Unchanged: t.Unchanged, Removed: t.Removed}
	}
	return Imported{
		CycleID: report.CycleID, ReportID: report.ReportID, Name: report.Name, MappingCount: report.MappingCount,
		Attributes: tally(done.Attributes), DataSources: tally(done.DataSources), Columns: tally(done.Columns),
		Mappings: MappingsTally(done.Mappings),
		Changes:  changes,
		Gone:     Gone{Attributes: newGoneRows(done.Missing.Attributes), Columns: newGoneRows(done.Missing.Columns)},
		Files: slices.Concat(importedFile("attributes", read.Attributes), importedFile("columns", read.Columns),
			importedFile("mappings", read.Mappings)),
	}
}

// refusePrune refuses to remove rows that a person has confirmed.
func refusePrune(err *schema.ConfirmedError, prune string) error {
	what := fmt.Sprintf("A person has confirmed %d of the attributes and columns that would be removed. "+
		"Nothing was imported; ", err.Count)
	if prune == "confirmed" {
		return newProblem(roleTooLow, what+"removing them needs the role manager.")
	}
	return newProblem(confirmed, what+"a manager can remove them with prune=confirmed.")
}

// refuseKeys refuses ids that are not suitable for paths, logs and screens.
func refuseKeys(in ReportPath) error {
	for _, key := range []struct{ location, text string }{
		{"path.cycle_id", in.CycleID}, {"path.report_id", in.ReportID},
	} {
		unsuitable := func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == '\\' }
		if strings.TrimSpace(key.text) != key.text || key.text == "" || strings.Trim(key.text, ".") == "" ||
			utf8.RuneCountInString(key.text) > maxReportKey || strings.ContainsFunc(key.text, unsuitable) {
			return newFieldProblem(key.location, fmt.Sprintf(
				"must have 1 to %d printable characters, without slashes and without spaces around it", maxReportKey))
		}
	}
	return nil
}
