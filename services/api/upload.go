package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// upload is what a request brings to import. A file that is not there has no content.
type upload struct {
	name                          string
	attributes, columns, mappings *sentFile
}

type sentFile struct {
	name    string
	content []byte
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
		return nil // a form sends this if no file was chosen
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

// files are the files of an upload as they were read.
type files struct {
	attributes tabular.File[schema.Attribute]
	columns    tabular.File[schema.ColumnRow]
	mappings   tabular.File[schema.MappingRow]
}

// read reads every file, and refuses with what is wrong with any of them.
func (u upload) read() (files, error) {
	var (
		read     files
		problems tabular.Problems
		err      error
	)
	if f := u.attributes; f != nil {
		read.attributes, err = tabular.Attributes(f.name, f.content)
		collect(&problems, err)
	}
	if f := u.columns; f != nil {
		read.columns, err = tabular.Columns(f.name, f.content)
		collect(&problems, err)
	}
	if f := u.mappings; f != nil {
		read.mappings, err = tabular.Mappings(f.name, f.content)
		collect(&problems, err)
	}
	if len(problems.First) > 0 {
		return read, refuseFiles(problems)
	}
	return read, nil
}

// collect adds the problems of one file.
func collect(all *tabular.Problems, err error) {
	problems, _ := errors.AsType[tabular.Problems](err) // reading bytes has no other errors
	for _, p := range problems.First {
		all.Add(p)
	}
	all.More += problems.More
}

// data returns what the files bring into a report.
func (f files) data(name string) schema.ReportData {
	return schema.ReportData{
		Name:       name,
		Attributes: schema.Rows[schema.Attribute]{All: slices.Values(f.attributes.Rows), Fields: f.attributes.Columns, Places: f.attributes.Places},
		Columns:    schema.Rows[schema.ColumnRow]{All: slices.Values(f.columns.Rows), Fields: f.columns.Columns, Places: f.columns.Places},
		Mappings:   slices.Values(f.mappings.Rows),
	}
}

// placed returns what does not fit the report with its place in the files.
func (f files) placed(misfits schema.ImportProblems) tabular.Problems {
	var problems tabular.Problems
	for _, p := range misfits {
		problem := f.mappings.Problem
		if p.Part == "attributes" {
			problem = f.attributes.Problem
		}
		problems.Add(problem(p.Place, p.Column, p.Reason))
	}
	return problems
}

// refuseFiles makes a problem of what is wrong with the files.
func refuseFiles(problems tabular.Problems) *Problem {
	detail := problems.First[0].String() + "; nothing was imported"
	if problems.More > 0 {
		detail += fmt.Sprintf("; the first %d errors are listed, and there are %d more", len(problems.First), problems.More)
	}
	refusal := refuse(invalid, detail)
	refusal.MoreErrors = problems.More
	for _, p := range problems.First {
		refusal.Errors = append(refusal.Errors, FieldError{
			Location: p.Location(), Message: p.Reason, File: p.File, Cell: p.Cell, Line: p.Line, Column: p.Column, Reason: p.Reason,
		})
	}
	return refusal
}
