package api

import (
	"context"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// editProblem returns the problem of values that do not fit together, or that the report does not have.
func (s *Server) editProblem(ctx context.Context, in ReportPath, wrong schema.EditErrors) error {
	var errs []FieldError
	for _, e := range wrong {
		reason, err := s.editReason(ctx, in, e)
		if err != nil {
			return err
		}
		location := "body." + e.Field
		if e.IsListed() {
			location += "[" + strconv.Itoa(e.Index) + "]"
		}
		errs = append(errs, FieldError{Location: location, Message: reason})
	}
	p := newFieldProblem(errs[0].Location, errs[0].Message)
	p.Errors = errs
	return p
}

// editReason explains an error of an edit, and names similar columns.
func (s *Server) editReason(ctx context.Context, in ReportPath, wrong *schema.EditError) (string, error) {
	switch wrong.Reason {
	case schema.EditReasonNotFirst:
		return "must be the first of source_fields, or be left out", nil
	case schema.EditReasonTwice:
		return "names a column twice", nil
	case schema.EditReasonDirect:
		return "must be calculated, lookup or conditional for a mapping of several columns", nil
	case schema.EditReasonWithoutRule:
		return "must describe how the value is made, unless mapping_type is direct", nil
	case schema.EditReasonMalformed:
		return "must be schema.table.column, with double quotes around a name that contains a dot", nil
	case schema.EditReasonWithoutColumn:
		return "must be left out for a mapping without a column; give source_field", nil
	case schema.EditReasonAmbiguous:
		return "must be given: several data sources have this column: " + strings.Join(wrong.Names, ", "), nil
	case schema.EditReasonElsewhere:
		return "the data source has no such column, but this one has: " + strings.Join(wrong.Names, ", "), nil
	case schema.EditReasonUnknown:
	}
	if wrong.Field == "data_source_id" {
		return "the report has no such data source" + withNames("; the data sources are ", wrong.Names), nil
	}
	if wrong.Text == "" {
		return "no data source of the report has this column", nil
	}
	near, err := s.similarColumns(ctx, in, wrong.Text)
	return "no data source of the report has this column" + withNames("; similar ones are ", near), err
}

// maxSimilar is the number of similar names in a problem.
const maxSimilar = 5

// similarColumns returns the columns of the report that are most similar to the text.
func (s *Server) similarColumns(ctx context.Context, in ReportPath, text string) ([]string, error) {
	columns, err := schema.ListCandidateColumns(ctx, s.db, in.CycleID, in.ReportID)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.SourceField()
	}
	return schema.Similar(text, names, maxSimilar), nil
}
