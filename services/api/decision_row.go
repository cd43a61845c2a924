package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// cellError is an impossible value in a column.
type cellError struct{ column, reason string }

// Error implements error.
func (e *cellError) Error() string { return e.column + ": " + e.reason }

// row edits the mapping of a row if the row has changes. Reviewed reports that the row has a decision instead.
func (d *decisionImport) row(ctx context.Context, i int, m schema.Mapping) (reviewed bool, err error) {
	row := d.file.Rows[i]
	changed, err := d.changes(row, m)
	if wrong, ok := errors.AsType[*cellError](err); ok {
		d.refuse(i, wrong.column, wrong.reason)
		return false, nil
	}
	switch {
	case err != nil:
		return false, err
	case len(changed) == 0 && row.Decision != "":
		return true, nil
	case len(changed) == 0 && row.Comment != "":
		d.refuse(i, commentColumn, "needs a decision or a changed field")
	case len(changed) == 0:
		d.done.Unchanged++
	case row.Decision != "":
		d.refuse(i, decisionColumn, "must be empty if you change the mapping: a user cannot review their own edit")
	default:
		return false, d.edit(ctx, i, changed)
	}
	return false, nil
}

// changes returns the editable fields of which the row has another value than the export of the mapping. An error is a
// cellError for a value that the field cannot have.
func (d *decisionImport) changes(row tabular.DecisionRow, m schema.Mapping) (map[string]any, error) {
	shown := newMapping(schema.ListedMapping{Mapping: m})
	values, err := exportRow(nil, d.columns, &shown)
	if err != nil {
		return nil, err
	}
	changed := map[string]any{}
	for i, column := range d.columns {
		if !column.Editable || column.field < 0 || !slices.Contains(d.file.Columns, column.Name) {
			continue
		}
		value, differs, reason := changedValue(column, values[i], row.Cells[column.Name])
		if reason != "" {
			return nil, &cellError{column.Name, reason}
		}
		if differs {
			changed[column.Name] = value
		}
	}
	return changed, nil
}

// changedValue returns the value of a cell and whether it differs from the exported value. Reason is why the column
// cannot have the value.
func changedValue(column exportColumn, exported any, cell string) (value any, differs bool, reason string) {
	if text, _ := exported.(string); len(column.Choices) == 0 {
		if isExported(text, cell) {
			return nil, false, ""
		}
		if column.Name != "source_fields" {
			return cell, true, ""
		}
		fields, err := schema.ParseSourceFields(tabular.Unprotect(cell))
		if err != nil {
			return nil, false, "must be a list of schema.table.column, separated by commas"
		}
		return fields, true, ""
	}
	cell = strings.TrimSpace(cell)
	if flag, isFlag := exported.(bool); isFlag {
		exported = strconv.FormatBool(flag)
	}
	text, _ := exported.(string)
	if strings.EqualFold(cell, text) {
		return nil, false, ""
	}
	for _, choice := range column.Choices {
		if strings.EqualFold(choice, cell) {
			if choice == "TRUE" || choice == "FALSE" {
				return choice == "TRUE", true, ""
			}
			return choice, true, ""
		}
	}
	return nil, false, "must be one of " + strings.Join(column.Choices, ", ")
}

// isExported reports whether a cell still has the exported text. Spreadsheet programs change line ends, and a CSV file
// that was saved as a workbook still has the apostrophe of a protected text.
func isExported(text, cell string) bool {
	canonical := func(text string) string {
		return strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
	}
	cell = canonical(cell)
	return cell == canonical(text) || cell == canonical(tabular.SheetText(text)) ||
		cell == canonical(tabular.Protect(text))
}

// edit sets the fields of the mapping of a row, with the rules of a request for one mapping.
func (d *decisionImport) edit(ctx context.Context, i int, changed map[string]any) error {
	row := d.file.Rows[i]
	text, err := json.Marshal(changed)
	if err != nil {
		return fmt.Errorf("edit of mapping %s: %w", row.ID, err)
	}
	var body EditBody
	if err := json.Unmarshal(text, &body); err != nil {
		return fmt.Errorf("edit of mapping %s: %w", row.ID, err)
	}
	path := MappingPath{ReportPath: d.report, ID: row.ID}
	decision := path.decision(ctx, row.Version, row.Comment)
	edit, _, err := body.edit()
	if err == nil {
		var decided schema.Decided
		decided, err = schema.EditMapping(ctx, d.tx, decision, edit)
		if wrong, ok := errors.AsType[*schema.EditError](err); ok {
			if len(d.problems.First) >= schema.MaxProblems {
				// The response names no further problem, so similar names need not be found.
				d.refuse(i, wrong.Field, "is not possible")
				return nil
			}
			err = d.server.editProblem(ctx, d.tx, d.report, wrong)
		}
		if err == nil && decided.Changed() {
			d.done.Edited++
		} else if err == nil {
			d.done.Unchanged++
		}
	}
	if p, ok := errors.AsType[*Problem](err); ok && p.cause == nil {
		for _, e := range p.Errors {
			column, reason := strings.TrimPrefix(e.Location, "body."), e.Message
			if list, index, found := strings.Cut(strings.TrimSuffix(column, "]"), "["); found {
				n, _ := strconv.Atoi(index)
				column, reason = list, fmt.Sprintf("column %d of the list: %s", n+1, reason)
			}
			d.refuse(i, column, reason)
		}
		return nil
	}
	return err
}

// review makes the decisions of the rows, those with the same decision and comment at once.
func (d *decisionImport) review(ctx context.Context, rows []int) error {
	if len(rows) == 0 {
		return nil
	}
	author := callerOf(ctx).User
	ids := make([]string, len(rows))
	for n, i := range rows {
		ids[n] = d.file.Rows[i].ID
	}
	own, err := schema.ListOwnEdits(ctx, d.tx, author, ids)
	if err != nil {
		return err
	}
	type kind struct {
		status  schema.ReviewStatus
		comment string
	}
	isOwn, groups, order := map[string]bool{}, map[kind][]schema.MappingVersion{}, []kind{}
	for _, id := range own {
		isOwn[id] = true
	}
	for _, i := range rows {
		row := d.file.Rows[i]
		if isOwn[row.ID] {
			d.refuse(i, decisionColumn, "you were the last to edit this mapping; another manager has to review it")
			continue
		}
		k := kind{row.Decision, row.Comment}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], schema.MappingVersion{ID: row.ID, Version: row.Version})
	}
	for _, k := range order {
		counts, err := schema.ReviewMappings(ctx, d.tx, schema.Review{
			CycleID: d.report.CycleID, ReportID: d.report.ReportID, Status: k.status, Author: author,
			Comment: k.comment,
		}, groups[k])
		if err != nil {
			return err
		}
		d.done.Decided += counts.Decided
		d.done.Unchanged += counts.Unchanged
	}
	return nil
}
