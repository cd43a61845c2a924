package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/uptrace/bun"
)

// sourceFieldsName is the name of the list of columns in the contract, and sourceFieldName that of the main one.
const sourceFieldsName, sourceFieldName = "source_fields", "source_field"

// editColumns sets the columns, and what follows from the main one.
func (d Decision) editColumns(ctx context.Context, tx bun.Tx, m *Mapping, edit MappingEdit) error {
	if edit.SourceField == nil && edit.SourceFields == nil && edit.DataSourceID == nil {
		return nil
	}
	main, others, err := edit.columns(*m)
	if err != nil {
		return err
	}
	before := m.AllSourceFields()
	if err := d.editColumn(ctx, tx, m, main, edit.DataSourceID); err != nil {
		wrong, ok := errors.AsType[*EditError](err)
		if ok && edit.SourceField == nil && wrong.Field == sourceFieldName {
			wrong.Field = sourceFieldsName
		}
		return err
	}
	if m.SourceField == "" {
		return nil
	}
	fields, err := d.findOthers(ctx, tx, m.SourceField, others)
	if err != nil {
		return err
	}
	m.setSourceFields(fields)
	if slices.Equal(fields, before) {
		return nil
	}
	what := "the column "
	if len(fields) > 1 {
		what = "the columns "
	}
	m.ConfidenceScore, m.MappingRationale = new(decidedConfidence), d.rationale(what+fields.String())
	m.AlternativeMappings = slices.DeleteFunc(slices.Clone(m.AlternativeMappings),
		func(a Alternative) bool { return slices.Contains(fields, a.SourceField) })
	return nil
}

// findOthers returns the main column followed by the others, as the report has them in any data source.
func (d Decision) findOthers(ctx context.Context, tx bun.Tx, main string, others SourceFields) (SourceFields, error) {
	fields := SourceFields{main}
	for i, field := range others {
		column, err := d.findColumn(ctx, tx, field, "")
		wrong, refused := errors.AsType[*EditError](err)
		switch {
		case refused && wrong.Reason == EditReasonAmbiguous: // only the main column has a data source
			column, _ = ParseSourceField(field)
		case refused:
			wrong.Field, wrong.Index = sourceFieldsName, i+1
			return nil, wrong
		case err != nil:
			return nil, err
		}
		if slices.Contains(fields, column.SourceField()) {
			return nil, &EditError{Field: sourceFieldsName, Index: i + 1, Reason: EditReasonTwice}
		}
		fields = append(fields, column.SourceField())
	}
	return fields, nil
}

// columns returns the main column and the others that the mapping has after the edit.
func (edit MappingEdit) columns(m Mapping) (main string, others SourceFields, err error) {
	if edit.SourceFields == nil {
		if main = m.SourceField; edit.SourceField != nil {
			main = canonicalField(*edit.SourceField)
		}
		return main, m.others(main), nil
	}
	given := *edit.SourceFields
	if i := slices.Index(given, ""); i >= 0 {
		return "", nil, &EditError{Field: sourceFieldsName, Index: i, Reason: EditReasonMalformed}
	}
	if len(given) > 0 {
		main, others = canonicalField(given[0]), given[1:]
	}
	if edit.SourceField != nil && canonicalField(*edit.SourceField) != main {
		return "", nil, &EditError{Field: sourceFieldName, Reason: EditReasonNotFirst}
	}
	return main, others, nil
}

// canonicalField returns a source field with only the quotes that it needs, or the text if it is no source field.
func canonicalField(text string) string {
	if column, ok := ParseSourceField(text); ok {
		return column.SourceField()
	}
	return text
}

// checkRule returns an [EditError] if the edit changes how the mapping follows from its columns and does not describe
// it: only a direct mapping needs no rule, and that has one column.
func (edit MappingEdit) checkRule(m Mapping) error {
	switch {
	case edit.SourceFields == nil && edit.MappingType == nil && edit.TransformationRule == nil:
		return nil
	case len(m.SourceFields) > 0 && (m.MappingType == MappingTypeDirect || m.MappingType == ""):
		return &EditError{Field: "mapping_type", Reason: EditReasonDirect}
	case m.SourceField != "" && m.MappingType != "" && m.MappingType != MappingTypeDirect && m.TransformationRule == "":
		return &EditError{Field: "transformation_rule", Reason: EditReasonWithoutRule}
	default:
		return nil
	}
}

