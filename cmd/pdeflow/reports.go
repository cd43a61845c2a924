package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) reportsCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "reports",
		Usage: "lists reports and compares cycles",
		Description: "Calls the API.\n\n" +
			"pdeflow reports list\n" +
			"pdeflow reports compare --report auto-loans --cycle 2026-Q4 --with 2026-Q3",
		Flags:    a.clientFlags(),
		Commands: []*cli.Command{a.reportsListCommand(), a.reportsCompareCommand()},
	})
}

func (a *app) reportsListCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "lists the reports of all cycles, with their mappings counted by tier and review, and the cost",
		Flags: []cli.Flag{limitFlag(0), jsonFlag()},
		Action: a.withClient(func(ctx context.Context, cmd *cli.Command, c *client) error {
			return printList(ctx, a, cmd, c, list[api.ReportSummary]{
				path: "/planning/reports", query: url.Values{}, row: reportRow,
				columns: []any{
					"CYCLE", "REPORT", "NAME", "MAPPINGS", "HRCI", "CONFIDENTIAL", "PROPRIETARY", "PUBLIC",
					"NO TIER", "PENDING", "APPROVED", "REJECTED", "REVISE",
					"USD", "UPDATED",
				},
				optional: []string{
					"UPDATED", "NAME", "USD", "REJECTED", "PUBLIC", "PROPRIETARY", "CONFIDENTIAL", "HRCI", "APPROVED",
					"PENDING", "REVISE",
				},
			})
		}),
	}
}

func (a *app) reportsCompareCommand() *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "lists what differs between two cycles of a report, by attribute and field",
		Flags: []cli.Flag{
			a.reportFlag(), a.cycleFlag(), otherCycleFlag(flagWith, "the other `CYCLE`"), limitFlag(0), jsonFlag(),
		},
		Action: a.withClient(func(ctx context.Context, cmd *cli.Command, c *client) error {
			with := cmd.String(flagWith)
			return printList(ctx, a, cmd, c, list[api.Difference]{
				path:    reportPath(cmd.String("cycle"), cmd.String("report"), "/compare"),
				query:   url.Values{flagWith: {with}},
				columns: []any{"CHANGE", "ATTRIBUTE", "FIELD", with, cmd.String("cycle")}, rows: differenceRows,
			})
		}),
	}
}

// differenceRows returns a row for each field, or one row if the attribute was added or dropped.
func differenceRows(d api.Difference) (rows [][]any) {
	for _, field := range d.Fields {
		rows = append(rows, []any{
			d.Change, d.AttributeName, field.Field, fieldText(field.Before), fieldText(field.After),
		})
	}
	if len(rows) == 0 {
		rows = [][]any{{d.Change, d.AttributeName, "", "", ""}}
	}
	return rows
}

// fieldText returns a value of any type for a cell of a table.
func fieldText(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case bool:
		return cellText(value)
	default:
		return fmt.Sprint(value)
	}
}

func reportRow(r api.ReportSummary) []any {
	tiers := r.Classifications
	return []any{
		r.CycleID, r.ReportID, r.Name, r.MappingCount, tiers.HRCI, tiers.Confidential, tiers.Proprietary, tiers.Public,
		r.Unclassified,
		r.Reviews.Pending, r.Reviews.Approved, r.Reviews.Rejected, r.Reviews.NeedsRevision,
		fmt.Sprintf("%.2f", r.Usage.CostUSD), sinceText(r.UpdatedAt, time.Now()),
	}
}
