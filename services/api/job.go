package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// JobItem is what happened to one mapping in a job.
type JobItem struct {
	MappingID  string            `json:"mapping_id"`
	Outcome    *schema.Outcome   `json:"outcome" enum:"succeeded,skipped,failed,cancelled" doc:"Null while the mapping is queued."`
	Attempt    int               `json:"attempt"`
	ErrorCode  *schema.ErrorCode `json:"error_code" enum:"confirmed,panic,classifier_error,poison"`
	Error      *string           `json:"error"`
	Classifier *string           `json:"classifier" doc:"What judged the mapping."`
	Usage      events.Usage      `json:"usage"`
	DurationMS int64             `json:"duration_ms"`
	UpdatedAt  time.Time         `json:"updated_at"`
}

// Steered says what a job was asked for.
type Steered struct {
	JobID   string        `json:"job_id"`
	Status  schema.Status `json:"status" enum:"pending,running,paused" doc:"Where the job stands with that; its final status follows."`
	Message string        `json:"message"`
}

// NoBody is a body that says nothing.
type NoBody struct{}

// ResumeBody is the body of resume.
type ResumeBody struct {
	MaxCostUSD *float64 `json:"max_cost_usd,omitempty" doc:"What a model may cost from now on before the job pauses."`
}

// RetryBody is the body of retry.
type RetryBody struct {
	ErrorCode schema.ErrorCode `json:"error_code,omitempty" enum:"panic,classifier_error,poison" doc:"Only what failed for this reason."`
	DryRun    bool             `json:"dry_run,omitempty" doc:"Starts nothing and only counts."`
}

// Counted says how many mappings a retry would take.
type Counted struct {
	MappingCount int64 `json:"mapping_count"`
}

// JobPath is what the path says under jobs.
type JobPath struct {
	JobID string `path:"job_id"`
}

type steerOutput struct {
	Location string `header:"Location"`
	Body     Steered
}

type pageOutput[T any] struct{ Body Page[T] }

// registerJobs registers the routes that list and steer jobs.
func (s *Server) registerJobs() {
	route(s, Viewer, huma.Operation{
		OperationID: "list-jobs", Method: http.MethodGet, Path: prefix + "/jobs", Tags: []string{"jobs"}, Summary: "Lists jobs, the newest first",
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
		OperationID: "list-job-items", Method: http.MethodGet, Path: prefix + "/jobs/{job_id}/items", Tags: []string{"jobs"},
		Summary: "Lists the mappings of a job and what happened to each",
	}, s.listItems)
	s.registerSteering()
}

// registerSteering registers the routes that ask something of one job.
func (s *Server) registerSteering() {
	for _, steer := range []struct {
		name, summary string
		intent        schema.Intent
	}{
		{"cancel", "Ends the job: what is running is broken off, what is done stays", schema.IntentCancel},
		{"pause", "Pauses the job: what is running finishes, nothing new starts", schema.IntentPause},
	} {
		route(s, Tester, steering(steer.name, steer.summary), func(ctx context.Context, in *struct {
			JobPath
			Body *NoBody
		},
		) (*steerOutput, error) {
			return s.steer(ctx, in.JobID, steer.intent)
		})
	}
	route(s, Tester, steering("resume", "Lets a paused job go on"), func(ctx context.Context, in *struct {
		JobPath
		Body *ResumeBody
	},
	) (*steerOutput, error) {
		if err := refuseCost(orZero(in.Body).MaxCostUSD); err != nil {
			return nil, err
		}
		return s.steer(ctx, in.JobID, schema.IntentRun)
	})
	retry := steering("retry", "Starts a new job of what failed or was cancelled in this one")
	retry.Responses = map[string]*huma.Response{
		"200": s.jsonResponse("How many mappings the job would take; nothing was started (dry_run)", typeOf[Counted]()),
		"202": s.jsonResponse("The new job will be done", typeOf[Accepted]()),
	}
	route(s, Tester, retry, func(ctx context.Context, in *struct {
		JobPath
		KeyHeader
		Body *RetryBody
	},
	) (*askOutput, error) {
		return s.retry(ctx, in.JobID, in.Key, orZero(in.Body))
	})
}

