package api

import (
	"context"
	"net/http"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// maxPicture is the number of mappings of the largest report of which there is a picture.
const maxPicture = 20_000

// registerLineagePages registers the page with the picture of a report.
func (s *Server) registerLineagePages() {
	s.page(Viewer, http.MethodGet, reportPagePath+"/lineage", s.lineagePage)
}

func (s *Server) lineagePage(ctx context.Context, r *http.Request) (reply, error) {
	in := reportOf(r)
	report, err := schema.GetReportSummary(ctx, s.db, in.CycleID, in.ReportID)
	if err != nil {
		return reply{}, planningError(err)
	}
	view := desk.Lineage{Caller: callerView(ctx), Summary: desk.Summary{ReportSummary: report}, Limit: maxPicture}
	if report.MappingCount > maxPicture {
		return reply{view: view}, nil
	}
	rows, err := schema.ListLineage(ctx, s.db, in.CycleID, in.ReportID, maxPicture)
	if err != nil {
		return reply{}, err
	}
	if len(rows) > 0 {
		view.Picture = desk.NewLineagePicture(rows)
	}
	return reply{view: view}, nil
}
