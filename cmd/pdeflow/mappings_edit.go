package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	flagComment = "comment"
	flagVersion = "if-version"
	// dataSourceField is the name under which a data source is given by its name instead of its id.
	dataSourceField = "data_source"
)

// commentField is the field of a body with the comment.
const commentField = "comment"

func commentFlag() cli.Flag {
	return &cli.StringFlag{Name: flagComment, Usage: "the reason, `TEXT`, for the history"}
}

func versionFlag() cli.Flag {
	return &cli.Int64Flag{
		Name: flagVersion, HideDefault: true,
		Usage: "only if the mapping still has version `N` (default: the current one)",
	}
}

func (a *app) mappingsEditCommand() *cli.Command {
	return &cli.Command{
		Name: "edit", Usage: "sets fields of a mapping and confirms it", ArgsUsage: "ID FIELD=VALUE...",
		Description: "Later jobs do not overwrite the mapping; they suggest. Its review returns to pending. " +
			"FIELD is one of " + strings.Join(editFields(), ", ") + ". FIELD= removes a text.\n\n" +
			"pdeflow mappings edit 0198c2f0 source_field=core.accounts.acct_nbr risk_level=High --comment \"a key\"",
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), commentFlag(), versionFlag(), jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args := cmd.Args().Slice()
			if len(args) < 2 {
				return usagef("%s needs arguments: %s ID FIELD=VALUE...", cmd.FullName(), cmd.FullName())
			}
			fields, err := parseFields(args[1:])
			if err != nil {
				return err
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			id, err := c.resolveMapping(ctx, cmd.String("cycle"), cmd.String("report"), args[0])
			if err == nil {
				err = c.replaceSourceName(ctx, cmd, fields)
			}
			if err != nil {
				return a.problemJSON(cmd.Bool(flagJSON), err)
			}
			if comment := cmd.String(flagComment); comment != "" {
				fields[commentField] = comment
			}
			r, err := jsonBody(http.MethodPut, mappingPath(cmd, id, ""), fields)
			if err != nil {
				return err
			}
			return a.sendDecision(ctx, cmd, c, id, r)
		},
	}
}

func (a *app) mappingsAcceptCommand() *cli.Command {
	return &cli.Command{
		Name: "accept-suggestion", Usage: "replaces confirmed values by the suggestions of the last job",
		ArgsUsage: idArgument,
		Flags:     []cli.Flag{a.cycleFlag(), a.reportFlag(), commentFlag(), versionFlag(), jsonFlag()},
		Action: a.withMapping(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			r, err := jsonBody(http.MethodPost, mappingPath(cmd, id, "/accept-suggestion"),
				api.CommentBody{Comment: cmd.String(flagComment)})
			if err != nil {
				return err
			}
			return a.sendDecision(ctx, cmd, c, id, r)
		}),
	}
}

func (a *app) mappingsUndoCommand() *cli.Command {
	return &cli.Command{
		Name: "undo", Usage: "undoes your own last edit or review of a mapping", ArgsUsage: idArgument,
		Description: "Refused if the mapping has changed since. The history keeps both.",
		Flags:       []cli.Flag{a.cycleFlag(), a.reportFlag(), commentFlag(), jsonFlag()},
		Action: a.withMapping(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			r, err := jsonBody(http.MethodPost, mappingPath(cmd, id, "/undo"),
				api.CommentBody{Comment: cmd.String(flagComment)})
			if err != nil {
				return err
			}
			return printOne(ctx, a, cmd, c, r, a.printDecided)
		}),
	}
}

func (a *app) printDecided(m api.DecidedMapping) { fmt.Fprintln(a.stdout, m.Message) }

// sendDecision sends a request that needs the version of the mapping, and prints the result.
func (a *app) sendDecision(ctx context.Context, cmd *cli.Command, c *client, id string, r request) error {
	version := cmd.Int64(flagVersion)
	if !cmd.IsSet(flagVersion) {
		var m api.Mapping
		if _, err := c.call(ctx, request{method: http.MethodGet, path: mappingPath(cmd, id, "")}, &m); err != nil {
			return a.problemJSON(cmd.Bool(flagJSON), err)
		}
		version = m.Version
	}
	r.header.Set("If-Match", strconv.Quote(strconv.FormatInt(version, 10)))
	return printOne(ctx, a, cmd, c, r, a.printDecided)
}

// mappingPath returns the path of a mapping of the command's report.
func mappingPath(cmd *cli.Command, id, path string) string {
	return mappingsPath(cmd.String("cycle"), cmd.String("report"), "/"+url.PathEscape(id)+path)
}

// editFields returns the fields that can be set, in the order of the contract.
func editFields() (names []string) {
	for field := range reflect.TypeFor[api.EditBody]().Fields() {
		if name := jsonName(field); name != commentField {
			names = append(names, name)
		}
	}
	return append(names, dataSourceField)
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// parseFields returns the fields of the body for FIELD=VALUE arguments.
func parseFields(args []string) (map[string]any, error) {
	types := map[string]reflect.Type{}
	for field := range reflect.TypeFor[api.EditBody]().Fields() {
		types[jsonName(field)] = field.Type
	}
	fields := map[string]any{}
	for _, arg := range args {
		name, value, found := strings.Cut(arg, "=")
		if !found {
			return nil, usagef("%s must be FIELD=VALUE", quoted(arg))
		}
		if !slices.Contains(editFields(), name) {
			return nil, usagef("there is no field %s to set; the fields are %s%s",
				quoted(name), strings.Join(editFields(), ", "), didYouMeanField(name))
		}
		if _, twice := fields[name]; twice {
			return nil, usagef("%s is given twice", name)
		}
		fields[name] = value
		switch types[name] {
		case reflect.TypeFor[*bool]():
			yes, ok := tabular.ParseFlag(value)
			if !ok {
				return nil, usagef("%s cannot be %s: must be yes or no", name, quoted(value))
			}
			fields[name] = yes
		case reflect.TypeFor[*schema.SourceFields]():
			columns, err := schema.ParseSourceFields(value)
			if err != nil {
				return nil, usagef("%s cannot be %s: must be schema.table.column, separated by commas", name,
					quoted(value))
			}
			fields[name] = columns
		}
	}
	return fields, nil
}

func didYouMeanField(name string) string {
	if similar := schema.Similar(name, editFields(), 1); len(similar) > 0 {
		return " (did you mean " + similar[0] + "?)"
	}
	return ""
}

// replaceSourceName replaces the field data_source, the name of a data source, by data_source_id.
func (c *client) replaceSourceName(ctx context.Context, cmd *cli.Command, fields map[string]any) error {
	name, given := fields[dataSourceField].(string)
	if !given {
		return nil
	}
	if _, both := fields["data_source_id"]; both {
		return usagef("give data_source or data_source_id, not both")
	}
	delete(fields, dataSourceField)
	sources, err := c.sourceCandidates(ctx, sourcesPath(cmd, ""))
	if err != nil {
		return err
	}
	var names []string
	for _, source := range sources {
		if source.description == name {
			fields["data_source_id"] = source.value
			return nil
		}
		names = append(names, source.description)
	}
	if similar := schema.Similar(name, names, 1); len(similar) > 0 {
		return usagef("the report has no data source %s; did you mean %s?", quoted(name), quoted(similar[0]))
	}
	has := cmp.Or(strings.Join(names, ", "), "none")
	return usagef("the report has no data source %s; it has %s", quoted(name), has)
}
