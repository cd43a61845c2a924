package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// maxImport is the largest request body of an import.
	maxImport = 32 << 20
	// importTimeout is the extra time for a large import.
	importTimeout = 5 * time.Minute
)

// importParts returns the parts of an import request, which are also the names of their flags.
func importParts() []string { return []string{"attributes", "columns", "mappings"} }

func (a *app) importCommand() *cli.Command {
	var prune pruneValue
	return &cli.Command{
		Name:  "import",
		Usage: "loads a report's attributes, candidate columns and existing mappings",
		Description: "Calls the API. Files are .csv, or .xlsx of which every visible sheet with the right " +
			"header is read. If anything is wrong in any file, nothing is loaded, and each error is " +
			"listed by file, line and column. Existing rows are updated; mappings that a person " +
			"confirmed are kept. Attributes and columns that the files no longer contain are " +
			"listed, and removed with --prune; jobs do not use such columns. With --source-url the server reads the " +
			"columns from a PostgreSQL, MySQL, MariaDB or SQL Server database, as far as the user of the URL may see " +
			"them; " +
			"pdeflow sources refresh reads them again. In " +
			"the environment (PDEFLOW_SOURCE_URL), the password is not in the list of processes.\n\n" +
			"pdeflow import --cycle 2026-Q3 --report auto-loans --name \"Auto loans\" --attributes attributes.csv " +
			"--columns columns.xlsx\n" +
			"pdeflow import --cycle 2026-Q3 --report auto-loans --source-name \"Loan servicing\" --source-url " +
			"'postgres://reader@db.example/loans?sslmode=verify-full'",
		Flags: append([]cli.Flag{
			a.cycleFlag(), a.reportFlag(),
			&cli.StringFlag{Name: "name", Usage: "name of the report, `TEXT`"},
			fileFlag("attributes", "the report's attributes; attribute_name is needed"),
			fileFlag("columns", "its candidate columns; data_source, schema, table and column are needed; "+
				"or SQL with CREATE TABLE, manifest.json or schema.yml of dbt, or a CSV export of OpenMetadata"),
			fileFlag("mappings", "its existing mappings; attribute_name or line_item_number is needed"),
			a.sourceURLFlag(),
			&cli.StringFlag{Name: flagSourceName, Usage: "name of the data source to read, `NAME`"},
			fileFlag(
				flagSourceCA,
				"PEM certificates of the authorities that the database's certificate is checked with",
			),
			&cli.GenericFlag{
				Name: "prune", Value: &prune,
				Usage: "remove attributes and columns that are no longer in the files; with `[=confirmed]` also " +
					"those that a person confirmed",
			},
			jsonFlag(),
		}, a.clientFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error { return a.importReport(ctx, cmd, prune) },
	}
}

// pruneValue is the value of --prune: empty, "true" for the flag alone, or "confirmed". It implements [cli.Value].
type pruneValue string

// Set implements [cli.Value].
func (p *pruneValue) Set(text string) error {
	if text != "true" && text != "confirmed" {
		return errors.New("give --prune, or --prune=confirmed")
	}
	*p = pruneValue(text)
	return nil
}

// Get implements [cli.Value].
func (p *pruneValue) Get() any { return p }

// String implements [cli.Value].
func (p *pruneValue) String() string { return string(*p) }

// IsBoolFlag makes the value optional.
func (p *pruneValue) IsBoolFlag() bool { return true }

func fileFlag(name, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: "`FILE` with " + usage, TakesFile: true}
}

func (a *app) importReport(ctx context.Context, cmd *cli.Command, prune pruneValue) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	paths := map[string]string{}
	for _, part := range importParts() {
		if path := cmd.String(part); path != "" {
			paths[part] = path
		}
	}
	fields, err := sourceFields(cmd)
	if err != nil {
		return err
	}
	fields["name"] = cmd.String("name")
	contentType, body, err := importForm(fields, paths)
	if err != nil {
		return err
	}
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	query := url.Values{}
	if prune != "" {
		query.Set("prune", string(prune))
	}
	var done api.Imported
	got, err := c.call(ctx, request{
		method: http.MethodPost, path: reportPath(cmd.String("cycle"), cmd.String("report"), "/import"), query: query,
		body: body, extraTime: importTimeout,
		// The server may refuse before it reads the body. A response can get lost while the body is still being sent.
		header: http.Header{"Content-Type": {contentType}, "Expect": {"100-continue"}},
	}, &done)
	switch {
	case err != nil:
		return a.printFileErrors(a.problemJSON(cmd.Bool(flagJSON), err), paths)
	case cmd.Bool(flagJSON):
		return a.printJSON(got.body)
	}
	if err := a.printImported(done); err != nil {
		return err
	}
	return a.printNext(ctx, c, done)
}

