package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
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
	// maxFieldErrors bounds how many wrong fields an answer names.
	maxFieldErrors = 100
)

// errAgain says that another request has changed what this one was about to do.
var errAgain = errors.New("another request came in between")

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
	MappingIDs []string `json:"mapping_ids,omitempty" minItems:"1" doc:"Only these mappings; all of the report if absent. What is named twice counts once."`
}

// AutoMapBody is the body of auto-map.
type AutoMapBody struct{ JobOptions }

// SuggestBody is the body of suggest-batch.
type SuggestBody struct {
	JobOptions
	MappingIDs []string `json:"pde_mapping_ids,omitempty" minItems:"1" doc:"Only these mappings; all of the report if absent. What is named twice counts once."`
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

// KeyHeader is what a request that makes something says so that it can be repeated.
type KeyHeader struct {
	Key string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" doc:"The same key of the same caller gives the same job."`
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
		DefaultStatus: http.StatusAccepted,
		Responses: map[string]*huma.Response{
			"200": s.jsonResponse("What the job would be; nothing was started (dry_run)", typeOf[DryRun]()),
			"202": s.jsonResponse("The job will be done", typeOf[Accepted]()),
		},
	}
}

// asked is a request for a job.
type asked struct {
	job    schema.Job
	dryRun bool
	// key and hash tell whether the job is there already; key may be empty.
	key, hash string
	// plan checks what the database knows, and counts the job's mappings.
	plan func(context.Context, bun.Tx, schema.Job) (schema.Job, error)
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
	return s.ask(ctx, asked{job: job, dryRun: opts.DryRun, key: in.Key, hash: hash,
		plan: func(ctx context.Context, tx bun.Tx, job schema.Job) (schema.Job, error) {
			return planReport(ctx, tx, job, ids, field)
		}})
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
	places, err := schema.UnknownMappings(ctx, tx, job.CycleID, job.ReportID, ids, maxFieldErrors)
	if err != nil || len(places) == 0 {
		return err
	}
	problem := refuse(invalid, fmt.Sprintf("%s names what is no mapping of this report, first at place %d (from 0).", field, places[0]))
	for _, place := range places {
		problem.at(fmt.Sprintf("%s[%d]", field, place), "it has to be the id of a mapping of this report")
	}
	return problem
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
	err := s.publisher.Publish(publishing, events.RequestOf(job))
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
