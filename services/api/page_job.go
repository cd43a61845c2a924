package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// pageJobs and pageItems are the numbers of rows of a page.
const pageJobs, pageItems = 50, 50

// registerJobPages registers the pages and forms of jobs.
func (s *Server) registerJobPages() {
	s.page(Viewer, http.MethodGet, "/jobs", s.jobsPage)
	s.pageEvents("/jobs/events", s.jobsState)
	s.page(Viewer, http.MethodGet, "/jobs/{job_id}", s.jobPage)
	s.page(Tester, http.MethodPost, "/jobs/{job_id}/pause", s.intentForm(schema.IntentPause))
	s.page(Tester, http.MethodPost, "/jobs/{job_id}/resume", s.intentForm(schema.IntentRun))
	s.page(Tester, http.MethodPost, "/jobs/{job_id}/cancel", s.cancelForm)
	s.page(Tester, http.MethodPost, "/jobs/{job_id}/retry", s.retryForm)
}

func (s *Server) jobsPage(ctx context.Context, r *http.Request) (reply, error) {
	state := r.Form.Get("state")
	filter, err := jobFilterOf(state)
	if err != nil {
		return reply{}, err
	}
	page, err := s.listJobs(ctx, PageQuery{Limit: pageJobs, Cursor: r.Form.Get("cursor")}, filter)
	if err != nil {
		return reply{}, err
	}
	view := desk.Jobs{Caller: callerView(ctx), State: state}
	for _, status := range page.Body.Items {
		view.Rows = append(view.Rows, desk.JobRow{JobStatus: status})
	}
	if r.Form.Get("cursor") == "" {
		if view.Seen, err = stateOf(page.Body.Items); err != nil {
			return reply{}, err
		}
	}
	if page.Body.NextCursor != nil {
		view.More = "/jobs?" + url.Values{"state": {state}, "cursor": {*page.Body.NextCursor}}.Encode()
	}
	return reply{view: view}, nil
}

// jobFilterOf returns the filter of the list with this state: active, or a status. An error is a [Problem].
func jobFilterOf(state string) (schema.JobFilter, error) {
	filter := schema.JobFilter{Active: state == "active"}
	if !filter.Active {
		filter.Status = schema.Status(state)
	}
	if filter.Status != "" && !slices.Contains(schema.Statuses(), filter.Status) {
		return filter, newFieldProblem("query.state", "must be active, or the status of a job")
	}
	return filter, nil
}

// jobsState is the state of the first page of the list of jobs in the query.
func (s *Server) jobsState(r *http.Request) pageState {
	state := r.URL.Query().Get("state")
	filter, err := jobFilterOf(state)
	if err != nil {
		state, filter = "", schema.JobFilter{} // the page was refused, too
	}
	return pageState{key: pageKey{page: "jobs " + state}, read: func(ctx context.Context) (string, error) {
		page, err := s.listJobs(ctx, PageQuery{Limit: pageJobs}, filter)
		if err != nil {
			return "", err
		}
		return stateOf(page.Body.Items)
	}}
}

