package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

const (
	flagFormat = "format"
	flagOutput = "output"
)

func (a *app) mappingsExportCommand() *cli.Command {
	format := choice(flagFormat, "format of the file", api.ExportFormats())
	format.Required = true
	return &cli.Command{
		Name: "export", Usage: "writes the mappings of a report to a file",
		Description: "A text in a CSV file that a spreadsheet program would execute has an apostrophe before it.\n\n" +
			"pdeflow mappings export --format csv --review-status pending --output pending.csv",
		Flags: slices.Concat([]cli.Flag{
			a.cycleFlag(), a.reportFlag(), format,
			&cli.StringFlag{
				Name: flagOutput, Aliases: []string{"o"}, TakesFile: true,
				Usage: "write `FILE` instead of the standard output",
			},
		}, mappingFilterFlags(), []cli.Flag{sortFlag()}),
		Action: a.withClient(a.exportMappings),
	}
}

func (a *app) exportMappings(ctx context.Context, cmd *cli.Command, c *client) error {
	query := mappingQuery(cmd)
	query.Set(flagFormat, cmd.String(flagFormat))
	r := request{
		method: http.MethodGet, path: mappingsPath(cmd.String("cycle"), cmd.String("report"), "/export"), query: query,
	}
	path := cmd.String(flagOutput)
	if path == "" && query.Get(flagFormat) == string(api.ExportFormatXLSX) && isTerminal(a.stdout) {
		return usagef("a workbook cannot be shown on a terminal: give --%s FILE", flagOutput)
	}
	if path == "" {
		return c.download(ctx, r, a.stdout)
	}
	return writeFile(path, func(to io.Writer) error { return c.download(ctx, r, to) })
}

// writeFile creates or replaces a file, with the permissions of the old one. After an error the file is as it was
// before. A symbolic link is followed, and a device or a pipe is written to.
func writeFile(path string, write func(io.Writer) error) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	const permissions = 0o666 // less the umask
	info, statErr := os.Lstat(path)
	if statErr == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, permissions)
		if err != nil {
			return usagef("--%s: %w", flagOutput, err)
		}
		return errors.Join(write(file), file.Close())
	}
	part := fmt.Sprintf("%s.part-%d", path, os.Getpid())
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	if err != nil {
		return usagef("--%s: %w", flagOutput, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if statErr == nil {
		err = file.Chmod(info.Mode().Perm())
	}
	if err := errors.Join(err, write(file), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	return nil
}
