package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// The functions in this file are shared by the handlers that start a job: [Server.startReportJob] and [Server.retry].
// Each handler opens its own transaction, and calls them in it.

const (
	// publishTimeout bounds the publish of regenerate.requested. Without NATS, a publish blocks for seconds; the
	// dispatcher publishes the event later.
	publishTimeout = 50 * time.Millisecond
	// markTimeout bounds the update that records the publish. If it fails, the dispatcher publishes the event again,
	// with the same id.
	markTimeout = 200 * time.Millisecond
)

// jobOutput is the response to a request that starts a job.
type jobOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any
}

// newJob returns the job with a new id, and with the caller and the trace of the request.
func newJob(ctx context.Context, job schema.Job) (schema.Job, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return job, fmt.Errorf("job id: %w", err)
	}
	job.ID, job.RequestedBy = id.String(), callerOf(ctx).User
	job.Traceparent = events.TraceparentFrom(ctx).String()
	return job, nil
}

// insertJob inserts the job and its key. It returns a [Problem] that names the active job of the report, if there is
// one, and errConcurrent if that job has ended in the meantime or a concurrent request has used the key.
func insertJob(ctx context.Context, tx bun.Tx, job schema.Job, key requestKey) (schema.Job, error) {
	job, inserted, err := schema.InsertJob(ctx, tx, job)
	if err != nil {
		return job, err
	}
	if inserted {
		return job, key.insert(ctx, tx, job)
	}
	switch _, err := key.findJob(ctx, tx); {
	case err == nil:
		return job, errConcurrent // the next attempt returns the job of the key
	case !errors.Is(err, schema.ErrNotFound):
		return job, err
	}
	filter := schema.JobFilter{CycleID: job.CycleID, ReportID: job.ReportID, Active: true}
	active, err := schema.ListJobs(ctx, tx, filter, "", 1)
	if err != nil {
		return job, err
	}
	if len(active) == 0 {
		return job, errConcurrent
	}
	problem := newProblem(jobActive, "A report has one job at a time: wait until this one has ended, or cancel it.")
	problem.JobID = active[0].ID
	return job, problem
}

// publishRequested publishes that the job was requested, and records that in its row. If either fails, the dispatcher
// publishes the event.
func (s *Server) publishRequested(ctx context.Context, job schema.Job) {
	ctx = context.WithoutCancel(ctx) // the job exists, even if the client has gone
	publishing, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	err := s.publisher.Publish(publishing, events.RegenerateRequestedOf(job))
	if err == nil {
		marking, cancel := context.WithTimeout(ctx, markTimeout)
		defer cancel()
		err = schema.MarkPublished(marking, s.db, job.ID, schema.JobEventRequested, schema.ServiceAPI)
	}
	if err != nil {
		exchangeFrom(ctx).log.WarnContext(ctx, "regenerate.requested not published, left to the dispatcher",
			"new_job_id", job.ID, "error", err)
	}
}

// accepted returns the response for a job. It depends only on fields of the row that never change, so that a repeated
// request gets the same response.
func accepted(job schema.Job) *jobOutput {
	message := fmt.Sprintf("The job is accepted and works on %d mappings.", job.MappingCount)
	if job.MappingCount == 1 {
		message = "The job is accepted and works on 1 mapping."
	}
	return &jobOutput{
		Status: http.StatusAccepted, Location: prefix + "/jobs/" + job.ID + "/status",
		Body: Accepted{JobID: job.ID, Status: schema.StatusPending, Message: message, MappingCount: job.MappingCount},
	}
}
