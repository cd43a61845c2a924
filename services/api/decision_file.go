package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

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
		Errors:  []int{http.StatusConflict},
		Summary: "Imports an export that people have filled in: edits and decisions by row",
		Description: "Takes an export as XLSX or CSV. A changed cell of an editable field is an edit, a value under " +
			"decision is a review, which needs the role manager, and a row that is as the export wrote it is " +
			"unchanged. A row that is based on an older version of its mapping, and one with an impossible value, " +
			"are conflicts, which are listed by sheet, row and column. If there is one, nothing is changed; with " +
			"only_clean the other rows are. With dry_run nothing is changed.",
		Middlewares: huma.Middlewares{s.spooled, s.admitted}, SkipValidateBody: true, MaxBodyBytes: maxUpload,
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
			Type: "object", AdditionalProperties: false, Properties: map[string]*huma.Schema{
				"file": {Type: "string", Format: "binary", Description: "An export, .xlsx or .csv."},
			},
		}}}},
	}, s.importDecisions)
}

// errDryRun rolls back a transaction that was only tried.
var errDryRun = errors.New("dry run")

func (s *Server) importDecisions(ctx context.Context, in *struct {
	ReportPath
	DryRun    bool `query:"dry_run" doc:"Change nothing, and return what would be changed."`
	OnlyClean bool `query:"only_clean" doc:"Leave out the rows with conflicts, and import the others."`

	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte `contentType:"multipart/form-data"`
},
) (*oneOutput[ImportedDecisions], error) {
	source, err := oneFile(in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	columns := exportColumns()
	var names []string
	for _, column := range columns {
		if column.field >= 0 && column.Name != "id" && column.Name != "version" {
			names = append(names, column.Name)
		}
	}
	file, err := tabular.Decisions(source.Name, source.Content, names)
	if problems, ok := errors.AsType[tabular.Problems](err); ok {
		return nil, refuseFiles(problems)
	}
	if err != nil {
		return nil, err
	}
	decides := func(r tabular.DecisionRow) bool { return r.Decision != "" }
	if !callerOf(ctx).Role.Includes(Manager) && slices.ContainsFunc(file.Rows, decides) {
		return nil, newProblem(roleTooLow, "The column decision needs the role manager; leave it empty. "+
			"Nothing was imported.")
	}
	var run *decisionImport
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		run = &decisionImport{
			server: s, tx: tx, report: in.ReportPath, file: file, columns: columns, refused: map[int]bool{},
		}
		if err := run.rows(ctx); err != nil {
			return err
		}
		if in.DryRun || run.problems.First != nil && !in.OnlyClean {
			return errDryRun
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, planningError(err)
	}
	if run.problems.First != nil && !in.OnlyClean {
		return nil, refuseDecisions(run.problems)
	}
	return &oneOutput[ImportedDecisions]{Body: run.response(in.DryRun)}, nil
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
	server  *Server
	tx      bun.Tx
	report  ReportPath
	file    tabular.File[tabular.DecisionRow]
	columns []exportColumn

	done     ImportedDecisions
	problems tabular.Problems
	refused  map[int]bool
}

// refuse adds a conflict in a column of a row, which is refused.
func (d *decisionImport) refuse(row int, column, reason string) {
	d.problems.Add(d.file.Problem(d.file.Places[row], column, reason))
	d.refused[row] = true
}

// rows imports the rows: the edits one by one, and then the reviews.
func (d *decisionImport) rows(ctx context.Context) error {
	current, earlier, err := d.mappings(ctx)
	if err != nil {
		return err
	}
	var reviews []int
	for i, row := range d.file.Rows {
		m, known := current[row.ID]
		switch {
		case !known:
			d.refuse(i, "id", "the report has no mapping with this id")
		case m.Version != row.Version:
			d.stale(i, m, earlier)
		default:
			reviewed, err := d.row(ctx, i, m)
			if err != nil {
				return err
			}
			if reviewed {
				reviews = append(reviews, i)
			}
		}
	}
	return d.review(ctx, reviews)
}

// mappings locks the mappings of the file. It returns them, and those that have changed since the export as they were
// then. An error is a [Problem] if the file is an export of another report.
func (d *decisionImport) mappings(ctx context.Context) (current, earlier map[string]schema.Mapping, err error) {
	ids := make([]string, len(d.file.Rows))
	for i, row := range d.file.Rows {
		ids[i] = row.ID
	}
	current, err = schema.LockMappings(ctx, d.tx, d.report.CycleID, d.report.ReportID, ids)
	if err != nil {
		return nil, nil, err
	}
	var (
		unknown []string
		stale   []schema.MappingVersion
	)
	for _, row := range d.file.Rows {
		if m, known := current[row.ID]; !known {
			unknown = append(unknown, row.ID)
		} else if m.Version != row.Version {
			stale = append(stale, schema.MappingVersion{ID: row.ID, Version: row.Version})
		}
	}
	if len(unknown) > 0 {
		cycleID, reportID, err := schema.FindReportOf(ctx, d.tx, unknown)
		if err == nil {
			return nil, nil, newProblem(otherReport, fmt.Sprintf("%s has mappings of the report %s in the cycle %s. "+
				"Nothing was imported.", d.file.Name, reportID, cycleID))
		}
		if !errors.Is(err, schema.ErrNotFound) {
			return nil, nil, err
		}
	}
	earlier, err = schema.ListMappingsAt(ctx, d.tx, stale)
	return current, earlier, err
}

// stale refuses a row whose mapping has changed since the export, unless the row is as it was exported.
func (d *decisionImport) stale(i int, m schema.Mapping, earlier map[string]schema.Mapping) {
	row := d.file.Rows[i]
	if old, found := earlier[row.ID]; found && row.Decision == "" && row.Comment == "" {
		if changed, err := d.changes(row, old); err == nil && len(changed) == 0 {
			d.done.Unchanged++
			return
		}
	}
	d.refuse(i, "version", fmt.Sprintf("the mapping has version %d since a change by %s, and this row is older: "+
		"export again and repeat your change", m.Version, m.UpdatedBy))
}

// response returns the response after the transaction.
func (d *decisionImport) response(dryRun bool) ImportedDecisions {
	done := d.done
	done.Refused, done.DryRun, done.Conflicts = int64(len(d.refused)), dryRun, []FieldError{}
	if len(d.problems.First) > 0 {
		done.Conflicts = refuseFiles(d.problems).Errors
	}
	done.Message = fmt.Sprintf("%d mappings were edited and %d decided; %d rows are unchanged and %d refused.",
		done.Edited, done.Decided, done.Unchanged, done.Refused)
	if dryRun {
		done.Message = fmt.Sprintf("%d mappings would be edited and %d decided; %d rows are unchanged and %d refused.",
			done.Edited, done.Decided, done.Unchanged, done.Refused)
	}
	return done
}
