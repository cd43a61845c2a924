package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"
)

// jobsWaitCommand waits for the end of a job without showing progress. It is meant for scripts.
func (a *app) jobsWaitCommand() *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "waits until a job ends; exits 0 if it completed, else 1", ArgsUsage: idArgument,
		Flags: []cli.Flag{
			&cli.DurationFlag{
				Name: "timeout", Usage: "wait no longer than this, such as 10m (default: without limit)",
				HideDefault: true, Validator: positive,
			},
			jsonFlag(),
		},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			waiting := ctx
			timeout := cmd.Duration("timeout")
			if timeout > 0 {
				var cancel context.CancelFunc
				waiting, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			asJSON := cmd.Bool(flagJSON)
			status, err := a.watch(waiting, c, id, true)
			switch {
			case err == nil && asJSON:
				return a.printOutcome(status, true)
			case err == nil:
				fmt.Fprintf(a.stdout, "Job %s is %s. %s.\n", id, status.Status, status.Message)
				return a.outcomeError(status)
			case ctx.Err() != nil || waiting.Err() == nil || status.JobID == "":
				return a.problemJSON(asJSON, err)
			case asJSON:
				err = a.printJSON(status)
			default:
				err = nil
			}
			return errors.Join(err,
				fmt.Errorf("job %s is still %s after %s: %d of %s", id, status.Status, durationText(timeout),
					status.CompletedSteps, count(status.TotalSteps, "mapping")))
		}),
	}
}
