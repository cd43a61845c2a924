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
	"github.com/pdeflow/pdeflow/schema/tabular"
)

const (
	// maxImports is how many imports are done at once. Each holds its files and all of their rows, which can be many times as much.
	maxImports = 2
	// maxReportName and maxReportKey bound, in characters, what a report is called and what it is known by.
	maxReportName = 200
	maxReportKey  = 100
)

// Imported is what an import did.
type Imported struct {
	CycleID      string        `json:"cycle_id"`
	ReportID     string        `json:"report_id"`
	Name         string        `json:"name"`
	MappingCount int64         `json:"mapping_count" doc:"How many mappings the report has now."`
	Attributes   Tally         `json:"attributes"`
	DataSources  Tally         `json:"data_sources"`
	Columns      Tally         `json:"columns"`
	Mappings     MappingsTally `json:"mappings"`
	Gone         Gone          `json:"no_longer_in_files" doc:"What the report has and the files do not; removed if the request has prune."`
	// Files are in the order of the parts.
	Files []ImportedFile `json:"files" doc:"What was read of each file."`
}

// ImportedFile is what was read of a file.
type ImportedFile struct {
	Part       string   `json:"part" enum:"attributes,columns,mappings"`
	File       string   `json:"file"`
	Rows       int      `json:"rows"`
	HeaderLine int      `json:"header_line" doc:"The line of the header in the file, or in the first sheet that was read."`
	Sheets     []string `json:"sheets,omitempty" doc:"The sheets of a workbook that were read: the first one with the columns of the part, and the others with the same columns."`
	Unread     []string `json:"unread_sheets,omitempty" doc:"The other sheets: hidden ones, and those with other columns."`
}

// importedFile describes what was read of a file, if there is one.
func importedFile[R any](part string, f tabular.File[R]) []ImportedFile {
	if f.Name == "" {
		return nil
	}
	return []ImportedFile{{Part: part, File: f.Name, Rows: len(f.Rows), HeaderLine: f.HeaderLine, Sheets: f.Sheets, Unread: f.Unread}}
}

