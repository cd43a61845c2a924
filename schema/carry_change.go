package schema

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun/dialect/pgdialect"
)

// carryTarget has the columns and the editors of the mappings of a page.
type carryTarget struct {
	// columns are the columns of the new cycle, and earlier those of the earlier one.
	columns, earlier map[namedColumn]carriedColumn
	// editors are the last editors of the mappings of the earlier cycle, by the ids of the mappings.
	editors map[string]string
}

// namedColumn identifies a column in any cycle. Source is the name of its data source; empty for any.
type namedColumn struct{ source, identity string }

// carriedColumn is a column to which mappings may refer.
type carriedColumn struct {
	Source       string `bun:"source"`
	Identity     string `bun:"identity"`
	DataSourceID string `bun:"data_source_id"`
	DataType     string `bun:"data_type"`
}

// identityOf returns the identity of the column that a source field names. It is empty if the field is.
func identityOf(sourceField string) string {
	named, ok := ParseSourceField(sourceField)
	if !ok {
		return ""
	}
	return ColumnIdentity(named.SchemaName, named.TableName, named.ColumnName)
}

// readTarget reads the columns and the editors of the page.
func (c *carrier) readTarget(ctx context.Context, pairs []attributePair) (target carryTarget, err error) {
	var identities, ids []string
	for _, p := range pairs {
		ids = append(ids, p.Mapping.ID)
		identities = append(identities, identityOf(p.Mapping.SuggestedSourceField))
		for _, field := range p.Mapping.AllSourceFields() {
			identities = append(identities, identityOf(field))
		}
		for _, other := range p.Mapping.AlternativeMappings {
			identities = append(identities, identityOf(other.SourceField))
		}
	}
	slices.Sort(identities)
	identities = slices.Compact(identities)
	if target.earlier, err = c.readColumns(ctx, c.FromCycleID, identities); err != nil {
		return target, err
	}
	target.columns = target.earlier
	if c.write != nil || !c.copiesColumns { // a preview does not copy the columns
		if target.columns, err = c.readColumns(ctx, c.CycleID, identities); err != nil {
			return target, err
		}
	}
	target.editors, err = listLastEditors(ctx, c.db, ids)
	return target, err
}

// readColumns returns the columns of the report in the cycle that have one of the identities, without missing ones.
func (c *carrier) readColumns(
	ctx context.Context, cycleID string, identities []string,
) (map[namedColumn]carriedColumn, error) {
	var rows []carriedColumn
	err := c.db.NewRaw(`select d.name as source, c.identity, c.data_source_id, c.data_type
		from data_sources d join source_columns c on c.data_source_id = d.id
		where d.cycle_id = ? and d.report_id = ? and c.identity = any(?) and c.missing_since is null order by d.name`,
		cycleID, c.ReportID, pgdialect.Array(identities)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("columns of report %s in cycle %s: %w", c.ReportID, cycleID, err)
	}
	columns := make(map[namedColumn]carriedColumn, 2*len(rows))
	for _, row := range rows {
		columns[namedColumn{row.Source, row.Identity}] = row
		columns[namedColumn{"", row.Identity}] = row
	}
	return columns, nil
}

// has reports whether the new cycle has the column.
func (t carryTarget) has(sourceField string) bool {
	_, ok := t.columns[namedColumn{"", identityOf(sourceField)}]
	return ok
}

// isKept reports whether there is nothing to carry over: the mapping has no values in the earlier cycle, or it is
// neither confirmed nor reviewed there and has values in the new cycle.
func (p attributePair) isKept() bool {
	decided := p.Mapping.MappingConfirmedByUser || p.Mapping.ReviewStatus != ReviewStatusPending
	return !decided && (!p.Mapping.hasValues() || p.OtherMapping.hasValues())
}

// hasValues reports whether a job, a person or an import has set a field of the mapping.
func (m *Mapping) hasValues() bool {
	return !equalMappings(m, &Mapping{}, func(c *mappingColumn) bool { return c.name != "review_status" })
}