// steering describes an operation on one job.
func steering(name, summary string) huma.Operation {
	return huma.Operation{
		OperationID: name + "-job", Method: http.MethodPost, Path: prefix + "/jobs/{job_id}/" + name, Tags: []string{"jobs"},
		Summary: summary, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusConflict},
	}
}

func (s *Server) listJobs(ctx context.Context, page PageQuery, filter schema.JobFilter) (*pageOutput[events.JobStatus], error) {
	key, err := page.after(1)
	if err != nil {
		return nil, err
	}
	before := ""
	if key != nil {
		before = key[0]
	}
	jobs, err := schema.ListJobs(ctx, s.db, filter, before, page.ask())
	if err != nil {
		return nil, err
	}
	statuses, err := schema.ReadStatuses(ctx, s.db, jobs)
	if err != nil {
		return nil, err
	}
	views := make([]events.JobStatus, len(jobs))
	for i, job := range jobs {
		views[i] = events.StatusOf(job, statuses[i])
		s.addReadOnly(ctx, &views[i])
	}
	body, err := pageOf(page, views, func(v events.JobStatus) events.JobStatus { return v }, func(v events.JobStatus) []string { return []string{v.JobID} })
	return &pageOutput[events.JobStatus]{Body: body}, err
}

func (s *Server) listItems(ctx context.Context, in *struct {
	JobPath
	PageQuery
	Outcome string `query:"outcome" enum:"queued,succeeded,skipped,failed,cancelled" doc:"Only the mappings with this outcome; queued is none yet."`
},
) (*pageOutput[JobItem], error) {
	key, err := in.after(1)
	if err != nil {
		return nil, err
	}
	after := ""
	if key != nil {
		after = key[0]
	}
	if _, err := s.readJob(ctx, in.JobID); err != nil {
		return nil, err
	}
	filter := schema.ItemFilter{Queued: in.Outcome == "queued"}
	if !filter.Queued {
		filter.Outcome = schema.Outcome(in.Outcome)
	}
	items, err := schema.ReadItems(ctx, s.db, in.JobID, filter, after, in.ask())
	if err != nil {
		return nil, err
	}
	body, err := pageOf(in.PageQuery, items, showItem, func(i schema.Item) []string { return []string{i.MappingID} })
	return &pageOutput[JobItem]{Body: body}, err
}

func showItem(i schema.Item) JobItem {
	return JobItem{
		MappingID: i.MappingID, Outcome: orNull(i.Outcome), Attempt: i.Attempt, ErrorCode: orNull(i.ErrorCode), Error: orNull(i.Error),
		Classifier: orNull(i.Classifier), Usage: events.Usage(i.Usage()), DurationMS: i.DurationMS, UpdatedAt: i.UpdatedAt.UTC(),
	}
}

