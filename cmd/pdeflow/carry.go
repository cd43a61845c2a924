package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	flagFrom = "from"
	flagWith = "with"
)

// otherCycleFlag returns a required flag with another cycle of the report.
func otherCycleFlag(name, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: usage, Required: true, Validator: notEmpty}
}

func (a *app) carryOverCommand() *cli.Command {
	return &cli.Command{
		Name:  "carry-over",
		Usage: "starts a cycle of a report with the decisions of an earlier cycle",
		Description: "Calls the API. Attributes, data sources with their columns, mappings, confirmations and " +
			"reviews are carried over; the earlier cycle does not change. If the new attributes or columns were " +
			"imported before, what is equal keeps its decision, and the rest needs revision; import all of them, " +
			"or none. Refused if the cycle already has decisions.\n\n" +
			"pdeflow carry-over --report auto-loans --from 2026-Q3 --cycle 2026-Q4 --dry-run\n" +
			"pdeflow mappings list --report auto-loans --cycle 2026-Q4 --review-status needs_revision",
		Flags: append([]cli.Flag{
			a.reportFlag(), otherCycleFlag(flagFrom, "the earlier `CYCLE`"), a.cycleFlag(),
			&cli.BoolFlag{Name: flagDryRun, Usage: "only count and list, change nothing"},
			jsonFlag(),
		}, a.clientFlags()...),
		Action: a.withClient(func(ctx context.Context, cmd *cli.Command, c *client) error {
			r, err := jsonBody(http.MethodPost, reportPath(cmd.String("cycle"), cmd.String("report"), "/carry-over"),
				api.CarryOverBody{FromCycleID: cmd.String(flagFrom), DryRun: cmd.Bool(flagDryRun)})
			if err != nil {
				return err
			}
			r.extraTime = importTimeout
			return printOne(ctx, a, cmd, c, r, a.printCarriedOver)
		}),
	}
}

// printCarriedOver prints the message, and the attributes that ask for attention.
func (a *app) printCarriedOver(done api.CarriedOver) {
	fmt.Fprintln(a.stdout, indented(a.stdout, done.Message, 0))
	w := table(a.stdout)
	listed, all := 0, int64(0)
	for _, part := range []struct {
		name string
		rows api.CarriedRows
	}{{"needs revision", done.Changed}, {"new", done.Added}, {"dropped", done.Dropped}} {
		all += part.rows.Count
		for _, row := range part.rows.Items {
			if listed == 0 {
				fmt.Fprintln(a.stdout)
				printRow(w, "WHAT", "ATTRIBUTE", "REASON")
			}
			listed++
			printRow(w, part.name, row.AttributeName, row.Reason)
		}
	}
	_ = w.Flush()
	if int64(listed) < all {
		fmt.Fprintf(a.stderr, "showing the first %d of each\n", schema.MaxProblems)
	}
}
