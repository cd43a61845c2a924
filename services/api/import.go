package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/tabular"
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
}

// Tally counts rows by what became of them.
type Tally struct {
	Added     int64 `json:"added"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
}

// MappingsTally counts mappings by what became of them.
type MappingsTally struct {
	Added     int64 `json:"added" doc:"Those of new attributes, whether or not a file says anything of them."`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Kept      int64 `json:"kept" doc:"Those that stay as they are because a person has confirmed them."`
}

// upload is what a request brings to import. A file that is not there has no content.
type upload struct {
	name                          string
	attributes, columns, mappings *sentFile
}

type sentFile struct {
	name    string
	content []byte
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
		Description: "Makes the report if there is none. What is there already is updated: attributes by line_item_number, or by name where they have none; " +
			"columns by data source, schema, table and name; mappings by attribute. What a person has confirmed is kept.",
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
	data, err := sent.read()
	if err != nil {
		return nil, err
	}
	data.CycleID, data.ReportID, data.Author = in.CycleID, in.ReportID, callerOf(ctx).User
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
	if problems, ok := errors.AsType[schema.MappingProblems](err); ok {
		return nil, refuseFiles(sent.placed(problems))
	}
	if err != nil {
		return nil, planningError(err)
	}
	tally := func(t schema.Tally) Tally { return Tally{Added: t.Added, Updated: t.Updated, Unchanged: t.Unchanged} }
	return &oneOutput[Imported]{Body: Imported{
		CycleID: report.CycleID, ReportID: report.ReportID, Name: report.Name, MappingCount: report.MappingCount,
		Attributes: tally(done.Attributes), DataSources: tally(done.DataSources), Columns: tally(done.Columns),
		Mappings: MappingsTally(done.Mappings),
	}}, nil
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

// parts takes the body apart.
func parts(contentType string, body []byte) (upload, error) {
	var sent upload
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return sent, refuse(unknownContentType, "Send multipart/form-data with the parts attributes, columns and mappings, or some of them.")
	}
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	var seen []string
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) && isClosed(body, params["boundary"]) {
			break
		}
		if err != nil {
			return sent, malformedForm()
		}
		if slices.Contains(seen, part.FormName()) {
			return sent, refuseField("body", "each part may be there once")
		}
		seen = append(seen, part.FormName())
		if err := sent.take(part); err != nil {
			return sent, err
		}
	}
	if sent.attributes == nil && sent.columns == nil && sent.mappings == nil {
		return sent, refuseField("body", "there is nothing to import: send attributes, columns or mappings")
	}
	return sent, nil
}

func malformedForm() error {
	return refuse(malformed, "The body has to be multipart/form-data, with the boundary in Content-Type before each part and, with -- behind it, at the end.")
}

// isClosed tells whether the body has the boundary that ends it. The reader calls a body that breaks off between two parts ended, too.
func isClosed(body []byte, boundary string) bool {
	end := []byte("--" + boundary + "--")
	return bytes.HasPrefix(body, end) || bytes.Contains(body, append([]byte("\n"), end...))
}

// take keeps one part.
func (u *upload) take(part *multipart.Part) error {
	content, err := io.ReadAll(part)
	if err != nil {
		return malformedForm()
	}
	var into **sentFile
	switch part.FormName() {
	case "attributes":
		into = &u.attributes
	case "columns":
		into = &u.columns
	case "mappings":
		into = &u.mappings
	case "name":
		u.name = strings.TrimSpace(string(content))
		unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
		if !utf8.ValidString(u.name) || utf8.RuneCountInString(u.name) > maxReportName || strings.ContainsFunc(u.name, unprintable) {
			return refuseField("body.name", fmt.Sprintf("it has to have at most %d printable characters", maxReportName))
		}
		return nil
	default:
		return refuseField("body", fmt.Sprintf("the part %.60q is unknown; the parts are attributes, columns, mappings and name", part.FormName()))
	}
	if part.FileName() == "" && len(content) == 0 {
		return nil // what a form sends for a file that nobody has chosen
	}
	*into = &sentFile{name: fileName(part), content: content}
	return nil
}

// fileName is what the file is called in problems: its name without folders and without what cannot be printed, or that of its part.
func fileName(part *multipart.Part) string {
	name := filepath.Base(strings.ReplaceAll(part.FileName(), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(name, ""))
	if runes := []rune(name); len(runes) > maxReportName {
		name = string(runes[len(runes)-maxReportName:])
	}
	if part.FileName() == "" || strings.Trim(name, ".") == "" {
		return part.FormName()
	}
	return name
}

// read reads every file, and refuses with what is wrong with any of them.
func (u upload) read() (schema.ReportData, error) {
	data := schema.ReportData{Name: u.name}
	var problems tabular.Problems
	if f := u.attributes; f != nil {
		file, err := tabular.Attributes(f.name, f.content)
		data.Attributes = schema.Rows[schema.Attribute]{All: slices.Values(file.Rows), Fields: file.Columns}
		problems = append(problems, wrongRows(err)...)
	}
	if f := u.columns; f != nil {
		file, err := tabular.Columns(f.name, f.content)
		data.Columns = schema.Rows[schema.ColumnRow]{All: slices.Values(file.Rows), Fields: file.Columns}
		problems = append(problems, wrongRows(err)...)
	}
	if f := u.mappings; f != nil {
		file, err := tabular.Mappings(f.name, f.content)
		data.Mappings = slices.Values(file.Rows)
		problems = append(problems, wrongRows(err)...)
	}
	if len(problems) > 0 {
		return data, refuseFiles(problems)
	}
	return data, nil
}

func wrongRows(err error) tabular.Problems {
	problems, _ := errors.AsType[tabular.Problems](err) // no other error comes of reading bytes
	return problems
}

// placed gives what does not fit the report its place in the file of mappings.
func (u upload) placed(misfits schema.MappingProblems) tabular.Problems {
	problems := make(tabular.Problems, len(misfits))
	for i, p := range misfits {
		problems[i] = tabular.Problem{File: u.mappings.name, Line: p.Line, Column: p.Column, Reason: p.Reason}
	}
	return problems
}

// refuseFiles makes a problem of what is wrong with the files, a hundred things at most.
func refuseFiles(problems tabular.Problems) error {
	problems = problems[:min(len(problems), schema.MaxProblems)]
	refusal := refuse(invalid, problems[0].String()+"; nothing was imported")
	for _, p := range problems {
		refusal.Errors = append(refusal.Errors, FieldError{
			Location: strings.TrimSuffix(p.String(), ": "+p.Reason), Message: p.Reason,
			File: p.File, Line: p.Line, Column: p.Column, Reason: p.Reason,
		})
	}
	return refusal
}
