package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

const (
	// pageReports and pageMappings are the numbers of rows of a page. A first view has less than 100 KB.
	pageReports, pageMappings = 20, 30
	// maxCounted is the largest report whose mappings a page counts one by one.
	maxCounted = 20_000
	// shownChanges is the number of changes of a mapping that a page shows.
	shownChanges = 20
	// shownCalls is the number of calls of a model that a page shows.
	shownCalls = 10
)

// reportPagePath is the path of the page of a report.
const reportPagePath = "/cycles/{cycle_id}/reports/{report_id}"

// registerReportPages registers the pages of reports.
func (s *Server) registerReportPages() {
	s.page(Viewer, http.MethodGet, "/", s.reportsPage)
	s.page(Viewer, http.MethodGet, reportPagePath, s.reportPage)
	s.pageEvents(reportPagePath+"/events", func(r *http.Request) pageState { return s.reportState(reportOf(r)) })
}

func (s *Server) reportsPage(ctx context.Context, r *http.Request) (reply, error) {
	query := PageQuery{Limit: pageReports, Cursor: r.Form.Get("cursor")}
	key, err := query.after(2)
	if err != nil {
		return reply{}, err
	}
	if key == nil {
		key = []string{"", ""}
	}
	reports, err := schema.ListReports(ctx, s.db, key[0], key[1], query.rows())
	if err != nil {
		return reply{}, err
	}
	page, err := pageOf(query, reports, func(r schema.ReportSummary) schema.ReportSummary { return r },
		func(r schema.ReportSummary) []string { return []string{r.CycleID, r.ReportID} })
	if err != nil {
		return reply{}, err
	}
	shown := make([]schema.Report, len(page.Items))
	for i, summary := range page.Items {
		shown[i] = summary.Report
	}
	last, err := s.lastJobs(ctx, shown)
	if err != nil {
		return reply{}, err
	}
	previous, err := s.previousReports(ctx, shown)
	if err != nil {
		return reply{}, err
	}
	view := desk.Reports{Caller: callerView(ctx)}
	if page.NextCursor != nil {
		view.More = "/?cursor=" + url.QueryEscape(*page.NextCursor)
	}
	slices.SortStableFunc(page.Items, func(a, b schema.ReportSummary) int { return cmp.Compare(b.CycleID, a.CycleID) })
	for i, report := range page.Items {
		row := desk.ReportRow{
			Summary: desk.Summary{ReportSummary: report}, First: i == 0 || page.Items[i-1].CycleID != report.CycleID,
			LastJob:  last[ReportPath{report.CycleID, report.ReportID}],
			Previous: previous[ReportPath{report.CycleID, report.ReportID}],
		}
		view.Rows = append(view.Rows, row)
	}
	return reply{view: view}, nil
}

// previousReports returns the reports as they are in the cycles before theirs.
func (s *Server) previousReports(
	ctx context.Context, reports []schema.Report,
) (map[ReportPath]*schema.ReportSummary, error) {
	rows, err := schema.ListPreviousReports(ctx, s.db, reports)
	if err != nil {
		return nil, err
	}
	previous := make(map[ReportPath]*schema.ReportSummary, len(rows))
	for _, row := range rows {
		previous[ReportPath{row.CycleID, row.ReportID}] = &row.ReportSummary
	}
	return previous, nil
}

// lastJobs returns the status of the last job of each report that has had one.
func (s *Server) lastJobs(ctx context.Context, reports []schema.Report) (map[ReportPath]*events.JobStatus, error) {
	jobs, err := schema.ListLastJobs(ctx, s.db, reports)
	if err != nil {
		return nil, err
	}
	statuses, err := schema.ListStatuses(ctx, s.db, jobs)
	if err != nil {
		return nil, err
	}
	last := make(map[ReportPath]*events.JobStatus, len(jobs))
	for i, job := range jobs {
		status := events.StatusOf(job, statuses[i])
		last[ReportPath{job.CycleID, job.ReportID}] = &status
	}
	return last, nil
}

