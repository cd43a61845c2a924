package schema

import (
	"errors"
	"slices"
)

// sourceFieldsName is the name of the list of columns in the contract, and sourceFieldName that of the main one.
const sourceFieldsName, sourceFieldName = "source_fields", "source_field"

// editColumns sets the columns, and what follows from the main one.
func (d Decision) editColumns(columns *columnFinder, m *Mapping, edit MappingEdit) error {
	if edit.SourceField == nil && edit.SourceFields == nil && edit.DataSourceID == nil {
		return nil
	}
	main, others, err := edit.columns(*m)
	if err != nil {
		return err
	}
	before := m.AllSourceFields()
	if err := d.editColumn(columns, m, main, edit.DataSourceID); err != nil {
		wrong, _ := errors.AsType[EditErrors](err)
		for _, e := range wrong {
			if edit.SourceField == nil && edit.SourceFields != nil && e.Field == sourceFieldName {
				e.Field = sourceFieldsName
			}
		}
		return err
	}
	if m.SourceField == "" {
		return nil
	}
	fields, err := columns.findOthers(m.SourceField, others)
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

// findOthers returns the main column followed by the others, as the report has them in any data source. An error is
// [EditErrors].
func (f *columnFinder) findOthers(main string, others SourceFields) (SourceFields, error) {
	fields := SourceFields{main}
	var wrong EditErrors
	for i, field := range others {
		column, err := f.find(columnName{field: field})
		refused, _ := errors.AsType[EditErrors](err)
		switch {
		case len(refused) > 0 && refused[0].Reason == EditReasonAmbiguous: // only the main column has a data source
			column, _ = ParseSourceField(field)
		case len(refused) > 0:
			refused[0].Field, refused[0].Index = sourceFieldsName, i+1
			wrong = append(wrong, refused[0])
			continue
		}
		if slices.Contains(fields, column.SourceField()) {
			wrong = append(wrong, &EditError{Field: sourceFieldsName, Index: i + 1, Reason: EditReasonTwice})
			continue
		}
		fields = append(fields, column.SourceField())
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return fields, nil
}

// columnNames returns the columns that the edit names, the main one first. It returns none if the edit names none, or
// if what it names does not fit together.
func (edit MappingEdit) columnNames(m Mapping) (names []columnName) {
	if edit.SourceField == nil && edit.SourceFields == nil && edit.DataSourceID == nil {
		return nil
	}
	main, others, err := edit.columns(m)
	if err != nil {
		return nil
	}
	names = append(names, mainName(m, main, edit.DataSourceID))
	for _, field := range others {
		names = append(names, columnName{field: field})
	}
	return names
}

// mainName returns the name of the main column in its data source, which is empty if it follows from the column.
func mainName(m Mapping, field string, source *string) columnName {
	name := columnName{field: field}
	set(&name.sourceID, source)
	if name.sourceID == "" && field == m.SourceField {
		name.sourceID = m.DataSourceID
	}
	return name
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
		return "", nil, EditErrors{{Field: sourceFieldsName, Index: i, Reason: EditReasonMalformed}}
	}
	if len(given) > 0 {
		main, others = canonicalField(given[0]), given[1:]
	}
	if edit.SourceField != nil && canonicalField(*edit.SourceField) != main {
		return "", nil, EditErrors{{Field: sourceFieldName, Reason: EditReasonNotFirst}}
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

// checkRule returns [EditErrors] if the edit changes how the mapping follows from its columns and does not describe
// it: only a direct mapping needs no rule, and that has one column.
func (edit MappingEdit) checkRule(m Mapping) error {
	switch {
	case edit.SourceFields == nil && edit.MappingType == nil && edit.TransformationRule == nil:
		return nil
	case len(m.SourceFields) > 0 && (m.MappingType == MappingTypeDirect || m.MappingType == ""):
		return EditErrors{{Field: "mapping_type", Reason: EditReasonDirect}}
	case m.SourceField != "" && m.MappingType != "" && m.MappingType != MappingTypeDirect && m.TransformationRule == "":
		return EditErrors{{Field: "transformation_rule", Reason: EditReasonWithoutRule}}
	default:
		return nil
	}
}

// editColumn sets the main column, and what follows from it: the data source, and the name and the description of the
// element. An empty field removes all columns.
func (d Decision) editColumn(columns *columnFinder, m *Mapping, field string, source *string) error {
	name := mainName(*m, field, source)
	if field == "" {
		if source != nil && *source != "" {
			return EditErrors{{Field: "data_source_id", Reason: EditReasonWithoutColumn}}
		}
		if m.SourceField != "" {
			m.setSourceFields(nil)
			m.DataSourceID, m.PDEName, m.PDECode, m.PDEDescription = "", "", "", ""
			m.MappingType, m.TransformationRule = "", ""
			m.ConfidenceScore, m.MappingRationale = new(decidedConfidence), d.rationale("no column")
		}
		return nil
	}
	column, err := columns.find(name)
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
