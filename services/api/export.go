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
)

// ExportFormats returns all formats.
func ExportFormats() []ExportFormat {
	return []ExportFormat{ExportFormatCSV, ExportFormatXLSX, ExportFormatJSON}
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
	case ExportFormatJSON:
	}
	return jsonType
}

// writer returns a writer of the format.
func (f ExportFormat) writer(to io.Writer, of ReportPath) (exportWriter, error) {
	switch f {
	case ExportFormatCSV:
		return newCSVExport(to)
	case ExportFormatXLSX:
		return newXLSXExport(to, of)
	case ExportFormatJSON:
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
	ok.Content[xlsxType] = binary("binary", "A sheet of the mappings, and one that explains the columns.")
	ok.Content["text/csv"] = binary("", "A header, and a row for each mapping.")
	route(s, Viewer, huma.Operation{
		OperationID: "export-mappings", Method: http.MethodGet, Path: reportPath + "/pde-mappings/export",
		Tags: []string{"mappings"}, Summary: "Exports the mappings of a report as a file",
		Description: "Has the filters and the sorts of the list. CSV has the fields of a mapping, id and version " +
			"first, and two empty columns, decision and comment; lists are JSON. A text that a spreadsheet program " +
			"would execute (=, +, -, @, a tab or a line break at its start) has an apostrophe before it. XLSX has " +
			"the same columns with typed cells, drop-down lists, and at most 1,048,575 mappings. A mapping " +
			"that changes during the export is in it as it was before or after the change, with its version. " +
			"If the connection closes before the end of the response, the file is incomplete.",
		Responses: map[string]*huma.Response{"200": ok},
	}, s.exportMappings)
}

func (s *Server) exportMappings(ctx context.Context, in *struct {
	ReportPath
	MappingQuery
	Format ExportFormat `query:"format" enum:"csv,xlsx,json" required:"true" doc:"The format of the file."`
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
	if in.Format == ExportFormatXLSX && report.MappingCount > tabular.MaxSheetRows {
		return nil, newFieldProblem("query.format", fmt.Sprintf(
			"must be csv or json: a sheet has at most %d rows, and the report has more mappings", tabular.MaxSheetRows))
	}
	// The first page is read before the response begins, so that an error gets a problem.
	first, next, err := schema.ListMappings(ctx, s.db, filter, schema.MappingPosition{}, exportPage)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s-%s.%s", in.CycleID, in.ReportID, in.Format)
	return &huma.StreamResponse{Body: func(out huma.Context) {
		r, w := humachi.Unwrap(out)
		w.Header().Set("Content-Type", in.Format.contentType())
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return
		}
		if err := s.writeExport(ctx, w, in.Format, filter, first, next); err != nil {
			_ = problemOf(ctx, fmt.Errorf("export of mappings: %w", err)) // for the last line of the log
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// writeExport writes the first page and those from the position to the response.
func (s *Server) writeExport(
	ctx context.Context, w http.ResponseWriter, format ExportFormat, filter schema.MappingFilter,
	page []schema.ListedMapping, next *schema.MappingPosition,
) error {
	file, err := format.writer(w, ReportPath{filter.CycleID, filter.ReportID})
	if err != nil {
		return err
	}
	connection := http.NewResponseController(w)
	for {
		if err := connection.SetWriteDeadline(time.Now().Add(exportPageTimeout)); err != nil {
			return fmt.Errorf("deadline of a page: %w", err)
		}
		for _, mapping := range page {
			if err := file.Write(newMapping(mapping)); err != nil {
				return err
			}
		}
		if next == nil {
			return file.Close()
		}
		if page, next, err = schema.ListMappings(ctx, s.db, filter, *next, exportPage); err != nil {
			return err
		}
	}
}