// importForm returns the body of an import.
func importForm(fields, paths map[string]string) (contentType string, body []byte, err error) {
	if len(paths) == 0 && fields["source_url"] == "" {
		return "", nil, usagef("there is nothing to import: give at least one of --%s, --%s",
			strings.Join(importParts(), ", --"), flagSourceURL)
	}
	var (
		form  bytes.Buffer
		total int64
	)
	to := multipart.NewWriter(&form)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] == "" {
			continue
		}
		if err := to.WriteField(name, fields[name]); err != nil {
			return "", nil, fmt.Errorf("body of the import: %w", err)
		}
	}
	for _, part := range importParts() {
		path, given := paths[part]
		if !given {
			continue
		}
		if err := addFile(to, part, path, &total); err != nil {
			return "", nil, err
		}
	}
	if err := to.Close(); err != nil {
		return "", nil, fmt.Errorf("body of the import: %w", err)
	}
	return to.FormDataContentType(), form.Bytes(), nil
}

// addFile adds a file to the form. It fails if the file is missing or the form becomes too large.
func addFile(to *multipart.Writer, part, path string, total *int64) error {
	file, err := openFile("--"+part, path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	into, err := to.CreateFormFile(part, filepath.Base(path))
	if err != nil {
		return fmt.Errorf("body of the import: %w", err)
	}
	n, err := io.Copy(into, io.LimitReader(file, maxImport-*total+1))
	if err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	if *total += n; *total > maxImport {
		return fmt.Errorf("the files are too large: an import takes %d MiB at once; nothing was imported",
			maxImport>>20)
	}
	return nil
}

// openFile opens the file of an argument or a flag with this name.
func openFile(argument, path string) (*os.File, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("%s: there is no file %s", argument, path)
	case err != nil:
		return nil, usagef("%s: %w", argument, err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(usagef("%s: %s is a directory, and a file is needed", argument, path), file.Close())
	}
	return file, nil
}

// printFileErrors prints the errors in the files, a line each, with the paths as they were typed.
func (a *app) printFileErrors(err error, paths map[string]string) error {
	r, ok := errors.AsType[*apiError](err)
	if !ok || len(r.problem.Errors) == 0 || r.problem.Errors[0].File == "" {
		return err
	}
	typed := map[string][]string{}
	for _, path := range paths {
		typed[filepath.Base(path)] = append(typed[filepath.Base(path)], path)
	}
	for _, mistake := range r.problem.Errors {
		where := mistake.Location
		if path := typed[mistake.File]; len(path) == 1 {
			where = path[0] + strings.TrimPrefix(where, mistake.File)
		}
		fmt.Fprintf(a.stderr, "%s: %s\n", where, mistake.Message)
	}
	if more := r.problem.MoreErrors; more > 0 {
		fmt.Fprintf(a.stderr, "and %s\n", count(int64(more), "more error"))
	}
	fmt.Fprintln(a.stderr, "pdeflow: nothing was imported")
	return errReported
}

// printFile names the sheets of a workbook, and the line of the header unless it is the first.
func (a *app) printFile(f api.ImportedFile) {
	if len(f.Sheets) == 0 && f.HeaderLine == 1 {
		return
	}
	fmt.Fprintf(a.stdout, "%s: %s", f.File, count(int64(f.Rows), "row"))
	if len(f.Sheets) > 0 {
		fmt.Fprintf(a.stdout, " of %s", sheetList(f.Sheets))
	}
	if f.HeaderLine > 1 {
		fmt.Fprintf(a.stdout, " under the header in line %d", f.HeaderLine)
	}
	if len(f.Unread) > 0 {
		fmt.Fprintf(a.stdout, "; not read: %s", sheetList(f.Unread))
	}
	fmt.Fprint(a.stdout, "\n\n")
}

func sheetList(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = quoted(name)
	}
	if len(names) == 1 {
		return "sheet " + all[0]
	}
	return "sheets " + strings.Join(all, ", ")
}

