package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/pdeflow/pdeflow/services/api/desk"
)

// registerImportPages registers the page that imports a report from files.
func (s *Server) registerImportPages() {
	s.page(Tester, http.MethodGet, "/import", func(ctx context.Context, r *http.Request) (reply, error) {
		return reply{view: desk.Import{
			Caller: callerView(ctx), CycleID: r.Form.Get("cycle"), ReportID: r.Form.Get("report"),
		}}, nil
	})
	s.page(Tester, http.MethodPost, "/import", s.fileForm(s.importForm))
}

// fileForm returns the handler of a form with files, which takes a slot for imports. The body is received into a file
// before, so that a slow upload uses neither memory nor a slot.
func (s *Server) fileForm(
	handle func(ctx context.Context, r *http.Request, form *io.SectionReader) (reply, error),
) func(context.Context, *http.Request) (reply, error) {
	return func(ctx context.Context, r *http.Request) (reply, error) {
		if len(s.imports) == cap(s.imports) {
			return reply{}, importsBusy()
		}
		file, problem := s.spool(ctx, r.Body)
		if problem != nil {
			return reply{}, problem
		}
		defer func() { _ = file.Close() }() // the content is no longer needed
		select {
		case s.imports <- struct{}{}:
			defer func() { <-s.imports }()
		default:
			return reply{}, importsBusy()
		}
		form, err := sectionOf(file)
		if err != nil {
			return reply{}, err
		}
		return handle(ctx, r, form)
	}
}

// importForm checks the files of the form, and saves them if the user has asked for that.
func (s *Server) importForm(ctx context.Context, r *http.Request, body *io.SectionReader) (reply, error) {
	form := importFields{}
	sent := upload{}
	const names = "attributes, columns and mappings"
	err := eachPart(r.Header.Get("Content-Type"), body, names, func(part *multipart.Part) error {
		return form.add(part, sent.add)
	})
	if err != nil {
		return reply{}, err
	}
	in := ReportPath{CycleID: strings.TrimSpace(form["cycle"]), ReportID: strings.TrimSpace(form["report"])}
	view := desk.Import{
		Caller: callerView(ctx), CycleID: in.CycleID, ReportID: in.ReportID, Name: sent.name, Checked: true,
		SourceName: sent.sourceName,
	}
	save := form["save"] == "yes"
	err = errors.Join(refuseKeys(in), sent.check())
	var done Imported
	if err == nil {
		done, err = s.importUpload(ctx, in, sent, importOptions{dryRun: !save})
	}
	if p, refused := errors.AsType[*Problem](err); refused && p.Status == http.StatusUnprocessableEntity {
		view.Problem, view.More = p.Detail, p.MoreErrors
		view.Mistakes = fileMistakes(p.Errors)
		return reply{view: view, status: p.Status}, nil
	}
	if err != nil {
		return reply{}, err
	}
	if save {
		return reply{location: desk.ReportURL(in.CycleID, in.ReportID)}, nil
	}
	tally := func(kind string, t Tally) desk.Tally {
		return desk.Tally{Kind: kind, Added: t.Added, Updated: t.Updated, Unchanged: t.Unchanged}
	}
	if done.Database != nil {
		view.Database = fmt.Sprintf("%s, %d tables, %d columns", done.Database.Database, done.Database.Tables,
			done.Database.Columns)
	}
	view.Done = []desk.Tally{
		tally("Attributes", done.Attributes), tally("Columns", done.Columns),
		tally("Mappings", Tally{
			Added: done.Mappings.Added, Updated: done.Mappings.Updated,
			Unchanged: done.Mappings.Unchanged + done.Mappings.Kept,
		}),
	}
	return reply{view: view}, nil
}

// importFields are the fields of the form that are no files.
type importFields map[string]string

// maxField bounds a field of the form.
const maxField = 4 << 10

// add adds a part of the form to the fields, or calls file with it.
func (f importFields) add(part *multipart.Part, file func(*multipart.Part) error) error {
	switch name := part.FormName(); name {
	case "cycle", "report", "save", "clean":
		text, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil || !isText(string(text)) {
			return malformedForm()
		}
		f[name] = string(text)
		return nil
	default:
		return file(part)
	}
}

// fileMistakes returns the mistakes in files as the page shows them.
func fileMistakes(errs []FieldError) []desk.FileMistake {
	mistakes := make([]desk.FileMistake, len(errs))
	for i, e := range errs {
		mistakes[i] = desk.FileMistake{
			File: cmp.Or(e.File, e.Location), Cell: e.Cell, Column: e.Column, Reason: e.Message, Line: e.Line,
		}
	}
	return mistakes
}
