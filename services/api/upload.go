package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

// upload has the parts of an import request.
type upload struct {
	name string
	tabular.Sources
	// sourceURL, sourceName and sourceCA are the database to read columns from.
	sourceURL, sourceName, sourceCA string
}

// parts parses the body of an import request.
func parts(contentType string, body []byte) (upload, error) {
	var sent upload
	const names = "attributes, columns and mappings, or some of them"
	if err := eachPart(contentType, section(body), names, sent.add); err != nil {
		return sent, err
	}
	return sent, sent.check()
}

// check returns a [Problem] if there is nothing to import.
func (u *upload) check() error {
	if u.Sources == (tabular.Sources{}) && u.sourceURL == "" {
		return newFieldProblem("body", "has nothing to import: send attributes, columns, source_url or mappings")
	}
	return u.checkSource()
}

// oneFile returns the only part of a form, with the name file. The content is in a temporary file, which the caller
// closes.
func (s *Server) oneFile(
	ctx context.Context, contentType string, body *os.File,
) (name string, content *os.File, err error) {
	form, err := sectionOf(body)
	if err != nil {
		return "", nil, err
	}
	err = eachPart(contentType, form, "file", func(part *multipart.Part) error {
		if part.FormName() != "file" {
			return newFieldProblem("body", fmt.Sprintf("the part %.60q is unknown; the part is file", part.FormName()))
		}
		name = fileName(part)
		var problem *Problem
		if content, problem = s.spool(ctx, part); problem != nil {
			return problem
		}
		return nil
	})
	if err == nil && name == "" {
		err = newFieldProblem("body", "has no part file with the CSV file or the workbook")
	}
	if err != nil && content != nil {
		_ = content.Close() // it is not used
	}
	return name, content, err
}

// sectionOf returns the whole content of a file.
func sectionOf(file *os.File) (*io.SectionReader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("file of the upload: %w", err)
	}
	return io.NewSectionReader(file, 0, info.Size()), nil
}

func section(body []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body)))
}

// eachPart calls add for each part of a form. The names are those of the parts, for a problem.
func eachPart(contentType string, body *io.SectionReader, names string, add func(*multipart.Part) error) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return newProblem(unknownContentType, "Send multipart/form-data with the parts "+names+".")
	}
	reader := multipart.NewReader(body, params["boundary"])
	var seen []string
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) && isClosed(body, params["boundary"]) {
			return nil
		}
		if err != nil {
			return malformedForm()
		}
		if slices.Contains(seen, part.FormName()) {
			return newFieldProblem("body", "must have each part at most once")
		}
		seen = append(seen, part.FormName())
		if err := add(part); err != nil {
			return err
		}
	}
}

func malformedForm() error {
	return newProblem(malformed, "The body must be multipart/form-data, with the boundary of Content-Type before "+
		"each part "+
		"and, followed by --, at the end.")
}

// isClosed reports whether the body ends with the final boundary. The multipart reader does not report its absence
// after a complete part.
func isClosed(body *io.SectionReader, boundary string) bool {
	end := []byte("--" + boundary + "--")
	last := make([]byte, min(body.Size(), 4096))
	if _, err := body.ReadAt(last, body.Size()-int64(len(last))); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return bytes.HasPrefix(last, end) || bytes.Contains(last, append([]byte("\n"), end...))
}

// add reads one part.
func (u *upload) add(part *multipart.Part) error {
	content, err := io.ReadAll(part)
	if err != nil {
		return malformedForm()
	}
	var into **tabular.Source
	switch part.FormName() {
	case "attributes":
		into = &u.Attributes
	case "columns":
		into = &u.Columns
	case "mappings":
		into = &u.Mappings
	case "source_url":
		if len(content) > maxConnectionURL {
			return newFieldProblem("body.source_url", fmt.Sprintf("must have at most %d bytes", maxConnectionURL))
		}
		u.sourceURL = strings.TrimSpace(string(content))
		return nil
	case "source_name":
		u.sourceName = strings.TrimSpace(string(content))
		return nil
	case "source_ca":
		if len(content) > maxConnectionCA {
			return newFieldProblem("body.source_ca", fmt.Sprintf("must have at most %d bytes", maxConnectionCA))
		}
		u.sourceCA = strings.TrimSpace(string(content))
		return nil
	case "name":
		u.name = strings.TrimSpace(string(content))
		unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
		if !utf8.ValidString(u.name) || utf8.RuneCountInString(u.name) > maxReportName ||
			strings.ContainsFunc(u.name, unprintable) {
			return newFieldProblem("body.name",
				fmt.Sprintf("must have at most %d printable characters", maxReportName))
		}
		return nil
	default:
		return newFieldProblem("body", fmt.Sprintf(
			"the part %.60q is unknown; the parts are attributes, columns, mappings, name, source_url, source_name "+
				"and source_ca", part.FormName()))
	}
	if part.FileName() == "" && len(content) == 0 {
		return nil // a browser sends this if no file was chosen
	}
	*into = &tabular.Source{Name: fileName(part), Content: content}
	return nil
}

// fileName returns the name of the file for problems: without folders and unprintable characters, or the name of its
// part.
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

// refuseFiles returns the problem for the mistakes in the files.
func refuseFiles(problems tabular.Problems) *Problem {
	detail := problems.First[0].String() + "; nothing was imported"
	if problems.More > 0 {
		detail += fmt.Sprintf("; the first %d errors are listed, and there are %d "+
			"more", len(problems.First), problems.More)
	}
	problem := newProblem(invalid, detail)
	problem.MoreErrors = problems.More
	for _, p := range problems.First {
		problem.Errors = append(problem.Errors, FieldError{
			Location: p.Location(), Message: p.Reason,
			File: p.File, Cell: p.Cell, Line: p.Line, Column: p.Column, Reason: p.Reason,
		})
	}
	return problem
}
