package api

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// shownCycles is the number of cycles that a page offers.
const shownCycles = 20

// registerFilePages registers the page that exports a report, imports decisions, and carries over an earlier cycle.
func (s *Server) registerFilePages() {
	s.page(Viewer, http.MethodGet, reportPagePath+"/files", s.filesPage)
	s.page(Tester, http.MethodPost, reportPagePath+"/decisions", s.fileForm(s.decisionsForm))
	s.page(Tester, http.MethodPost, reportPagePath+"/carry-over", s.carryOverForm)
}

func (s *Server) filesPage(ctx context.Context, r *http.Request) (reply, error) {
	view, err := s.filesView(ctx, reportOf(r))
	return reply{view: view}, err
}

func (s *Server) filesView(ctx context.Context, in ReportPath) (desk.Files, error) {
	view := desk.Files{Caller: callerView(ctx)}
	var err error
	if view.Report, err = schema.GetReport(ctx, s.db, in.CycleID, in.ReportID); err != nil {
		return view, planningError(err)
	}
	view.Cycles, err = schema.ListCycles(ctx, s.db, in.ReportID, shownCycles)
	view.Cycles = slices.DeleteFunc(view.Cycles, func(cycle string) bool { return cycle == in.CycleID })
	return view, err
}

// decisionsForm checks a file of decisions, and imports it if the user has asked for that.
func (s *Server) decisionsForm(ctx context.Context, r *http.Request, body *io.SectionReader) (reply, error) {
	in := reportOf(r)
	view, err := s.filesView(ctx, in)
	if err != nil {
		return reply{}, err
	}
	form := importFields{}
	var source tabular.Source
	err = eachPart(r.Header.Get("Content-Type"), body, "file", func(part *multipart.Part) error {
		return form.add(part, func(part *multipart.Part) (err error) {
			source.Name = fileName(part)
			if source.Content, err = io.ReadAll(part); err != nil {
				return malformedForm()
			}
			return nil
		})
	})
	if err == nil && len(source.Content) == 0 {
		err = newFieldProblem("file", "choose the file that the export gave you")
	}
	save := form["save"] == "yes"
	view.OnlyClean = form["clean"] == "yes"
	var done ImportedDecisions
	if err == nil {
		done, err = s.importDecisionFile(ctx, in, source.Name, section(source.Content), !save, view.OnlyClean)
	}
	if p, refused := errors.AsType[*Problem](err); refused && p.Status == http.StatusUnprocessableEntity {
		view.Problem, view.More, view.Mistakes = p.Detail, p.MoreErrors, fileMistakes(p.Errors)
		return reply{view: view, status: p.Status}, nil
	}
	if err != nil {
		return reply{}, err
	}
	view.Done = done.Message
	view.Saved, view.Mistakes = save, fileMistakes(done.Conflicts)
	return reply{view: view}, nil
}

// carryOverForm carries over an earlier cycle. It first shows what would happen.
func (s *Server) carryOverForm(ctx context.Context, r *http.Request) (reply, error) {
	in := reportOf(r)
	address := desk.ReportURL(in.CycleID, in.ReportID)
	from := strings.TrimSpace(r.PostForm.Get("from_cycle_id"))
	if from == "" {
		return reply{}, newFieldProblem("from_cycle_id", "choose the earlier cycle")
	}
	body := CarryOverBody{FromCycleID: from, DryRun: r.PostForm.Get("confirmed") == ""}
	done, err := s.carryOver(ctx, &carryOverInput{ReportPath: in, Body: body})
	if err != nil {
		return reply{}, err
	}
	if !body.DryRun {
		return reply{location: address}, nil
	}
	c := done.Body
	n := c.Carried.Count + c.Changed.Count
	view := desk.Confirm{
		Caller: callerView(ctx), Question: "Carry over " + desk.CountOf(n) + " from " + from + "?",
		Button: "Carry over " + desk.CountOf(n), Action: address + "/carry-over", Back: address + "/files",
		None:   n == 0,
		Fields: []desk.FormField{{Name: "from_cycle_id", Value: from}},
		Facts: []string{
			"With the decisions of " + from + ": " + desk.CountOf(c.Carried.Count) + ".",
			"Need revision, because attribute or column has changed: " + desk.CountOf(c.Changed.Count) + ".",
			"Stay as they are, without a decision in " + from + ": " + desk.CountOf(c.Kept.Count+c.Added.Count) + ".",
			"Only in " + from + ": " + desk.CountOf(c.Dropped.Count) + ".",
		},
	}
	return reply{view: view}, nil
}
