package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// stuckJobs finds the jobs that make no progress, and explains those that will be named from the state of NATS.
func stuckJobs(ctx context.Context, db *schema.DB, scope schema.CheckScope, probe *natsProbe) ([]finding, error) {
	defer probe.open()()
	findings, err := blockedFindings(ctx, db, scope, probe)
	if err != nil {
		return nil, err
	}
	jobs, err := schema.ListStuckJobs(ctx, db, scope, stuckAfter)
	if err != nil {
		return nil, err
	}
	for i, job := range jobs {
		problem := fmt.Sprintf("no progress for %s: %s", job.Still.Round(time.Second), job.Why())
		// The probe would blame the dispatcher for messages that NATS refuses.
		if i < maxNamed && !strings.HasPrefix(job.BlockedBy, "NATS ") {
			if reason := probe.explain(ctx, job); reason != "" {
				problem += "; " + reason
			}
		}
		findings = append(findings, finding{checkStuck, "jobs", job.ID, problem})
	}
	return findings, nil
}

// blockedFindings reports the jobs that the dispatcher cannot advance, and whether NATS refuses an event right now.
func blockedFindings(ctx context.Context, db *schema.DB, scope schema.CheckScope, probe *natsProbe) ([]finding, error) {
	jobs, err := schema.ListBlockedJobs(ctx, db, scope)
	if err != nil {
		return nil, err
	}
	now, err := schema.Now(ctx, db)
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, job := range jobs {
		problem := fmt.Sprintf("blocked for %s: %s", now.Sub(job.BlockedSince).Round(time.Second),
			job.BlockedBy)
		findings = append(findings, finding{checkStuck, "jobs", job.ID, problem})
	}
	newest, err := schema.ListJobs(ctx, db, schema.JobFilter{}, "", 1)
	if err != nil || len(newest) == 0 {
		return findings, err
	}
	if refusal := probe.refused(ctx, newest[0].ID); refusal != "" {
		findings = append(findings, finding{checkRefused, "streams", events.StreamEvents, refusal})
	}
	return findings, nil
}
