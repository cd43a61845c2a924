package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

func (a *app) rulesLearnCommand() *cli.Command {
	return &cli.Command{
		Name: "learn", Usage: "proposes a vocabulary from the mappings of a report that people confirmed or approved",
		Description: "Calls the API, and prints lines for a vocabulary with the mappings that show them. Nothing is\n" +
			"changed: keep the lines that are right in a file for --vocabulary of serve, eval and rules explain.\n\n" +
			"pdeflow rules learn --cycle 2026-Q3 --report auto-loans > our.vocabulary",
		Flags: slices.Concat([]cli.Flag{a.cycleFlag(), a.reportFlag(), a.vocabularyFlag()}, a.clientFlags()),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			known, err := readVocabulary(cmd)
			if err != nil {
				return err
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			pairs, err := c.confirmedPairs(ctx, cmd.String("cycle"), cmd.String("report"))
			if err != nil {
				return err
			}
			return a.printProposals(known.Learn(pairs), len(pairs))
		},
	}
}

// confirmedPairs reads the attributes and columns of the mappings that people have confirmed or approved.
func (c *client) confirmedPairs(ctx context.Context, cycle, report string) ([]words.Pair, error) {
	var pairs []words.Pair
	for m, err := range items[api.Mapping](ctx, c, mappingsPath(cycle, report, ""), 0) {
		if err != nil {
			return nil, err
		}
		if m.SourceField != nil && (m.MappingConfirmedByUser || m.ReviewStatus == schema.ReviewStatusApproved) {
			if column, ok := schema.ParseSourceField(*m.SourceField); ok {
				pairs = append(pairs, words.Pair{Attribute: m.AttributeName, Column: column.ColumnName})
			}
		}
	}
	return pairs, nil
}

// printedSupport is the number of mappings that are printed for a proposal.
const printedSupport = 3

// printProposals prints proposals as lines of a vocabulary.
func (a *app) printProposals(all []words.Proposal, pairs int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Proposals from %d confirmed mappings. Keep the lines that are right.\n", pairs)
	for _, p := range all {
		kind := "short for"
		if p.Synonym {
			kind = "a synonym of"
		}
		fmt.Fprintf(&b, "\n# %s is %s %q in ", p.Text, kind, p.Words)
		for i, pair := range p.Support[:min(len(p.Support), printedSupport)] {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%s (%s)", pair.Column, pair.Attribute)
		}
		if more := len(p.Support) - printedSupport; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
		if p.Against > 0 {
			fmt.Fprintf(&b, "; %d show another meaning", p.Against)
		}
		fmt.Fprintf(&b, "\n%s: %s\n", p.Text, p.Words)
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}
