package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

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

// bulkForm reviews the selected mappings, or those that pass the filter of the list. It first shows what would happen.
// If another number of mappings passes the filter than was confirmed, it asks again.
func (s *Server) bulkForm(ctx context.Context, r *http.Request) (reply, error) {
	in := reportOf(r)
	body, err := bulkBodyOf(r)
	if err != nil {
		return reply{}, err
	}
	if r.PostForm.Get("confirmed") == "" {
		view, err := s.bulkQuestion(ctx, r, in, body)
		return reply{view: view}, err
	}
	_, err = s.reviewMappings(ctx, &bulkReviewInput{ReportPath: in, Body: body})
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusConflict && body.Filter != nil {
		view, err := s.bulkQuestion(ctx, r, in, body)
		view.Facts = append([]string{"Nothing was changed. " + p.Title + "."}, view.Facts...)
		return reply{view: view, status: p.Status}, err
	}
	return reply{location: bulkBack(r, in)}, err
}

// bulkBack returns the page to return to after a decision about several mappings.
func bulkBack(r *http.Request, in ReportPath) string {
	return cmp.Or(localPath(r.PostForm.Get("back")), desk.ReportURL(in.CycleID, in.ReportID))
}

// bulkBodyOf returns the review in the form: of the selected ids, or of what passes the filter.
func bulkBodyOf(r *http.Request) (body BulkReviewBody, err error) {
	body.SkipOwnEdits = true
	if body.Decision, body.Comment, err = decisionOf(r); err != nil {
		return body, err
	}
	if r.PostForm.Get("filter") == "" {
		body.IDs = r.PostForm["ids"]
		if len(body.IDs) == 0 || len(body.IDs) > schema.MaxReview {
			return body, newFieldProblem("ids", fmt.Sprintf("select 1 to %d mappings", schema.MaxReview))
		}
		return body, nil
	}
	query, err := mappingQueryOf(r.PostForm)
	if err != nil {
		return body, err
	}
	filter := query.listFilter()
	body.Filter = &filter
	if text := r.PostForm.Get("expected"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return body, newFieldProblem("expected", "must be a whole number from 0 up")
		}
		body.Expected = &n
	}
	return body, nil
}

// bulkQuestion counts what the review would decide, and returns the question. Its form repeats that of the request.
func (s *Server) bulkQuestion(
	ctx context.Context, r *http.Request, in ReportPath, body BulkReviewBody,
) (desk.Confirm, error) {
	shown := body.Expected
	body.DryRun, body.Expected = true, nil
	done, err := s.reviewMappings(ctx, &bulkReviewInput{ReportPath: in, Body: body})
	if err != nil {
		return desk.Confirm{}, err
	}
	counted := done.Body
	question := desk.Verb(body.Decision) + " " + desk.CountOf(counted.Decided)
	view := desk.Confirm{
		Caller: callerView(ctx), Question: question + "?", Button: question,
		Action: desk.ReportURL(in.CycleID, in.ReportID) + "/review", Back: bulkBack(r, in),
		Comment: true, Text: body.Comment, None: counted.Decided == 0,
	}
	if body.Filter != nil && shown != nil && *shown != counted.Matched {
		view.Facts = append(view.Facts, fmt.Sprintf(
			"The filter selects %s now; it selected %d when the page was shown.",
			desk.CountOf(counted.Matched), *shown))
	}
	if counted.Matched > schema.MaxReview {
		view.None = true
		view.Question = "Too many mappings at once"
		view.Facts = append(view.Facts, fmt.Sprintf("%s pass the filter; at most %d are decided at once. Add filters.",
			desk.CountOf(counted.Matched), schema.MaxReview))
	}
	if n := counted.Unchanged; n > 0 {
		view.Facts = append(view.Facts, "Left out: "+desk.CountOf(n)+" with this decision already.")
	}
	if n := counted.OwnEdits; n > 0 {
		view.Facts = append(view.Facts, "Left out: "+desk.CountOf(n)+" that you edited last.")
	}
	for name, values := range r.PostForm {
		for _, value := range values {
			if name != "confirmed" && name != "expected" && name != "comment" {
				view.Fields = append(view.Fields, desk.FormField{Name: name, Value: value})
			}
		}
	}
	if body.Filter != nil {
		view.Fields = append(view.Fields,
			desk.FormField{Name: "expected", Value: strconv.FormatInt(counted.Matched, 10)})
	}
	view.Mappings, err = s.firstMappings(ctx, r, in, body)
	return view, err
}

// shownMappings is the number of mappings that a question about several lists.
const shownMappings = 10

// firstMappings returns the first of the mappings that are selected or pass the filter.
func (s *Server) firstMappings(
	ctx context.Context, r *http.Request, in ReportPath, body BulkReviewBody,
) (mappings []schema.ListedMapping, err error) {
	if body.Filter != nil {
		query, err := mappingQueryOf(r.PostForm)
		if err != nil {
			return nil, err
		}
		mappings, _, err = s.readMappings(ctx, in, PageQuery{Limit: shownMappings}, query)
		return mappings, err
	}
	for _, id := range body.IDs[:min(len(body.IDs), shownMappings)] {
		mapping, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, id)
		if errors.Is(err, schema.ErrNotFound) {
			continue // it was removed since
		}
		if err != nil {
			return nil, err
		}
		mappings = append(mappings, mapping)
	}
	return mappings, nil
}
