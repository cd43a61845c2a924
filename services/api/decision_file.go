package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// ImportedDecisions is the response to an import of decisions.
type ImportedDecisions struct {
	Edited    int64        `json:"edited" doc:"Mappings whose fields were changed."`
	Decided   int64        `json:"decided" doc:"Mappings that got a decision."`
	Unchanged int64        `json:"unchanged" doc:"Rows that are as the export wrote them, or decided like this before."`
	Refused   int64        `json:"refused" doc:"Rows left out because of a conflict (only_clean)."`
	DryRun    bool         `json:"dry_run" doc:"Whether nothing was changed, and this is what would be."`
	Conflicts []FieldError `json:"conflicts" nullable:"false" doc:"The first 100 conflicts of the refused rows."`
	Message   string       `json:"message"`
}

// registerDecisionFiles registers the import of decisions.
func (s *Server) registerDecisionFiles() {
	route(s, Tester, huma.Operation{
		OperationID: "import-decisions", Method: http.MethodPost, Tags: []string{"mappings"},
		Path:    reportPath + "/pde-mappings/import-decisions",
		Summary: "Imports an export that people have filled in: edits and decisions by row",
		Description: "Takes an export as XLSX or CSV. A changed cell of an editable field is an edit, a value under " +
			"decision is a review, which needs the role manager, and a row that is as the export wrote it is " +
			"unchanged. A row that is based on an older version of its mapping, and one with an impossible value, " +
			"are conflicts, which are listed by sheet, row and column. If there is one, nothing is changed; with " +
			"only_clean the other rows are. With dry_run nothing is changed. A file may have 512 MiB, 4 GiB when " +
			"a workbook is unpacked, and as many rows as a sheet.",
		Middlewares: huma.Middlewares{s.received, s.admitted}, SkipValidateBody: true, MaxBodyBytes: maxDecisions,
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
			Type: "object", AdditionalProperties: false, Properties: map[string]*huma.Schema{
				"file": {Type: "string", Format: "binary", Description: "An export, .xlsx or .csv."},
			},
		}}}},
	}, s.importDecisions)
}

const (
	// maxDecisions bounds the body of an import of decisions, which is read from a file.
	maxDecisions = 512 << 20
	// importTimeout is the time for the upload and the import of decisions.
	importTimeout = 20 * time.Minute
)

// decisionPage is the number of mappings that an import of decisions holds in memory and saves at once.
const decisionPage = 1000

// errRollback rolls back the transaction of an import that must not change anything.
var errRollback = errors.New("the import changes nothing")

func (s *Server) importDecisions(ctx context.Context, in *struct {
	ReportPath
	DryRun    bool `query:"dry_run" doc:"Change nothing, and return what would be changed."`
	OnlyClean bool `query:"only_clean" doc:"Leave out the rows with conflicts, and import the others."`

	ContentType string `header:"Content-Type" hidden:"true"`
},
) (*oneOutput[ImportedDecisions], error) {
	name, file, err := s.oneFile(ctx, in.ContentType, receivedFrom(ctx))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the content is no longer needed
	content, err := sectionOf(file)
	if err != nil {
		return nil, err
	}
	done, err := s.importDecisionFile(ctx, in.ReportPath, name, content, in.DryRun, in.OnlyClean)
	if err != nil {
		return nil, err
	}
	return &oneOutput[ImportedDecisions]{Body: done}, nil
}

