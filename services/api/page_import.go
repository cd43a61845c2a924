package api

import (
	"cmp"
	"context"
	"errors"
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
	s.page(Tester, http.MethodPost, "/import", s.importForm)
}

// importForm checks the files of the form, and saves them if the user has asked for that.
func (s *Server) importForm(ctx context.Context, r *http.Request) (reply, error) {
	select {
	case s.imports <- struct{}{}:
		defer func() { <-s.imports }()
	default:
		return reply{}, newProblem(busy, "The server is busy with other imports. Nothing was imported; try again.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return reply{}, s.bodyProblem(err)
	}
	form := importFields{}
	sent := upload{}
	const names = "attributes, columns and mappings"
	err = eachPart(r.Header.Get("Content-Type"), body, names, func(part *multipart.Part) error {
		return form.add(&sent, part)
	})
	if err != nil {
		return reply{}, err
	}
	in := ReportPath{CycleID: strings.TrimSpace(form["cycle"]), ReportID: strings.TrimSpace(form["report"])}
	view := desk.Import{
		Caller: callerView(ctx), CycleID: in.CycleID, ReportID: in.ReportID, Name: sent.name, Checked: true,
	}
	save := form["save"] == "yes"
	err = errors.Join(refuseKeys(in), sent.check())
	var done Imported
	if err == nil {
		done, err = s.importUpload(ctx, in, sent, importOptions{dryRun: !save})
	}
	if p, refused := errors.AsType[*Problem](err); refused && p.Status == http.StatusUnprocessableEntity {
		view.Problem, view.More = p.Detail, p.MoreErrors
		for _, e := range p.Errors {
			view.Mistakes = append(view.Mistakes, desk.FileMistake{
				File: cmp.Or(e.File, e.Location), Cell: e.Cell, Column: e.Column, Reason: e.Message, Line: e.Line,
			})
		}
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

// add adds a part of the form to the fields, or to the upload.
func (f importFields) add(sent *upload, part *multipart.Part) error {
	switch name := part.FormName(); name {
	case "cycle", "report", "save":
		text, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil || !isText(string(text)) {
			return malformedForm()
		}
		f[name] = string(text)
		return nil
	default:
		return sent.add(part)
	}
}
