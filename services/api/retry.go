package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// RetryBody is the body of retry.
type RetryBody struct {
	ErrorCode schema.ErrorCode `json:"error_code,omitempty" enum:"panic,classifier_error,poison" doc:"Only these."`
	DryRun    bool             `json:"dry_run,omitempty" doc:"Start nothing, and only count the mappings."`
}

// Counted is the response to a dry run of retry.
type Counted struct {
	MappingCount int64 `json:"mapping_count"`
}

// registerRetry registers the route that starts a job for the failed mappings of another job.
func (s *Server) registerRetry() {
	op := jobOperation("retry", "Starts a new job for the mappings that failed or were cancelled in this one")
	op.Middlewares = huma.Middlewares{s.requireOneKey}
	op.Responses = map[string]*huma.Response{
		"200": s.jsonResponse("The number of mappings that would be retried (dry_run)", typeOf[Counted]()),
		"202": s.jsonResponse("The new job was started", typeOf[Accepted]()),
	}
	route(s, Tester, op, s.retry)
}

// retryInput is a request to retry a job.
type retryInput struct {
	JobPath
	KeyHeader
	Body *RetryBody
}

// retry starts a job for the mappings that another job has lost, which are those that failed or were cancelled.
func (s *Server) retry(ctx context.Context, in *retryInput) (*jobOutput, error) {
	body := orZero(in.Body)
	lost, err := s.readJob(ctx, in.JobID)
	if err != nil {
		return nil, err
	}
	if !s.available(lost.Classifier) {
		return nil, newProblem(invalid, fmt.Sprintf("The classifier %s of the job needs a model, and none is "+
			"configured on the server (PDEFLOW_LLM and PDEFLOW_LLM_MODEL).", lost.Classifier))
	}
	key, err := newRequestKey(ctx, in.Key, "retry", in.JobID, body)
	if err != nil {
		return nil, err
	}
	request, err := newJob(ctx, schema.Job{
		JobType: lost.JobType, CycleID: lost.CycleID, ReportID: lost.ReportID, Classifier: lost.Classifier,
		Force: lost.Force, MaxCostUSD: lost.MaxCostUSD, Scope: schema.ScopeRetry, RetryOf: lost.ID,
		RetryErrorCode: body.ErrorCode,
	})
	if err != nil {
		return nil, err
	}
	ctx = schema.WithSubject(ctx, request.ID, "")
	var job schema.Job
	err = s.runInTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if !body.DryRun {
			if job, err = key.findJob(ctx, tx); !errors.Is(err, schema.ErrNotFound) {
				return err
			}
		}
		if job, err = planRetry(ctx, tx, request); err != nil || body.DryRun {
			return err
		}
		if job.MappingCount == 0 {
			return refuseEmptyRetry(body.ErrorCode)
		}
		job, err = insertJob(ctx, tx, job, key)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case body.DryRun:
		return &jobOutput{Status: http.StatusOK, Body: Counted{MappingCount: job.MappingCount}}, nil
	case job.ID == request.ID: // not the job of an earlier request with this key
		s.publishRequested(ctx, job)
	}
	return accepted(job), nil
}

// planRetry checks that the job to retry has failed or was cancelled, and sets the number of mappings.
func planRetry(ctx context.Context, tx bun.Tx, job schema.Job) (schema.Job, error) {
	if _, err := schema.LockReport(ctx, tx, job.CycleID, job.ReportID); err != nil {
		return job, planningError(err)
	}
	lost, err := schema.GetJob(ctx, tx, job.RetryOf)
	if err != nil {
		return job, err
	}
	status, err := schema.GetStatus(ctx, tx, lost)
	if err != nil {
		return job, err
	}
	current := schema.CurrentStatus(lost, status)
	if current != schema.StatusFailed && current != schema.StatusCancelled {
		return job, refuseState(string(current), "retry", []schema.Status{schema.StatusFailed, schema.StatusCancelled})
	}
	if err := requireColumns(ctx, tx, job); err != nil {
		return job, err
	}
	job.MappingCount, err = schema.CountRetryableItems(ctx, tx, lost.ID, job.RetryErrorCode)
	return job, err
}

func refuseEmptyRetry(code schema.ErrorCode) error {
	if code == "" {
		return newProblem(nothingToRetry, "No mapping of the job failed or was cancelled.")
	}
	return newProblem(nothingToRetry, "No mapping of the job failed with this code.")
}