// importDecisionFile imports the decisions of a file with this name.
func (s *Server) importDecisionFile(
	ctx context.Context, in ReportPath, name string, content *io.SectionReader, dryRun, onlyClean bool,
) (done ImportedDecisions, err error) {
	run := &decisionImport{
		server: s, of: schema.Decision{CycleID: in.CycleID, ReportID: in.ReportID, Author: callerOf(ctx).User},
		dryRun: dryRun, onlyClean: onlyClean,
	}
	err = run.read(name, content)
	defer func() { _ = run.file.Close() }() // the rows are no longer needed
	if problems, ok := errors.AsType[tabular.Problems](err); ok {
		return done, refuseFiles(problems)
	}
	if err != nil {
		return done, err
	}
	decides := func(r tabular.DecisionRow) bool { return r.Decision != "" }
	if !callerOf(ctx).Role.Includes(Manager) && slices.ContainsFunc(run.file.Rows, decides) {
		return done, newProblem(roleTooLow, "The column decision needs the role manager; leave it empty. "+
			"Nothing was imported.")
	}
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := run.pages(ctx, tx); err != nil {
			return err
		}
		if run.checksOnly() {
			return errRollback
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRollback) {
		return done, planningError(err)
	}
	problems, err := run.problems(ctx)
	if err != nil {
		return done, err
	}
	if problems.First != nil && !onlyClean {
		return done, refuseDecisions(problems)
	}
	return run.response(problems), nil
}

// refuseDecisions returns the problem for conflicts.
func refuseDecisions(problems tabular.Problems) *Problem {
	files := refuseFiles(problems)
	p := newProblem(decisionsRefused, files.Detail+"; only_clean leaves such rows out")
	p.Errors, p.MoreErrors = files.Errors, files.MoreErrors
	return p
}

// decisionImport imports one file of decisions in a transaction.
type decisionImport struct {
	server            *Server
	of                schema.Decision
	dryRun, onlyClean bool

	file tabular.DecisionFile
	// columns are those that are compared with the mapping, in the order of the cells of a row. Given reports which of
	// them the file has.
	columns []exportColumn
	given   []bool

	done ImportedDecisions
	// refused has the rows with conflicts. The first conflicts are kept, and more counts the others.
	refused   []bool
	conflicts []conflict
	more      int
}

// conflict is why a row cannot be imported.
type conflict struct {
	// row is the index of the row.
	row            int
	column, reason string
	// wrong is explained after the transaction, in place of a reason.
	wrong *schema.EditError
}

// read reads the file. It is done before the transaction, which locks mappings.
func (d *decisionImport) read(name string, content *io.SectionReader) (err error) {
	var compared, ignored []string
	for _, column := range exportColumns() {
		switch {
		case column.field < 0, column.Name == "id", column.Name == "version": // in every file
		case column.Editable, len(column.Choices) > 0:
			d.columns, compared = append(d.columns, column), append(compared, column.Name)
		default:
			ignored = append(ignored, column.Name)
		}
	}
	d.file, err = tabular.Decisions(name, content, compared, ignored)
	for _, name := range compared {
		d.given = append(d.given, slices.Contains(d.file.Columns, name))
	}
	d.refused = make([]bool, len(d.file.Rows))
	return err
}

// refuse adds a conflict in a column of a row, which is refused.
func (d *decisionImport) refuse(row int, column, reason string) {
	d.add(conflict{row: row, column: column, reason: reason})
}

func (d *decisionImport) add(c conflict) {
	if !d.refused[c.row] {
		d.refused[c.row] = true
		d.done.Refused++
	}
	if len(d.conflicts) == schema.MaxProblems {
		d.more++
		return
	}
	d.conflicts = append(d.conflicts, c)
}

// checksOnly reports that the import changes nothing, so the rest of the file is only checked.
func (d *decisionImport) checksOnly() bool {
	return d.dryRun || !d.onlyClean && (d.file.Refused > 0 || len(d.conflicts) > 0)
}

// pages imports the rows in pages. The mappings are locked in the order of their ids; see [schema.LockMappings].
func (d *decisionImport) pages(ctx context.Context, tx bun.Tx) error {
	rows := make([]int, len(d.file.Rows))
	for i := range rows {
		rows[i] = i
	}
	slices.SortFunc(rows, func(a, b int) int { return strings.Compare(d.file.Rows[a].ID, d.file.Rows[b].ID) })
	for page := range slices.Chunk(rows, decisionPage) {
		if err := d.page(ctx, tx, page); err != nil {
			return err
		}
	}
	return nil
}

