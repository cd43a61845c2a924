package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// registerStartForms registers the forms with which people start a job.
func (s *Server) registerStartForms() {
	path := reportPagePath + "/start/{job_type}"
	s.page(Tester, http.MethodGet, path, s.startPage)
	s.page(Tester, http.MethodPost, path, s.startForm)
}

// jobTypeOf returns the type of job in the path, and the verb that the page uses for it.
func jobTypeOf(r *http.Request) (jobType schema.JobType, verb string, err error) {
	switch jobType := schema.JobType(parameter(r, "job_type")); jobType {
	case schema.JobTypePDERegeneration:
		return jobType, "Regenerate", nil
	case schema.JobTypePDEAutoMapping:
		return jobType, "Auto-map", nil
	default:
		return "", "", newProblem(routeNotFound, "There is no such type of job.")
	}
}

// startPage shows what a job would do before it is started.
func (s *Server) startPage(ctx context.Context, r *http.Request) (reply, error) {
	jobType, verb, err := jobTypeOf(r)
	if err != nil {
		return reply{}, err
	}
	in := reportOf(r)
	force := r.Form.Get("force") != ""
	options := JobOptions{DryRun: true, Force: force}
	out, err := s.startReportJob(ctx, ReportJobInput{ReportPath: in}, jobType, options, nil)
	if err != nil {
		return reply{}, err
	}
	plan, _ := out.Body.(DryRun)
	n := plan.MappingCount - plan.WouldSkip
	back := desk.ReportURL(in.CycleID, in.ReportID)
	view := desk.Confirm{
		Caller: callerView(ctx), Question: verb + " " + in.ReportID, Button: "Start, " + desk.CountOf(n),
		Action: back + "/start/" + string(jobType), Back: back, None: n == 0,
		Facts: []string{
			fmt.Sprintf("%s, of which %d are unchanged and skipped.", desk.CountOf(plan.MappingCount), plan.WouldSkip),
			"Values that a person has confirmed are kept; other results become suggestions.",
			fmt.Sprintf("Estimated cost: %.2f USD.", plan.Estimate.CostUSD),
		},
	}
	switch {
	case force:
		view.Fields = []desk.FormField{{Name: "force", Value: "yes"}}
		view.Option = &desk.Option{URL: view.Action, Label: "Only those that have changed"}
	case plan.WouldSkip > 0:
		view.Option = &desk.Option{
			URL: view.Action + "?force=yes", Label: fmt.Sprintf("Also the %d that have not changed", plan.WouldSkip),
		}
	}
	return reply{view: view}, nil
}

// startForm starts the job, and shows it.
func (s *Server) startForm(ctx context.Context, r *http.Request) (reply, error) {
	jobType, _, err := jobTypeOf(r)
	if err != nil {
		return reply{}, err
	}
	options := JobOptions{Force: r.PostForm.Get("force") != ""}
	out, err := s.startReportJob(ctx, ReportJobInput{ReportPath: reportOf(r)}, jobType, options, nil)
	if err != nil {
		return reply{}, err
	}
	started, _ := out.Body.(Accepted)
	return reply{location: jobPath(started.JobID)}, nil
}
