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

// ReportSummary is a report with counts of its mappings.
type ReportSummary struct {
	CycleID      string `json:"cycle_id"`
	ReportID     string `json:"report_id"`
	Name         string `json:"name"`
	MappingCount int64  `json:"mapping_count"`
	// Classifications counts the mappings by tier.
	Classifications events.Classifications `json:"classifications"`
	Unclassified    int64                  `json:"unclassified" doc:"The number of mappings without a tier."`
	// Reviews counts the mappings by review status.
	Reviews   Reviews      `json:"reviews"`
	Usage     events.Usage `json:"usage" doc:"The tokens and the cost of all jobs of the report in this cycle."`
	UpdatedAt time.Time    `json:"updated_at" doc:"The time of the last change of the name or of the number of mappings."`
	UpdatedBy string       `json:"updated_by"`
}

// Reviews counts mappings by review status.
type Reviews struct {
	Pending       int64 `json:"pending"`
	Approved      int64 `json:"approved"`
	Rejected      int64 `json:"rejected"`
	NeedsRevision int64 `json:"needs_revision"`
}

// registerReports registers the list of reports.
func (s *Server) registerReports() {
	route(s, Viewer, huma.Operation{
		OperationID: "list-reports", Method: http.MethodGet, Path: prefix + "/planning/reports",
		Tags:    []string{"planning"},
		Summary: "Lists the reports, with counts of mappings by tier and review status, and the cost of their jobs",
	}, func(ctx context.Context, in *PageQuery) (*pageOutput[ReportSummary], error) {
		key, err := in.after(2)
		if err != nil {
			return nil, err
		}
		if key == nil {
			key = []string{"", ""}
		}
		reports, err := schema.ListReports(ctx, s.db, key[0], key[1], in.rows())
		if err != nil {
			return nil, err
		}
		body, err := pageOf(*in, reports, newReportSummary, func(r schema.ReportSummary) []string {
			return []string{r.CycleID, r.ReportID}
		})
		return &pageOutput[ReportSummary]{Body: body}, err
	})
}

func newReportSummary(r schema.ReportSummary) ReportSummary {
	return ReportSummary{
		CycleID: r.CycleID, ReportID: r.ReportID, Name: r.Name, MappingCount: r.MappingCount,
		Classifications: events.Classifications{
			HRCI: r.HRCI, Confidential: r.Confidential, Proprietary: r.Proprietary, Public: r.Public,
		},
		Unclassified: r.Unclassified,
		Reviews: Reviews{
			Pending: r.Pending, Approved: r.Approved, Rejected: r.Rejected, NeedsRevision: r.NeedsRevision,
		},
		Usage: events.UsageOf(schema.Usage{
			InputTokens: r.InputTokens, OutputTokens: r.OutputTokens, CostUSD: r.CostUSD,
		}),
		UpdatedAt: r.UpdatedAt.UTC(), UpdatedBy: r.UpdatedBy,
	}
}

// requireReport returns a [Problem] if there is no such report.
func (s *Server) requireReport(ctx context.Context, in ReportPath) error {
	_, err := schema.GetReport(ctx, s.db, in.CycleID, in.ReportID)
	return planningError(err)
}

// planningError returns the problem for an error of an operation on planning data, or the error itself.
func planningError(err error) error {
	if active, ok := errors.AsType[*schema.ActiveJobError](err); ok {
		problem := newProblem(jobActive, "The report has an active job. Attributes and columns can change when the "+
			"job has ended or is cancelled.")
		problem.JobID = active.JobID
		return problem
	}
	if errors.Is(err, schema.ErrNotFound) {
		return newProblem(reportNotFound, "There is no report with this id in a cycle with this id.")
	}
	return err
}

// missingError returns the problem for [schema.ErrNotFound]: that of the report if it does not exist, else that of the
// row. The noun completes "The report has no ... with this id". It returns other errors unchanged.
func (s *Server) missingError(ctx context.Context, in ReportPath, noun string, err error) error {
	if !errors.Is(err, schema.ErrNotFound) {
		return err
	}
	if err := s.requireReport(ctx, in); err != nil {
		return err
	}
	return newProblem(notFound, fmt.Sprintf("The report has no %s with this id.", noun))
}
