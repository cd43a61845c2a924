package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// maxSearched is the number of unknown columns in a file of decisions for which similar ones are searched.
const maxSearched = 10

// decision returns the decision of a row about its mapping, and false if the row has none. It refuses the row for each
// cell that is impossible. The decision of a refused row is returned too, for the checks against the database.
func (d *decisionImport) decision(
	i int, row tabular.DecisionRow, m schema.Mapping,
) (decision schema.BulkDecision, found bool, err error) {
	decision = schema.BulkDecision{Mapping: m, Comment: row.Comment}
	changed, wrong, err := d.changes(row, m)
	if err != nil {
		return decision, false, err
	}
	for _, cell := range wrong {
		d.refuse(i, cell.column, cell.reason)
	}
	if len(changed) > 0 {
		if row.Decision != "" {
			d.refuse(i, decisionColumn, "must be empty if you change the mapping: a user cannot review their own edit")
		}
		decision.Edit, err = d.edit(i, changed)
		return decision, true, err
	}
	decision.Status = row.Decision
	switch {
	case row.Decision != "" || d.refused[i]:
	case row.Comment != "":
		d.refuse(i, commentColumn, "needs a decision or a changed field")
	default:
		d.done.Unchanged++
	}
	return decision, row.Decision != "", nil
}

// cellError is an impossible value in a column.
type cellError struct{ column, reason string }

// changes returns the editable fields of which the row has another value than the export of the mapping, and the cells
// with a value that the field cannot have.
func (d *decisionImport) changes(
	row tabular.DecisionRow, m schema.Mapping,
) (changed map[string]any, wrong []cellError, err error) {
	shown := newMapping(schema.ListedMapping{Mapping: m})
	values, err := exportRow(nil, d.columns, &shown)
	if err != nil {
		return nil, nil, err
	}
	changed = map[string]any{}
	for n, column := range d.columns {
		if !d.given[n] {
			continue
		}
		cell := ""
		if n < len(row.Cells) {
			cell = row.Cells[n]
		}
		value, differs, reason := changedValue(column, values[n], cell)
		switch {
		case reason != "":
			wrong = append(wrong, cellError{column.Name, reason})
		case differs && !column.Editable:
			reason := "cannot be changed here; a review belongs under " + decisionColumn
			wrong = append(wrong, cellError{column.Name, reason})
		case differs:
			changed[column.Name] = value
		}
	}
	return changed, wrong, nil
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
	if cell == "" && exported == nil {
		return nil, false, ""
	}
	if column.isFlag() {
		flag, ok := tabular.ParseFlag(cell)
		if ok {
			return flag, exported != flag, ""
		}
	}
	for _, choice := range column.Choices {
		if strings.EqualFold(choice, cell) && !column.isFlag() {
			return choice, exported != choice, ""
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

// edit returns the edit with the changed fields of a row. It refuses the row for each value that a request for one
// mapping could not have.
func (d *decisionImport) edit(i int, changed map[string]any) (edit schema.MappingEdit, err error) {
	var body EditBody
	text, err := json.Marshal(changed)
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		return edit, fmt.Errorf("edit of mapping %s: %w", d.file.Rows[i].ID, err)
	}
	edit, _, err = body.edit()
	if p, ok := errors.AsType[*Problem](err); ok {
		for _, e := range p.Errors {
			column, reason := strings.TrimPrefix(e.Location, "body."), e.Message
			if list, index, found := strings.Cut(strings.TrimSuffix(column, "]"), "["); found {
				n, _ := strconv.Atoi(index)
				column, reason = list, listReason(n, reason)
			}
			d.refuse(i, column, reason)
		}
		return edit, nil
	}
	return edit, err
}

// listReason returns the reason for a column of a list.
func listReason(index int, reason string) string {
	return fmt.Sprintf("column %d of the list: %s", index+1, reason)
}

// count counts the outcome of a row's decision.
func (d *decisionImport) count(i int, outcome schema.BulkOutcome) {
	if wrong, ok := errors.AsType[schema.EditErrors](outcome.Err); ok {
		for _, e := range wrong {
			d.add(conflict{row: i, wrong: e})
		}
	} else if outcome.Err != nil {
		d.refuse(i, decisionColumn, "you were the last to edit this mapping; another manager has to review it")
	}
	switch {
	case d.refused[i]:
	case !outcome.Changed:
		d.done.Unchanged++
	case d.file.Rows[i].Decision != "":
		d.done.Decided++
	default:
		d.done.Edited++
	}
}

// stale refuses a row whose mapping has changed since the export, unless the row is as it was exported.
func (d *decisionImport) stale(
	i int, row tabular.DecisionRow, m schema.Mapping, earlier map[string]schema.Mapping,
) {
	if old, found := earlier[row.ID]; found && row.Decision == "" && row.Comment == "" {
		if changed, wrong, err := d.changes(row, old); err == nil && len(changed)+len(wrong) == 0 {
			d.done.Unchanged++
			return
		}
	}
	d.refuse(i, "version", fmt.Sprintf("the mapping has version %d since a change by %s, and this row is older: "+
		"export again and repeat your change", m.Version, m.UpdatedBy))
}