// reportPage is the page of a report with its list of mappings and the selected mapping.
func (s *Server) reportPage(ctx context.Context, r *http.Request) (reply, error) {
	in := reportOf(r)
	seen, err := s.changes.current(ctx, s.reportState(in)) // before the rows, which may be newer
	if err != nil {
		return reply{}, err
	}
	report, err := schema.GetReportSummary(ctx, s.db, in.CycleID, in.ReportID)
	if err != nil {
		return reply{}, planningError(err)
	}
	query, err := mappingQueryOf(r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	page := PageQuery{Limit: pageMappings, Cursor: r.Form.Get("cursor")}
	rows, next, err := s.readMappings(ctx, in, page, query)
	if err != nil {
		return reply{}, err
	}
	view := desk.Report{
		Caller: callerView(ctx), Summary: desk.Summary{ReportSummary: report}, Rows: rows, Query: listQueryOf(r, in),
		Matches: -1, Seen: seen,
	}
	if next != nil {
		view.Next = *next
	}
	if view.Matches, err = s.countMatches(ctx, in, query, report); err != nil {
		return reply{}, err
	}
	if view.Selected, err = s.selectedMapping(ctx, r, in, view); err != nil {
		return reply{}, err
	}
	if done := r.Form.Get("done"); done != "" {
		mapping, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, done)
		if err == nil {
			view.Done = &mapping
		} else if !errors.Is(err, schema.ErrNotFound) {
			return reply{}, err
		}
	}
	active, err := s.listJobs(ctx, PageQuery{Limit: 1}, schema.JobFilter{
		CycleID: in.CycleID, ReportID: in.ReportID, Active: true,
	})
	if err != nil {
		return reply{}, err
	}
	if len(active.Body.Items) > 0 {
		view.Job = &active.Body.Items[0]
	}
	return reply{view: view}, nil
}

// listQueryOf returns the state of the list. Its order is the default one unless the URL has another.
func listQueryOf(r *http.Request, in ReportPath) desk.ListQuery {
	values := r.URL.Query()
	if values.Get("sort") == "" {
		values.Set("sort", string(schema.MappingSortConfidence))
	}
	return desk.ListQuery{Path: desk.ReportURL(in.CycleID, in.ReportID), Values: values}
}

