package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// EditError describes a column or a data source that an edit names and the report does not have, or values that do not
// fit together.
type EditError struct {
	// Field is the name of the field in the contract, and Index the index in it if it is a list.
	Field  string
	Index  int
	Reason EditReason
	// Text is the unknown source field.
	Text string
	// Names are the data sources that have the column, or those of the report if the data source is unknown.
	Names []string
}

// EditReason is why an edit is refused.
type EditReason string

const (
	// EditReasonMalformed means that the text is not schema.table.column.
	EditReasonMalformed EditReason = "malformed"
	// EditReasonUnknown means that the report has no such column or data source.
	EditReasonUnknown EditReason = "unknown"
	// EditReasonElsewhere means that the data source has no such column, but another one of the report has.
	EditReasonElsewhere EditReason = "elsewhere"
	// EditReasonAmbiguous means that several data sources have the column.
	EditReasonAmbiguous EditReason = "ambiguous"
	// EditReasonWithoutColumn means that a data source is given for a mapping without a column.
	EditReasonWithoutColumn EditReason = "without a column"
	// EditReasonNotFirst means that the main column is not the first of the columns.
	EditReasonNotFirst EditReason = "not the first column"
	// EditReasonTwice means that the columns contain one twice.
	EditReasonTwice EditReason = "given twice"
	// EditReasonDirect means that a mapping of several columns would be direct, or of no type.
	EditReasonDirect EditReason = "direct with several columns"
	// EditReasonWithoutRule means that a mapping that does not copy its column would have no transformation rule.
	EditReasonWithoutRule EditReason = "without a rule"
)

// Error implements error.
func (e *EditError) Error() string { return fmt.Sprintf("%s is %s", e.Field, e.Reason) }

// IsListed reports whether the error concerns one column of a list, at Index.
func (e *EditError) IsListed() bool { return e.Field == sourceFieldsName }

// EditErrors are the errors of an edit, at least one.
type EditErrors []*EditError

// Error implements error.
func (e EditErrors) Error() string {
	return strings.Join(each(e, func(err *EditError) string { return err.Error() }), "; ")
}

// columnName is a column that an edit names. The data source is empty if any of the report may have the column.
type columnName struct{ field, sourceID string }

// columnFinder has the columns and data sources of a report that edits name.
type columnFinder struct {
	// columns has the columns by identity, and sources the ids of the data sources that exist.
	columns map[string][]foundColumn
	sources map[string]bool
	// names are the data sources of the report. They are only read if an edit names an unknown one.
	names []string
}

// foundColumn is a column with the name and the id of its data source, as an error names them.
type foundColumn struct {
	SourceColumn `bun:"embed:"`
	SourceName   string `bun:"source_name"`
}

// sourceName is the SQL of the name and the id of a data source d.
const sourceName = "d.name || ' (' || d.id || ')'"

// findColumns reads the columns and data sources with these names, without columns that their source no longer has.
func findColumns(
	ctx context.Context, tx bun.Tx, cycleID, reportID string, names []columnName,
) (*columnFinder, error) {
	f := &columnFinder{columns: map[string][]foundColumn{}, sources: map[string]bool{}}
	var identities, ids []string
	for _, name := range names {
		if identity := identityOf(name.field); identity != "" {
			identities = append(identities, identity)
		}
		if name.sourceID != "" {
			ids = append(ids, name.sourceID)
		}
	}
	if len(identities) > 0 {
		var found []foundColumn
		err := tx.NewRaw(`select c.*, `+sourceName+` as source_name
			from source_columns c join data_sources d on d.id = c.data_source_id
			where d.cycle_id = ? and d.report_id = ? and c.identity = any(?) and c.missing_since is null
			order by d.name`,
			cycleID, reportID, pgdialect.Array(identities)).Scan(ctx, &found)
		if err != nil {
			return nil, fmt.Errorf("columns of report %s: %w", reportID, err)
		}
		for _, c := range found {
			f.columns[c.Identity] = append(f.columns[c.Identity], c)
		}
	}
	return f, f.findSources(ctx, tx, cycleID, reportID, ids)
}

// findSources reads the data sources with these ids, and the names of all if one of them does not exist.
func (f *columnFinder) findSources(ctx context.Context, tx bun.Tx, cycleID, reportID string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var found []string
	err := tx.NewRaw("select id from data_sources where cycle_id = ? and report_id = ? and id = any(?)",
		cycleID, reportID, pgdialect.Array(ids)).Scan(ctx, &found)
	for _, id := range found {
		f.sources[id] = true
	}
	for _, id := range ids {
		if err == nil && !f.sources[id] && f.names == nil {
			f.names = []string{}
			err = tx.NewRaw(`select `+sourceName+` from data_sources d where cycle_id = ? and report_id = ?
				order by name limit ?`, cycleID, reportID, MaxProblems).Scan(ctx, &f.names)
		}
	}
	if err != nil {
		return fmt.Errorf("data sources of report %s: %w", reportID, err)
	}
	return nil
}

// find returns the column with this name, in its data source if it names one. An error is [EditErrors]: the report
// does not have the column or the data source, or several data sources have the column.
func (f *columnFinder) find(name columnName) (SourceColumn, error) {
	var wrong EditErrors
	known := name.sourceID == "" || f.sources[name.sourceID]
	if !known {
		wrong = append(wrong, &EditError{Field: "data_source_id", Reason: EditReasonUnknown, Names: f.names})
	}
	named, ok := ParseSourceField(name.field)
	if !ok {
		return named, append(wrong, &EditError{Field: "source_field", Reason: EditReasonMalformed})
	}
	found := f.columns[ColumnIdentity(named.SchemaName, named.TableName, named.ColumnName)]
	var owners []string
	for _, c := range found {
		if known && c.DataSourceID == name.sourceID {
			return c.SourceColumn, nil
		}
		owners = append(owners, c.SourceName)
	}
	switch {
	case len(found) == 0:
		wrong = append(wrong, &EditError{Field: "source_field", Reason: EditReasonUnknown, Text: name.field})
	case !known:
	case name.sourceID != "":
		wrong = append(wrong, &EditError{Field: "source_field", Reason: EditReasonElsewhere, Names: owners})
	case len(found) > 1:
		wrong = append(wrong, &EditError{Field: "data_source_id", Reason: EditReasonAmbiguous, Names: owners})
	default:
		return found[0].SourceColumn, nil
	}
	return named, wrong
}
