package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// readingTimeout is the extra time in which the server may read a database.
	readingTimeout = 3 * time.Minute

	flagPasswordFile = "password-file"
)

func (a *app) sourcesCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "sources",
		Usage: "lists data sources, tests their connections, shows their tables and reads them again",
		Description: "Calls the API. ID is the id of a data source, the beginning of one, its name, or " +
			"latest. A data source " +
			"has a connection if its columns were read from a database (pdeflow import --source-url).\n\n" +
			"pdeflow sources list\n" +
			"pdeflow sources refresh \"Loan servicing\"",
		Flags: a.clientFlags(),
		Commands: []*cli.Command{
			a.sourcesListCommand(), a.sourcesTestCommand(), a.sourcesSummaryCommand(), a.sourcesRefreshCommand(),
		},
	})
}

func (a *app) sourcesListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "lists the data sources of a report",
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), limitFlag(0), jsonFlag()},
		Action: a.withClient(func(ctx context.Context, cmd *cli.Command, c *client) error {
			return printList(ctx, a, cmd, c, list[api.DataSource]{
				path: sourcesPath(cmd, ""), query: url.Values{}, row: sourceRow,
				columns:  []any{"ID", "NAME", "COLUMNS", "CONNECTION", "READ"},
				optional: []string{"READ", "CONNECTION"},
			})
		}),
	}
}

func sourceRow(s api.DataSource) []any {
	connection, read := "", ""
	if c := s.Connection; c != nil {
		connection = c.URL
		if c.ReadAt != nil {
			read = sinceText(*c.ReadAt, time.Now())
		}
	}
	return []any{s.ID, oneLine(s.Name), s.ColumnCount, oneLine(connection), read}
}

func (a *app) sourcesTestCommand() *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "tests the connection of a data source; exits 1 if it fails", ArgsUsage: idArgument,
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), passwordFlag(), jsonFlag()},
		Action: a.withSource(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			r, err := sourceRequest(cmd, id, "/test-connection")
			if err != nil {
				return err
			}
			var tested api.ConnectionTest
			got, err := c.call(ctx, r, &tested)
			switch {
			case err != nil:
				return a.problemJSON(cmd.Bool(flagJSON), err)
			case cmd.Bool(flagJSON):
				err = a.printJSON(got.body)
			case tested.OK:
				_, err = fmt.Fprintf(a.stdout, "%s\n%s\n", cellText(tested.Database), oneLine(tested.Message))
			default:
				_, err = fmt.Fprintln(a.stderr, "pdeflow: "+oneLine(tested.Message))
			}
			if err == nil && !tested.OK {
				return errReported
			}
			return err
		}),
	}
}

func (a *app) sourcesSummaryCommand() *cli.Command {
	return &cli.Command{
		Name: "summary", Usage: "shows the tables, columns and keys of a data source", ArgsUsage: idArgument,
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), limitFlag(0), jsonFlag()},
		Action: a.withSource(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			summary, err := readSummary(ctx, c, sourcesPath(cmd, "/"+url.PathEscape(id)+"/summary"), cmd.Int(flagLimit))
			if err != nil {
				return err
			}
			if cmd.Bool(flagJSON) {
				return a.printJSON(summary)
			}
			return a.printSummary(summary)
		}),
	}
}

// readSummary reads the summary of a data source with at most limit of its tables; all if limit is 0.
func readSummary(ctx context.Context, c *client, path string, limit int) (summary api.SourceSummary, err error) {
	first := request{method: http.MethodGet, path: path, query: url.Values{"limit": {"1"}}}
	if _, err := c.call(ctx, first, &summary); err != nil {
		return summary, err
	}
	summary.Items = nil
	for p, err := range c.pages(ctx, path, url.Values{}, limit) {
		if err != nil {
			return summary, err
		}
		for _, raw := range p.Items {
			var t api.SourceTable
			if err := json.Unmarshal(raw, &t); err != nil {
				return summary, fmt.Errorf("table of the summary: %w", err)
			}
			summary.Items = append(summary.Items, t)
		}
		summary.NextCursor = p.NextCursor
	}
	return summary, nil
}

func (a *app) printSummary(summary api.SourceSummary) error {
	fmt.Fprintf(a.stdout, "%s: %s with %s, %s of primary keys, %s of foreign keys\n", oneLine(summary.Name),
		count(summary.TableCount, "table"), count(summary.ColumnCount, "column"),
		count(summary.PrimaryKeyCount, "column"), count(summary.ForeignKeyCount, "column"))
	if summary.MissingCount > 0 {
		fmt.Fprintf(a.stdout, "The last import lacked %s, which jobs do not use; import --prune removes them.\n",
			count(summary.MissingCount, "column"))
	}
	for _, t := range summary.Items {
		if err := printSourceTable(a.stdout, t); err != nil {
			return err
		}
	}
	if summary.NextCursor != nil {
		fmt.Fprintf(a.stderr, "showing the first %d; --limit 0 shows all\n", len(summary.Items))
	}
	return nil
}

// printSourceTable prints a table with its columns.
func printSourceTable(to io.Writer, t api.SourceTable) error {
	kind := ""
	if t.Kind != nil {
		kind = " (" + strings.ReplaceAll(string(*t.Kind), "_", " ") + ")"
	}
	fmt.Fprintf(to, "\n%s.%s%s\n", oneLine(t.Schema), oneLine(t.Table), kind)
	w := table(to)
	for _, column := range t.Columns {
		var keys []string
		if column.IsPrimaryKey {
			keys = append(keys, "primary key")
		}
		if column.References != nil {
			keys = append(keys, "-> "+*column.References)
		}
		if column.MissingSince != nil {
			keys = append(keys, "missing since "+column.MissingSince.Format(time.DateOnly))
		}
		printRow(w, "  "+oneLine(column.Name), oneLine(column.DataType), oneLine(strings.Join(keys, ", ")))
	}
	return w.Flush()
}

