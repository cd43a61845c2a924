package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// natsChecks are what every process reports of NATS and of jobs that wait for it. What the dispatcher has found out
// stands in the rows, so that a process without a dispatcher reports it too.
func natsChecks(w world) []api.Check {
	return []api.Check{
		{Name: "nats", Ask: func(ctx context.Context) error {
			if !w.nc.IsConnected() {
				return events.ErrDisconnected
			}
			return blockedJobs(ctx, w.db, func(reason string) bool { return strings.HasPrefix(reason, "NATS ") })
		}},
		{Name: "jobs", Ask: func(ctx context.Context) error {
			return blockedJobs(ctx, w.db, func(string) bool { return true })
		}},
	}
}

// blockedJobs reports the reason of the oldest job that is blocked by one of these, and how many are.
func blockedJobs(ctx context.Context, db *schema.DB, by func(reason string) bool) error {
	jobs, err := schema.BlockedJobs(ctx, db, schema.CheckScope{})
	if err != nil {
		return errors.New("the jobs cannot be read")
	}
	var blocked []schema.Job
	for _, job := range jobs {
		if by(job.BlockedBy) {
			blocked = append(blocked, job)
		}
	}
	if len(blocked) == 0 {
		return nil
	}
	return fmt.Errorf("%s cannot move: %s", count(int64(len(blocked)), "job"), blocked[0].BlockedBy)
}

// blockedFindings reports the jobs that the dispatcher cannot move, and that NATS refuses an event at this moment.
func blockedFindings(ctx context.Context, db *schema.DB, scope schema.CheckScope, w *witness) ([]finding, error) {
	jobs, err := schema.BlockedJobs(ctx, db, scope)
	if err != nil {
		return nil, err
	}
	now, err := schema.Now(ctx, db)
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, job := range jobs {
		problem := fmt.Sprintf("it cannot move since %s: %s", now.Sub(job.BlockedSince).Round(time.Second),
			job.BlockedBy)
		findings = append(findings, finding{checkStuck, "jobs", job.ID, problem})
	}
	newest, err := schema.ListJobs(ctx, db, schema.JobFilter{}, "", 1)
	if err != nil || len(newest) == 0 {
		return findings, err
	}
	if refused := w.refused(ctx, newest[0].ID); refused != "" {
		findings = append(findings, finding{checkRefused, "streams", events.StreamEvents, refused})
	}
	return findings, nil
}

// refused publishes a bell, and returns why NATS does not take it. A server that cannot be reached refuses nothing.
func (w *witness) refused(ctx context.Context, jobID string) string {
	if w.js == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := events.NewPublisher(w.js, "check").Probe(ctx, jobID)
	if refusal, ok := errors.AsType[*events.Refusal](err); ok {
		return refusal.Error()
	}
	return ""
}
