package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) mappingsHistoryCommand() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "lists the changes of a mapping, the newest first", ArgsUsage: idArgument,
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), limitFlag(0), jsonFlag()},
		Action: a.withMapping(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			path := mappingsPath(cmd.String("cycle"), cmd.String("report"), "/"+url.PathEscape(id)+"/history")
			if cmd.Bool(flagJSON) {
				return printList(ctx, a, cmd, c, list[api.HistoryEntry]{path: path, query: url.Values{}})
			}
			printed := 0
			for entry, err := range items[api.HistoryEntry](ctx, c, path, cmd.Int(flagLimit)) {
				if err != nil {
					return err
				}
				printChange(a.stdout, entry)
				printed++
			}
			if printed == 0 {
				fmt.Fprintln(a.stderr, "the mapping has not changed since it was created")
			}
			return nil
		}),
	}
}

// printChange prints one entry of a history: who, when, and every changed field.
func printChange(w io.Writer, entry api.HistoryEntry) {
	fmt.Fprintf(w, "%s by %s", sinceText(entry.ChangedAt, time.Now()), oneLine(entry.ChangedBy))
	if entry.Comment != nil {
		fmt.Fprintf(w, ": %s", cellText(entry.Comment))
	}
	fmt.Fprintln(w)
	changes := differences(entry.Before, entry.After)
	if len(changes) == 0 {
		changes = []string{"no field has changed"}
	}
	for _, change := range changes {
		fmt.Fprintln(w, "  "+indented(w, change, 4))
	}
}

// differences lists the fields in which two images of a mapping differ, in the order of the contract. The time of a
// review is left out, because it is that of the change.
func differences(before, after schema.Image) []string {
	var changes []string
	for _, c := range before.Changes(after) {
		if from, to := valueText(c.Before), valueText(c.After); from != to && c.Field != "reviewed_at" {
			changes = append(changes, fmt.Sprintf("%s: %s -> %s", c.Field, from, to))
		}
	}
	return changes
}

// valueText formats a value of an image. An empty value is "-".
func valueText(value any) string {
	switch value := value.(type) {
	case []schema.Alternative:
		texts := make([]string, len(value))
		for i, other := range value {
			texts[i] = fmt.Sprintf("%s (%d)", other.SourceField, other.Score)
		}
		return cellText(strings.Join(texts, ", "))
	case schema.SourceFields:
		return cellText(value.String())
	case []string:
		return cellText(strings.Join(value, "; "))
	default:
		return cellText(value)
	}
}
