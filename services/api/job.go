package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// JobItem is the state of one mapping in a job.
type JobItem struct {
	MappingID  string            `json:"mapping_id"`
	Outcome    *schema.Outcome   `json:"outcome" enum:"succeeded,skipped,failed,cancelled" doc:"Null if queued."`
	Attempt    int               `json:"attempt"`
	ErrorCode  *schema.ErrorCode `json:"error_code" enum:"confirmed,unchanged,panic,classifier_error,poison"`
	Error      *string           `json:"error"`
	Classifier *string           `json:"classifier" doc:"The classifier of the mapping, with its version."`
	Usage      events.Usage      `json:"usage"`
	DurationMS int64             `json:"duration_ms"`
	UpdatedAt  time.Time         `json:"updated_at"`
}

// JobPath is the path of a job.
type JobPath struct {
	JobID string `path:"job_id"`
}

type pageOutput[T any] struct{ Body Page[T] }

// registerJobs registers the routes that list jobs and their items.
func (s *Server) registerJobs() {
	route(s, Viewer, huma.Operation{
		OperationID: "list-jobs", Method: http.MethodGet, Path: prefix + "/jobs", Tags: []string{"jobs"},
		Summary: "Lists jobs, the newest first",
	}, func(ctx context.Context, in *struct {
		PageQuery
		CycleID  string        `query:"cycle_id"`
		ReportID string        `query:"report_id"`
		Status   schema.Status `query:"status" enum:"pending,running,paused,completed,failed,cancelled"`
		IDPrefix string        `query:"id_prefix" maxLength:"100" doc:"Only the jobs whose id begins with this."`
	},
	) (*pageOutput[events.JobStatus], error) {
		return s.listJobs(ctx, in.PageQuery, schema.JobFilter{
			CycleID: in.CycleID, ReportID: in.ReportID, Status: in.Status, IDPrefix: in.IDPrefix,
		})
	})
	route(s, Viewer, huma.Operation{
		OperationID: "list-active-jobs", Method: http.MethodGet, Path: prefix + "/jobs/active", Tags: []string{"jobs"},
		Summary: "Lists the jobs that have not ended, the newest first",
	}, func(ctx context.Context, in *PageQuery) (*pageOutput[events.JobStatus], error) {
		return s.listJobs(ctx, *in, schema.JobFilter{Active: true})
	})
	route(s, Viewer, huma.Operation{
		OperationID: "list-job-items", Method: http.MethodGet, Path: prefix + "/jobs/{job_id}/items",
		Tags:    []string{"jobs"},
		Summary: "Lists the mappings of a job with their outcomes",
	}, s.listItems)
}

func (s *Server) listJobs(
	ctx context.Context, page PageQuery, filter schema.JobFilter,
) (*pageOutput[events.JobStatus], error) {
	before, err := page.afterID()
	if err != nil {
		return nil, err
	}
	jobs, err := schema.ListJobs(ctx, s.db, filter, before, page.rows())
	if err != nil {
		return nil, err
	}
	statuses, err := schema.ListStatuses(ctx, s.db, jobs)
	if err != nil {
		return nil, err
	}
	views := make([]events.JobStatus, len(jobs))
	for i, job := range jobs {
		views[i] = events.StatusOf(job, statuses[i])
		s.addReadOnly(ctx, &views[i])
	}
	same := func(status events.JobStatus) events.JobStatus { return status }
	body, err := pageOf(page, views, same, func(v events.JobStatus) []string { return []string{v.JobID} })
	return &pageOutput[events.JobStatus]{Body: body}, err
}

func (s *Server) listItems(ctx context.Context, in *struct {
	JobPath
	PageQuery
	Outcome string `query:"outcome" enum:"queued,succeeded,skipped,failed,cancelled" doc:"Queued means none."`
},
) (*pageOutput[JobItem], error) {
	after, err := in.afterID()
	if err != nil {
		return nil, err
	}
	if _, err := s.readJob(ctx, in.JobID); err != nil {
		return nil, err
	}
	filter, err := itemFilter(in.Outcome)
	if err != nil {
		return nil, err
	}
	items, err := schema.ListItems(ctx, s.db, in.JobID, filter, after, in.rows())
	if err != nil {
		return nil, err
	}
	body, err := pageOf(in.PageQuery, items, newJobItem, func(i schema.Item) []string { return []string{i.MappingID} })
	return &pageOutput[JobItem]{Body: body}, err
}

func newJobItem(i schema.Item) JobItem {
	return JobItem{
		MappingID: i.MappingID, Outcome: orNull(i.Outcome), Attempt: i.Attempt, ErrorCode: orNull(i.ErrorCode),
		Error:      orNull(i.Error),
		Classifier: orNull(i.Classifier), Usage: events.UsageOf(i.Usage()), DurationMS: i.DurationMS,
		UpdatedAt: i.UpdatedAt.UTC(),
	}
}

// readJob reads the job. It returns a [Problem] if there is none.
func (s *Server) readJob(ctx context.Context, id string) (schema.Job, error) {
	job, err := schema.GetJob(ctx, s.db, id)
	if errors.Is(err, schema.ErrNotFound) {
		return job, newJobNotFound()
	}
	return job, err
}

func newJobNotFound() error { return newProblem(jobNotFound, "There is no job with this id.") }
