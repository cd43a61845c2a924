package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func (a *app) rulesTestCommand() *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "tests a policy: its syntax, the examples of its rules, and rules that are unreachable",
		ArgsUsage: "FILE",
		Description: "Each problem is named with its file and line, and the exit code is 1 if there is one:\n" +
			"unknown concepts and other mistakes of the syntax; examples and counterexamples with another result;\n" +
			"and rules that decide none of the attributes that are made of their own conditions.",
		Action: func(_ context.Context, cmd *cli.Command) error {
			path, err := argument(cmd, "FILE")
			if err != nil {
				return err
			}
			p, err := parsePolicy(path, "FILE")
			if err != nil {
				return err
			}
			return a.testPolicy(path, p)
		},
	}
}

// testPolicy prints what a policy has, or returns its problems as one error.
func (a *app) testPolicy(path string, p *policy.Policy) error {
	found := rules.New(p).Check()
	problems := make([]error, 0, len(found))
	for _, problem := range found {
		problems = append(problems, problem)
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	examples, without := 0, 0
	for _, rule := range slices.Concat(p.Rules, p.Refinements) {
		examples += len(rule.Examples)
		if len(rule.Examples) == 0 {
			without++
		}
	}
	_, err := fmt.Fprintf(a.stdout,
		"%s: no problems in policy %s with %d rules, %d refinements and %d examples (%d rules have none)\n",
		path, p.Version, len(p.Rules), len(p.Refinements), examples, without)
	return err
}