// Tally counts rows by what became of them.
type Tally struct {
	Added     int64 `json:"added"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Removed   int64 `json:"removed"`
}

// MappingsTally counts mappings by what became of them.
type MappingsTally struct {
	Added     int64 `json:"added" doc:"Those of new attributes, whether or not a file says anything of them."`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Kept      int64 `json:"kept" doc:"Those that stay as they are because a person has confirmed them."`
	Removed   int64 `json:"removed" doc:"Those of removed attributes."`
	Unmapped  int64 `json:"unmapped" doc:"Those whose column was removed."`
}

// Gone is what a report has and the files of an import do not.
type Gone struct {
	Attributes GoneRows `json:"attributes" doc:"Attributes, if there is a file of attributes."`
	Columns    GoneRows `json:"columns" doc:"Columns of the data sources that the file of columns names."`
}

// GoneRows are rows of one kind.
type GoneRows struct {
	Count     int64     `json:"count"`
	Confirmed int64     `json:"confirmed" doc:"How many of them a person has confirmed."`
	Items     []GoneRow `json:"items" doc:"At most 100 of them."`
}

// GoneRow is an attribute or a column.
type GoneRow struct {
	ID           string  `json:"id"`
	DataSourceID *string `json:"data_source_id" doc:"The data source of a column; null for an attribute."`
	Name         string  `json:"name" doc:"The name of an attribute, or the source field of a column."`
	Confirmed    bool    `json:"confirmed"`
}

func showGone(gone schema.GoneRows) GoneRows {
	rows := GoneRows{Count: gone.Count, Confirmed: gone.Confirmed, Items: make([]GoneRow, len(gone.First))}
	for i, row := range gone.First {
		rows.Items[i] = GoneRow{ID: row.ID, DataSourceID: orNull(row.DataSourceID), Name: row.Name, Confirmed: row.Confirmed}
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
	route(s, Tester, huma.Operation{
		OperationID: "import", Method: http.MethodPost, Path: reportPath + "/import", Tags: []string{"planning"},
		Summary: "Imports attributes, candidate columns and mappings, all or nothing",
		Description: "Makes the report if there is none. What is there already is updated: attributes by line_item_number (with mdrm where both are there), or by name where they have none; " +
			"columns by data source, schema, table and name; mappings by attribute. What a person has confirmed is kept. What the report has and the files do not is listed, and removed with prune.",
		Middlewares: huma.Middlewares{s.spooled, s.admitted}, SkipValidateBody: true, MaxBodyBytes: maxUpload, Errors: []int{http.StatusConflict},
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
			Type: "object", AdditionalProperties: false,
			Properties: map[string]*huma.Schema{
				"attributes": file("attributes", "attribute_name is needed"),
				"columns":    file("candidate columns", "data_source, schema, table and column are needed"),
				"mappings":   file("mappings", "attribute_name or line_item_number is needed"),
				"name":       {Type: "string", Description: "What the report is called, of at most 200 characters."},
			},
		}}}},
	}, s.importReport)
}

// admitted lets a request pass while there is room for one more import.
func (s *Server) admitted(ctx huma.Context, next func(huma.Context)) {
	select {
	case s.imports <- struct{}{}:
		defer func() { <-s.imports }()
		next(ctx)
	default:
		r, w := humachi.Unwrap(ctx)
		s.write(w, r, refuse(busy, fmt.Sprintf("The server does %d imports at once. Nothing was imported; try again.", maxImports)).
			with("Retry-After", "5"))
	}
}

func (s *Server) importReport(ctx context.Context, in *struct {
	ReportPath
	Prune       string `query:"prune" enum:"true,confirmed" doc:"Removes attributes and columns that are no longer in the files: true refuses if a person has confirmed any of them, confirmed removes those too and needs the role manager for it."`
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
	read, err := sent.read()
	if err != nil {
		return nil, err
	}
	data := read.data(sent.name)
	data.CycleID, data.ReportID, data.Author = in.CycleID, in.ReportID, callerOf(ctx).User
	switch {
	case in.Prune == "confirmed" && callerOf(ctx).Role.Includes(Manager):
		data.Prune = schema.PruneConfirmed
	case in.Prune != "":
		data.Prune = schema.PruneUnconfirmed
	}
	var (
		done   schema.Imported
		report schema.Report
	)
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if done, err = schema.Import(ctx, tx, data); err != nil {
			return err
		}
		report, err = schema.FindReport(ctx, tx, in.CycleID, in.ReportID)
		return err
	})
	if problems, ok := errors.AsType[schema.ImportProblems](err); ok {
		return nil, refuseFiles(read.placed(problems))
	}
	if held, ok := errors.AsType[*schema.ConfirmedError](err); ok {
		return nil, refusePrune(held, in.Prune)
	}
	if err != nil {
		return nil, planningError(err)
	}
	tally := func(t schema.Tally) Tally {
		return Tally{Added: t.Added, Updated: t.Updated, Unchanged: t.Unchanged, Removed: t.Removed}
	}
	return &oneOutput[Imported]{Body: Imported{
		CycleID: report.CycleID, ReportID: report.ReportID, Name: report.Name, MappingCount: report.MappingCount,
		Attributes: tally(done.Attributes), DataSources: tally(done.DataSources), Columns: tally(done.Columns),
		Mappings: MappingsTally(done.Mappings), Gone: Gone{Attributes: showGone(done.Gone.Attributes), Columns: showGone(done.Gone.Columns)},
		Files: slices.Concat(importedFile("attributes", read.attributes), importedFile("columns", read.columns),
			importedFile("mappings", read.mappings)),
	}}, nil
}

// refusePrune refuses to remove what a person has confirmed.
func refusePrune(held *schema.ConfirmedError, prune string) error {
	what := fmt.Sprintf("%d of the attributes and columns that would be removed were confirmed by a person. Nothing was imported; ", held.Count)
	if prune == "confirmed" {
		return refuse(roleTooLow, what+"removing them needs the role manager.")
	}
	return refuse(confirmed, what+"a manager can remove them with prune=confirmed.")
}

// refuseKeys refuses what no report should be known by, since it stands in paths, in logs and on the screen.
func refuseKeys(in ReportPath) error {
	for _, key := range []struct{ location, text string }{{"path.cycle_id", in.CycleID}, {"path.report_id", in.ReportID}} {
		strange := func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == '\\' }
		if strings.TrimSpace(key.text) != key.text || key.text == "" || strings.Trim(key.text, ".") == "" ||
			utf8.RuneCountInString(key.text) > maxReportKey || strings.ContainsFunc(key.text, strange) {
			return refuseField(key.location, fmt.Sprintf("it has to have 1 to %d printable characters, without slashes and without spaces around it", maxReportKey))
		}
	}
	return nil
}
