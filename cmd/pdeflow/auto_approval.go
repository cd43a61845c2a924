package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	flagEnabled       = "enabled"
	flagMinConfidence = "min-confidence"
	flagMinMargin     = "min-margin"
	flagTier          = "tier"
	flagMaxRisk       = "max-risk"
	flagPersonal      = "personal"
)

func (a *app) autoApprovalCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "auto-approval",
		Usage: "shows, sets and tries the rule by which a report approves results of jobs itself",
		Description: "Calls the API. The rule is off by default. It approves only pending results of jobs, never " +
			"what a person has edited, and each approval names the rule in its history.\n\n" +
			"pdeflow auto-approval preview --min-confidence 90\n" +
			"pdeflow auto-approval set --enabled --min-confidence 90\n" +
			"pdeflow auto-approval set --enabled=false",
		Flags: a.clientFlags(),
		Commands: []*cli.Command{
			a.autoApprovalShowCommand(), a.autoApprovalSetCommand(), a.autoApprovalPreviewCommand(),
		},
	})
}

func (a *app) autoApprovalShowCommand() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "shows the rule of a report",
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), jsonFlag()},
		Action: a.withClient(func(ctx context.Context, cmd *cli.Command, c *client) error {
			r := request{method: http.MethodGet, path: autoApprovalPath(cmd, "")}
			return printOne(ctx, a, cmd, c, r, a.printAutoApproval)
		}),
	}
}

func (a *app) printAutoApproval(rule api.AutoApproval) {
	state := "off"
	switch {
	case rule.Enabled && rule.Complete:
		state = "on"
	case rule.Enabled:
		state = "on, but not applied to all mappings yet; set it again to continue"
	}
	set := "never"
	if rule.UpdatedAt != nil {
		set = fmt.Sprintf("%s by %s", sinceText(*rule.UpdatedAt, time.Now()), orNone(rule.UpdatedBy))
	}
	printFields(a.stdout, field{"auto-approval", state}, field{"approves", rule.Rule}, field{"set", set})
}

func (a *app) autoApprovalSetCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "sets the rule of a report, and approves what it approves now",
		Description: "Needs the role manager. Flags that are not given keep their value. A rule that is switched off " +
			"changes nothing that was decided. If the command is interrupted in a report of more than 20,000 " +
			"mappings, the rule is on and some of them are approved; run it again to continue.",
		Flags: slices.Concat([]cli.Flag{
			a.cycleFlag(), a.reportFlag(),
			&cli.BoolFlag{Name: flagEnabled, Usage: "switch the rule on, or with =false off"},
		}, ruleFlags(), []cli.Flag{jsonFlag()}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			body, err := ruleBody(cmd)
			if err != nil {
				return err
			}
			if cmd.IsSet(flagEnabled) {
				body.Enabled = new(cmd.Bool(flagEnabled))
			}
			if body.IsEmpty() {
				return usagef("%s needs flags with the parts of the rule to set (see %s --help)", cmd.FullName(),
					cmd.FullName())
			}
			return a.setAutoApproval(ctx, cmd, body)
		},
	}
}

// setAutoApproval sets the rule, and repeats the request until the rule is applied to all mappings.
func (a *app) setAutoApproval(ctx context.Context, cmd *cli.Command, body api.AutoApprovalBody) error {
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	var saved api.SavedAutoApproval
	for approved, rule := int64(0), ""; ; {
		r, err := jsonBody(http.MethodPut, autoApprovalPath(cmd, ""), body)
		if err != nil {
			return err
		}
		r.extraTime = importTimeout
		saved = api.SavedAutoApproval{}
		if _, err = c.call(ctx, r, &saved); err != nil {
			return a.problemJSON(cmd.Bool(flagJSON), err)
		}
		approved += saved.Approved
		saved.Approved = approved
		if saved.Complete {
			break
		}
		if rule != "" && rule != saved.Rule {
			return errors.New("another user has changed the rule; nothing more was approved")
		}
		fmt.Fprintf(a.stderr, "%s approved so far\n", count(approved, "mapping"))
		body, rule = api.AutoApprovalBody{}, saved.Rule
	}
	if cmd.Bool(flagJSON) {
		return a.printJSON(saved)
	}
	a.printAutoApproval(saved.AutoApproval)
	if saved.Enabled {
		_, err = fmt.Fprintf(a.stdout, "%s approved.\n", count(saved.Approved, "mapping"))
	} else {
		_, err = fmt.Fprintln(a.stdout, saved.Message)
	}
	return err
}

func (a *app) autoApprovalPreviewCommand() *cli.Command {
	return &cli.Command{
		Name: "preview", Usage: "counts what the rule would approve now, with the parts of the flags; changes nothing",
		Description: "Needs the role manager.",
		Flags:       slices.Concat([]cli.Flag{a.cycleFlag(), a.reportFlag()}, ruleFlags(), []cli.Flag{jsonFlag()}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			body, err := ruleBody(cmd)
			if err != nil {
				return err
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			r, err := jsonBody(http.MethodPost, autoApprovalPath(cmd, "/preview"), body)
			if err != nil {
				return err
			}
			r.extraTime = importTimeout
			return printOne(ctx, a, cmd, c, r, func(p api.AutoApprovalPreview) {
				printFields(a.stdout, field{"would approve", count(p.WouldApprove, "mapping")},
					field{"rule", p.Rule})
				for _, id := range p.MappingIDs {
					fmt.Fprintln(a.stdout, "  "+id)
				}
				if more := p.WouldApprove - int64(len(p.MappingIDs)); more > 0 {
					fmt.Fprintf(a.stdout, "  and %d more\n", more)
				}
			})
		},
	}
}

// ruleFlags are the parts of the rule.
func ruleFlags() []cli.Flag {
	return []cli.Flag{
		confidenceFlag(flagMinConfidence, "least confidence, `N`, of the column and of the tier"),
		confidenceFlag(flagMinMargin, "least distance, `N` points, to the next best column"),
		&cli.StringSliceFlag{
			Name:      flagTier,
			Usage:     "approve only this `TIER`; may be given several times: " + joined(schema.Tiers()),
			Validator: tiersOnly,
		},
		choice(flagMaxRisk, "the highest risk to approve", schema.Levels()),
		&cli.BoolFlag{Name: flagPersonal, Usage: "approve personal data too, or with =false do not"},
	}
}

func tiersOnly(values []string) error {
	for _, value := range values {
		if err := oneOf(schema.Tier(value), schema.Tiers()); err != nil {
			return err
		}
	}
	return nil
}

// ruleBody returns the parts of the rule that were given.
func ruleBody(cmd *cli.Command) (api.AutoApprovalBody, error) {
	var body api.AutoApprovalBody
	if err := noArguments(cmd); err != nil {
		return body, err
	}
	if cmd.IsSet(flagMinConfidence) {
		body.MinConfidence = new(cmd.Int(flagMinConfidence))
	}
	if cmd.IsSet(flagMinMargin) {
		body.MinMargin = new(cmd.Int(flagMinMargin))
	}
	for _, tier := range cmd.StringSlice(flagTier) {
		body.Tiers = append(body.Tiers, schema.Tier(tier))
	}
	if risk := schema.Level(cmd.String(flagMaxRisk)); risk != "" {
		body.MaxRisk = &risk
	}
	if cmd.IsSet(flagPersonal) {
		body.Personal = new(cmd.Bool(flagPersonal))
	}
	return body, nil
}

func autoApprovalPath(cmd *cli.Command, action string) string {
	return reportPath(cmd.String("cycle"), cmd.String("report"), "/auto-approval"+action)
}