// stateOf returns an id of the statuses.
func stateOf(statuses []events.JobStatus) (string, error) {
	text, err := json.Marshal(statuses)
	if err != nil {
		return "", fmt.Errorf("statuses: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

func (s *Server) jobPage(ctx context.Context, r *http.Request) (reply, error) {
	id := parameter(r, "job_id")
	reading, err := s.readStatus(ctx, id)
	if err != nil {
		return reply{}, err
	}
	view := desk.Job{
		Caller: callerView(ctx), JobRow: desk.JobRow{JobStatus: reading.status}, Outcome: r.Form.Get("outcome"),
		Now: time.Now(), Seen: reading.etag,
	}
	if view.Failed > 0 {
		if view.Failures, err = schema.ListFailures(ctx, s.db, id); err != nil {
			return reply{}, err
		}
	}
	if view.Outcome == "" {
		return reply{view: view}, nil
	}
	err = s.addItems(ctx, &view, r.Form.Get("cursor"))
	return reply{view: view}, err
}

// addItems adds the items with the outcome of the view.
func (s *Server) addItems(ctx context.Context, view *desk.Job, cursor string) error {
	page := PageQuery{Limit: pageItems, Cursor: cursor}
	after, err := page.afterID()
	if err != nil {
		return err
	}
	filter, err := itemFilter(view.Outcome)
	if err != nil {
		return err
	}
	rows, err := schema.ListItems(ctx, s.db, view.JobID, filter, after, page.rows())
	if err != nil {
		return err
	}
	items, err := pageOf(page, rows, func(i schema.Item) schema.Item { return i },
		func(i schema.Item) []string { return []string{i.MappingID} })
	if err != nil {
		return err
	}
	ids := make([]string, len(items.Items))
	for i, item := range items.Items {
		ids[i] = item.MappingID
	}
	names, err := schema.ListAttributeNames(ctx, s.db, ids)
	if err != nil {
		return err
	}
	for _, item := range items.Items {
		view.Items = append(view.Items, desk.JobItem{Item: item, AttributeName: names[item.MappingID]})
	}
	if items.NextCursor != nil {
		query := url.Values{"outcome": {view.Outcome}, "cursor": {*items.NextCursor}}
		view.More = "/jobs/" + view.JobID + "?" + query.Encode() + "#items"
	}
	return nil
}

// itemFilter returns the filter of the items with an outcome, of those that are queued, or of all if it is empty.
func itemFilter(outcome string) (schema.ItemFilter, error) {
	if outcome == "queued" {
		return schema.ItemFilter{Queued: true}, nil
	}
	if outcome != "" && !slices.Contains(schema.Outcomes(), schema.Outcome(outcome)) {
		return schema.ItemFilter{}, newFieldProblem("query.outcome", "must be queued, or the outcome of an item")
	}
	return schema.ItemFilter{Outcome: schema.Outcome(outcome)}, nil
}

// intentForm records the intent of the caller, and shows the job.
func (s *Server) intentForm(intent schema.Intent) func(context.Context, *http.Request) (reply, error) {
	return func(ctx context.Context, r *http.Request) (reply, error) {
		id := parameter(r, "job_id")
		_, err := s.recordIntent(ctx, id, intent, nil)
		return reply{location: jobPath(id)}, err
	}
}

func jobPath(id string) string { return "/jobs/" + url.PathEscape(id) }

// cancelForm cancels the job after a question.
func (s *Server) cancelForm(ctx context.Context, r *http.Request) (reply, error) {
	id := parameter(r, "job_id")
	if r.Form.Get("confirmed") != "" {
		return s.intentForm(schema.IntentCancel)(ctx, r)
	}
	reading, err := s.readStatus(ctx, id)
	if err != nil {
		return reply{}, err
	}
	left := reading.status.TotalSteps - reading.status.CompletedSteps
	return reply{view: desk.Confirm{
		Caller: callerView(ctx), Question: "Cancel " + desk.CountOf(left) + "?", Button: "Cancel " + desk.CountOf(left),
		Facts:  []string{"Saved results are kept. A retry can process the rest."},
		Action: jobPath(id) + "/cancel", Back: jobPath(id),
	}}, nil
}

// retryForm starts a job for the failed and cancelled mappings after a question, which counts them.
func (s *Server) retryForm(ctx context.Context, r *http.Request) (reply, error) {
	id := parameter(r, "job_id")
	body := RetryBody{ErrorCode: schema.ErrorCode(r.PostForm.Get("error_code"))}
	if body.ErrorCode != "" && !slices.Contains(schema.FailureCodes(), body.ErrorCode) {
		return reply{}, newFieldProblem("error_code", "must be the error code of a failed mapping")
	}
	body.DryRun = r.PostForm.Get("confirmed") == ""
	out, err := s.retry(ctx, &retryInput{JobPath: JobPath{id}, Body: &body})
	if err != nil {
		return reply{}, err
	}
	if started, ok := out.Body.(Accepted); ok {
		return reply{location: jobPath(started.JobID)}, nil
	}
	counted, _ := out.Body.(Counted)
	n := counted.MappingCount
	view := desk.Confirm{
		Caller: callerView(ctx), Question: "Retry " + desk.CountOf(n) + "?", Button: "Retry " + desk.CountOf(n),
		Facts:  []string{"A retry is a job of its own, of exactly these mappings."},
		Action: jobPath(id) + "/retry", Back: jobPath(id), None: n == 0,
		Fields: []desk.FormField{{Name: "error_code", Value: string(body.ErrorCode)}},
	}
	if shown := r.PostForm.Get("expected"); shown != strconv.FormatInt(n, 10) {
		view.Facts = append(view.Facts, "The number has changed since the page was shown.")
	}
	return reply{view: view}, nil
}
