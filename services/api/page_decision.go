package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// registerDecisionForms registers the forms with which people decide about mappings.
func (s *Server) registerDecisionForms() {
	s.page(Manager, http.MethodPost, reportPagePath+"/mappings/{id}/review", s.reviewForm)
	s.page(Tester, http.MethodPost, reportPagePath+"/mappings/{id}/undo", s.undoForm)
	s.page(Manager, http.MethodPost, reportPagePath+"/review", s.bulkForm)
}

// reviewForm reviews one mapping, and shows the next one of the list.
func (s *Server) reviewForm(ctx context.Context, r *http.Request) (reply, error) {
	decision, comment, err := decisionOf(r)
	if err != nil {
		return reply{}, err
	}
	in := mappingOf(r)
	_, err = s.reviewMapping(ctx, &reviewInput{
		MappingPath: in, IfMatch: IfMatch{r.PostForm.Get("version")},
		Body: ReviewBody{Decision: decision, Comment: comment},
	})
	if err != nil {
		return reply{}, err
	}
	return decided(r, in, r.PostForm.Get("after")), nil
}

// decided leads back to the list after a decision about the mapping, with another one selected unless it is empty.
func decided(r *http.Request, in MappingPath, next string) reply {
	to, err := url.Parse(localPath(r.PostForm.Get("back")))
	if err != nil || to.Path == "" {
		to = &url.URL{Path: desk.ReportURL(in.CycleID, in.ReportID)}
	}
	query := to.Query()
	query.Set("done", in.ID)
	query.Set("m", cmp.Or(next, in.ID))
	to.RawQuery = query.Encode()
	return reply{location: to.String()}
}

func (s *Server) undoForm(ctx context.Context, r *http.Request) (reply, error) {
	in := mappingOf(r)
	if _, err := s.undoDecision(ctx, &undoInput{MappingPath: in}); err != nil {
		return reply{}, err
	}
	return decided(r, in, ""), nil
}

// bulkForm reviews the selected mappings. It first shows what would happen.
func (s *Server) bulkForm(ctx context.Context, r *http.Request) (reply, error) {
	decision, comment, err := decisionOf(r)
	if err != nil {
		return reply{}, err
	}
	ids := r.PostForm["ids"]
	if len(ids) == 0 || len(ids) > schema.MaxReview {
		return reply{}, newFieldProblem("ids", fmt.Sprintf("select 1 to %d mappings", schema.MaxReview))
	}
	in := reportOf(r)
	address := desk.ReportURL(in.CycleID, in.ReportID)
	back := cmp.Or(localPath(r.PostForm.Get("back")), address)
	body := BulkReviewBody{IDs: ids, Decision: decision, Comment: comment, SkipOwnEdits: true}
	body.DryRun = r.PostForm.Get("confirmed") == ""
	done, err := s.reviewMappings(ctx, &bulkReviewInput{ReportPath: in, Body: body})
	if err != nil {
		return reply{}, err
	}
	if !body.DryRun {
		return reply{location: back}, nil
	}
	view := desk.Confirm{
		Caller:   callerView(ctx),
		Question: desk.Verb(decision) + " " + desk.CountOf(done.Body.Decided) + "?",
		Button:   desk.Verb(decision) + " " + desk.CountOf(done.Body.Decided),
		Action:   address + "/review", Comment: true, None: done.Body.Decided == 0, Back: back,
		Fields: []desk.FormField{{Name: "decision", Value: string(decision)}, {Name: "back", Value: back}},
	}
	if n := done.Body.Unchanged; n > 0 {
		view.Facts = append(view.Facts, "Left out: "+desk.CountOf(n)+" with this decision already.")
	}
	if n := done.Body.OwnEdits; n > 0 {
		view.Facts = append(view.Facts, "Left out: "+desk.CountOf(n)+" that you edited last.")
	}
	for i, id := range ids {
		view.Fields = append(view.Fields, desk.FormField{Name: "ids", Value: id})
		if i >= shownMappings {
			continue
		}
		mapping, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, id)
		if errors.Is(err, schema.ErrNotFound) {
			continue // it was removed since
		}
		if err != nil {
			return reply{}, err
		}
		view.Mappings = append(view.Mappings, mapping)
	}
	return reply{view: view}, nil
}

// shownMappings is the number of mappings that a question about several lists.
const shownMappings = 10
