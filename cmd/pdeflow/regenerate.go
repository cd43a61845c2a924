package main

import (
	"context"
	"net/http"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) regenerateCommand() *cli.Command {
	return &cli.Command{
		Name:  "regenerate",
		Usage: "maps and classifies the mappings of a report",
		Description: "Calls the API. A report has one active job at a time.\n\n" +
			"pdeflow regenerate --cycle 2026-Q3 --report auto-loans --watch\n" +
			"pdeflow regenerate --cycle 2026-Q3 --report auto-loans --mapping-id ID --mapping-id ID --json",
		Flags: append([]cli.Flag{
			a.cycleFlag(), a.reportFlag(),
			choice("classifier", "the classifier; llm and hybrid ask a model (default: the server's)",
				schema.ClassifierKinds()),
			&cli.StringSliceFlag{
				Name:  "mapping-id",
				Usage: "only the mapping with this `ID`, or beginning of an id; may be given several times",
			},
			&cli.BoolFlag{
				Name: "force", Usage: "also process mappings of which nothing has changed since the last job",
			},
			&cli.FloatFlag{
				Name: "max-cost", Usage: "pause the job before it costs more than `USD`", HideDefault: true,
			},
			&cli.BoolFlag{Name: "dry-run", Usage: "count the mappings and estimate the cost; start nothing"},
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
					return a.problemJSON(cmd.Bool(flagJSON), err)
				}
			}
			body := api.RegenerateBody{
				JobOptions: api.JobOptions{
					Classifier: schema.ClassifierKind(cmd.String("classifier")), Force: cmd.Bool("force"),
					DryRun: cmd.Bool("dry-run"),
				},
				MappingIDs: ids,
			}
			if cmd.IsSet("max-cost") {
				body.MaxCostUSD = new(cmd.Float("max-cost"))
			}
			r, err := jsonBody(http.MethodPost,
				mappingsPath(cmd.String("cycle"), cmd.String("report"), "/regenerate-all"), body)
			if err != nil {
				return err
			}
			return a.startJob(ctx, cmd, c, r)
		},
	}
}
