package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) regenerateCommand() *cli.Command {
	return &cli.Command{
		Name:  "regenerate",
		Usage: "suggests the columns of a report's mappings again and classifies them again",
		Description: "Speaks to the API. A report has one job at a time.\n\n" +
			"pdeflow regenerate --cycle 2026-Q3 --report auto-loans --watch\n" +
			"pdeflow regenerate --cycle 2026-Q3 --report auto-loans --mapping-id ID --mapping-id ID --json",
		Flags: append([]cli.Flag{
			a.cycleFlag(), a.reportFlag(),
			choice("classifier", "what judges the mappings (default: the server's)", schema.ClassifierKinds()),
			&cli.StringSliceFlag{
				Name:  "mapping-id",
				Usage: "only the mapping with this `ID`, or beginning of an id; may be given several times",
			},
			&cli.BoolFlag{Name: "force", Usage: "judge again what has not changed, too"},
			&cli.BoolFlag{Name: "dry-run", Usage: "start nothing and only count"},
			&cli.BoolFlag{Name: "watch", Usage: "follow the job to its end; exits 0 only when it completed"},
			jsonFlag(),
		}, a.clientFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return usagef("%s is an argument, and regenerate takes only flags; give --mapping-id once for each "+
					"mapping", quoted(cmd.Args().First()))
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			ids := cmd.StringSlice("mapping-id")
			for i, word := range ids {
				if ids[i], err = c.resolveMapping(ctx, cmd.String("cycle"), cmd.String("report"), word); err != nil {
					return a.asJSON(cmd.Bool(flagJSON), err)
				}
			}
			body := api.RegenerateBody{
				JobOptions: api.JobOptions{
					Classifier: schema.ClassifierKind(cmd.String("classifier")), Force: cmd.Bool("force"),
					DryRun: cmd.Bool("dry-run"),
				},
				MappingIDs: ids,
			}
			r, err := jsonBody(http.MethodPost,
				mappingsPath(cmd.String("cycle"), cmd.String("report"), "/regenerate-all"), body)
			if err != nil {
				return err
			}
			return a.start(ctx, cmd, c, r)
		},
	}
}

func (a *app) cycleFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "cycle", Usage: "the `CYCLE` of testing", Required: true, Validator: notEmpty,
		Sources: a.env("PDEFLOW_CYCLE"),
	}
}

func (a *app) reportFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "report", Usage: "the `REPORT` in the cycle", Required: true, Validator: notEmpty,
		Sources: a.env("PDEFLOW_REPORT"),
	}
}

func reportPath(cycle, report, rest string) string {
	return "/planning/cycles/" + url.PathEscape(cycle) + "/reports/" + url.PathEscape(report) + rest
}

func mappingsPath(cycle, report, rest string) string {
	return reportPath(cycle, report, "/pde-mappings"+rest)
}

// start makes a request for a job, and follows the job if the command's flags want that.
func (a *app) start(ctx context.Context, cmd *cli.Command, c *client, r request) error {
	asJSON := cmd.Bool(flagJSON)
	var accepted struct {
		api.Accepted
		WouldSkip int64 `json:"would_skip"` // of a dry run
	}
	got, err := c.call(ctx, r, &accepted)
	switch {
	case err != nil:
		return a.asJSON(asJSON, err)
	case asJSON && (got.code == http.StatusOK || !cmd.Bool("watch")):
		return a.printJSON(got.body)
	case got.code == http.StatusOK: // a dry run
		fmt.Fprintf(a.stdout, "The job would work on %s%s. Nothing was started.\n",
			count(accepted.MappingCount, "mapping"),
			skipText(accepted.WouldSkip))
		return nil
	}
	if !asJSON {
		fmt.Fprintf(a.stdout, "Job %s: %s\n", accepted.JobID, accepted.Message)
	}
	if cmd.Bool("watch") {
		return a.follow(ctx, c, accepted.JobID, asJSON)
	}
	if !asJSON {
		fmt.Fprintf(a.stdout, "Follow it with: pdeflow jobs watch%s %s\n", c.flags, shellWord(accepted.JobID))
	}
	return nil
}

func skipText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and would skip %d that have not changed", n)
}

// regenerate asks for a job over the whole of a report and returns its id.
func (c *client) regenerate(ctx context.Context, cycle, report string) (jobID string, err error) {
	var accepted api.Accepted
	_, err = c.call(ctx, request{method: http.MethodPost, path: mappingsPath(cycle, report, "/regenerate-all")},
		&accepted)
	return accepted.JobID, err
}
