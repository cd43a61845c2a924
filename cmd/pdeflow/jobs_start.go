package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/services/api"
)

// startJob sends a request that starts a job, and follows the job if the flags ask for it.
func (a *app) startJob(ctx context.Context, cmd *cli.Command, c *client, r request) error {
	asJSON := cmd.Bool(flagJSON)
	var accepted struct {
		api.Accepted
		// Of a dry run.
		WouldSkip int64        `json:"would_skip"`
		Estimate  events.Usage `json:"estimate"`
	}
	got, err := c.call(ctx, r, &accepted)
	switch {
	case err != nil:
		return a.problemJSON(asJSON, err)
	case asJSON && (got.code == http.StatusOK || !cmd.Bool("watch")):
		return a.printJSON(got.body)
	case got.code == http.StatusOK: // a dry run
		fmt.Fprintf(a.stdout, "The job would work on %s%s.%s Nothing was started.\n",
			count(accepted.MappingCount, "mapping"), skipText(accepted.WouldSkip), estimateText(accepted.Estimate))
		return nil
	}
	if !asJSON {
		fmt.Fprintf(a.stdout, "Job %s: %s\n", accepted.JobID, accepted.Message)
	}
	if cmd.Bool("watch") {
		return a.followJob(ctx, c, accepted.JobID, asJSON)
	}
	if !asJSON {
		fmt.Fprintf(a.stdout, "Follow it with: pdeflow jobs watch%s %s\n", c.flags, shellQuote(accepted.JobID))
	}
	return nil
}

func skipText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and would skip %d that have not changed", n)
}

// estimateText describes what a job would use of a model, with a space before it.
func estimateText(u events.Usage) string {
	switch {
	case u.InputTokens == 0 && u.OutputTokens == 0:
		return ""
	case u.CostUSD == 0:
		return fmt.Sprintf(" Estimated: %d input and %d output tokens; the model has no price.", u.InputTokens,
			u.OutputTokens)
	default:
		return fmt.Sprintf(" Estimated: %d input and %d output tokens, %.2f USD.", u.InputTokens, u.OutputTokens,
			u.CostUSD)
	}
}

// regenerate starts a job over the whole report and returns its id.
func (c *client) regenerate(ctx context.Context, cycle, report string) (jobID string, err error) {
	var accepted api.Accepted
	_, err = c.call(ctx, request{method: http.MethodPost, path: mappingsPath(cycle, report, "/regenerate-all")},
		&accepted)
	return accepted.JobID, err
}