func (a *app) printImported(done api.Imported) error {
	fmt.Fprintf(a.stdout, "Report %s of cycle %s, %s, has %s.\n\n", done.ReportID, done.CycleID, quoted(done.Name),
		count(done.MappingCount, "mapping"))
	for _, f := range done.Files {
		a.printFile(f)
	}
	if d := done.Database; d != nil {
		fmt.Fprintf(a.stdout, "%s, %s: %s with %s\n", oneLine(d.DataSource), oneLine(d.Database),
			count(int64(d.Tables), "table"), count(int64(d.Columns), "column"))
		fmt.Fprintln(a.stdout)
	}
	for _, changes := range done.Changes {
		total := changes.Added.Count + changes.Dropped.Count + changes.Renamed.Count + changes.Retyped.Count
		if total == 0 && done.Database == nil {
			continue
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", oneLine(changes.DataSource), oneLine(changes.Message))
		a.printSchemaChanges(changes.SchemaChanges)
		fmt.Fprintln(a.stdout)
	}
	w := table(a.stdout)
	printRow(w, "WHAT", "ADDED", "UPDATED", "UNCHANGED", "KEPT AS CONFIRMED")
	for _, kind := range []struct {
		name string
		api.Tally
	}{{"attributes", done.Attributes}, {"data sources", done.DataSources}, {"columns", done.Columns}} {
		printRow(w, kind.name, kind.Added, kind.Updated, kind.Unchanged, "")
	}
	printRow(w, "mappings", done.Mappings.Added, done.Mappings.Updated, done.Mappings.Unchanged, done.Mappings.Kept)
	if err := w.Flush(); err != nil {
		return err
	}
	a.printGone(done)
	return nil
}

// maxGone limits the removed names that are printed.
const maxGone = 10

// printGone prints the columns and attributes that the files lack, and whether they were removed from the report.
func (a *app) printGone(done api.Imported) {
	columns, attributes := done.Gone.Columns, done.Gone.Attributes
	total := columns.Count + attributes.Count
	if total == 0 {
		return
	}
	var what []string
	if columns.Count > 0 {
		what = append(what, count(columns.Count, "column"))
	}
	if attributes.Count > 0 {
		what = append(what, count(attributes.Count, "attribute"))
	}
	gone, removed := strings.Join(what, " and "), done.Columns.Removed+done.Attributes.Removed > 0
	switch {
	case removed:
		fmt.Fprintf(a.stdout, "\nRemoved %s no longer in the files:\n", gone)
	case total == 1:
		fmt.Fprintf(a.stdout, "\n%s is no longer in the files:\n", gone)
	default:
		fmt.Fprintf(a.stdout, "\n%s are no longer in the files:\n", gone)
	}
	rows := slices.Concat(columns.Items, attributes.Items)
	for _, row := range rows[:min(len(rows), maxGone)] {
		fmt.Fprintf(a.stdout, "  %s\n", oneLine(row.Name))
	}
	if total > maxGone {
		fmt.Fprintf(a.stdout, "  and %d more\n", total-maxGone)
	}
	if unmapped := done.Mappings.Unmapped; unmapped > 0 {
		fmt.Fprintf(a.stdout, "%s lost a column and became unmapped.\n", count(unmapped, "mapping"))
	}
	if columns.Count > 0 && !removed {
		fmt.Fprintln(a.stdout, "Jobs no longer use these columns, until an import contains them again.")
	}
	switch confirmed := columns.Confirmed + attributes.Confirmed; {
	case removed:
	case confirmed > 0:
		fmt.Fprintf(a.stdout, "A person has confirmed %d of them: only a manager can remove them, with "+
			"--prune=confirmed.\n", confirmed)
	default:
		fmt.Fprintln(a.stdout, "To remove them, import again with --prune.")
	}
}

// printNext prints the command that can follow the import. A dry run of regenerate shows whether a job is possible,
// because the server refuses one on a report without attributes or columns.
func (a *app) printNext(ctx context.Context, c *client, done api.Imported) error {
	r, err := jsonBody(
		http.MethodPost,
		mappingsPath(done.CycleID, done.ReportID, "/regenerate-all"),
		api.RegenerateBody{
			JobOptions: api.JobOptions{DryRun: true, Force: true},
		},
	) // counting what would be skipped takes time
	if err != nil {
		return err
	}
	next := fmt.Sprintf("%s --cycle %s --report %s", c.flags, shellQuote(done.CycleID), shellQuote(done.ReportID))
	_, err = c.do(ctx, r)
	refused, isRefused := errors.AsType[*apiError](err)
	switch {
	case err == nil:
		next = "regenerate" + next + " --watch"
	case isRefused && done.MappingCount == 0:
		next = "import" + next + " --attributes FILE"
	case isRefused && refused.problem.Status == http.StatusUnprocessableEntity:
		next = "import" + next + " --columns FILE"
	default:
		return nil // the import is done; there is just no advice
	}
	fmt.Fprintf(a.stdout, "\nNext: pdeflow %s\n", next)
	return nil
}
