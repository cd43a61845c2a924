package api

import (
	"context"
	"net/http"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// pageDifferences is the number of attributes of a page that compares two cycles.
const pageDifferences = 50

// registerComparePages registers the page that compares two cycles of a report.
func (s *Server) registerComparePages() {
	s.page(Viewer, http.MethodGet, reportPagePath+"/compare", s.comparePage)
}

func (s *Server) comparePage(ctx context.Context, r *http.Request) (reply, error) {
	in, query := reportOf(r), r.URL.Query()
	report, err := schema.GetReport(ctx, s.db, in.CycleID, in.ReportID)
	if err != nil {
		return reply{}, planningError(err)
	}
	page, err := s.compare(ctx, &compareInput{
		ReportPath: in, PageQuery: PageQuery{Limit: pageDifferences, Cursor: query.Get("cursor")},
		With: query.Get("with"),
	})
	if err != nil {
		return reply{}, err
	}
	view := desk.Compare{Caller: callerView(ctx), Report: report, With: query.Get("with")}
	for _, d := range page.Body.Items {
		row := desk.Difference{Kind: d.Change, AttributeName: d.AttributeName}
		switch {
		case d.MappingID != nil:
			row.URL = desk.MappingURL(in.CycleID, in.ReportID, *d.MappingID)
		case d.WithMappingID != nil:
			row.URL = desk.MappingURL(view.With, in.ReportID, *d.WithMappingID)
		}
		for _, change := range d.Fields {
			row.Fields = append(row.Fields, desk.Field{
				Name: desk.FieldName(change.Field), From: desk.Plain(change.Before), To: desk.Plain(change.After),
			})
		}
		view.Rows = append(view.Rows, row)
	}
	if page.Body.NextCursor != nil {
		query.Set("cursor", *page.Body.NextCursor)
		view.More = view.URL() + "/compare?" + query.Encode()
	}
	return reply{view: view}, nil
}