// mappingQueryOf returns the filters and the order in the query or in the form of a page, or a [Problem].
func mappingQueryOf(values url.Values) (MappingQuery, error) {
	query := MappingQuery{
		Search:                            values.Get("q"),
		InformationSecurityClassification: schema.Tier(values.Get("information_security_classification")),
		Criticality:                       schema.Level(values.Get("criticality")),
		ReviewStatus:                      schema.ReviewStatus(values.Get("review_status")),
		Sort:                              cmp.Or(values.Get("sort"), string(schema.MappingSortConfidence)),
	}
	for _, number := range []struct {
		name string
		into *Optional[int]
	}{{"min_confidence", &query.MinConfidence}, {"max_confidence", &query.MaxConfidence}} {
		text := values.Get(number.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 100 {
			return query, newFieldProblem("query."+number.name, "must be a whole number from 0 to 100")
		}
		*number.into = Optional[int]{value: n, set: true}
	}
	if text := values.Get("unmapped"); text != "" {
		query.Unmapped = Optional[bool]{value: text == "true", set: true}
	}
	return query, query.check()
}

// check returns a [Problem] for a value that a filter cannot have. For the JSON routes, the document requires the same.
func (q *MappingQuery) check() error {
	switch {
	case q.InformationSecurityClassification != "" &&
		!slices.Contains(schema.Tiers(), q.InformationSecurityClassification):
		return newFieldProblem("query.information_security_classification", "must be the name of a tier")
	case q.Criticality != "" && !slices.Contains(schema.Levels(), q.Criticality):
		return newFieldProblem("query.criticality", "must be High, Medium or Low")
	case q.ReviewStatus != "" && !slices.Contains(schema.ReviewStatuses(), q.ReviewStatus):
		return newFieldProblem("query.review_status", "must be the name of a review status")
	case len([]rune(q.Search)) > 200:
		return newFieldProblem("query.q", "must have at most 200 characters")
	}
	return nil
}

// countMatches returns the number of mappings of the report that pass the filter, or -1 if counting would take long.
func (s *Server) countMatches(
	ctx context.Context, in ReportPath, query MappingQuery, report schema.ReportSummary,
) (int64, error) {
	filter, err := query.filter(in)
	if err != nil || report.MappingCount > maxCounted {
		return -1, err
	}
	return schema.CountMappings(ctx, s.db, filter)
}

// selectedMapping returns the mapping in the query of the page, or else the first one of the list. It returns nil if
// there is none.
func (s *Server) selectedMapping(
	ctx context.Context, r *http.Request, in ReportPath, view desk.Report,
) (*desk.Mapping, error) {
	id := r.Form.Get("m")
	at := slices.IndexFunc(view.Rows, func(m schema.ListedMapping) bool { return m.ID == id })
	if id == "" && len(view.Rows) > 0 {
		at, id = 0, view.Rows[0].ID
	}
	if id == "" {
		return nil, nil
	}
	mapping, err := s.mappingView(ctx, MappingPath{in, id})
	if errors.Is(err, schema.ErrNotFound) {
		return nil, nil // it was removed since
	}
	if err != nil {
		return nil, err
	}
	mapping.Query = view.Query
	if at > 0 {
		mapping.Previous = view.Query.Select(view.Rows[at-1].ID)
	}
	switch {
	case at+1 < len(view.Rows):
		mapping.After = view.Rows[at+1].ID
		mapping.Next = view.Query.Select(mapping.After)
	case view.Next != "":
		mapping.Next = view.Query.Page(view.Next)
	}
	return mapping, nil
}

// mappingView reads what the page shows of a mapping. It returns [schema.ErrNotFound] if the report does not have it.
func (s *Server) mappingView(ctx context.Context, in MappingPath) (*desk.Mapping, error) {
	m, err := schema.GetMapping(ctx, s.db, in.CycleID, in.ReportID, in.ID)
	if err != nil {
		return nil, err
	}
	view := &desk.Mapping{Caller: callerView(ctx), ListedMapping: m}
	view.Attribute, err = schema.GetAttribute(ctx, s.db, in.CycleID, in.ReportID, m.AttributeID)
	if err != nil {
		return nil, err
	}
	if m.DataSourceID != "" {
		source, err := schema.GetDataSource(ctx, s.db, in.CycleID, in.ReportID, m.DataSourceID)
		if err != nil && !errors.Is(err, schema.ErrNotFound) {
			return nil, err
		}
		view.Source = source.Name
		column, err := schema.GetSourceColumn(ctx, s.db, m.DataSourceID, m.SourceField)
		if err == nil {
			view.Column = &column
		} else if !errors.Is(err, schema.ErrNotFound) {
			return nil, err
		}
	}
	changes, err := schema.ListHistory(ctx, s.db, m.ID, time.Time{}, "", shownChanges)
	if err != nil {
		return nil, err
	}
	for _, change := range changes {
		entry, err := newHistoryEntry(change)
		if err != nil {
			return nil, err
		}
		view.History = append(view.History, desk.Change{History: change, Before: entry.Before, After: entry.After})
	}
	if view.Calls, err = s.lastCalls(ctx, m.ID, changes); err != nil {
		return nil, err
	}
	if view.CanReview {
		counts, err := schema.CountReview(ctx, s.db, schema.Review{
			CycleID: in.CycleID, ReportID: in.ReportID, Status: schema.ReviewStatusApproved, Author: view.User,
			Comment: "any", SkipOwn: true,
		}, []schema.MappingVersion{{ID: m.ID}})
		if err != nil {
			return nil, err
		}
		view.OwnEdit = counts.Own > 0
	}
	return view, nil
}

// lastCalls returns the calls of a model by the last job in the history of a mapping.
func (s *Server) lastCalls(ctx context.Context, id string, changes []schema.History) ([]schema.ModelCall, error) {
	last := slices.IndexFunc(changes, func(h schema.History) bool { return h.JobID != "" }) // the newest come first
	if last < 0 {
		return nil, nil
	}
	return schema.ListModelCalls(ctx, s.db, changes[last].JobID, id, "", shownCalls)
}
