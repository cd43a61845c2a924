package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func (a *app) rulesCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "rules",
		Usage: "shows how the policy classifies a name, tests a policy, and learns a vocabulary",
		Description: "Works on files, without a server or a database; only learn calls the API.\n" +
			"A policy whose second line is \"extends built-in\" adds to the built-in policy, and overrides or\n" +
			"removes parts of it by name.\n\n" +
			"pdeflow rules explain \"Borrower Tax Number\" --type 'CHAR(9)'\n" +
			"pdeflow rules explain LN_CURR_BAL_AMT --table LN_MSTR --type 'NUMBER(14,2)' --rules our.policy\n" +
			"pdeflow rules test our.policy",
		Commands: []*cli.Command{a.rulesExplainCommand(), a.rulesTestCommand(), a.rulesLearnCommand()},
	})
}

func (a *app) rulesExplainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "shows how an attribute or a column is classified, and why", ArgsUsage: "NAME",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "table", Usage: "the `TABLE` of a bare column"},
			&cli.StringFlag{Name: "type", Usage: "its data `TYPE`"},
			&cli.StringFlag{Name: "description", Usage: "its description, `TEXT`"},
			&cli.StringFlag{Name: "report", Usage: "the `NAME` of the filing that contains it"},
			&cli.StringFlag{Name: "line-item-number", Usage: "its `NUMBER` in the filing"},
			&cli.StringFlag{Name: "technical-name", Usage: "its technical `NAME` there"},
			&cli.StringFlag{Name: "mdrm", Usage: "its MDRM `CODE`"},
			&cli.BoolFlag{Name: "mandatory", Usage: "mandatory in the filing"},
			&cli.BoolFlag{Name: "cde", Usage: "a critical data element"},
			&cli.BoolFlag{Name: "primary-key", Usage: "part of the primary key"},
			&cli.StringFlag{
				Name: "column", Usage: "the column that feeds it, `SCHEMA.TABLE.COLUMN`, which may raise the tier",
			},
			&cli.StringFlag{Name: "column-type", Usage: "the data `TYPE` of that column"},
			&cli.StringFlag{Name: "column-description", Usage: "the description of that column, `TEXT`"},
			&cli.StringFlag{
				Name: "rules", TakesFile: true, Usage: "policy `FILE` (default: the one built in)",
				Sources: a.env("PDEFLOW_RULES"),
			},
			a.vocabularyFlag(),
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			name, err := argument(cmd, "NAME")
			if err != nil {
				return err
			}
			input, err := explainInput(cmd, name)
			if err != nil {
				return err
			}
			engine, err := readEngine(cmd)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.stdout, rewrap(a.stdout, engine.Explain(input)))
			return err
		},
	}
}

func explainInput(cmd *cli.Command, name string) (rules.Input, error) {
	input := rules.Input{
		Attribute: schema.Attribute{
			AttributeName: name, DataType: cmd.String("type"), Description: cmd.String("description"),
			MDRM:           cmd.String("mdrm"),
			LineItemNumber: cmd.String("line-item-number"), TechnicalLineItemName: cmd.String("technical-name"),
			IsMandatory: cmd.Bool("mandatory"), IsCDE: cmd.Bool("cde"), IsPrimaryKey: cmd.Bool("primary-key"),
		},
		Report: cmd.String("report"), Table: cmd.String("table"),
	}
	column := cmd.String("column")
	if column == "" {
		for _, flag := range []string{"column-type", "column-description"} {
			if cmd.String(flag) != "" {
				return input, usagef("--%s requires --column", flag)
			}
		}
		return input, nil
	}
	parts := strings.Split(column, ".")
	if len(parts) != 3 {
		return input, usagef("--column is of the form SCHEMA.TABLE.COLUMN")
	}
	input.Column = &schema.SourceColumn{
		SchemaName: parts[0], TableName: parts[1], ColumnName: parts[2], DataType: cmd.String("column-type"),
		Description: cmd.String("column-description"),
	}
	return input, nil
}

// readPolicy reads the policy of --rules, or returns the built-in policy.
func readPolicy(path string) (*policy.Policy, error) {
	if path == "" || path == builtIn {
		return policy.Default(), nil
	}
	return parsePolicy(path, "--rules (PDEFLOW_RULES)")
}

// parsePolicy reads a policy from the file of a flag or an argument. An unreadable file is wrong usage; errors in the
// policy are a result of the command.
func parsePolicy(path, argument string) (*policy.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("%s: %w", argument, err)
	}
	return policy.Parse(path, text)
}