// editColumn sets the main column, and what follows from it: the data source, and the name and the description of the
// element. An empty field removes all columns.
func (d Decision) editColumn(ctx context.Context, tx bun.Tx, m *Mapping, field string, source *string) error {
	var sourceID string
	set(&sourceID, source)
	if field == "" {
		if sourceID != "" {
			return &EditError{Field: "data_source_id", Reason: EditReasonWithoutColumn}
		}
		if m.SourceField != "" {
			m.setSourceFields(nil)
			m.DataSourceID, m.PDEName, m.PDECode, m.PDEDescription = "", "", "", ""
			m.MappingType, m.TransformationRule = "", ""
			m.ConfidenceScore, m.MappingRationale = new(decidedConfidence), d.rationale("no column")
		}
		return nil
	}
	if sourceID == "" && field == m.SourceField {
		sourceID = m.DataSourceID
	}
	column, err := d.findColumn(ctx, tx, field, sourceID)
	if err != nil {
		return err
	}
	if column.SourceField() == m.SourceField && column.DataSourceID == m.DataSourceID {
		return nil
	}
	m.SourceField, m.DataSourceID = column.SourceField(), column.DataSourceID
	m.PDEName, m.PDECode, m.PDEDescription = column.ColumnName, "", column.Description
	if m.MappingType == "" {
		m.MappingType = MappingTypeDirect
	}
	m.ConfidenceScore, m.MappingRationale = new(decidedConfidence), d.rationale("the column "+m.SourceField)
	m.AlternativeMappings = slices.DeleteFunc(slices.Clone(m.AlternativeMappings),
		func(a Alternative) bool { return a.SourceField == m.SourceField })
	return nil
}

// findColumn returns the column of the report with this source field, in this data source if one is given. It
// returns an [EditError] if the report does not have it, or if several data sources have it.
func (d Decision) findColumn(ctx context.Context, tx bun.Tx, field, sourceID string) (SourceColumn, error) {
	named, ok := ParseSourceField(field)
	if !ok {
		return named, &EditError{Field: "source_field", Reason: EditReasonMalformed}
	}
	if sourceID != "" {
		_, err := GetDataSource(ctx, tx, d.CycleID, d.ReportID, sourceID)
		if errors.Is(err, ErrNotFound) {
			return named, d.unknown(ctx, tx, "data_source_id", `select name || ' (' || id || ')' from data_sources
				where cycle_id = ? and report_id = ? order by name limit ?`)
		}
		if err != nil {
			return named, err
		}
	}
	var found []struct {
		SourceColumn `bun:"embed:"`
		SourceName   string `bun:"source_name"`
	}
	err := tx.NewRaw(`select c.*, d.name || ' (' || d.id || ')' as source_name
		from source_columns c join data_sources d on d.id = c.data_source_id
		where d.cycle_id = ? and d.report_id = ? and c.identity = ? order by d.name`,
		d.CycleID, d.ReportID, ColumnIdentity(named.SchemaName, named.TableName, named.ColumnName)).Scan(ctx, &found)
	if err != nil {
		return named, fmt.Errorf("column of report %s: %w", d.ReportID, err)
	}
	var owners []string
	for _, c := range found {
		if c.DataSourceID == sourceID {
			return c.SourceColumn, nil
		}
		owners = append(owners, c.SourceName)
	}
	switch {
	case len(found) == 0:
		return named, &EditError{Field: "source_field", Reason: EditReasonUnknown, Text: field}
	case sourceID != "":
		return named, &EditError{Field: "source_field", Reason: EditReasonElsewhere, Names: owners}
	case len(found) > 1:
		return named, &EditError{Field: "data_source_id", Reason: EditReasonAmbiguous, Names: owners}
	default:
		return found[0].SourceColumn, nil
	}
}

// unknown returns the [EditError] with the names that the query lists.
func (d Decision) unknown(ctx context.Context, tx bun.Tx, field, query string) error {
	names := []string{}
	if err := tx.NewRaw(query, d.CycleID, d.ReportID, MaxProblems).Scan(ctx, &names); err != nil {
		return fmt.Errorf("%s of report %s: %w", field, d.ReportID, err)
	}
	return &EditError{Field: field, Reason: EditReasonUnknown, Names: names}
}
