package main

import (
	"context"
	"net/url"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) reportsCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "reports",
		Usage: "lists reports and cycles",
		Description: "Calls the API.\n\n" +
			"pdeflow reports list",
		Flags: a.clientFlags(),
		Commands: []*cli.Command{{
			Name: "list", Usage: "lists the reports of all cycles, with their mappings counted by tier and review",
			Flags: []cli.Flag{limitFlag(0), jsonFlag()},
			Action: func(ctx context.Context, cmd *cli.Command) error {
				if err := noArguments(cmd); err != nil {
					return err
				}
				c, err := a.client(cmd)
				if err != nil {
					return err
				}
				return printList(ctx, a, cmd, c, list[api.ReportSummary]{
					path: "/planning/reports", query: url.Values{}, row: reportRow,
					columns: []any{
						"CYCLE", "REPORT", "NAME", "MAPPINGS", "HRCI", "CONFIDENTIAL", "PROPRIETARY", "PUBLIC",
						"NO TIER", "APPROVED", "UPDATED",
					},
					optional: []string{"UPDATED", "APPROVED", "NAME", "PUBLIC", "PROPRIETARY", "CONFIDENTIAL", "HRCI"},
				})
			},
		}},
	})
}

func reportRow(r api.ReportSummary) []any {
	tiers := r.Classifications
	return []any{
		r.CycleID, r.ReportID, r.Name, r.MappingCount, tiers.HRCI, tiers.Confidential, tiers.Proprietary, tiers.Public,
		r.Unclassified,
		r.Reviews.Approved, sinceText(r.UpdatedAt, time.Now()),
	}
}
