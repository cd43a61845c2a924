package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// JobOptions is how the mappings of a job are to be judged.
type JobOptions struct {
	Classifier schema.ClassifierKind `json:"classifier,omitempty" enum:"rules,llm,hybrid" doc:"What judges the mappings; the server's default if absent."`
	Force      bool                  `json:"force,omitempty" doc:"Judges again what has not changed, too."`
	MaxCostUSD *float64              `json:"max_cost_usd,omitempty" doc:"What a model may cost before the job pauses."`
	DryRun     bool                  `json:"dry_run,omitempty" doc:"Starts nothing and only counts."`
}

// RegenerateBody is the body of regenerate-all.
type RegenerateBody struct {
	JobOptions
	MappingIDs []string `json:"mapping_ids,omitempty" minItems:"1" maxItems:"20000" doc:"Only these mappings; all of the report if absent. What is named twice counts once."`
}

// AutoMapBody is the body of auto-map.
type AutoMapBody struct{ JobOptions }

// SuggestBody is the body of suggest-batch.
type SuggestBody struct {
	JobOptions
	MappingIDs []string `json:"pde_mapping_ids,omitempty" minItems:"1" maxItems:"20000" doc:"Only these mappings; all of the report if absent. What is named twice counts once."`
}

// Accepted says that a job will be done.
type Accepted struct {
	JobID        string        `json:"job_id"`
	Status       schema.Status `json:"status" enum:"pending"`
	Message      string        `json:"message"`
	MappingCount int64         `json:"mapping_count"`
}

// DryRun says what a job would be.
type DryRun struct {
	MappingCount int64        `json:"mapping_count"`
	WouldSkip    int64        `json:"would_skip" doc:"How many mappings have not changed since they were judged."`
	Estimate     events.Usage `json:"estimate" doc:"What a model would be asked, and what that would cost."`
}

// printable is the pattern of texts of printable ASCII.
const printable = "^[ -~]+$"

// KeyHeader is what a request that makes something says so that it can be repeated.
type KeyHeader struct {
	Key string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" doc:"The same key of the same caller gives the same job."`
}

// Resolve implements [huma.Resolver]. A client that sends an empty key has lost it, and would get another job each time that it asks.
func (h *KeyHeader) Resolve(ctx huma.Context) []error {
	r, _ := humachi.Unwrap(ctx)
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 1 || len(keys) == 1 && h.Key == "" {
		return []error{&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "it has to be there once and have 1 to 255 characters, or not to be there"}}
	}
	return nil
}

// AskInput is what every request for a job of a report says.
type AskInput struct {
	ReportPath
	KeyHeader
}

type askOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any
}

// registerRegenerate registers the routes that ask for a job.
func (s *Server) registerRegenerate() {
	route(s, Tester, s.asking("regenerate-all", "/pde-mappings/regenerate-all", "Suggests the columns of all mappings again and classifies them again"),
		func(ctx context.Context, in *struct {
			AskInput
			Body *RegenerateBody
		},
		) (*askOutput, error) {
			body := orZero(in.Body)
			return s.askReport(ctx, "regenerate-all", in.AskInput, schema.PDERegeneration, body.JobOptions, body.MappingIDs, "body.mapping_ids")
		})
	route(s, Tester, s.asking("auto-map", "/pde-mappings/auto-map", "Maps and classifies the mappings that have no source column yet"),
		func(ctx context.Context, in *struct {
			AskInput
			Body *AutoMapBody
		},
		) (*askOutput, error) {
			return s.askReport(ctx, "auto-map", in.AskInput, schema.PDEAutoMapping, orZero(in.Body).JobOptions, nil, "")
		})
	route(s, Tester, s.asking("suggest-batch", "/pde-classifications/suggest-batch", "Classifies mappings and leaves their columns alone"),
		func(ctx context.Context, in *struct {
			AskInput
			Body *SuggestBody
		},
		) (*askOutput, error) {
			body := orZero(in.Body)
			return s.askReport(ctx, "suggest-batch", in.AskInput, schema.PDEClassification, body.JobOptions, body.MappingIDs, "body.pde_mapping_ids")
		})
}

// asking describes an operation that asks for a job of a report.
func (s *Server) asking(name, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: name, Method: http.MethodPost, Path: reportPath + path, Tags: []string{"jobs"}, Summary: summary,
		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusConflict},
		Responses: map[string]*huma.Response{
			"200": s.jsonResponse("What the job would be; nothing was started (dry_run)", typeOf[DryRun]()),
			"202": s.jsonResponse("The job will be done", typeOf[Accepted]()),
		},
	}
}

