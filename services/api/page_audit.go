package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// pageEntries is the number of entries of the audit log on a page.
const pageEntries = 50

// registerAuditPages registers the page of the audit log.
func (s *Server) registerAuditPages() {
	s.page(Viewer, http.MethodGet, "/audit", s.auditPage)
	s.page(Manager, http.MethodPost, "/audit/verify", func(ctx context.Context, _ *http.Request) (reply, error) {
		s.audits.verify(ctx)
		return reply{location: "/audit"}, nil
	})
	s.pageEvents("/audit/events", func(*http.Request) pageState {
		return pageState{key: pageKey{page: "audit"}, read: s.auditState}
	})
}

// auditState returns an id of the end of the audit log and of its verification.
func (s *Server) auditState(ctx context.Context) (string, error) {
	head, err := audit.GetHead(ctx, s.db)
	return strconv.FormatInt(head.Seq, 10) + "." + s.audits.state(), err
}

// auditPage is a page of the audit log, the newest entries first. It starts a verification if the last one is old and
// the log is short.
func (s *Server) auditPage(ctx context.Context, r *http.Request) (reply, error) {
	filter, err := auditFilterOf(r)
	if err != nil {
		return reply{}, err
	}
	before, err := numberOf(r, "before")
	if err != nil {
		return reply{}, err
	}
	view := desk.Audit{Caller: callerView(ctx), Query: r.URL.Query()}
	if view.Open, err = numberOf(r, "entry"); err != nil {
		return reply{}, err
	}
	if view.Chain.Head, err = audit.GetHead(ctx, s.db); err != nil {
		return reply{}, err
	}
	s.audits.verifyStale(ctx, view.Chain.Head)
	view.Seen = strconv.FormatInt(view.Chain.Head.Seq, 10) + "." + s.audits.show(&view.Chain)
	rows, err := audit.ListBefore(ctx, s.db, filter, before, pageEntries+1)
	if err != nil {
		return reply{}, err
	}
	if len(rows) > pageEntries {
		rows = rows[:pageEntries]
		view.Next = rows[pageEntries-1].Seq
	}
	var ids []string
	for _, row := range rows {
		if row.MappingID != "" {
			ids = append(ids, row.MappingID)
		}
	}
	names, err := schema.ListAttributeNames(ctx, s.db, ids)
	if err != nil {
		return reply{}, err
	}
	for _, row := range rows {
		view.Entries = append(view.Entries, desk.NewAuditEntry(row, names[row.MappingID]))
	}
	return reply{view: view}, nil
}

// auditFilterOf returns the filter in the query of the page, or a [Problem].
func auditFilterOf(r *http.Request) (audit.Filter, error) {
	query := r.URL.Query()
	filter := audit.Filter{
		Actor: query.Get("actor"), JobID: query.Get("job"), MappingID: query.Get("mapping"),
		ReportID: query.Get("report"), Actions: !(desk.Audit{Query: query}).Items(),
	}
	var err error
	if filter.From, err = minuteOf(query, "from"); err != nil {
		return filter, err
	}
	if filter.To, err = minuteOf(query, "to"); err != nil {
		return filter, err
	}
	switch query.Get("kind") {
	case "":
	case "mappings":
		filter.Types = []string{events.TopicMappingChanged.Type()}
	case "jobs":
		filter.Types = []string{
			events.TopicRegenerateRequested.Type(), events.TopicJobProgress.Type(), events.TopicJobFinished.Type(),
		}
	case "reports":
		filter.Types = []string{events.TopicPlanningChanged.Type()}
	case "unverified":
		filter.Unverified = true
	default:
		return filter, newFieldProblem("query.kind", "must be mappings, jobs, reports or unverified")
	}
	return filter, nil
}

// minuteOf returns a parameter of the query that is a time in UTC, as fields of forms have it, and the zero time if it
// is absent.
func minuteOf(query url.Values, name string) (time.Time, error) {
	text := query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		return at, newFieldProblem("query."+name, "must be a time such as 2026-11-28T16:00")
	}
	return at, nil
}

// numberOf returns a parameter of the query that is the number of a row, and 0 if it is absent.
func numberOf(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, newFieldProblem("query."+name, "must be a whole number from 1 up")
	}
	return n, nil
}
