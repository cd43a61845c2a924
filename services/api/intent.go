package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// IntentAccepted is the response to a request that cancels, pauses or resumes a job.
type IntentAccepted struct {
	JobID   string        `json:"job_id"`
	Status  schema.Status `json:"status" enum:"pending,running,paused" doc:"The final status follows."`
	Message string        `json:"message"`
}

// NoBody is an empty body.
type NoBody struct{}

// ResumeBody is the body of resume.
type ResumeBody struct {
	MaxCostUSD *float64 `json:"max_cost_usd,omitempty" exclusiveMinimum:"0" doc:"The new limit of cost of the job."`
}

type intentOutput struct {
	Location string `header:"Location"`
	Body     IntentAccepted
}

// registerIntents registers the routes that cancel, pause and resume a job.
func (s *Server) registerIntents() {
	for _, op := range []struct {
		name, summary string
		intent        schema.Intent
	}{
		{"cancel", "Ends the job: running work is aborted, saved results stay", schema.IntentCancel},
		{"pause", "Pauses the job: running work finishes, nothing new starts", schema.IntentPause},
	} {
		route(s, Tester, jobOperation(op.name, op.summary), func(ctx context.Context, in *struct {
			JobPath
			Body *NoBody
		},
		) (*intentOutput, error) {
			return s.recordIntent(ctx, in.JobID, op.intent, nil)
		})
	}
	route(s, Tester, jobOperation("resume", "Resumes a paused job"), func(ctx context.Context, in *struct {
		JobPath
		Body *ResumeBody
	},
	) (*intentOutput, error) {
		return s.recordIntent(ctx, in.JobID, schema.IntentRun, orZero(in.Body).MaxCostUSD)
	})
}

// jobOperation describes an operation on one job.
func jobOperation(name, summary string) huma.Operation {
	return huma.Operation{
		OperationID: name + "-job", Method: http.MethodPost, Path: prefix + "/jobs/{job_id}/" + name,
		Tags: []string{"jobs"}, Summary: summary, DefaultStatus: http.StatusAccepted,
		Errors: []int{http.StatusConflict},
	}
}

// recordIntent records the intent in the row of the job, if the state of the job allows it. The limit of cost, if there
// is one, replaces that of the job.
func (s *Server) recordIntent(
	ctx context.Context, id string, intent schema.Intent, limit *float64,
) (*intentOutput, error) {
	var (
		job     schema.Job
		current schema.Status
	)
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if job, err = schema.LockJob(ctx, tx, id); errors.Is(err, schema.ErrNotFound) {
			return newJobNotFound()
		} else if err != nil {
			return err
		}
		kept, err := schema.GetStatus(ctx, tx, job)
		if err != nil {
			return err
		}
		current = schema.CurrentStatus(job, kept)
		if job.Intent == schema.IntentCancel && intent == schema.IntentCancel && !current.IsFinal() {
			return nil // it is already being cancelled
		}
		if !job.CanTake(intent, current) {
			return refuseIntent(job, current, intent)
		}
		if err := s.setLimit(ctx, tx, &job, intent, limit); err != nil {
			return err
		}
		job, err = schema.InsertIntent(ctx, tx, job, intent, callerOf(ctx).User, events.TraceparentFrom(ctx).String())
		current = schema.CurrentStatus(job, kept)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &intentOutput{
		Location: prefix + "/jobs/" + job.ID + "/status",
		Body:     IntentAccepted{JobID: job.ID, Status: current, Message: intentMessage(intent)},
	}, nil
}

// setLimit sets a new limit of cost. A job that has reached its limit needs a higher one to run again.
func (s *Server) setLimit(
	ctx context.Context, tx bun.Tx, job *schema.Job, intent schema.Intent, limit *float64,
) error {
	if limit != nil {
		if err := s.refuseLimit(job.Classifier, *limit); err != nil {
			return err
		}
		job.MaxCostUSD = schema.USDOf(*limit)
	}
	if intent != schema.IntentRun || job.PausedFor == "" && limit == nil {
		return nil
	}
	spent, err := schema.SpentUSD(ctx, tx, job.ID)
	if err != nil {
		return err
	}
	if job.PausedFor != "" && limit == nil || job.MaxCostUSD <= spent {
		return newFieldProblem("body.max_cost_usd",
			fmt.Sprintf("must be more than the %s USD that the job has spent", spent))
	}
	return nil
}

func intentMessage(intent schema.Intent) string {
	switch intent {
	case schema.IntentCancel:
		return "The job is being cancelled: nothing new starts, saved results stay."
	case schema.IntentPause:
		return "The job is paused: running work finishes, nothing new starts until it is resumed."
	default:
		return "The job is resumed."
	}
}

// refuseIntent returns the problem of an intent that the state of the job does not allow.
func refuseIntent(job schema.Job, current schema.Status, intent schema.Intent) error {
	state, name := string(current), string(intent)
	if job.Intent == schema.IntentCancel && !current.IsFinal() {
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
	return newProblem(stateConflict,
		fmt.Sprintf("The job is %s; %s is for jobs that are %s.", state, action, strings.Join(names, " or ")))
}