// askReport asks for a job of a report. IDs are the mappings that the caller names, in the field that is given.
func (s *Server) askReport(ctx context.Context, operation string, in AskInput, kind schema.JobType, opts JobOptions, ids []string, field string) (*askOutput, error) {
	if err := s.refuseOptions(opts); err != nil {
		return nil, err
	}
	job := schema.Job{
		JobType: kind, CycleID: in.CycleID, ReportID: in.ReportID, Classifier: opts.Classifier, Scope: schema.ScopeAll, Force: opts.Force,
	}
	if job.Classifier == "" {
		job.Classifier = s.classifier
	}
	switch {
	case ids != nil:
		job.Scope, job.MappingIDs = schema.ScopeSelected, unique(ids)
	case kind == schema.PDEAutoMapping:
		job.Scope = schema.ScopeUnmapped
	}
	hash, err := hashOf(operation, in.CycleID, in.ReportID, opts, ids)
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, asked{
		job: job, dryRun: opts.DryRun, key: in.Key, hash: hash,
		plan: func(ctx context.Context, tx bun.Tx, job schema.Job) (schema.Job, error) {
			return planReport(ctx, tx, job, ids, field)
		},
	})
}

// refuseOptions refuses what exists and is not there yet, by name.
func (s *Server) refuseOptions(opts JobOptions) error {
	if opts.Classifier != "" && !available(opts.Classifier) {
		return refuseField("body.classifier", fmt.Sprintf("%s is not there yet; rules is", opts.Classifier))
	}
	return refuseCost(opts.MaxCostUSD)
}

func refuseCost(limit *float64) error {
	if limit != nil {
		return refuseField("body.max_cost_usd", "there is no model yet that costs anything; leave it out")
	}
	return nil
}

// available tells whether there is something that does the classifier's work.
func available(kind schema.ClassifierKind) bool { return kind == schema.Rules }

// planReport checks that the report has what the job needs, and counts what the job will work on. It counts in a time that does not
// grow with the report, except for the mappings without a column.
func planReport(ctx context.Context, tx bun.Tx, job schema.Job, ids []string, field string) (schema.Job, error) {
	report, err := schema.HoldReport(ctx, tx, job.CycleID, job.ReportID)
	if errors.Is(err, schema.ErrNotFound) {
		return job, refuse(reportNotFound, "There is no report with this id in a cycle with this id.")
	}
	if err != nil {
		return job, err
	}
	if report.MappingCount == 0 {
		return job, refuse(noMappings, "Import attributes first: each gets a mapping.")
	}
	if err := needColumns(ctx, tx, job); err != nil {
		return job, err
	}
	switch job.Scope {
	case schema.ScopeUnmapped:
		job.MappingCount, err = schema.CountUnmapped(ctx, tx, job.CycleID, job.ReportID)
	case schema.ScopeSelected:
		job.MappingCount = int64(len(job.MappingIDs))
		err = refuseUnknown(ctx, tx, job, ids, field)
	default:
		job.MappingCount = report.MappingCount
	}
	return job, err
}

// needColumns refuses a job that is to suggest columns where there are none.
func needColumns(ctx context.Context, tx bun.Tx, job schema.Job) error {
	if !job.JobType.Maps() {
		return nil
	}
	has, err := schema.HasColumns(ctx, tx, job.CycleID, job.ReportID)
	if err == nil && !has {
		return refuse(noDataSources, "Import the columns of a data source first: without one there is nothing to map to.")
	}
	return err
}

// refuseUnknown refuses ids that are no mappings of the report.
func refuseUnknown(ctx context.Context, tx bun.Tx, job schema.Job, ids []string, field string) error {
	places, err := schema.UnknownMappings(ctx, tx, job.CycleID, job.ReportID, ids, schema.MaxProblems)
	if err != nil || len(places) == 0 {
		return err
	}
	problem := refuse(invalid, fmt.Sprintf("%s names what is no mapping of this report, first at place %d (from 0).", field, places[0]))
	for _, place := range places {
		problem.at(fmt.Sprintf("%s[%d]", field, place), "it has to be the id of a mapping of this report")
	}
	return problem
}

// unique keeps the first of equal ids.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		if seen[id] {
			return true
		}
		seen[id] = true
		return false
	})
}

// orZero is the body, or what an absent body means.
func orZero[T any](body *T) T {
	if body == nil {
		var zero T
		return zero
	}
	return *body
}
