package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

const flagOnlyClean = "only-clean"

// decisionsTimeout is the extra time for a large file of decisions.
const decisionsTimeout = 20 * time.Minute

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
	file, err := openFile("FILE", path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	sent, err := decisionsForm(path, file)
	if err != nil {
		return err
	}
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	sent.path = mappingsPath(cmd.String("cycle"), cmd.String("report"), "/import-decisions")
	if cmd.Bool(flagOnlyClean) {
		sent.query.Set("only_clean", "true")
	}
	if cmd.Bool(flagDryRun) {
		sent.query.Set("dry_run", "true")
	}
	var done api.ImportedDecisions
	got, err := c.call(ctx, sent, &done)
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

// decisionsForm returns a request that sends the file as a form, without holding it in memory.
func decisionsForm(path string, file *os.File) (request, error) {
	var form bytes.Buffer
	to := multipart.NewWriter(&form)
	if _, err := to.CreateFormFile("file", filepath.Base(path)); err != nil {
		return request{}, fmt.Errorf("body of the import: %w", err)
	}
	start := bytes.Clone(form.Bytes())
	form.Reset()
	if err := to.Close(); err != nil {
		return request{}, fmt.Errorf("body of the import: %w", err)
	}
	sent := request{
		method: http.MethodPost, query: url.Values{}, extraTime: decisionsTimeout,
		stream: io.MultiReader(bytes.NewReader(start), file, &form), streamSize: -1,
		header: http.Header{"Content-Type": {to.FormDataContentType()}, "Expect": {"100-continue"}},
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		sent.streamSize = int64(len(start)+form.Len()) + info.Size()
	}
	return sent, nil
}
