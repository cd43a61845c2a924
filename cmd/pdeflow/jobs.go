package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) jobsCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "jobs",
		Usage: "lists, follows and steers jobs",
		Description: "Speaks to the API. ID is the id of a job, the beginning of one (4 characters or more), or " +
			"latest.\n\n" +
			"pdeflow jobs list --status running\n" +
			"pdeflow jobs watch latest\n" +
			"pdeflow jobs wait latest --timeout 10m\n" +
			"pdeflow jobs items 0198c2f0-8b --outcome failed",
		Flags: a.clientFlags(),
		Commands: []*cli.Command{
			a.jobsListCommand(),
			a.jobsStatusCommand(),
			a.jobsWatchCommand(),
			a.jobsWaitCommand(),
			a.jobsItemsCommand(),
			a.controlCommand("cancel", "ends a job now: what is done stays, nothing more is done"),
			a.controlCommand("pause", "pauses a job: what is running finishes, nothing new starts"),
			a.controlCommand("resume", "lets a paused job go on"),
			a.jobsRetryCommand(),
		},
	})
}

// jobID stands for the argument that names a job.
const jobID = "ID"

func (a *app) jobsWatchCommand() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "follows a job to its end; exits 0 only when it completed", ArgsUsage: jobID,
		Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			return a.followJob(ctx, c, id, cmd.Bool(flagJSON))
		},
	}
}

func (a *app) jobsItemsCommand() *cli.Command {
	return &cli.Command{
		Name: "items", Usage: "lists the mappings of a job and what happened to each", ArgsUsage: jobID,
		Flags: []cli.Flag{
			choice("outcome", "only mappings with this outcome",
				append([]schema.Outcome{"queued"}, schema.Outcomes()...)), limitFlag(0), jsonFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			l := list[api.JobItem]{
				path: jobPath(id, "/items"), query: url.Values{},
				columns: []any{"MAPPING", "OUTCOME", "ATTEMPT", "CODE", "BY", "TOOK", "ERROR"}, row: itemRow,
				optional: []string{"BY", "ATTEMPT", "TOOK"},
			}
			if outcome := cmd.String("outcome"); outcome != "" {
				l.query.Set("outcome", outcome)
			}
			return printList(ctx, a, cmd, c, l)
		},
	}
}

func itemRow(i api.JobItem) []any {
	outcome := schema.Outcome("queued")
	if i.Outcome != nil {
		outcome = *i.Outcome
	}
	var code schema.ErrorCode
	if i.ErrorCode != nil {
		code = *i.ErrorCode
	}
	return []any{
		i.MappingID, outcome, i.Attempt, code, i.Classifier,
		durationText(time.Duration(i.DurationMS) * time.Millisecond), i.Error,
	}
}

// steerCommand asks something of a job.
func (a *app) controlCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: jobID, Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			var steered api.IntentAccepted
			got, err := c.call(ctx, request{method: http.MethodPost, path: jobPath(id, "/"+name)}, &steered)
			switch {
			case err != nil:
				return a.problemJSON(cmd.Bool(flagJSON), err)
			case cmd.Bool(flagJSON):
				return a.printJSON(got.body)
			}
			fmt.Fprintln(a.stdout, steered.Message)
			return nil
		},
	}
}

func (a *app) jobsRetryCommand() *cli.Command {
	return &cli.Command{
		Name: "retry", Usage: "starts a new job of what failed or was cancelled in this one", ArgsUsage: jobID,
		Flags: []cli.Flag{
			choice("error-code", "only what failed for this reason", schema.FailureCodes()),
			&cli.BoolFlag{Name: "dry-run", Usage: "start nothing and only count"},
			&cli.BoolFlag{Name: "watch", Usage: "follow the new job to its end; exits 0 only when it completed"},
			jsonFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			body := api.RetryBody{ErrorCode: schema.ErrorCode(cmd.String("error-code")), DryRun: cmd.Bool("dry-run")}
			r, err := jsonBody(http.MethodPost, jobPath(id, "/retry"), body)
			if err != nil {
				return err
			}
			return a.startJob(ctx, cmd, c, r)
		},
	}
}
