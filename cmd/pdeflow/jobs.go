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
		Usage: "lists, follows and controls jobs",
		Description: "Calls the API. ID is the id of a job, its first characters (4 or more), or latest.\n\n" +
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
			a.jobsCallsCommand(),
			a.controlCommand("cancel", "cancels a job: results so far are kept, the rest is not processed"),
			a.controlCommand("pause", "pauses a job: mappings in progress finish, no new ones start"),
			a.jobsResumeCommand(),
			a.jobsRetryCommand(),
		},
	})
}

// idArgument is the placeholder of an id in help texts.
const idArgument = "ID"

func (a *app) jobsWatchCommand() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "follows a job to its end; exits 0 only when it completed", ArgsUsage: idArgument,
		Flags: []cli.Flag{jsonFlag()},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			return a.followJob(ctx, c, id, cmd.Bool(flagJSON))
		}),
	}
}

func (a *app) jobsItemsCommand() *cli.Command {
	return &cli.Command{
		Name: "items", Usage: "lists the mappings of a job and what happened to each", ArgsUsage: idArgument,
		Flags: []cli.Flag{
			choice("outcome", "only mappings with this outcome",
				append([]schema.Outcome{"queued"}, schema.Outcomes()...)), limitFlag(0), jsonFlag(),
		},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			l := list[api.JobItem]{
				path: jobPath(id, "/items"), query: url.Values{},
				columns: []any{"MAPPING", "OUTCOME", "ATTEMPT", "CODE", "BY", "TOOK", "ERROR"}, row: itemRow,
				optional: []string{"BY", "ATTEMPT", "TOOK"},
			}
			if outcome := cmd.String("outcome"); outcome != "" {
				l.query.Set("outcome", outcome)
			}
			return printList(ctx, a, cmd, c, l)
		}),
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

// controlCommand returns the command that sends a control request for a job.
func (a *app) controlCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: idArgument, Flags: []cli.Flag{jsonFlag()},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			return printOne(ctx, a, cmd, c, request{method: http.MethodPost, path: jobPath(id, "/"+name)},
				func(s api.IntentAccepted) { fmt.Fprintln(a.stdout, s.Message) })
		}),
	}
}

func (a *app) jobsResumeCommand() *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "resumes a paused job", ArgsUsage: idArgument,
		Flags: []cli.Flag{
			&cli.FloatFlag{
				Name: "max-cost", Usage: "the new limit of cost of the job in `USD`", HideDefault: true,
			},
			jsonFlag(),
		},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			var body api.ResumeBody
			if cmd.IsSet("max-cost") {
				body.MaxCostUSD = new(cmd.Float("max-cost"))
			}
			r, err := jsonBody(http.MethodPost, jobPath(id, "/resume"), body)
			if err != nil {
				return err
			}
			return printOne(ctx, a, cmd, c, r, func(s api.IntentAccepted) { fmt.Fprintln(a.stdout, s.Message) })
		}),
	}
}

func (a *app) jobsRetryCommand() *cli.Command {
	return &cli.Command{
		Name: "retry", Usage: "starts a new job of the mappings that failed or were cancelled in this one",
		ArgsUsage: idArgument,
		Flags: []cli.Flag{
			choice("error-code", "only mappings that failed for this reason", schema.FailureCodes()),
			&cli.BoolFlag{Name: "dry-run", Usage: "only count, start nothing"},
			&cli.BoolFlag{Name: "watch", Usage: "follow the new job to its end; exits 0 only when it completed"},
			jsonFlag(),
		},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			body := api.RetryBody{ErrorCode: schema.ErrorCode(cmd.String("error-code")), DryRun: cmd.Bool("dry-run")}
			r, err := jsonBody(http.MethodPost, jobPath(id, "/retry"), body)
			if err != nil {
				return err
			}
			return a.startJob(ctx, cmd, c, r)
		}),
	}
}
