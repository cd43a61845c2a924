package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) jobsCallsCommand() *cli.Command {
	return &cli.Command{
		Name: "calls", ArgsUsage: idArgument,
		Usage: "lists the calls of the model for the mappings of a job; --json has the raw replies",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "mapping-id", Usage: "only the calls for the mapping with this `ID`"},
			limitFlag(0), jsonFlag(),
		},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			l := list[api.ModelCall]{
				path: jobPath(id, "/calls"), query: url.Values{},
				columns: []any{"MAPPING", "STEP", "STATE", "MODEL", "PROMPT", "IN", "OUT", "USD", "TOOK", "ERROR"},
				row:     callRow,
			}
			if mapping := cmd.String("mapping-id"); mapping != "" {
				l.query.Set("mapping_id", mapping)
			}
			return printList(ctx, a, cmd, c, l)
		}),
	}
}

func callRow(c api.ModelCall) []any {
	return []any{
		c.MappingID, c.Step, c.State, c.Model, c.PromptVersion, c.Usage.InputTokens, c.Usage.OutputTokens,
		fmt.Sprintf("%.6f", c.Usage.CostUSD), durationText(time.Duration(c.DurationMS) * time.Millisecond), c.Error,
	}
}
