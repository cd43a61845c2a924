package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// JobOptions are the options of every request that starts a job for a report.
type JobOptions struct {
	Classifier schema.ClassifierKind `json:"classifier,omitempty" enum:"rules,llm,hybrid" doc:"llm, hybrid: ask a model."`

	Force bool `json:"force,omitempty" doc:"Also classify mappings of which nothing has changed since the last job."`

	MaxCostUSD *float64 `json:"max_cost_usd,omitempty" exclusiveMinimum:"0" doc:"The job pauses before it costs more."`

	DryRun bool `json:"dry_run,omitempty" doc:"Start nothing; count the mappings and estimate the cost."`
}

// RegenerateBody is the body of regenerate-all.
type RegenerateBody struct {
	JobOptions
	MappingIDs []string `json:"mapping_ids,omitempty" minItems:"1" maxItems:"20000" doc:"All mappings if absent."`
}

// AutoMapBody is the body of auto-map.
type AutoMapBody struct{ JobOptions }

// SuggestBody is the body of suggest-batch.
type SuggestBody struct {
	JobOptions
	MappingIDs []string `json:"pde_mapping_ids,omitempty" minItems:"1" maxItems:"20000" doc:"All mappings if absent."`
}

// Accepted is the response for a job that was started.
type Accepted struct {
	JobID        string        `json:"job_id"`
	Status       schema.Status `json:"status" enum:"pending"`
	Message      string        `json:"message"`
	MappingCount int64         `json:"mapping_count"`
}

// DryRun describes the job that the same request without dry_run would start.
type DryRun struct {
	MappingCount int64        `json:"mapping_count"`
	WouldSkip    int64        `json:"would_skip" doc:"Of them, those that would be skipped as unchanged."`
	Estimate     events.Usage `json:"estimate" doc:"The estimated tokens and cost of the model; 0 for the rules."`
}

// ReportJobInput is the path and the header of a request that starts a job for a report.
type ReportJobInput struct {
	ReportPath
	KeyHeader
}

// registerRegenerate registers the routes that start a job for a report.
func (s *Server) registerRegenerate() {
	route(s, Tester, s.reportJobOperation("regenerate-all", "/pde-mappings/regenerate-all",
		"Suggests the columns of all mappings again and classifies them again"),
		func(ctx context.Context, in *struct {
			ReportJobInput
			Body *RegenerateBody
		},
		) (*jobOutput, error) {
			body, jobType := orZero(in.Body), schema.JobTypePDERegeneration
			return s.startReportJob(ctx, in.ReportJobInput, jobType, body.JobOptions, body.MappingIDs)
		})
	route(s, Tester, s.reportJobOperation("auto-map", "/pde-mappings/auto-map",
		"Maps and classifies the mappings that have no source column"),
		func(ctx context.Context, in *struct {
			ReportJobInput
			Body *AutoMapBody
		},
		) (*jobOutput, error) {
			options := orZero(in.Body).JobOptions
			return s.startReportJob(ctx, in.ReportJobInput, schema.JobTypePDEAutoMapping, options, nil)
		})
	route(s, Tester, s.reportJobOperation("suggest-batch", "/pde-classifications/suggest-batch",
		"Classifies mappings without changing their columns"),
		func(ctx context.Context, in *struct {
			ReportJobInput
			Body *SuggestBody
		},
		) (*jobOutput, error) {
			body, jobType := orZero(in.Body), schema.JobTypePDEClassification
			return s.startReportJob(ctx, in.ReportJobInput, jobType, body.JobOptions, body.MappingIDs)
		})
}

// reportJobOperation describes an operation that starts a job for a report.
func (s *Server) reportJobOperation(name, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: name, Method: http.MethodPost, Path: reportPath + path, Tags: []string{"jobs"}, Summary: summary,
		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusConflict},
		Middlewares: huma.Middlewares{s.requireOneKey},
		Responses: map[string]*huma.Response{
			"200": s.jsonResponse("The job that would be started (dry_run)", typeOf[DryRun]()),
			"202": s.jsonResponse("The job was started", typeOf[Accepted]()),
		},
	}
}

// startReportJob starts a job for the mappings of a report, or for those with the ids if there are any. A dry run only
// counts the mappings and estimates the cost.
func (s *Server) startReportJob(ctx context.Context, in ReportJobInput, jobType schema.JobType, opts JobOptions,
	mappingIDs []string,
) (*jobOutput, error) {
	classifier := cmp.Or(opts.Classifier, s.classifier)
	if err := s.refuseOptions(classifier, opts); err != nil {
		return nil, err
	}
	key, err := newRequestKey(ctx, in.Key, jobType, in.ReportPath, opts, mappingIDs)
	if err != nil {
		return nil, err
	}
	request, err := newJob(ctx, schema.Job{
		JobType: jobType, CycleID: in.CycleID, ReportID: in.ReportID, Classifier: classifier,
		Scope: scopeOf(jobType, mappingIDs), MappingIDs: mappingIDs, Force: opts.Force,
		MaxCostUSD: schema.USDOf(orZero(opts.MaxCostUSD)),
	})
	if err != nil {
		return nil, err
	}
	ctx = schema.WithSubject(ctx, request.ID, "")
	var job schema.Job
	err = s.runInTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if !opts.DryRun {
			if job, err = key.findJob(ctx, tx); !errors.Is(err, schema.ErrNotFound) {
				return err
			}
		}
		if job, err = planReportJob(ctx, tx, request); err != nil || opts.DryRun {
			return err
		}
		job, err = insertJob(ctx, tx, job, key)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case opts.DryRun:
		return s.dryRun(ctx, job)
	case job.ID == request.ID: // not the job of an earlier request with this key
		s.publishRequested(ctx, job)
	}
	return accepted(job), nil
}