// page imports the rows with these indexes.
func (d *decisionImport) page(ctx context.Context, tx bun.Tx, rows []int) error {
	current, earlier, err := d.mappings(ctx, tx, rows)
	if err != nil {
		return err
	}
	var (
		decisions []schema.BulkDecision
		decided   []int
	)
	for _, i := range rows {
		row, err := d.file.Row(i)
		if err != nil {
			return err
		}
		m, known := current[row.ID]
		switch {
		case !known:
			d.refuse(i, "id", "the report has no mapping with this id")
		case m.Version != row.Version:
			d.stale(i, row, m, earlier)
		default:
			decision, found, err := d.decision(i, row, m)
			if err != nil {
				return err
			}
			if found {
				decisions, decided = append(decisions, decision), append(decided, i)
			}
		}
	}
	for n := range decisions {
		decisions[n].DryRun = d.checksOnly() || d.refused[decided[n]]
	}
	outcomes, err := schema.DecideMappings(ctx, tx, d.of, decisions)
	if err != nil {
		return err
	}
	for n, outcome := range outcomes {
		d.count(decided[n], outcome)
	}
	return nil
}

// mappings locks the mappings of the rows. It returns them, and those that have changed since the export as they were
// then. An error is a [Problem] if the file is an export of another report.
func (d *decisionImport) mappings(
	ctx context.Context, tx bun.Tx, rows []int,
) (current, earlier map[string]schema.Mapping, err error) {
	ids := make([]string, len(rows))
	for n, i := range rows {
		ids[n] = d.file.Rows[i].ID
	}
	current, err = schema.LockMappings(ctx, tx, d.of.CycleID, d.of.ReportID, ids)
	if err != nil {
		return nil, nil, err
	}
	var (
		unknown []string
		stale   []schema.MappingVersion
	)
	for _, i := range rows {
		row := d.file.Rows[i]
		if m, known := current[row.ID]; !known {
			unknown = append(unknown, row.ID)
		} else if m.Version != row.Version {
			stale = append(stale, schema.MappingVersion{ID: row.ID, Version: row.Version})
		}
	}
	if len(unknown) > 0 {
		cycleID, reportID, err := schema.FindReportOf(ctx, tx, unknown)
		if err == nil {
			return nil, nil, newProblem(otherReport, fmt.Sprintf("%s has mappings of the report %s in the cycle %s. "+
				"Nothing was imported.", d.file.Name, reportID, cycleID))
		}
		if !errors.Is(err, schema.ErrNotFound) {
			return nil, nil, err
		}
	}
	earlier, err = schema.ListMappingsAt(ctx, tx, stale)
	return current, earlier, err
}

// problems returns the problems of the file and the conflicts, in the order of the file.
func (d *decisionImport) problems(ctx context.Context) (tabular.Problems, error) {
	all := d.file.Problems
	searched := 0
	for _, c := range d.conflicts {
		if c.wrong != nil {
			if c.wrong.Text != "" {
				searched++
			}
			if searched > maxSearched {
				c.wrong.Text = ""
			}
			var err error
			c.column = c.wrong.Field
			c.reason, err = d.server.editReason(ctx, ReportPath{d.of.CycleID, d.of.ReportID}, c.wrong)
			if err != nil {
				return all, err
			}
			if c.wrong.IsListed() {
				c.reason = listReason(c.wrong.Index, c.reason)
			}
		}
		all.Add(d.file.Problem(d.file.Places[c.row], c.column, c.reason))
	}
	all.More += d.more
	d.file.Sort(all.First)
	return all, nil
}

// response returns the response after the transaction.
func (d *decisionImport) response(problems tabular.Problems) ImportedDecisions {
	done := d.done
	done.Refused += int64(d.file.Refused)
	done.DryRun, done.Conflicts = d.dryRun, []FieldError{}
	if len(problems.First) > 0 {
		done.Conflicts = refuseFiles(problems).Errors
	}
	form := "%d mappings were edited and %d decided; %d rows are unchanged and %d refused."
	if d.dryRun {
		form = "%d mappings would be edited and %d decided; %d rows are unchanged and %d refused."
	}
	done.Message = fmt.Sprintf(form, done.Edited, done.Decided, done.Unchanged, done.Refused)
	return done
}
