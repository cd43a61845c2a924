package api

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

const (
	// exportPage is the number of mappings that an export holds in memory.
	exportPage = 500
	// exportPageTimeout is the time within which a client must receive one page.
	exportPageTimeout = time.Minute
)

// ExportFormat is the format of a file of mappings.
type ExportFormat string

const (
	// ExportFormatCSV is a table of text.
	ExportFormatCSV ExportFormat = "csv"
	// ExportFormatXLSX is a workbook that helps people to decide about the mappings.
	ExportFormatXLSX ExportFormat = "xlsx"
	// ExportFormatJSON is an object with the mappings as the list has them.
	ExportFormatJSON ExportFormat = "json"
	// ExportFormatOpenLineage is an event with the column lineage of the report, for a data catalogue.
	ExportFormatOpenLineage ExportFormat = "openlineage"
)

// ExportFormats returns all formats.
func ExportFormats() []ExportFormat {
	return []ExportFormat{ExportFormatCSV, ExportFormatXLSX, ExportFormatJSON, ExportFormatOpenLineage}
}

// exportWriter writes the mappings of an export one after another.
type exportWriter interface {
	Write(Mapping) error
	// Close writes the end of the file.
	Close() error
}

// xlsxType is the content type of a workbook.
const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// contentType returns the content type of the format.
func (f ExportFormat) contentType() string {
	switch f {
	case ExportFormatCSV:
		return "text/csv; charset=utf-8"
	case ExportFormatXLSX:
		return xlsxType
	case ExportFormatJSON, ExportFormatOpenLineage:
	}
	return jsonType
}

// fileName returns the name of an export.
func (f ExportFormat) fileName(of ReportPath) string {
	extension := string(f)
	if f == ExportFormatOpenLineage {
		extension = "openlineage.json"
	}
	return fmt.Sprintf("%s-%s.%s", of.CycleID, of.ReportID, extension)
}

// writer returns a writer of a format that has the mappings one after another.
func (f ExportFormat) writer(to io.Writer, of ReportPath) (exportWriter, error) {
	switch f {
	case ExportFormatCSV:
		return newCSVExport(to)
	case ExportFormatXLSX:
		return newXLSXExport(to, of)
	case ExportFormatJSON, ExportFormatOpenLineage:
	}
	return newJSONExport(to, of)
}

// MappingExport is the content of an export as JSON.
type MappingExport struct {
	CycleID  string    `json:"cycle_id"`
	ReportID string    `json:"report_id"`
	Items    []Mapping `json:"items" nullable:"false"`
}

// registerExport registers the export of the mappings.
func (s *Server) registerExport() {
	binary := func(kind, description string) *huma.MediaType {
		return &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: kind, Description: description}}
	}
	ok := s.jsonResponse("The mappings, as a file", reflect.TypeFor[MappingExport]())
	ok.Content[jsonType].Schema = &huma.Schema{OneOf: []*huma.Schema{ok.Content[jsonType].Schema, lineageSchema()}}
	ok.Content[xlsxType] = binary("binary", "A sheet of the mappings, and one that explains the columns.")
	ok.Content["text/csv"] = binary("", "A header, and a row for each mapping.")
	route(s, Viewer, huma.Operation{
		OperationID: "export-mappings", Method: http.MethodGet, Path: reportPath + "/pde-mappings/export",
		Tags: []string{"mappings"}, Summary: "Exports the mappings of a report as a file",
		Description: "Has the filters and the sorts of the list. CSV has the fields of a mapping, id and version " +
			"first, and two empty columns, decision and comment; lists are JSON. A text that a spreadsheet program " +
			"would execute (=, +, -, @, a tab or a line break at its start) has an apostrophe before it. XLSX has " +
			"the same columns with typed cells, drop-down lists, and at most 1,048,575 mappings. OpenLineage is " +
			"one RunEvent with the attributes that have a column: the facet columnLineage has the columns, and " +
			"the facet tags the classification. A mapping " +
			"that changes during the export is in it as it was before or after the change, with its version. " +
			"If the connection closes before the end of the response, the file is incomplete.",
		Responses: map[string]*huma.Response{"200": ok},
	}, s.exportMappings)
}

func (s *Server) exportMappings(ctx context.Context, in *struct {
	ReportPath
	MappingQuery
	Format ExportFormat `query:"format" enum:"csv,xlsx,json,openlineage" required:"true" doc:"The format of the file."`
},
) (*huma.StreamResponse, error) {
	filter, err := in.filter(in.ReportPath)
	if err != nil {
		return nil, err
	}
	report, err := schema.GetReport(ctx, s.db, in.CycleID, in.ReportID)
	if err != nil {
		return nil, planningError(err)
	}
	if err := s.fitsSheet(ctx, in.Format, filter, report); err != nil {
		return nil, err
	}
	// The first page is read before the response begins, so that an error gets a problem.
	pages := mappingPages{db: s.db, filter: filter}
	pages.first, pages.next, err = schema.ListMappings(ctx, s.db, filter, schema.MappingPosition{}, exportPage)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		r, w := humachi.Unwrap(out)
		w.Header().Set("Content-Type", in.Format.contentType())
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{
			"filename": in.Format.fileName(in.ReportPath),
		}))
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return
		}
		pages.connection = http.NewResponseController(w)
		if err := s.writeExport(ctx, w, in.Format, in.ReportPath, pages); err != nil {
			_ = problemOf(ctx, fmt.Errorf("export of mappings: %w", err)) // for the last line of the log
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// fitsSheet returns a problem if the format is a workbook and more mappings pass the filter than a sheet has rows.
func (s *Server) fitsSheet(
	ctx context.Context, format ExportFormat, filter schema.MappingFilter, report schema.Report,
) error {
	if format != ExportFormatXLSX || report.MappingCount <= tabular.MaxSheetRows {
		return nil
	}
	n, err := schema.CountMappings(ctx, s.db, filter)
	if err != nil || n <= tabular.MaxSheetRows {
		return err
	}
	return newFieldProblem("query.format", fmt.Sprintf(
		"must be csv or json, or narrow the filter: a sheet has at most %d rows, and there are %d mappings",
		tabular.MaxSheetRows, n))
}

// writeExport writes the mappings to the response.
func (s *Server) writeExport(
	ctx context.Context, w http.ResponseWriter, format ExportFormat, of ReportPath, pages mappingPages,
) error {
	if format == ExportFormatOpenLineage {
		return s.writeLineage(ctx, w, of, pages)
	}
	file, err := format.writer(w, of)
	if err != nil {
		return err
	}
	err = pages.each(ctx, func(page []schema.ListedMapping) error {
		for _, mapping := range page {
			if err := file.Write(newMapping(mapping)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return file.Close()
}

// mappingPages are the mappings of an export. Each use reads them again, page by page.
type mappingPages struct {
	db     *schema.DB
	filter schema.MappingFilter
	// first is the first page, and next the position of the second one.
	first []schema.ListedMapping
	next  *schema.MappingPosition
	// connection is the one to the client, who must receive each page in time.
	connection *http.ResponseController
}

// each calls write for each page.
func (p mappingPages) each(ctx context.Context, write func(page []schema.ListedMapping) error) (err error) {
	page, next := p.first, p.next
	for {
		if err := p.connection.SetWriteDeadline(time.Now().Add(exportPageTimeout)); err != nil {
			return fmt.Errorf("deadline of a page: %w", err)
		}
		if err := write(page); err != nil || next == nil {
			return err
		}
		if page, next, err = schema.ListMappings(ctx, p.db, p.filter, *next, exportPage); err != nil {
			return err
		}
	}
}