// carry returns the mapping of the pair after it is carried over, and the reasons why it needs revision.
func (c *carrier) carry(p attributePair, target carryTarget) (after Mapping, reason string) {
	after = p.OtherMapping
	from, to := reflect.ValueOf(&p.Mapping).Elem(), reflect.ValueOf(&after).Elem()
	for _, column := range mappingColumns {
		to.Field(column.field).Set(from.Field(column.field))
	}
	reasons := append(attributeReasons(p.Attribute, p.Other), target.carryColumns(&after, p.Source)...)
	after.AlternativeMappings = slices.DeleteFunc(slices.Clone(after.AlternativeMappings),
		func(a Alternative) bool { return !target.has(a.SourceField) })
	if !target.has(after.SuggestedSourceField) {
		after.SuggestedSourceField = ""
	}
	if after.MappingConfirmedByUser {
		after.suggestValuesOf(p.OtherMapping)
	}
	after.CarriedFrom, after.InputHash = c.FromCycleID, ""
	if reason = strings.Join(reasons, " "); reason != "" {
		after.ReviewStatus, after.ReviewedBy, after.ReviewedAt = ReviewStatusNeedsRevision, CarryOverReviewer, c.now
	}
	return after, reason
}

// carryColumns replaces the columns of the mapping by those of the new cycle. It removes the ones that the new cycle
// does not have, and returns a sentence for each and for those with another type. Source is the name of the data source
// of the main column.
func (t carryTarget) carryColumns(m *Mapping, source string) (reasons []string) {
	all := m.AllSourceFields()
	if len(all) == 0 {
		m.DataSourceID = "" // an import may name a data source without a column
	}
	var left SourceFields
	for i, field := range all {
		key := namedColumn{"", identityOf(field)} // only the main column has a data source
		if i == 0 {
			key.source = source
		}
		column, ok := t.columns[key]
		earlier := t.earlier[key]
		gone := fmt.Sprintf("No data source has the column %s in this cycle.", field)
		if key.source != "" {
			gone = fmt.Sprintf("The data source %s has no column %s in this cycle.", source, field)
		}
		switch {
		case !ok && i == 0:
			m.dropColumn(gone)
			return []string{gone}
		case !ok:
			reasons = append(reasons, gone)
			continue
		case !sameType(earlier.DataType, column.DataType):
			reasons = append(reasons, fmt.Sprintf("The data type of the column %s has changed from %s to %s.",
				field, earlier.DataType, column.DataType))
		}
		if i == 0 && source != "" {
			m.DataSourceID = column.DataSourceID
		}
		left = append(left, field)
	}
	m.setSourceFields(left)
	return reasons
}

// comment returns the comment of the history for a mapping that is carried over.
func (c *carrier) comment(reason string) string {
	text := "Carried over from cycle " + c.FromCycleID + "."
	if reason != "" {
		text += " Needs revision: " + reason
	}
	return text
}

// attributeReasons returns a sentence for each change of the attribute's definition.
func attributeReasons(before, after Attribute) (reasons []string) {
	names := map[string]string{
		"attribute_name": "name", "description": "description", "data_type": "data type",
		"line_item_number": "line item number", "technical_line_item_name": "technical name", "mdrm": "MDRM code",
		"is_mandatory": "mandatory flag", "is_cde": "critical data element flag", "is_primary_key": "primary key flag",
		"validation_rules": "validation rules",
	}
	for _, change := range before.changes(after) {
		name, defines := names[change.Field]
		if !defines { // whether the data has issues is not part of the definition
			continue
		}
		text := "The " + name + " of the attribute has changed"
		switch change.Field {
		case "description", "validation_rules": // too long to repeat
		default:
			text += fmt.Sprintf(" from %s to %s", shownValue(change.Before), shownValue(change.After))
		}
		reasons = append(reasons, text+".")
	}
	return reasons
}

func shownValue(value any) string {
	switch value {
	case "":
		return "nothing"
	case true:
		return "yes"
	case false:
		return "no"
	default:
		return fmt.Sprint(value)
	}
}

// sameType reports whether two data types of a column are equal but for case and spaces. An unknown type equals any.
func sameType(a, b string) bool {
	normal := func(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), "")) }
	return a == "" || b == "" || normal(a) == normal(b)
}

// suggestValuesOf adds suggestions for the values of the other mapping that differ.
func (m *Mapping) suggestValuesOf(other Mapping) {
	suggestOther(&m.SuggestedSourceField, other.SourceField)
	suggestOther(&m.SuggestedInformationSecurityClassification, other.InformationSecurityClassification)
	suggestOther(&m.SuggestedCriticality, other.Criticality)
	suggestOther(&m.SuggestedRiskLevel, other.RiskLevel)
	if other.RegulatoryFlag != nil {
		m.SuggestedRegulatoryFlag = other.RegulatoryFlag
	}
	if other.PIIFlag != nil {
		m.SuggestedPIIFlag = other.PIIFlag
	}
	m.dropAnsweredSuggestions()
}

func suggestOther[T ~string](suggestion *T, value T) {
	if value != "" {
		*suggestion = value
	}
}