// orNull is null for an empty text.
func orNull[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

// readJob reads the job, or refuses.
func (s *Server) readJob(ctx context.Context, id string) (schema.Job, error) {
	job, err := schema.ReadJob(ctx, s.db, id)
	if errors.Is(err, schema.ErrNotFound) {
		return job, refuseJob()
	}
	return job, err
}

func refuseJob() error { return refuse(jobNotFound, "There is no job with this id.") }

// steer records what is wanted of the job, if its state allows it.
func (s *Server) steer(ctx context.Context, id string, intent schema.Intent) (*steerOutput, error) {
	var (
		job     schema.Job
		current schema.Status
	)
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if job, err = schema.LockJob(ctx, tx, id); errors.Is(err, schema.ErrNotFound) {
			return refuseJob()
		} else if err != nil {
			return err
		}
		kept, err := schema.ReadStatus(ctx, tx, job)
		if err != nil {
			return err
		}
		current = schema.CurrentStatus(job, kept)
		if job.Intent == schema.IntentCancel && intent == schema.IntentCancel && !current.Final() {
			return nil // as asked already
		}
		if !job.Takes(intent, current) {
			return refuseIntent(job, current, intent)
		}
		job, err = schema.RecordIntent(ctx, tx, job, intent, callerOf(ctx).User, events.TraceparentFrom(ctx).String())
		current = schema.CurrentStatus(job, kept)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &steerOutput{
		Location: prefix + "/jobs/" + job.ID + "/status",
		Body:     Steered{JobID: job.ID, Status: current, Message: steered(intent)},
	}, nil
}

func steered(intent schema.Intent) string {
	switch intent {
	case schema.IntentCancel:
		return "The job is being cancelled: nothing new starts, what is done stays."
	case schema.IntentPause:
		return "The job is paused: what is running finishes, nothing new starts until it is resumed."
	default:
		return "The job goes on."
	}
}

// refuseIntent says what the job is and in which states it would do what it is asked for.
func refuseIntent(job schema.Job, current schema.Status, intent schema.Intent) error {
	state, name := string(current), string(intent)
	if job.Intent == schema.IntentCancel && !current.Final() {
		state += " and is being cancelled"
	}
	if intent == schema.IntentRun {
		name = "resume"
	}
	return refuseState(state, name, intent.From())
}

func refuseState(state, action string, allowed []schema.Status) error {
	names := make([]string, len(allowed))
	for i, status := range allowed {
		names[i] = string(status)
	}
	return refuse(stateConflict, fmt.Sprintf("The job is %s; %s is for jobs that are %s.", state, action, strings.Join(names, " or ")))
}

// retry asks for a new job of what the job with the id has lost.
func (s *Server) retry(ctx context.Context, id, key string, body RetryBody) (*askOutput, error) {
	lost, err := s.readJob(ctx, id)
	if err != nil {
		return nil, err
	}
	if !available(lost.Classifier) {
		return nil, refuse(invalid, fmt.Sprintf("The job's classifier %s is not there yet.", lost.Classifier))
	}
	hash, err := hashOf("retry", id, body)
	if err != nil {
		return nil, err
	}
	plan := func(ctx context.Context, tx bun.Tx, job schema.Job) (schema.Job, error) {
		job, err := planRetry(ctx, tx, job)
		if err == nil && job.MappingCount == 0 && !body.DryRun {
			err = refuseRetry(body.ErrorCode)
		}
		return job, err
	}
	out, err := s.ask(ctx, asked{dryRun: body.DryRun, key: key, hash: hash, plan: plan, job: schema.Job{
		JobType: lost.JobType, CycleID: lost.CycleID, ReportID: lost.ReportID, Classifier: lost.Classifier, Force: lost.Force,
		Scope: schema.ScopeRetry, RetryOf: lost.ID, RetryErrorCode: body.ErrorCode,
	}})
	if err == nil && body.DryRun {
		out.Body = Counted{MappingCount: out.Body.(DryRun).MappingCount}
	}
	return out, err
}

// planRetry checks that the job that is to be tried again has ended with a loss, and counts the loss.
func planRetry(ctx context.Context, tx bun.Tx, job schema.Job) (schema.Job, error) {
	if _, err := schema.HoldReport(ctx, tx, job.CycleID, job.ReportID); err != nil {
		return job, planningError(err)
	}
	lost, err := schema.ReadJob(ctx, tx, job.RetryOf)
	if err != nil {
		return job, err
	}
	status, err := schema.ReadStatus(ctx, tx, lost)
	if err != nil {
		return job, err
	}
	if current := schema.CurrentStatus(lost, status); current != schema.Failed && current != schema.Cancelled {
		return job, refuseState(string(current), "retry", []schema.Status{schema.Failed, schema.Cancelled})
	}
	if err := needColumns(ctx, tx, job); err != nil {
		return job, err
	}
	job.MappingCount, err = schema.CountLost(ctx, tx, lost.ID, job.RetryErrorCode)
	return job, err
}

func refuseRetry(code schema.ErrorCode) error {
	if code == "" {
		return refuse(nothingToRetry, "Nothing in the job failed or was cancelled.")
	}
	return refuse(nothingToRetry, "Nothing in the job failed for this reason.")
}
