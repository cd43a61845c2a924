package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// ReportSummary is a report with its mappings counted.
type ReportSummary struct {
	CycleID      string `json:"cycle_id"`
	ReportID     string `json:"report_id"`
	Name         string `json:"name"`
	MappingCount int64  `json:"mapping_count"`
	// Classifications counts the mappings by tier.
	Classifications events.Classifications `json:"classifications"`
	Unclassified    int64                  `json:"unclassified" doc:"How many mappings have no tier yet."`
	// Reviews counts the mappings by review status.
	Reviews   Reviews   `json:"reviews"`
	UpdatedAt time.Time `json:"updated_at" doc:"When the report itself last changed: its name, or how many mappings it has."`
	UpdatedBy string    `json:"updated_by"`
}

// Reviews counts mappings by what a manager has decided about them.
type Reviews struct {
	Pending       int64 `json:"pending"`
	Approved      int64 `json:"approved"`
	Rejected      int64 `json:"rejected"`
	NeedsRevision int64 `json:"needs_revision"`
}

// registerReports registers the list of reports.
func (s *Server) registerReports() {
	route(s, Viewer, huma.Operation{
		OperationID: "list-reports", Method: http.MethodGet, Path: prefix + "/planning/reports", Tags: []string{"planning"},
		Summary: "Lists the reports with their mappings counted by tier and review",
	}, func(ctx context.Context, in *PageQuery) (*pageOutput[ReportSummary], error) {
		key, err := in.after(2)
		if err != nil {
			return nil, err
		}
		if key == nil {
			key = []string{"", ""}
		}
		reports, err := schema.ListReports(ctx, s.db, key[0], key[1], in.ask())
		if err != nil {
			return nil, err
		}
		body, err := pageOf(*in, reports, showReport, func(r schema.ReportSummary) []string { return []string{r.CycleID, r.ReportID} })
		return &pageOutput[ReportSummary]{Body: body}, err
	})
}

func showReport(r schema.ReportSummary) ReportSummary {
	return ReportSummary{
		CycleID: r.CycleID, ReportID: r.ReportID, Name: r.Name, MappingCount: r.MappingCount,
		Classifications: events.Classifications{HRCI: r.HRCI, Confidential: r.Confidential, Proprietary: r.Proprietary, Public: r.Public},
		Unclassified:    r.Unclassified,
		Reviews:         Reviews{Pending: r.Pending, Approved: r.Approved, Rejected: r.Rejected, NeedsRevision: r.NeedsRevision},
		UpdatedAt:       r.UpdatedAt.UTC(), UpdatedBy: r.UpdatedBy,
	}
}

// needReport refuses where there is no such report.
func (s *Server) needReport(ctx context.Context, in ReportPath) error {
	_, err := schema.FindReport(ctx, s.db, in.CycleID, in.ReportID)
	return planningError(err)
}

// planningError is what an error of a change of planning data is to the caller.
func planningError(err error) error {
	if active, ok := errors.AsType[*schema.ActiveJobError](err); ok {
		problem := refuse(jobActive, "A job works on the report. Its attributes and columns can change when it has ended, or is cancelled.")
		problem.JobID = active.JobID
		return problem
	}
	if errors.Is(err, schema.ErrNotFound) {
		return refuse(reportNotFound, "There is no report with this id in a cycle with this id.")
	}
	return err
}

// listOfReport lists a page of something that a report has, by its id.
func listOfReport[Row, T any](ctx context.Context, s *Server, in ReportPath, page PageQuery, show func(Row) T, id func(Row) string,
	read func(after string, limit int) ([]Row, error),
) (*pageOutput[T], error) {
	key, err := page.after(1)
	if err != nil {
		return nil, err
	}
	after := ""
	if key != nil {
		after = key[0]
	}
	if err := s.needReport(ctx, in); err != nil {
		return nil, err
	}
	rows, err := read(after, page.ask())
	if err != nil {
		return nil, err
	}
	body, err := pageOf(page, rows, show, func(row Row) []string { return []string{id(row)} })
	return &pageOutput[T]{Body: body}, err
}

// refuseMissing refuses where the report has no such thing, which is named as in "an attribute".
func (s *Server) refuseMissing(ctx context.Context, in ReportPath, what string, err error) error {
	if !errors.Is(err, schema.ErrNotFound) {
		return err
	}
	if err := s.needReport(ctx, in); err != nil {
		return err
	}
	return refuse(notFound, fmt.Sprintf("The report has no %s with this id.", what))
}