func (a *app) sourcesRefreshCommand() *cli.Command {
	return &cli.Command{
		Name: "refresh", Usage: "reads a database again and lists what has changed", ArgsUsage: idArgument,
		Description: "Mappings to columns that the database no longer has become unmapped and need revision. If a " +
			"column was probably renamed, the new name is suggested.\n\n" +
			"pdeflow sources refresh \"Loan servicing\"",
		Flags: []cli.Flag{a.cycleFlag(), a.reportFlag(), passwordFlag(), jsonFlag()},
		Action: a.withSource(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			r, err := sourceRequest(cmd, id, "/refresh")
			if err != nil {
				return err
			}
			return printOne(ctx, a, cmd, c, r, a.printRefreshed)
		}),
	}
}

// printRefreshed prints what a refresh has found.
func (a *app) printRefreshed(done api.Refreshed) {
	fmt.Fprintln(a.stdout, oneLine(done.Message))
	a.printSchemaChanges(done.SchemaChanges)
}

// printSchemaChanges prints a line for each changed column.
func (a *app) printSchemaChanges(done api.SchemaChanges) {
	for _, part := range []struct {
		name string
		api.ChangedColumns
	}{
		{"added", done.Added}, {"dropped", done.Dropped}, {"probably renamed", done.Renamed}, {"retyped", done.Retyped},
	} {
		for _, column := range part.Items {
			text := oneLine(column.SourceField) + "  " + oneLine(column.DataType)
			if column.NewSourceField != nil {
				text = oneLine(column.SourceField) + " -> " + oneLine(*column.NewSourceField)
			} else if column.NewDataType != nil {
				text += " -> " + oneLine(*column.NewDataType)
			}
			fmt.Fprintf(a.stdout, "  %s: %s\n", part.name, text)
		}
		if more := part.Count - int64(len(part.Items)); more > 0 {
			fmt.Fprintf(a.stdout, "  %s: and %d more\n", part.name, more)
		}
	}
}

// passwordFlag reads a password from a file, so that it is not in the list of processes.
func passwordFlag() cli.Flag {
	return fileFlag(flagPasswordFile, "the password to use instead of the stored one")
}

// sourceRequest returns a request to a data source with the password of --password-file, if there is one.
func sourceRequest(cmd *cli.Command, id, action string) (request, error) {
	var body api.PasswordBody
	if path := cmd.String(flagPasswordFile); path != "" {
		text, err := readPassword(path)
		if err != nil {
			return request{}, err
		}
		body.Password = text
	}
	r, err := jsonBody(http.MethodPost, sourcesPath(cmd, "/"+url.PathEscape(id)+action), body)
	r.extraTime = readingTimeout
	return r, err
}

// maxPassword is the longest password that is read from a file, in bytes.
const maxPassword = 2000

// readPassword reads a password from a file. The line break at its end does not count.
func readPassword(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", usagef("--%s: %w", flagPasswordFile, err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxPassword+1))
	if err != nil {
		return "", usagef("--%s: %w", flagPasswordFile, err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" || len(text) > maxPassword || strings.ContainsAny(password, "\r\n") {
		return "", usagef("--%s: needs a file with a password in one line", flagPasswordFile)
	}
	return password, nil
}

// sourcesPath returns the path of the data sources of the report that the flags name.
func sourcesPath(cmd *cli.Command, path string) string {
	return reportPath(cmd.String("cycle"), cmd.String("report"), "/data-sources"+path)
}

// withSource returns the action of a command whose argument names a data source.
func (a *app) withSource(do idAction) cli.ActionFunc {
	return a.withID(do, func(ctx context.Context, cmd *cli.Command, c *client, word string) (string, error) {
		return c.resolveSource(ctx, sourcesPath(cmd, ""), word)
	})
}

// resolveSource returns the id of the data source with this id, name, or beginning of an id, or the one that was added
// last for latest. A word that names none is returned as it is, and the server refuses it.
func (c *client) resolveSource(ctx context.Context, path, word string) (string, error) {
	sources, err := c.sourceCandidates(ctx, path)
	if err != nil {
		return "", err
	}
	var begin []candidate
	for _, source := range sources {
		switch {
		case source.value == word, source.description == word:
			return source.value, nil
		case len(word) >= minPrefix && strings.HasPrefix(source.value, word):
			begin = append(begin, source)
		}
	}
	switch {
	case word == latest && len(sources) == 0:
		return "", errors.New("there is no data source yet")
	case word == latest:
		return sources[len(sources)-1].value, nil // ids are in the order of their creation
	case len(begin) == 0:
		return word, nil
	case len(begin) == 1:
		return begin[0].value, nil
	default:
		return "", ambiguous("data source", word, begin)
	}
}

// sourceCandidates returns the data sources of a report with their names.
func (c *client) sourceCandidates(ctx context.Context, path string) (all []candidate, err error) {
	for source, err := range items[api.DataSource](ctx, c, path, 0) {
		if err != nil {
			return nil, err
		}
		all = append(all, candidate{source.ID, source.Name})
	}
	return all, nil
}
