package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// announceTimeout is what the announcement of a job gets. With NATS away a publish would block for seconds, and the dispatcher says
	// later what could not be said now.
	announceTimeout = 50 * time.Millisecond
	// markTimeout is what remembering the announcement gets. A job that is announced twice is announced under the same id.
	markTimeout = 200 * time.Millisecond
	// maxAttempts bounds how often the job is asked for again because the one that was in the way has ended meanwhile.
	maxAttempts = 5
)

// errAgain says that another request has changed what this one was about to do.
var errAgain = errors.New("another request came in between")

// asked is a request for a job.
type asked struct {
	job    schema.Job
	dryRun bool
	// key and hash tell whether the job is there already; key may be empty.
	key, hash string
	// plan checks what the database knows, and counts the job's mappings.
	plan func(context.Context, bun.Tx, schema.Job) (schema.Job, error)
}

// ask does what is asked: it counts for a dry run, or else inserts the job, if it is not there already, and announces it.
func (s *Server) ask(ctx context.Context, a asked) (*askOutput, error) {
	if a.dryRun {
		err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
			a.job, err = a.plan(ctx, tx, a.job)
			return err
		})
		return &askOutput{Status: http.StatusOK, Body: DryRun{MappingCount: a.job.MappingCount}}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("job id: %w", err)
	}
	a.job.ID, a.job.RequestedBy, a.job.Traceparent = id.String(), callerOf(ctx).User, events.TraceparentFrom(ctx).String()
	ctx = schema.WithSubject(ctx, a.job.ID, "")
	for range maxAttempts {
		var (
			job   schema.Job
			fresh bool
		)
		err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
			job, fresh, err = a.insert(ctx, tx)
			return err
		})
		if err == nil {
			if fresh {
				s.announce(ctx, job)
			}
			return accepted(job), nil
		}
		if !errors.Is(err, errAgain) {
			return nil, err
		}
	}
	return nil, err
}

// insert writes the job and what makes it the answer to its key. Fresh is false where the job was there already.
func (a asked) insert(ctx context.Context, tx bun.Tx) (job schema.Job, fresh bool, err error) {
	if a.key != "" {
		if job, err = a.find(ctx, tx); err == nil || !errors.Is(err, schema.ErrNotFound) {
			return job, false, err
		}
	}
	if job, err = a.plan(ctx, tx, a.job); err != nil {
		return job, false, err
	}
	job, fresh, err = schema.InsertJob(ctx, tx, job)
	if err != nil {
		return job, false, err
	}
	if !fresh {
		return job, false, a.conflict(ctx, tx)
	}
	if a.key != "" {
		kept, err := schema.KeepKey(ctx, tx, schema.IdempotencyKey{Caller: job.RequestedBy, Key: a.key, RequestHash: a.hash}, job)
		if err == nil && !kept {
			err = errAgain // and what the key stands for is found then
		}
		return job, true, err
	}
	return job, true, nil
}

// find returns the job that the key stands for.
func (a asked) find(ctx context.Context, tx bun.Tx) (schema.Job, error) {
	key, err := schema.FindKey(ctx, tx, a.job.RequestedBy, a.key)
	if err != nil {
		return schema.Job{}, err
	}
	if key.RequestHash != a.hash {
		return schema.Job{}, refuse(keyReused, "This Idempotency-Key was used for another report, body or route; use a new one.").
			at("header.Idempotency-Key", "it has to be new, or come with the same request as before")
	}
	return schema.ReadJob(ctx, tx, key.JobID)
}

// conflict says which job is in the way. Where it has ended meanwhile, or is the one that the key stands for, the request starts anew.
func (a asked) conflict(ctx context.Context, tx bun.Tx) error {
	if a.key != "" {
		if _, err := a.find(ctx, tx); err == nil {
			return errAgain
		} else if !errors.Is(err, schema.ErrNotFound) {
			return err
		}
	}
	active, err := schema.ListJobs(ctx, tx, schema.JobFilter{CycleID: a.job.CycleID, ReportID: a.job.ReportID, Active: true}, "", 1)
	if err != nil {
		return err
	}
	if len(active) == 0 {
		return errAgain
	}
	problem := refuse(jobActive, "A report has one job at a time: wait until this one has ended, or cancel it.")
	problem.JobID = active[0].ID
	return problem
}

// announce says that the job was asked for, and remembers that it is said.
func (s *Server) announce(ctx context.Context, job schema.Job) {
	ctx = context.WithoutCancel(ctx) // the job is there, whether or not the client waits for the answer
	publishing, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	err := s.publisher.Publish(publishing, events.RegenerateRequestedOf(job))
	if err == nil {
		marking, cancel := context.WithTimeout(ctx, markTimeout)
		defer cancel()
		err = schema.MarkAnnounced(marking, s.db, job.ID, schema.AnnouncedRequested, "api")
	}
	if err != nil {
		exchangeFrom(ctx).log.WarnContext(ctx, "job is left for the dispatcher to announce", "new_job_id", job.ID, "error", err)
	}
}

// accepted is the answer to whoever asked for the job. It depends on the job's row alone, so that it is the same each time.
func accepted(job schema.Job) *askOutput {
	message := fmt.Sprintf("The job is accepted and works on %d mappings.", job.MappingCount)
	if job.MappingCount == 1 {
		message = "The job is accepted and works on 1 mapping."
	}
	return &askOutput{
		Status: http.StatusAccepted, Location: prefix + "/jobs/" + job.ID + "/status",
		Body: Accepted{JobID: job.ID, Status: schema.Pending, Message: message, MappingCount: job.MappingCount},
	}
}

// hashOf tells requests apart.
func hashOf(parts ...any) (string, error) {
	text, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("hash of the request: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
