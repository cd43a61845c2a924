package main

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

const flagOnlyClean = "only-clean"

func (a *app) mappingsImportCommand() *cli.Command {
	return &cli.Command{
		Name: "import-decisions", Usage: "imports an export that people have filled in", ArgsUsage: "FILE",
		Description: "FILE is an export, .xlsx or .csv. A changed cell is an edit; a value under decision is a " +
			"review and needs the role manager. If a row has a conflict, each one is listed and nothing is " +
			"changed.\n\n" +
			"pdeflow mappings import-decisions decided.xlsx --dry-run",
		Flags: []cli.Flag{
			a.cycleFlag(), a.reportFlag(),
			&cli.BoolFlag{Name: flagOnlyClean, Usage: "import the rows without conflicts, and list the others"},
			&cli.BoolFlag{Name: flagDryRun, Usage: "change nothing, and count what would be changed"},
			jsonFlag(),
		},
		Action: a.importDecisions,
	}
}

func (a *app) importDecisions(ctx context.Context, cmd *cli.Command) error {
	path, err := argument(cmd, "FILE")
	if err != nil {
		return err
	}
	contentType, body, err := decisionsForm(path)
	if err != nil {
		return err
	}
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	query := url.Values{}
	if cmd.Bool(flagOnlyClean) {
		query.Set("only_clean", "true")
	}
	if cmd.Bool(flagDryRun) {
		query.Set("dry_run", "true")
	}
	var done api.ImportedDecisions
	got, err := c.call(ctx, request{
		method: http.MethodPost, query: query, body: body, extraTime: importTimeout,
		path:   mappingsPath(cmd.String("cycle"), cmd.String("report"), "/import-decisions"),
		header: http.Header{"Content-Type": {contentType}, "Expect": {"100-continue"}},
	}, &done)
	switch {
	case err != nil:
		return a.printFileErrors(a.problemJSON(cmd.Bool(flagJSON), err), map[string]string{"file": path})
	case cmd.Bool(flagJSON):
		return a.printJSON(got.body)
	}
	for _, conflict := range done.Conflicts {
		fmt.Fprintf(a.stderr, "%s: %s\n", conflict.Location, conflict.Message)
	}
	fmt.Fprintln(a.stdout, done.Message)
	return nil
}

func decisionsForm(path string) (contentType string, body []byte, err error) {
	var (
		form  bytes.Buffer
		total int64
	)
	to := multipart.NewWriter(&form)
	if err := addFile(to, "file", path, &total); err != nil {
		return "", nil, err
	}
	if err := to.Close(); err != nil {
		return "", nil, fmt.Errorf("body of the import: %w", err)
	}
	return to.FormDataContentType(), form.Bytes(), nil
}
