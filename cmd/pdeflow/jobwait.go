package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// listEvery is how often jobs list --watch reads the list.
const listEvery = time.Second

// jobsWaitCommand waits for the end of a job without showing its progress, as scripts do.
func (a *app) jobsWaitCommand() *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "waits until a job ends; exits 0 if it completed, else 1", ArgsUsage: jobID,
		Flags: []cli.Flag{
			&cli.DurationFlag{
				Name: "timeout", Usage: "wait no longer than this, such as 10m (default: without limit)",
				HideDefault: true, Validator: positive,
			},
			jsonFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
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
				return a.outcome(status)
			case ctx.Err() != nil || waiting.Err() == nil || status.JobID == "":
				return a.asJSON(asJSON, err)
			case asJSON:
				err = a.printJSON(status)
			default:
				err = nil
			}
			return errors.Join(err,
				fmt.Errorf("job %s is still %s after %s: %d of %s", id, status.Status, durationText(timeout),
					status.CompletedSteps, count(status.TotalSteps, "mapping")))
		},
	}
}

// watchList prints the jobs of the list, and then each of them again whenever it has changed, until it is interrupted.
func (a *app) watchList(ctx context.Context, cmd *cli.Command, c *client, l list[events.JobStatus]) error {
	w := table(a.stdout, l.optional...)
	if !cmd.Bool(flagJSON) {
		printRow(w, l.columns...)
	}
	shown := map[string]string{}
	away := false
	for {
		changed, err := changedJobs(ctx, c, cmd, l, shown)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // an interrupt is how it ends
		case err != nil && (!isAway(err) || !c.answered):
			return a.asJSON(cmd.Bool(flagJSON), err)
		case err != nil && !away:
			fmt.Fprintln(a.stderr, err.Error()+"; trying again")
		case err == nil && away:
			fmt.Fprintln(a.stderr, "the server answers again")
		}
		away = err != nil
		for _, raw := range changed {
			if cmd.Bool(flagJSON) {
				fmt.Fprintf(a.stdout, "%s\n", raw)
				continue
			}
			var status events.JobStatus
			if err := json.Unmarshal(raw, &status); err != nil {
				return fmt.Errorf("job of the list: %w", err)
			}
			printRow(w, l.row(status)...)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := sleep(ctx, listEvery); err != nil {
			return nil //nolint:nilerr // likewise
		}
	}
}

// changedJobs reads the list and returns the jobs that are not as they were last shown, the oldest first.
func changedJobs(ctx context.Context, c *client, cmd *cli.Command, l list[events.JobStatus], shown map[string]string) ([]json.RawMessage, error) {
	var changed []json.RawMessage
	for p, err := range c.pages(ctx, l.path, l.query, cmd.Int(flagLimit)) {
		if err != nil {
			return nil, err
		}
		for _, raw := range p.Items {
			var status struct {
				JobID string `json:"job_id"`
			}
			if err := json.Unmarshal(raw, &status); err != nil {
				return nil, fmt.Errorf("job of the list: %w", err)
			}
			if shown[status.JobID] != string(raw) {
				shown[status.JobID] = string(raw)
				changed = append([]json.RawMessage{raw}, changed...)
			}
		}
	}
	return changed, nil
}

// outcome is the error of a job that has ended without completing.
func (a *app) outcome(status events.JobStatus) error {
	if status.Status != schema.Completed {
		return errSaid
	}
	return nil
}

// positive is the validator of a duration.
func positive(d time.Duration) error {
	if d <= 0 {
		return errors.New("it is longer than 0, such as 8h")
	}
	return nil
}
