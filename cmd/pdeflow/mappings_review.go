package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	flagExpected = "expected"
	flagDryRun   = "dry-run"
	flagSkipOwn  = "skip-own-edits"
)

// mappingsReviewCommand returns the command that gives mappings a decision.
func (a *app) mappingsReviewCommand(name, usage string, decision schema.ReviewStatus) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "[ID...]",
		Description: "Needs the role manager. The mappings are those with the IDs, or those that the filters match. " +
			"With filters, --expected repeats the number that --dry-run has printed; if it has changed, nothing is " +
			"decided. A manager cannot review their own last edit.\n\n" +
			"pdeflow mappings " + name + " 0198c2f0 --comment \"as in Q2\"\n" +
			"pdeflow mappings " + name + " --review-status pending --min-confidence 90 --dry-run",
		Flags: append([]cli.Flag{
			a.cycleFlag(), a.reportFlag(), commentFlag(),
			&cli.BoolFlag{Name: flagDryRun, Usage: "only count, change nothing"},
			&cli.Int64Flag{
				Name:        flagExpected,
				Usage:       "the number of mappings, `N`, that the filters match",
				HideDefault: true,
			},
			&cli.BoolFlag{Name: flagSkipOwn, Usage: "leave out mappings that you were the last to edit"},
			jsonFlag(),
		}, mappingFilterFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error { return a.review(ctx, cmd, decision) },
	}
}

func (a *app) review(ctx context.Context, cmd *cli.Command, decision schema.ReviewStatus) error {
	body := api.BulkReviewBody{
		Decision: decision, Comment: cmd.String(flagComment), SkipOwnEdits: cmd.Bool(flagSkipOwn),
		DryRun: cmd.Bool(flagDryRun),
	}
	words, filter := cmd.Args().Slice(), listFilter(cmd)
	if filtered := filter != (api.ListFilter{}); filtered == (len(words) > 0) {
		return usagef("%s needs the IDs of mappings or filters, and not both", cmd.FullName())
	}
	if len(words) > 0 && cmd.IsSet(flagExpected) {
		return usagef("--%s is for filters, not for IDs", flagExpected)
	}
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		body.Filter = &filter
		if cmd.IsSet(flagExpected) {
			body.Expected = new(cmd.Int64(flagExpected))
		} else if !body.DryRun {
			return a.askExpected(ctx, cmd, c, body)
		}
	}
	for _, word := range words {
		id, err := c.resolveMapping(ctx, cmd.String("cycle"), cmd.String("report"), word)
		if err != nil {
			return a.problemJSON(cmd.Bool(flagJSON), err)
		}
		body.IDs = append(body.IDs, id)
	}
	r, err := reviewRequest(cmd, body)
	if err != nil {
		return err
	}
	return printOne(ctx, a, cmd, c, r, func(done api.Reviewed) { fmt.Fprintln(a.stdout, done.Message) })
}

// askExpected returns an error with the number of mappings that the filters match.
func (a *app) askExpected(ctx context.Context, cmd *cli.Command, c *client, body api.BulkReviewBody) error {
	body.DryRun = true
	r, err := reviewRequest(cmd, body)
	if err != nil {
		return err
	}
	var counted api.Reviewed
	if _, err := c.call(ctx, r, &counted); err != nil {
		return a.problemJSON(cmd.Bool(flagJSON), err)
	}
	return usagef("the filters match %s; nothing was decided, add --%s %d to decide about all of them",
		count(counted.Matched, "mapping"), flagExpected, counted.Matched)
}

// reviewRequest returns a request that may take as long as an import, because a filter may match the whole report.
func reviewRequest(cmd *cli.Command, body api.BulkReviewBody) (request, error) {
	r, err := jsonBody(http.MethodPost, mappingsPath(cmd.String("cycle"), cmd.String("report"), "/review"), body)
	r.extraTime = importTimeout
	return r, err
}

// mappingFilterFlags are the filters of the list of mappings.
func mappingFilterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "q", Usage: "only those with this `TEXT` in the names of attribute, element or column, or in " +
				"the line item's codes",
		},
		choice("information-security-classification", "only this tier", schema.Tiers()),
		choice("criticality", "only this level", schema.Levels()),
		choice("review-status", "only this review status", schema.ReviewStatuses()),
		&cli.BoolFlag{Name: "unmapped", Usage: "only those without a column, or with =false only those with one"},
		confidenceFlag("min-confidence", "only those of whose column the confidence is `N` or more"),
		confidenceFlag("max-confidence", "only those of whose column the confidence is `N` or less"),
	}
}

// listFilter returns the filter of the flags.
func listFilter(cmd *cli.Command) api.ListFilter {
	filter := api.ListFilter{
		Search:                            strings.TrimSpace(cmd.String("q")),
		InformationSecurityClassification: schema.Tier(cmd.String("information-security-classification")),
		Criticality:                       schema.Level(cmd.String("criticality")),
		ReviewStatus:                      schema.ReviewStatus(cmd.String("review-status")),
	}
	if cmd.IsSet("unmapped") {
		filter.Unmapped = new(cmd.Bool("unmapped"))
	}
	if cmd.IsSet("min-confidence") {
		filter.MinConfidence = new(cmd.Int("min-confidence"))
	}
	if cmd.IsSet("max-confidence") {
		filter.MaxConfidence = new(cmd.Int("max-confidence"))
	}
	return filter
}