// dryRun returns the response to a dry run of the job. It plans the mappings as the job would, so one runs at a time.
func (s *Server) dryRun(ctx context.Context, job schema.Job) (*jobOutput, error) {
	body := DryRun{MappingCount: job.MappingCount}
	if s.estimate != nil {
		select {
		case s.judging <- struct{}{}:
			defer func() { <-s.judging }()
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.judgeWait):
			return nil, newProblem(busy, "The server judges the mappings of another dry run; try again.").
				addHeader("Retry-After", "5")
		}
		unchanged, usage, err := s.estimate(ctx, job)
		if err != nil {
			return nil, err
		}
		body.WouldSkip, body.Estimate = unchanged, events.UsageOf(usage)
	}
	return &jobOutput{Status: http.StatusOK, Body: body}, nil
}

func scopeOf(jobType schema.JobType, mappingIDs []string) schema.Scope {
	switch {
	case mappingIDs != nil:
		return schema.ScopeSelected
	case jobType == schema.JobTypePDEAutoMapping:
		return schema.ScopeUnmapped
	default:
		return schema.ScopeAll
	}
}

// refuseOptions refuses a classifier whose model this server does not know, and a limit of cost for one without a
// price.
func (s *Server) refuseOptions(classifier schema.ClassifierKind, opts JobOptions) error {
	if !s.available(classifier) {
		return newFieldProblem("body.classifier", fmt.Sprintf("%s needs a model, and none is configured on the server "+
			"(PDEFLOW_LLM and PDEFLOW_LLM_MODEL); use rules", classifier))
	}
	if opts.MaxCostUSD == nil {
		return nil
	}
	return s.refuseLimit(classifier, *opts.MaxCostUSD)
}

// refuseLimit refuses a limit of cost for a classifier whose cost is not known, and one that is no amount.
func (s *Server) refuseLimit(classifier schema.ClassifierKind, limit float64) error {
	const field = "body.max_cost_usd"
	switch {
	case classifier == schema.ClassifierRules:
		return newFieldProblem(field, "the rules cost nothing; omit it")
	case !s.modelHasPrice:
		return newFieldProblem(field, "the model has no price on the server (PDEFLOW_LLM_PRICES)")
	case limit > maxLimit || schema.USDOf(limit) <= 0:
		return newFieldProblem(field, "must be more than 0 and at most 1000000")
	default:
		return nil
	}
}

// maxLimit is the largest limit of cost of a job, in US dollars.
const maxLimit = 1_000_000

// available reports whether the server accepts jobs of the classifier.
func (s *Server) available(kind schema.ClassifierKind) bool {
	return kind == schema.ClassifierRules || s.model != ""
}

// planReportJob checks that the report has what the job needs, and sets the number of mappings and their ids. The time
// does not grow with the report, except for the mappings without a column.
func planReportJob(ctx context.Context, tx bun.Tx, job schema.Job) (schema.Job, error) {
	report, err := schema.LockReport(ctx, tx, job.CycleID, job.ReportID)
	if err != nil {
		return job, planningError(err)
	}
	if report.MappingCount == 0 {
		return job, newProblem(noMappings, "Import attributes first: each gets a mapping.")
	}
	if err := requireColumns(ctx, tx, job); err != nil {
		return job, err
	}
	switch job.Scope {
	case schema.ScopeUnmapped:
		job.MappingCount, err = schema.CountUnmapped(ctx, tx, job.CycleID, job.ReportID)
	case schema.ScopeSelected:
		err = refuseUnknownMappings(ctx, tx, job)
		job.MappingIDs = unique(job.MappingIDs)
		job.MappingCount = int64(len(job.MappingIDs))
	default:
		job.MappingCount = report.MappingCount
	}
	return job, err
}

// requireColumns refuses a job that maps attributes if the report has no columns.
func requireColumns(ctx context.Context, tx bun.Tx, job schema.Job) error {
	if !job.JobType.Maps() {
		return nil
	}
	has, err := schema.HasColumns(ctx, tx, job.CycleID, job.ReportID)
	if err == nil && !has {
		return newProblem(noDataSources,
			"Import the columns of a data source first: without columns there is nothing to map to.")
	}
	return err
}

// refuseUnknownMappings refuses ids of mappings that the report does not have.
func refuseUnknownMappings(ctx context.Context, tx bun.Tx, job schema.Job) error {
	indexes, err := schema.ListUnknownMappings(ctx, tx, job.CycleID, job.ReportID, job.MappingIDs, schema.MaxProblems)
	if err != nil || len(indexes) == 0 {
		return err
	}
	field := "body.mapping_ids"
	if job.JobType == schema.JobTypePDEClassification {
		field = "body.pde_mapping_ids"
	}
	return refuseUnknown(field, indexes)
}

// refuseUnknown refuses the ids at these indexes of the field, which are not mappings of the report.
func refuseUnknown(field string, indexes []int) error {
	problem := newProblem(invalid,
		fmt.Sprintf("%s has ids of mappings that the report does not have, the first at index %d.", field, indexes[0]))
	for _, i := range indexes {
		problem.addError(fmt.Sprintf("%s[%d]", field, i), "must be the id of a mapping of this report")
	}
	return problem
}

// unique returns the ids without duplicates, in the order of their first occurrence.
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

// orZero returns the body of a request, or the zero value if it is absent.
func orZero[T any](body *T) T {
	if body == nil {
		var zero T
		return zero
	}
	return *body
}
