package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// stuckJobs finds the jobs that do not move, and has the witness report why, for those that will be named.
func stuckJobs(ctx context.Context, db *schema.DB, scope schema.CheckScope, w *natsProbe) ([]finding, error) {
	defer w.open()()
	findings, err := blockedFindings(ctx, db, scope, w)
	if err != nil {
		return nil, err
	}
	jobs, err := schema.StuckJobs(ctx, db, scope, stuckAfter)
	if err != nil {
		return nil, err
	}
	for i, job := range jobs {
		problem := fmt.Sprintf("nothing has changed for %s: %s", job.Still.Round(time.Second), job.Why())
		// The witness would blame the dispatcher for messages that NATS refuses.
		if i < maxNamed && !strings.HasPrefix(job.BlockedBy, "NATS ") {
			if saw := w.explain(ctx, job); saw != "" {
				problem += "; " + saw
			}
		}
		findings = append(findings, finding{checkStuck, "jobs", job.ID, problem})
	}
	return findings, nil
}

// blockedFindings reports the jobs that the dispatcher cannot move, and that NATS refuses an event at this moment.
func blockedFindings(ctx context.Context, db *schema.DB, scope schema.CheckScope, w *natsProbe) ([]finding, error) {
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
